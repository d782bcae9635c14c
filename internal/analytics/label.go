package analytics

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/talkable/talkable/internal/bus"
)

// Sharing channels, traffic sources and categories of events are what sites write, so that a mistake, or a stranger, could make a row of
// every event. The first ones of a site are kept apart (facetKinds says how many); what comes later counts as "other".

// free is a facet of a site that is free text.
type free struct {
	site  int64
	facet int
}

// label is a value that is kept apart.
type label struct {
	free
	name string
}

// labels are those that this process knows of: only such as are committed, which stay for good.
type labels struct {
	mu    sync.Mutex
	names map[free]map[string]bool
}

// of is what a value counts as; known is false where the tables have to say it.
func (l *labels) of(one label) (name string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := l.names[one.free]
	switch {
	case names[one.name]:
		return one.name, true
	case len(names) >= facetKinds[one.facet].most:
		return other, true
	}
	return "", false
}

func (l *labels) learn(committed []label) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range committed {
		if l.names[one.free] == nil {
			l.names[one.free] = map[string]bool{}
		}
		l.names[one.free][one.name] = true
	}
}

// settled are the values that every site has, and that count for nothing towards its most.
var settled = map[string]bool{"": true, other: true, "purchase": true, "affiliate_member": true}

// free says which of a fact's facets have to be known.
func (f *fact) free(facet int) bool {
	name := f.facets[facet]
	return name != "" && facetKinds[facet].most > 0 && keptBy[f.key].has(bit(facet)) && !settled[name]
}

// bound makes "other" of what a site has too many of. It asks the tables only for what this process hasn't met yet.
func (m *Module) bound(ctx context.Context, u *bus.Unit, all []fact) error {
	fresh := map[label]bool{}
	for i := range all {
		for facet := range facetCount {
			if f := &all[i]; f.free(facet) {
				one := label{free{f.site, facet}, f.facets[facet]}
				if name, known := m.labels.of(one); known {
					f.facets[facet] = name
				} else {
					fresh[one] = true
				}
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	kept, err := m.keepLabels(ctx, u, fresh)
	if err != nil {
		return err
	}
	for i := range all {
		for facet := range facetCount {
			if f := &all[i]; f.free(facet) && !kept[label{free{f.site, facet}, f.facets[facet]}] {
				m.others.WithLabelValues(facetKinds[facet].way).Inc()
				f.facets[facet] = other
			}
		}
	}
	return nil
}

// keepLabels adds labels where there is room, one transaction of a site at a time, and says which are kept, these and earlier ones.
func (m *Module) keepLabels(ctx context.Context, u *bus.Unit, fresh map[label]bool) (map[label]bool, error) {
	wanted := slices.SortedFunc(maps.Keys(fresh), func(a, b label) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.facet, b.facet), cmp.Compare(a.name, b.name))
	})
	sites := map[int64]bool{}
	for _, one := range wanted {
		sites[one.site] = true
	}
	if err := lockSites(ctx, u, sites); err != nil {
		return nil, err
	}
	earlier, mine, err := labelsOf(ctx, u, sites, u.Now)
	if err != nil {
		return nil, err
	}
	m.labels.learn(earlier)
	kept, used := map[label]bool{}, map[free]int{}
	for _, one := range slices.Concat(earlier, mine) {
		kept[one] = true
		used[one.free]++
	}
	var added []placed
	for _, one := range wanted {
		if !kept[one] && used[one.free] < facetKinds[one.facet].most {
			kept[one] = true
			used[one.free]++
			added = append(added, placed{one, used[one.free]})
		}
	}
	return kept, insertLabels(ctx, u, u.Now, added)
}
