package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/web"
)

// What a step does.
const (
	stepCreate = "create"
	stepChange = "change"
	stepRetire = "retire"
	stepReset  = "reset"
)

// What became of a step.
const (
	stepPlanned = "planned"
	stepDone    = "done"
	stepFailed  = "failed"
	stepWaiting = "waiting"
)

// stepJSON is a step as it is answered.
type stepJSON struct {
	Step      int          `json:"step" doc:"Its number: they are taken in this order"`
	Action    string       `json:"action" enum:"create,change,retire,reset" doc:"retire: archive or disable what the file doesn't name any more; reset: a part of a campaign back to what is usual. Both only with prune"`
	Section   string       `json:"section" example:"rewards"`
	Name      string       `json:"name" doc:"Of the thing, in its section" example:"$5 off"`
	Part      *string      `json:"part" doc:"Settings of a campaign that are set apart: links, limits or fraud_policy; null: the thing itself"`
	Changes   []changeJSON `json:"changes" doc:"What differs; of what is made anew all does, and nothing is listed"`
	Members   *int64       `json:"members" doc:"How many members it moves between tiers; null where it moves none by its nature"`
	Effects   []string     `json:"effects" doc:"What it does to what is there already, in words"`
	Rehearsed bool         `json:"rehearsed" doc:"The step was tried and taken back: it will not be refused as things are. false where it needs what an earlier step makes"`
	Status    string       `json:"status" enum:"planned,done,failed,waiting" doc:"waiting: an earlier step failed"`
	Problem   *problemJSON `json:"problem" doc:"Why it failed; null unless it did"`
}

type changeJSON struct {
	Place  string          `json:"place" doc:"Elements of lists by their key, identifier or name" example:"tiers[Gold].threshold"`
	Before json.RawMessage `json:"before" doc:"As the site has it; null: nothing"`
	After  json.RawMessage `json:"after" doc:"As the site will have it; null: nothing"`
}

// problemJSON is a problem inside an answer.
type problemJSON struct {
	Status int         `json:"status"`
	Code   string      `json:"code"`
	Detail string      `json:"detail"`
	Errors []fieldJSON `json:"errors" doc:"Place by place; pointers into the request"`
}

type fieldJSON struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// fileStep is a step as it is taken.
type fileStep struct {
	stepJSON
	section *blueprint.Section
	part    *blueprint.Part
	op      string
	at      string            // where the file says it, as a JSON pointer; "" where it says nothing
	id      int64             // 0: made by an earlier step, or by this
	body    *blueprint.Object // as the file says it
}

// differs lists what a step changes.
func (m *fileStep) differs(all []blueprint.Change) {
	m.Changes = make([]changeJSON, len(all))
	for i, c := range all {
		m.Changes[i] = changeJSON{c.Place, blueprint.JSON(c.Before), blueprint.JSON(c.After)}
	}
}

// pointer is where the request has what the API found fault with in a step's body.
func (m *fileStep) pointer(of string) string {
	if of == "/effective_at" {
		return of
	}
	at := "/file" + m.at
	if m.part != nil {
		at += "/" + m.part.Name
		if rest, ok := strings.CutPrefix(of, "/"+m.part.Body); ok && m.part.Body != "" {
			of = rest
		}
	}
	if !strings.HasPrefix(of, "/") {
		return at
	}
	return at + blueprint.Pointer(of)
}

// fields are what a refusal finds fault with, by places of the request.
func (m *fileStep) fields(p *web.Problem) []fieldJSON {
	out := []fieldJSON{}
	for _, f := range p.Errors {
		out = append(out, fieldJSON{m.pointer(f.Pointer), f.Detail})
	}
	if len(out) == 0 {
		out = append(out, fieldJSON{m.pointer(""), p.Detail})
	}
	return out
}

// moving says in words who would move between tiers, as a rehearsal found.
func (m *fileStep) moving(found *blueprint.Object) {
	var moves struct {
		Members  int64 `json:"members"`
		Complete bool  `json:"complete"`
		Moving   int64 `json:"moving"`
		Moves    []struct {
			From, To *string
			Members  int64
		} `json:"moves"`
	}
	if found == nil || json.Unmarshal(found.JSON(), &moves) != nil {
		return
	}
	m.Members = &moves.Moving
	among := fmt.Sprintf("%d members", moves.Members)
	if !moves.Complete {
		among += " from all over that were looked at"
	}
	if moves.Moving == 0 {
		m.Effects = append(m.Effects, "of "+among+" none moves between tiers")
		return
	}
	var parts []string
	for _, one := range moves.Moves[:min(len(moves.Moves), 10)] {
		parts = append(parts, fmt.Sprintf("%d from %s to %s", one.Members, tierName(one.From), tierName(one.To)))
	}
	m.Effects = append(m.Effects, fmt.Sprintf("of %s %d move between tiers: %s", among, moves.Moving, strings.Join(parts, ", ")))
}

func tierName(name *string) string {
	if name == nil {
		return "no tier"
	}
	return *name
}
