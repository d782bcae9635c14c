package loyalty

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
)

const forfeitsPerPass = 100 // members of a transaction: each may have many lots

// forfeitDue ends all points of members whose time is over, because they left or never became members, and returns of how many. What is pending is
// taken back, as a cancellation would. Who is posted to by somebody else is left to the next call.
func (m *Module) forfeitDue(ctx context.Context) (n int, err error) {
	for {
		done, err := m.forfeitSome(ctx)
		n += done
		if err != nil || done == 0 {
			return n, err
		}
	}
}

func (m *Module) forfeitSome(ctx context.Context) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues("forfeit"))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		sites, err := sitesToForfeit(ctx, u, u.Now, forfeitsPerPass)
		if err != nil || len(sites) == 0 {
			return err
		}
		programs, err := sharePrograms(ctx, u, sites)
		if err != nil {
			return err
		}
		holders, err := lockToForfeit(ctx, u, sites, u.Now, forfeitsPerPass)
		if err != nil {
			return err
		}
		holders = slices.DeleteFunc(holders, func(h *holder) bool { return !h.forfeited(u.Now) || h.Status == mergedIn }) // came back meanwhile
		if n = len(holders); n == 0 {
			return nil
		}
		if err := m.forfeit(ctx, u, programs, holders); err != nil {
			return err
		}
		for _, h := range holders {
			if h.Status == prospect {
				if err := m.reach(ctx, u, h, programs[h.SiteID], closed, memberChange{Cause: turnLapse}); err != nil {
					return err
				}
			}
		}
		return saveForfeited(ctx, u, holders)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// forfeit ends what locked members have.
func (m *Module) forfeit(ctx context.Context, u *bus.Unit, programs map[int64]program, holders []*holder) error {
	members, owners := map[person]*holder{}, map[siteID]*holder{}
	for _, h := range holders {
		members[person{h.SiteID, h.PersonID}] = h
	}
	had, err := walletsHad(ctx, u, holders)
	if err != nil {
		return err
	}
	if err := loadWallets(ctx, u, had); err != nil {
		return err
	}
	all := each(members)
	if err := loadPending(ctx, u, all, false); err != nil {
		return err
	}
	for _, h := range all {
		if h.pending != nil {
			owners[siteID{h.SiteID, h.pending.ID}] = h
		}
	}
	waiting, made, err := pendingOf(ctx, u, all)
	if err != nil {
		return err
	}
	lots, err := lotsOf(ctx, u, members, nil)
	if err != nil {
		return err
	}
	hand(lots, all)
	b := &books{now: u.Now, programs: programs}
	earnings := map[siteSource]earned{}
	for id, t := range made {
		earnings[siteSource{id.site, sourceOf("lot", id.id)}] = earned{SiteID: id.site, ID: id.id, MemberID: t.MemberID}
	}
	if b.rooms, err = reopenRooms(ctx, u, programs, earnings); err != nil {
		return err
	}
	if err := b.readScores(ctx, u, holders); err != nil {
		return err
	}
	if b.made, err = madeBy(ctx, u, dueOf(lots, u.Now)); err != nil {
		return err
	}
	o, err := open(ctx, u, len(b.made)+len(waiting), sitesOf(holders, func(h *holder) int64 { return h.SiteID }), inWallets([]string{expired, issued}, all), nil)
	if err != nil {
		return err
	}
	b.ids, b.own = o.ids, o.own
	for _, h := range all {
		if err := b.expireDue(h); err != nil {
			return err
		}
	}
	for _, l := range waiting {
		c := clawBack{SiteID: l.SiteID, Source: sourceOf("forfeit:lot", l.ID), Cause: "forfeited", Full: true, EffectiveAt: u.Now}
		if err := b.clawBack(owners[siteID{l.SiteID, l.AccountID}], l, made[siteID{l.SiteID, l.ID}], c); err != nil {
			return err
		}
	}
	return m.save(ctx, u, b, all, append(lots, waiting...), 0)
}
