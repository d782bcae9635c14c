package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgrammeInPortions: a file is applied some steps at a time, each portion on the state that the one before left, and nobody's change in between is overrun.
func TestProgrammeInPortions(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	key := makeSite(t, s, "code-portions")
	site := coded{newShop(t, demoFile{Server: s.demo.Server, APIKey: key}), t}
	lists := func(n, percent int) string {
		text := "coupon_lists:\n"
		for i := range n {
			text += fmt.Sprintf("  - {name: List %d, kind: single-use, percent: %d}\n", i, percent)
		}
		return text
	}
	const head = "format: talkable-programme-1\n"
	club := head + "programme: {name: Club, points_per_unit: 1, expires_after_days: 365}\n"
	file := club + lists(7, 10)
	type applied struct {
		Complete, More bool
		Next           *string `json:"next_state"`
		Plan           codedPlan
	}
	more := object{"most": 3, "state": site.plan(file, nil).State}
	var got []string
	for range 9 {
		var out applied
		if err := site.send("apply", file, more, &out); err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, step := range out.Plan.Steps {
			if step.Status == "done" {
				done++
			}
		}
		got = append(got, fmt.Sprint(done, out.Complete, out.More))
		if !out.More {
			break
		}
		if err := site.send("apply", file, more, nil); err == nil || !strings.Contains(err.Error(), "plan again") {
			t.Errorf("the state of before: %v", err)
		}
		more["state"] = *out.Next
	}
	if want := []string{"3 false true", "3 false true", "2 true false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if p := site.plan(file, nil); len(p.Steps) != 0 {
		t.Errorf("applied, and still planned:\n%s", p.says())
	}

	p := site.plan(strings.NewReplacer("365", "30", "points_per_unit: 1", "points_per_unit: 2").Replace(club), nil)
	if e := strings.Join(p.Steps[0].Effects, "; "); !strings.Contains(e, "had 0 points of 0 members been earned by the new rule") || !strings.Contains(e, "talkable backtest") {
		t.Errorf("a change of expiry and rates: %s", e)
	}

	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, []byte(head+lists(portion+5, 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := talkable(t, append(s.environ, "TALKABLE_SERVER="+s.demo.Server, "TALKABLE_API_KEY="+key), "programme", "apply", path, "--yes")
	if n := strings.Count(out, "done    "); err != nil || n != portion+5 {
		t.Errorf("%d steps were done: %v\n%s", n, err, out)
	}
}
