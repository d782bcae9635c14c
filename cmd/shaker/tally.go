package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// tally counts the dangers that were reached, and what went wrong beside the load.
type tally struct {
	mu      sync.Mutex
	reached map[string]int
	skipped map[string]string
	wrong   []violation
}

func newTally() *tally { return &tally{reached: map[string]int{}, skipped: map[string]string{}} }

func (t *tally) reach(danger string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached[danger] += n
}

func (t *tally) skip(danger string, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped[danger] = why.Error()
}

func (t *tally) violate(invariant, detail string, rows ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, violation{Invariant: invariant, Detail: detail, Rows: rows})
}

func (t *tally) violations() []violation {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.reached)
}

// missing are the dangers of a list that were reached too seldom, in words.
func (t *tally) missing(gates []gate) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, g := range gates {
		if _, skipped := t.skipped[g.danger]; !skipped && t.reached[g.danger] < g.least {
			out = append(out, fmt.Sprintf("%s: %d, want %d", g.danger, t.reached[g.danger], g.least))
		}
	}
	return out
}

// gate says how often a danger must have been reached for a run to prove anything.
type gate struct {
	danger string
	least  int
}
