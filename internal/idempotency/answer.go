package idempotency

import (
	"encoding/json"
	"fmt"

	"github.com/talkable/talkable/internal/fault"
)

// answer is what a request came to, as it is kept with its key: refusals are answers too.
type answer[T any] struct {
	Value   *T           `json:"value,omitempty"`
	Refused *fault.Error `json:"refused,omitempty"`
}

// Encode writes what a request came to, for Keep. An error that is no refusal is returned: then nothing was decided.
func Encode[T any](value T, err error) ([]byte, error) {
	if err == nil {
		return json.Marshal(answer[T]{Value: &value})
	}
	f, ok := fault.Of(err)
	if !ok {
		return nil, err
	}
	return json.Marshal(answer[T]{Refused: f})
}

// Repeat hands the first answer to each request of a batch whose key was there already, or came twice; answers are those that the
// batch keeps.
func Repeat[T any](claims []Claim, claimed []Claimed, answers [][]byte, again func(i int, value T, refused error)) error {
	first := map[Claim][]byte{}
	for i, c := range claims {
		if answers[i] != nil {
			first[c] = answers[i]
		} else if claimed[i].Answer != nil {
			first[c] = claimed[i].Answer
		}
	}
	for i, c := range claimed {
		if !c.Replayed {
			continue
		}
		var kept answer[T]
		if err := json.Unmarshal(first[claims[i]], &kept); err != nil {
			return fmt.Errorf("answer kept with an idempotency key: %w", err)
		}
		switch {
		case kept.Refused != nil:
			var none T
			again(i, none, kept.Refused)
		case kept.Value != nil:
			again(i, *kept.Value, nil)
		}
	}
	return nil
}
