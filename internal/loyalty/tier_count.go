package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// memberCount is how many members a site has, and how many of them each tier, at a moment. Who has left (closed, erased) is not counted. To count is to read an index to its end, so what took long is
// kept for a while.
type memberCount struct {
	all int64
	in  map[string]int64 // by names of tiers
	at  time.Time
}

const (
	keptCounts  = 1000            // sites
	countingAll = 100_000         // members: a site with fewer is counted each time
	countsKept  = 5 * time.Minute // of a site with more
)

// membersOf counts the members of a site, or says what was counted a while ago.
func (m *Module) membersOf(ctx context.Context, db sqlx.QueryerContext, site int64) (memberCount, error) {
	now := m.now()
	if c, ok := m.counts.Get(site); ok {
		if age := now.Sub(c.at); age >= 0 && age < countsKept {
			return c, nil
		}
	}
	c := memberCount{at: now}
	var read int64
	var err error
	if c.in, c.all, read, err = countMembers(ctx, db, site); err == nil && read > countingAll {
		m.counts.Add(site, c)
	}
	return c, err
}
