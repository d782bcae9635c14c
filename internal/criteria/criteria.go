// Package criteria holds conditions that merchants write: who may join a campaign, who gets a reward. They are CEL
// (https://cel.dev): typed, without side effects, and checked when they are saved.
//
//	friend.new_customer && origin.subtotal >= 5000
//	items.exists(i, i.product_id == "chair") ? "" : "Only chairs are rewarded"
//
// A condition gives true or false, or a text. As Talkable has it, an empty text and "true" are a yes, and any other text is a no and
// the reason that is shown. Money is in minor units. What may be asked for stands in Facts, and docs/criteria.md has the table.
//
// What a condition costs is bounded: its text, its depth, its patterns, and the work of an evaluation. One that needs too much work,
// or cannot be evaluated (a division by zero, a missing key), is not met; its reason says why. That depends on the facts alone, so
// the same facts always have the same answer.
package criteria

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/types"
)

const maxReason = 300 // characters that are shown

// Verdict is the answer to a condition.
type Verdict struct {
	Met    bool
	Reason string // why not, in the merchant's words or ours; "" when the condition says false
}

// Text is the condition as it was written.
func (c *Criteria) Text() string { return c.text }

// Uses says whether the condition asks for a variable, so that its facts need not be gathered otherwise.
func (c *Criteria) Uses(variable string) bool { return c.uses[variable] }

// Names says whether the condition names a member of a variable, as "person.segments".
func (c *Criteria) Names(member string) bool { return c.named[member] }

// Ask answers the condition. The error is not an answer: ctx has ended, or the evaluation took too long.
func (c *Criteria) Ask(ctx context.Context, f Facts) (Verdict, error) {
	if c.program == nil {
		return Verdict{Met: true}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	value, _, err := c.program.ContextEval(ctx, c.bind(f))
	switch {
	case ctx.Err() != nil:
		return Verdict{}, fmt.Errorf("criteria took too long: %w", ctx.Err())
	case err != nil:
		return Verdict{Reason: "the criteria cannot be evaluated: " + plain(err.Error())}, nil
	}
	switch v := value.(type) {
	case types.Bool:
		return Verdict{Met: bool(v)}, nil
	case types.String:
		return said(string(v)), nil
	default:
		return Verdict{Reason: "the criteria give neither true, false nor a text"}, nil
	}
}

func said(text string) Verdict {
	text = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "?"))
	switch text {
	case "", "true":
		return Verdict{Met: true}
	case "false":
		return Verdict{}
	}
	if runes := []rune(text); len(runes) > maxReason {
		text = string(runes[:maxReason]) + "…"
	}
	return Verdict{Reason: text}
}

// factFields are found once: a condition is asked for each order.
var factFields = reflect.VisibleFields(reflect.TypeFor[Facts]())

// bind gives the evaluation the variables that it asks for.
func (c *Criteria) bind(f Facts) map[string]any {
	values := reflect.ValueOf(f)
	out := map[string]any{}
	for _, v := range factFields {
		if name := v.Tag.Get("cel"); c.uses[name] {
			out[name] = values.FieldByIndex(v.Index).Interface()
		}
	}
	return out
}

// Seen are the values that the condition named, to be kept with the decision; those that are personal are left out.
func (c *Criteria) Seen(f Facts) map[string]any {
	values := reflect.ValueOf(f)
	out := map[string]any{}
	for name, at := range c.seen {
		out[name] = values.FieldByIndex(at).Interface()
	}
	return out
}
