package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
)

const ofTiers = "tier" // among the kinds of what is posted: no transaction, but as much to do

// tierWork is a reason to look at members' tiers: which sites have such members, and whom of a site.
type tierWork struct {
	sites func(ctx context.Context, db sqlx.QueryerContext, now time.Time) ([]int64, error)
	lock  func(ctx context.Context, tx sqlx.QueryerContext, p program, now time.Time, limit int) ([]*holder, error)
}

// retierAll brings members up to tiers that were changed, and returns how many it looked at. A change of tiers answers at once
// and this follows, because a site may have millions of members; readers decide a member's tier by the tiers in force anyway.
func (m *Module) retierAll(ctx context.Context) (int, error) {
	return m.tierAll(ctx, tierWork{sitesBehind, lockBehind})
}

// TiersDue brings members up whose tier changes by time alone, and returns how many it looked at. It is due at midnights of the sites'
// zones, and finds them by an index: nobody else is looked at.
func (m *Module) TiersDue(ctx context.Context) (int, error) {
	return m.tierAll(ctx, tierWork{sitesDue, lockTiersDue})
}

func (m *Module) tierAll(ctx context.Context, w tierWork) (n int, err error) {
	sites, err := w.sites(ctx, m.db, m.now())
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for {
			done, err := m.tierSome(ctx, site, w)
			n += done
			if err != nil {
				return n, err
			}
			if done == 0 {
				break
			}
		}
	}
	return n, nil
}

func (m *Module) tierSome(ctx context.Context, site int64, w tierWork) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(ofTiers))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		programs, err := sharePrograms(ctx, u, []int64{site})
		if err != nil {
			return err
		}
		p := programs[site]
		holders, err := w.lock(ctx, u, p, u.Now, perPass)
		if err != nil || len(holders) == 0 {
			return err
		}
		b := &books{now: u.Now, programs: programs}
		if err := b.readScores(ctx, u, holders); err != nil {
			return err
		}
		for _, h := range holders {
			b.settleTier(h, p)
		}
		n = len(holders)
		return m.save(ctx, u, b, holders, nil, 0)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
