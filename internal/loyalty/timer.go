package loyalty

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
)

// ExpireDue ends the lots that are due and returns how many. Members that somebody else is posting to are left to the next call.
func (m *Module) ExpireDue(ctx context.Context) (n int, err error) {
	for {
		done, err := m.expireSome(ctx)
		n += done
		if err != nil || done == 0 {
			return n, err
		}
	}
}

func (m *Module) expireSome(ctx context.Context) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(kindExpire))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		holders, err := lockDue(ctx, u, u.Now, perPass)
		if err != nil || len(holders) == 0 {
			return err
		}
		due, err := dueLots(ctx, u, holders, u.Now, perPass)
		if err != nil {
			return err
		}
		b := &books{now: u.Now}
		o, err := open(ctx, u, len(due), sitesOf(due, func(d *dueLot) int64 { return d.SiteID }), []string{expired}, nil)
		if err != nil {
			return err
		}
		b.ids, b.own = o.ids, o.own
		byAccount := make(map[siteID]*holder, len(holders))
		for _, h := range holders {
			byAccount[siteID{h.SiteID, h.ID}] = h
		}
		lots := make([]*lot, len(due))
		for i, d := range due {
			lots[i] = &d.lot
			d.member = byAccount[siteID{d.SiteID, d.AccountID}]
			of := txn{ID: d.ID, Reason: d.Reason, OriginID: d.OriginID, ReferralID: d.ReferralID, RewardID: d.RewardID}
			if err := b.expire(d.member, &d.lot, of); err != nil {
				return err
			}
		}
		n = len(due)
		for _, h := range holders {
			if len(due) < perPass && h.lapsed(u.Now) { // else some of its lots are left to the next
				h.rest()
				n++
			}
		}
		return m.save(ctx, u, b, holders, lots, 0)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// retierAll brings members up to tiers that were changed, and returns how many it looked at. A change of tiers answers at once
// and this follows, because a site may have millions of members; readers decide a member's tier by the tiers in force anyway.
func (m *Module) retierAll(ctx context.Context) (n int, err error) {
	sites, err := sitesBehind(ctx, m.db)
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for {
			done, err := m.retierSome(ctx, site)
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

func (m *Module) retierSome(ctx context.Context, site int64) (n int, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		programs, err := sharePrograms(ctx, u, []int64{site})
		if err != nil {
			return err
		}
		p := programs[site]
		holders, err := lockBehind(ctx, u, site, p.TiersVersion, perPass)
		if err != nil || len(holders) == 0 {
			return err
		}
		b := &books{now: u.Now, programs: programs}
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
