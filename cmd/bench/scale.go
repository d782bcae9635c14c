package main

import (
	"fmt"
	"slices"
)

// scale is how much the filled database holds.
type scale struct {
	name                    string
	people, visits, entries int64
	perEntry                bool // it has a ledger alone, and no more people than that takes
}

var scales = []scale{
	{"tiny", 2_000, 4_000, 10_000, false},
	{"small", 100_000, 200_000, 500_000, false},
	{"medium", 1_000_000, 2_000_000, 5_000_000, false},
	{"big", 10_000_000, 20_000_000, 50_000_000, false},
}

func scaleOf(name string) (scale, error) {
	i := slices.IndexFunc(scales, func(s scale) bool { return s.name == name })
	if i < 0 {
		return scale{}, fmt.Errorf("-scale %s is none", name)
	}
	return scales[i], nil
}

// bytes is about what the database takes on disk: as much as was seen, and a third for the write-ahead log and the sorting of its
// indexes.
func (s scale) bytes() int64 {
	if s.perEntry {
		return s.entries * 520
	}
	return s.people * 5400
}

func (s scale) String() string {
	if s.perEntry {
		return fmt.Sprintf("%d members, %d entries; about %.1f GB", s.entries/25, s.entries, float64(s.bytes())/1e9)
	}
	return fmt.Sprintf("%-7s %10d people, %10d visits, %10d entries; about %.1f GB", s.name, s.people, s.visits, s.entries, float64(s.bytes())/1e9)
}
