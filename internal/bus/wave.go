package bus

import (
	"cmp"
	"slices"
)

// group is a set of records that one call of a handler gets.
type group struct {
	wave    int
	kind    string
	records []Record
}

// waves parts a batch into few groups of one type without breaking the order of any key: an event's wave is that of its key's
// previous event, and one more if the type differs. Groups are in the order of (wave, type), their records in the log's.
func waves(records []Record) []group {
	type last struct {
		wave int
		kind string
	}
	type place struct {
		wave int
		kind string
	}
	keys := make(map[string]last, len(records))
	index := map[place]int{}
	var groups []group
	for _, r := range records {
		wave := 0
		if l, ok := keys[r.Key]; ok {
			wave = l.wave
			if l.kind != r.Type {
				wave++
			}
		}
		keys[r.Key] = last{wave, r.Type}
		at := place{wave, r.Type}
		i, ok := index[at]
		if !ok {
			i = len(groups)
			index[at] = i
			groups = append(groups, group{wave: wave, kind: r.Type})
		}
		groups[i].records = append(groups[i].records, r)
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(cmp.Compare(a.wave, b.wave), cmp.Compare(a.kind, b.kind)) })
	return groups
}
