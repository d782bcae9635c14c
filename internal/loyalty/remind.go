package loyalty

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// wakeDue does what is due with lots before they end: it reminds of their end. It returns how many it looked at.
func (m *Module) wakeDue(ctx context.Context) (n int, err error) {
	for {
		done, err := m.wakeSome(ctx)
		n += done
		if err != nil || done == 0 {
			return n, err
		}
	}
}

func (m *Module) wakeSome(ctx context.Context) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues("wake"))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		due, err := awake(ctx, u, u.Now, perPass)
		if err != nil || len(due) == 0 {
			return err
		}
		d, err := lockLots(ctx, u, due, "for update skip locked")
		if err != nil {
			return err
		}
		b := &books{now: u.Now}
		for _, l := range d.picked {
			if l.WakeAt != nil && !l.WakeAt.After(u.Now) {
				b.wake(l)
				n++
			}
		}
		for _, h := range d.holders {
			if h.pace.WakeAt != nil && !h.pace.WakeAt.After(u.Now) {
				b.warn(h)
				n++
			}
		}
		m.m.Real.reminded.Add(float64(len(b.tells)))
		return m.save(ctx, u, b, d.holders, d.lots, 0)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// wake reminds of a lot's end, if there is something to lose and time left to do something about it, and its owner hasn't left.
func (b *books) wake(l *lot) {
	l.WakeAt, l.Reminded, l.dirty, l.dated = nil, true, true, true
	if h := l.member; l.Remaining > 0 && l.ExpiresAt != nil && !l.lapsed(b.now) && keeps(h.Status) {
		b.tell(h, loyaltyevent.PointsExpiring{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, LotID: l.ID, Points: l.Remaining,
			Balance: h.Balance, Wallet: h.Wallet, ExpiresAt: *l.ExpiresAt, ToldAt: b.now})
	}
}

// warn reminds a member of all that lives by activity in a wallet.
func (b *books) warn(h *holder) {
	h.pace.WakeAt, h.Reminded, h.paced = nil, true, true
	var points int64
	for _, l := range h.lots {
		if l.ByActivity {
			points += l.Remaining
		}
	}
	if keeps(h.Status) && points > 0 && h.LapsesAt != nil && !h.lapsed(b.now) {
		b.tell(h, loyaltyevent.PointsExpiring{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, Points: points, Balance: h.Balance,
			Wallet: h.Wallet, ExpiresAt: *h.LapsesAt, ToldAt: b.now})
	}
}

// rewakeAll has lots follow a programme that reminds earlier or later than it did, or not any more, and returns how many it looked
// at. Of what was reminded of already it isn't again.
func (m *Module) rewakeAll(ctx context.Context) (n int, err error) {
	sites, err := sitesToRewake(ctx, m.db)
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for more := true; more; {
			done := 0
			if done, more, err = m.rewakeSome(ctx, site); err != nil {
				return n, err
			}
			n += done
		}
	}
	return n, nil
}

func (m *Module) rewakeSome(ctx context.Context, site int64) (n int, more bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n, more = 0, false
		p, after, err := programToRewake(ctx, u, site)
		if err != nil || after == nil {
			return err
		}
		next, err := lotsAfter(ctx, u, site, *after, perPass)
		if err != nil {
			return err
		}
		if len(next) == 0 {
			return rewakeDone(ctx, u, p)
		}
		d, err := lockLots(ctx, u, next, "for update")
		if err != nil {
			return err
		}
		for _, l := range d.picked {
			if !l.Reminded {
				l.WakeAt, l.dirty, l.dated = p.forWallet(l.member.Wallet).wakes(l.ExpiresAt, u.Now), true, true
			}
		}
		for _, h := range d.holders {
			if !h.Reminded && h.LapsesAt != nil {
				h.pace.WakeAt, h.paced = p.forWallet(h.Wallet).wakes(h.LapsesAt, u.Now), true
			}
		}
		n, more = len(next), true
		if err := m.save(ctx, u, &books{now: u.Now}, d.holders, d.lots, 0); err != nil {
			return err
		}
		return rewakeFrom(ctx, u, p, next[len(next)-1].LotID)
	})
	if err != nil {
		return 0, false, fmt.Errorf("site %d: %w", site, err)
	}
	return n, more, nil
}
