package main

import (
	"context"
	"encoding/json"
	"fmt"
)

const (
	planned   = 3  // actions, and as many rewards, of a file
	mostFiles = 25 // that make something new: those after them change it, for a site has at most two hundred of each
)

// plans has several apply the same file at once. However it is cut off, each of its things is made once, and applied once more it changes nothing.
func plans(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	var actions, rewards []object
	for i := range planned {
		actions = append(actions, object{"identifier": fmt.Sprintf("planned-%d-%d", n%mostFiles, i), "name": "Planned", "points": 1 + n})
		rewards = append(rewards, object{"description": fmt.Sprintf("Planned %d %d", n%mostFiles, i), "kind": "product", "points_cost": 1_000_000 + n})
	}
	file := object{"format": "talkable-programme-1", "actions": actions, "rewards": rewards}
	apply := func(key string) wish {
		return wish{"POST", "/api/v2/programme/apply", object{"file": file}, fmt.Sprintf("apply-%s-%d", key, n)}
	}
	type applied struct {
		Result struct {
			Complete bool
			Plan     struct {
				Steps     []json.RawMessage
				Unchanged int
			}
		}
	}
	if _, err := w.race(ctx, w.home.shop, "one file applied by three", 0, 3, // none, if its own first try is still at it when it is told again
		apply("1"), apply("2"), apply("3")); err != nil {
		return nil, err
	}
	for try := 0; ctx.Err() == nil; try++ { // a step that a fault cut off has the next one go on
		a, err := w.decide(ctx, w.home.shop, try, apply(fmt.Sprint("again-", try)))
		if err != nil {
			return nil, err
		}
		var got applied
		switch {
		case !a.done && a.fault == "apply_under_way":
			wait(ctx, lookEvery/10)
		case !a.done:
			w.tally.violate("a file that was applied can be applied again", "it was refused", string(a.body))
			return nil, fmt.Errorf("a file was refused: %s", a.fault)
		default:
			if err := json.Unmarshal(a.body, &got); err != nil {
				return nil, err
			}
			if got.Result.Complete && len(got.Result.Plan.Steps) == 0 && got.Result.Plan.Unchanged == 2*planned {
				w.tally.reach("files applied", 1)
				return nil, nil
			}
			if try > 20 {
				w.tally.violate("a file that was applied changes nothing when it is applied again", "an answer", string(a.body))
				return nil, fmt.Errorf("a file goes on changing things")
			}
		}
	}
	return nil, ctx.Err()
}
