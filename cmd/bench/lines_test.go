package main

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestEntries(t *testing.T) {
	var names []string
	for _, e := range entries {
		if slices.Contains(names, e.name) {
			t.Errorf("%s is there twice", e.name)
		}
		names = append(names, e.name)
		if e.goal != 0 && e.floor != 0 && !e.reached(e.goal, e.floor) {
			t.Errorf("%s: who reaches the goal %g misses the floor %g", e.name, e.goal, e.floor)
		}
	}
	var help bytes.Buffer
	explain(&help)
	for _, name := range names {
		if !strings.Contains(help.String(), name) {
			t.Errorf("the help doesn't explain %s", name)
		}
	}
}

func TestOnly(t *testing.T) {
	tests := map[string]struct {
		only  string
		parts []string
		fails bool
	}{
		"nothing is everything":   {only: "", parts: []string{"visits", "purchases", "single", "hot", "points", "shares", "claims", "coupons", "budgets", "approvals", "filled", "latency"}},
		"a part":                  {only: "visits", parts: []string{"visits"}},
		"a line":                  {only: "settled / L1", parts: []string{"purchases"}},
		"the beginnings of lines": {only: "rollup, one site", parts: []string{"hot", "filled"}},
		"new writes":              {only: "claims,coupons of one,budget / no budget,approvals settled", parts: []string{"claims", "coupons", "budgets", "approvals"}},
		"neither":                 {only: "purchases,speed", fails: true},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			w, err := parseWanted(want.only)
			if (err != nil) != want.fails {
				t.Fatal(err)
			}
			if want.fails {
				return
			}
			for _, e := range entries {
				if got := w.part(e.part); got != slices.Contains(want.parts, e.part) {
					t.Errorf("part %s: %v", e.part, got)
				}
			}
		})
	}
}

func TestReportForMachines(t *testing.T) {
	var r report
	r.add("p99 grouped / single", pair{ours: 5, theirs: 10})
	r.add("lone grouped / single", pair{ours: 30, theirs: 10})
	r.add("recorded / L1", pair{ours: 30, theirs: 10})
	var out bytes.Buffer
	if err := r.writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Lines []struct {
			Name, Verdict string
			Median        float64
		}
		Under []string
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{"p99 grouped / single": "ok", "lone grouped / single": under, "recorded / L1": ""}
	for _, l := range got.Lines {
		if l.Verdict != verdicts[l.Name] {
			t.Errorf("%s: %q, and not %q", l.Name, l.Verdict, verdicts[l.Name])
		}
	}
	if !slices.Equal(got.Under, []string{"lone grouped / single"}) {
		t.Errorf("under: %v", got.Under)
	}
}

// TestSitesByZipf: the shares are those that pgbench draws by the same formula.
func TestSitesByZipf(t *testing.T) {
	p := &platform{sites: make([]shop, 100)}
	const n = 100_000
	var seen [100]int
	for range n {
		seen[p.anySite()]++
	}
	for i, got := range seen {
		want := n * math.Log(float64(i+2)/float64(i+1)) / math.Log(101)
		if math.Abs(float64(got)-want) > 6*math.Sqrt(want) {
			t.Errorf("site %d was drawn %d times, and not about %.0f", i+1, got, want)
		}
	}
}

func TestFillSteps(t *testing.T) {
	steps, err := crowded(options{scale: scales[0]}).steps()
	if err != nil || len(steps) < 10 {
		t.Fatalf("%d steps: %v", len(steps), err)
	}
	for _, s := range steps {
		if s.weight < 1 || s.what == "" || strings.Contains(s.sql, "{people}") {
			t.Errorf("step %+v", s)
		}
	}
}
