package loyalty

import (
	"time"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const tiersChanged = "tiers_changed"

// settleTier brings a member up to the tiers in force before anything else is decided.
func (b *books) settleTier(h *holder, p program) {
	if h.TiersVersion < p.TiersVersion {
		h.TiersVersion, h.tiered = p.TiersVersion, true
		b.place(h, p, tiersChanged, 0, b.now)
	}
}

// place puts a member into the tier that the counter reaches, as of the time of the cause, and keeps the move and its cause.
func (b *books) place(h *holder, p program, cause string, txnID int64, at time.Time) {
	to := p.tierOf(h.Earned)
	if to == h.Tier {
		return
	}
	b.changes = append(b.changes, tierChange{SiteID: h.SiteID, MemberID: h.MemberID, From: h.Tier, To: to, Earned: h.Earned,
		Cause: cause, TxnID: txnID, Version: p.Version, At: at})
	b.tell(h, loyaltyevent.TierChanged{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, From: h.Tier, To: to,
		Earned: h.Earned, ChangedAt: at})
	h.Tier, h.tiered = to, true
}

// credit adds to what a member has earned in all, which decides the tier.
func (b *books) credit(h *holder, _ program, _ time.Time, points int64) {
	h.Earned, h.tiered = h.Earned+points, true
}
