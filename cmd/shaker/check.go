package main

import (
	"fmt"
	"maps"
	"slices"
)

// diff compares what must be with what is, both ways, as sets of lines that begin with a name. Lines of one name that differ are
// shown beside each other.
func diff(want, got map[string]string) []string {
	var rows []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if is, there := got[k]; !there {
			rows = append(rows, fmt.Sprintf("%s: missing; want %s", k, want[k]))
		} else if is != want[k] {
			rows = append(rows, fmt.Sprintf("%s: %s; want %s", k, is, want[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[k]; !there {
			rows = append(rows, fmt.Sprintf("%s: %s; want none", k, got[k]))
		}
	}
	return rows
}

// checks gathers what was compared, and what differed.
type checks struct {
	done  []string
	wrong []violation
}

// compare adds a check of which want and got must be equal.
func (c *checks) compare(name string, site int, want, got map[string]string) {
	c.add(fmt.Sprintf("%s, site %d", name, site), fmt.Sprintf("%d expected", len(want)), diff(want, got))
}

// add adds a check whose rows must be none.
func (c *checks) add(name, detail string, rows []string) {
	c.done = append(c.done, fmt.Sprintf("%s (%s)", name, detail))
	if len(rows) > 0 {
		c.wrong = append(c.wrong, violation{Invariant: name, Detail: fmt.Sprintf("%d differ; %s", len(rows), detail), Rows: rows})
	}
}

// checkHistory is what the history must say of itself.
func checkHistory(all []*life, ledgers [2]*ledger) *checks {
	c := &checks{}
	var undecided, contradictions, replays []string
	for _, l := range ledgers {
		undecided, contradictions = append(undecided, l.Undecided...), append(contradictions, l.Wrong...)
	}
	seen := 0
	for _, one := range all {
		if one.Key == "" {
			continue
		}
		var first *attempt
		for i, a := range one.tries {
			if a.Outcome != yes {
				continue
			}
			if first == nil {
				first = &one.tries[i]
			} else if seen++; a.Hash != first.Hash {
				replays = append(replays, fmt.Sprintf("%s: %s at replica %d, and %s at replica %d", one.ID, first.Hash, first.Replica, a.Hash, a.Replica))
			}
		}
	}
	c.add("every op got a definite answer", fmt.Sprintf("%d ops", len(all)), undecided)
	c.add("the answers agree with each other", fmt.Sprintf("%d ops", len(all)), contradictions)
	c.add("the same key gets the same answer", fmt.Sprintf("%d repetitions", seen), replays)
	c.wrong = append(c.wrong, checkDuels(all)...)
	c.done = append(c.done, fmt.Sprintf("duels (%d kinds)", len(duels)))
	return c
}
