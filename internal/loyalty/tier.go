package loyalty

import (
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// Causes of a move between tiers, beside the kinds of transaction and of merit. What earned points as well has its transaction for a cause.
const (
	tiersChanged = "tiers_changed"
	causeTime    = "time" // a window has moved on, or a grace is over
	causeRefund  = "refund"
	causeVoided  = "referral_voided"
)

// settleTier brings a member up to this moment and to the tiers in force before anything else is decided.
func (b *books) settleTier(h *holder, p program) {
	h = h.self()
	for t := h.score; t != nil && h.TiersVersion == p.TiersVersion && !t.due.IsZero() && !t.due.After(b.now); {
		b.rank(h, p, dayOf(t.due, p.TierPlan.zone()), tierChange{Cause: causeTime, At: t.due})
	}
	if h.TiersVersion < p.TiersVersion {
		h.TiersVersion, h.tiered = p.TiersVersion, true
		b.place(h, p, tiersChanged, 0, b.now)
	}
}

// place puts a member into the tier that is reached, as of the time of the cause, and keeps the move and its cause.
func (b *books) place(h *holder, p program, cause string, txnID int64, at time.Time) {
	b.placeBy(h, p, tierChange{Cause: cause, TxnID: txnID, At: at})
}

func (b *books) placeBy(h *holder, p program, c tierChange) {
	h = h.self()
	if h.score != nil {
		b.rank(h, p, dayOf(b.now, p.TierPlan.zone()), c)
		return
	}
	if to := p.tierOf(h.Earned); to != h.Tier {
		b.moveTo(h, p, to, c)
	}
}

// rank puts a member whose merits are counted into the tier of a day, and says when time alone will change it.
func (b *books) rank(h *holder, p program, on day, c tierChange) {
	l := p.ladder(h.score.joined, h.score.days)
	level, next := l.on(on), l.next(on)
	var due time.Time
	if next < never {
		due = next.begins(p.TierPlan.zone())
	}
	if !due.Equal(h.score.due) {
		h.score.due, h.score.dirty, h.tiered = due, true, true
	}
	to := p.nameOf(level)
	if to == h.Tier {
		return
	}
	if !due.IsZero() && l.on(next) < level {
		c.Until = &due
	}
	c.Seen = text(seen(l.sum(on)))
	b.moveTo(h, p, to, c)
}

// moveTo keeps a move between tiers, and tells it.
func (b *books) moveTo(h *holder, p program, to string, c tierChange) {
	c.SiteID, c.MemberID, c.From, c.To, c.Earned, c.Version = h.SiteID, h.MemberID, h.Tier, to, h.Earned, p.Version
	b.changes = append(b.changes, c)
	b.tell(h, loyaltyevent.TierChanged{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, From: c.From, To: to,
		Earned: h.Earned, Cause: c.Cause, Until: orNone(c.Until), ChangedAt: c.At})
	h.Tier, h.tiered = to, true
}

// credit adds to what a member has earned in all, and counts it for the day of a moment.
func (b *books) credit(h *holder, p program, at time.Time, points int64) {
	h = h.self()
	h.Earned, h.tiered = h.Earned+points, true
	if h.score != nil {
		h.score.add(dayOf(at, p.TierPlan.zone()), counts{countEarned: points})
	}
}

// unscored is a mistake: who posts in a programme that counts merits has to read them first.
func (b *books) unscored(holders []*holder) error {
	for _, h := range holders {
		if h.tiered && h.score == nil && b.programs[h.SiteID].TierPlan.Counted {
			return fmt.Errorf("member %d of site %d is tiered without what counts", h.MemberID, h.SiteID)
		}
	}
	return nil
}
