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
		o, err := open(ctx, u, len(due), sitesOf(due, func(d *dueLot) int64 { return d.SiteID }), inWallets([]string{expired}, holders), nil)
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
