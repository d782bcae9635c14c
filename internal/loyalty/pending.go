package loyalty

import (
	"math"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// kindActivate is the transaction by which pending points become the member's to spend.
const kindActivate = "activate"

// pending is the name of the account on which a member's points wait.
const pending = "pending"

// When the points of purchases can be spent. Zero: at once.
const (
	untilDays  = "days"  // so many days after the purchase
	untilEvent = "event" // when somebody says so, or a referral of the order is approved
)

// fromActivation has the expiry of points that were pending count from when they can be spent. Zero: from what they were earned for.
const fromActivation = "activation"

// causeCall: pending points became the member's because the merchant said so.
const causeCall = "call"

var (
	errCancelled  = fault.New(fault.Conflict, "points_cancelled", "Nothing is pending of it: all of it was taken back.")
	errNotPending = fault.New(fault.Conflict, "not_pending", "The points can be spent already: take them by an adjustment instead.")
	errCancelNote = fault.New(fault.Invalid, "invalid_note", "The note is not valid.").At("/note", "must have at most 500 printable characters").Pointed()
)

// pendingPolicy is what a programme says of points that can't be spent at once.
type pendingPolicy struct {
	PendingRule   string `json:"pending_rule,omitempty"`
	PendingDays   int    `json:"pending_days,omitempty"`
	PendingExpiry string `json:"pending_expiry,omitempty"`
}

// checkPending says what is wrong with it, place by place.
func (p policy) checkPending(expires *int, at func(pointer, format string, args ...any)) {
	switch p.PendingRule {
	case "", untilEvent:
		if p.PendingDays != 0 {
			at("/pending_days", "is for days only")
		}
	case untilDays:
		if p.PendingDays < 1 || p.PendingDays > maxGrace {
			at("/pending_days", "must be 1 to %d", maxGrace)
		} else if p.ExpiryRule == rolling && p.PendingExpiry != fromActivation && expires != nil && p.PendingDays >= *expires {
			at("/pending_days", "must be less than expires_after_days, unless these count from the activation")
		}
	default:
		at("/pending_rule", "must be none, days or event")
	}
	if p.PendingExpiry != "" && p.PendingExpiry != fromActivation {
		at("/pending_expiry", "must be earning or activation")
	}
}

// pend has points of a purchase wait, if the programme says so.
func (p program) pend(e earning) earning {
	if p.PendingRule == "" || e.Reason != loyaltyevent.ForPurchase || e.Points == 0 {
		return e
	}
	e.Pending = true
	if p.PendingRule == untilDays {
		at := e.EffectiveAt.UTC().Truncate(time.Microsecond).AddDate(0, 0, p.PendingDays)
		e.ActivatesAt = &at
	}
	return e
}

// waitsForEvent says that what purchases earn waits for somebody's word, in one of the wallets.
func (p program) waitsForEvent() bool {
	return p.PendingRule == untilEvent || slices.ContainsFunc(p.Wallets, func(w Wallet) bool { return w.PendingRule == untilEvent })
}

// arrive has an earning wait no more: its time had come before it was heard of.
func (p program) arrive(e *earning, at time.Time) {
	e.Pending, e.ArrivedAt, e.ExpiresAt = false, at, p.activeUntil(e.EffectiveAt, at)
}

// activeUntil is when points end that were pending; nil: never, or by activity.
func (p program) activeUntil(earned, activated time.Time) *time.Time {
	if p.PendingExpiry == fromActivation {
		return p.expiry(activated)
	}
	return p.expiry(earned)
}

// purse is the account that a lot's points are on.
func (h *holder) purse(l *lot) *account {
	if l.Pending {
		return h.pending
	}
	return &h.account
}

// promise posts points that can't be spent yet. Until they can they repay no debt, don't expire, and count for no tier.
func (b *books) promise(h *holder, e earning) error {
	p, t := b.programOf(h), b.earning(h, e)
	if h.LapsesAt != nil { // the purchase keeps alive what lives by activity
		b.active(h, p, t.EffectiveAt)
	}
	b.lots = append(b.lots, &lot{SiteID: h.SiteID, ID: t.ID, AccountID: h.pending.ID, Granted: e.Points, Remaining: e.Points,
		Pending: true, ActivatesAt: e.ActivatesAt, Tierless: !p.scores(h.Wallet)})
	if err := b.moveOn(h.pending, issued, t.ID, e.Points); err != nil {
		return err
	}
	b.txns = append(b.txns, t)
	b.tell(h, earnedEvent(h, e, t))
	return nil
}

// activateRule is how an activation is kept.
type activateRule struct {
	Rule      string     `json:"rule"`
	ProgramID int64      `json:"program_id"`
	Version   int        `json:"version"`
	Cause     string     `json:"cause"`
	EarnID    int64      `json:"earn_id"`
	Granted   int64      `json:"granted"`
	Clawed    int64      `json:"clawed_back"` // while they were pending
	Due       *time.Time `json:"activates_at,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Repaid    int64      `json:"repaid_debt,omitempty"`
}

// activate gives a member what is left of a pending earning. It gets its date now, by the rule now in force; a debt is repaid out of
// it, and it counts for tiers.
func (b *books) activate(h *holder, l *lot, of txn, cause string) (txn, error) {
	p := b.programOf(h)
	b.settleTier(h, p)
	at := b.now
	if l.ActivatesAt != nil && l.ActivatesAt.Before(at) {
		at = *l.ActivatesAt
	}
	if h.lapsed(b.now) && !at.Before(*h.LapsesAt) { // too late for the others: the timer would have come by first
		if err := b.expireDue(h); err != nil {
			return txn{}, err
		}
	}
	points, waits := l.Remaining, h.pending
	t := b.txn(h, kindActivate, sourceOf("activate:lot", l.ID), of.Reason, points, at, "")
	t.EarnID, t.OriginID, t.ReferralID, t.RewardID = l.ID, of.OriginID, of.ReferralID, of.RewardID
	b.active(h, p, t.EffectiveAt)
	l.Pending, l.AccountID, l.moved, l.dirty = false, h.ID, true, true
	b.date(h, l, p.activeUntil(of.EffectiveAt, t.EffectiveAt))
	repaid := b.repay(h, l, t.ID, points)
	t.Rule = text(activateRule{Rule: kindActivate, ProgramID: p.ID, Version: p.Version, Cause: cause, EarnID: l.ID, Granted: l.Granted,
		Clawed: l.Clawed, Due: l.ActivatesAt, ExpiresAt: l.ExpiresAt, Repaid: repaid})
	if err := b.post(waits, t.ID, -points); err != nil {
		return t, err
	}
	if err := b.post(&h.account, t.ID, points); err != nil {
		return t, err
	}
	if h.self().Earned > math.MaxInt64-points {
		return t, errOverflow
	}
	b.txns, h.lots = append(b.txns, t), append(h.lots, l)
	if !l.Tierless {
		b.credit(h, p, moment(of.EffectiveAt, b.now), points) // for the day of the purchase, whose refund will lower it
	}
	b.tell(h, loyaltyevent.PointsActivated{SiteID: h.SiteID, TransactionID: t.ID, EarnTransactionID: l.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: points, Balance: h.Balance, Wallet: h.Wallet, Reason: of.Reason, OriginID: of.OriginID, ActivatedAt: t.EffectiveAt})
	b.place(h, p, kindEarn, t.ID, t.EffectiveAt)
	return t, nil
}

// ofCall takes back all that is pending of an earning, because the merchant says so.
func ofCall(e earned, now time.Time) clawBack {
	return clawBack{SiteID: e.SiteID, Of: e.Source, Source: sourceOf("cancel:lot", e.ID), Cause: "cancelled", Full: true, EffectiveAt: now}
}
