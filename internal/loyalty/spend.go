package loyalty

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// What an adjustment and a redemption are for, beside loyaltyevent's reasons of an earning.
const (
	forAdjustment = "adjustment"
	forRedemption = "redemption"
)

var (
	errInactive = fault.New(fault.Invalid, "member_not_active", "Loyalty member is not active")
	errNoClub   = fault.New(fault.Invalid, "no_program", "No loyalty campaign found for the member")
	errTooFew   = fault.New(fault.Invalid, "not_enough_points", "not enough points")
	errNoBatch  = fault.New(fault.Invalid, "redemption_batch_not_found", "No redemption batch found by id.")
	errAdjust   = fault.New(fault.Unprocessable, "invalid_adjustment",
		"Validation failed: Points adjustment must result in member points balance between 0 and available points limit")
	errAdjustTier = fault.New(fault.Unprocessable, "invalid_adjustment",
		"Validation failed: Points adjustment must not bring the points that count for tiers below 0")
	errNothing = fault.New(fault.Unprocessable, "invalid_adjustment", "Validation failed: Points must be other than 0")
)

// adjustRule and redeemRule are how those decisions are kept. Which lots paid is in the allocations.
type adjustRule struct {
	Rule      string     `json:"rule"`
	ProgramID int64      `json:"program_id"`
	Version   int        `json:"version"`
	Limit     int64      `json:"adjustment_limit"`
	Before    int64      `json:"before"`
	After     int64      `json:"after"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	ForTier   bool       `json:"counts_for_tier,omitempty"`
}

type redeemRule struct {
	Rule      string `json:"rule"`
	ProgramID int64  `json:"program_id"`
	Version   int    `json:"version"`
	BatchID   int64  `json:"redemption_batch_id"`
	Cost      int64  `json:"points_cost"`
	Before    int64  `json:"before"`
	After     int64  `json:"after"`
	Kind      string `json:"kind,omitempty"`
	Tier      string `json:"tier,omitempty"` // the member's, where the batch has terms
	Gives     *prize `json:"gives,omitempty"`
	Others    int64  `json:"of_others,omitempty"` // of the member's pool, who paid so much of the balance before
}

type cancelRule struct {
	Rule         string    `json:"rule"`
	RedemptionID int64     `json:"redemption_id"`
	Was          string    `json:"was"`
	Reason       string    `json:"reason"`
	Repaid       int64     `json:"repaid_debt"`
	Graced       []redated `json:"graced,omitempty"` // lots that had lapsed
}

// expireDue ends the lots of a member whose time has come, before anything is spent: what is past its date pays for nothing.
func (b *books) expireDue(h *holder) error {
	var due []*lot
	for _, l := range h.lots {
		if _, ends := b.made[siteID{l.SiteID, l.ID}]; ends {
			due = append(due, l)
		}
	}
	slices.SortFunc(due, func(x, y *lot) int { return cmp.Compare(x.ID, y.ID) }) // the database has them in any order
	for _, l := range due {
		if err := b.expire(h, l, b.made[siteID{l.SiteID, l.ID}]); err != nil {
			return err
		}
	}
	if !h.lapsed(b.now) {
		return nil
	}
	if err := b.expireGiven(h); err != nil {
		return err
	}
	h.rest()
	return nil
}

// expireGiven ends what this batch gave a member who lapsed before the next thing in it: they were heard of late, and together.
func (b *books) expireGiven(h *holder) error {
	for _, l := range b.lots {
		if l.member != h || !l.ByActivity {
			continue
		}
		by := slices.IndexFunc(b.txns, func(t txn) bool { return t.SiteID == l.SiteID && t.ID == l.ID })
		if err := b.expire(h, l, b.txns[by]); err != nil {
			return err
		}
	}
	return nil
}

// mayLapse counts what is so old that its points may be over by the next thing of the same batch.
func (b *books) mayLapse(all []earning) (n int) {
	for i := range all {
		if days := b.programs[all[i].SiteID].forWallet(all[i].Wallet).idleDays(); days > 0 && !moment(all[i].EffectiveAt, b.now).AddDate(0, 0, days).After(b.now) {
			n++
		}
	}
	return n
}

// adjust moves points by hand. What is given makes a lot that expires like an earning of today; what is taken comes from the lots
// that expire next. Tiers look at what was earned, so they don't move, unless it is to count as earned.
func (b *books) adjust(h *holder, points int64, description string, forTier bool) (txn, error) {
	return b.adjustBy(h, adjusting{points: points, description: description, forTier: forTier})
}

// adjusting is an adjustment.
type adjusting struct {
	points      int64
	description string
	forTier     bool
	source      string     // what it is one of; "": of itself
	ends        *time.Time // of what is given; nil: like an earning of today
}

func (b *books) adjustBy(h *holder, a adjusting) (txn, error) {
	points, forTier := a.points, a.forTier
	if points == 0 {
		return txn{}, errNothing
	}
	if !keeps(h.Status) {
		return txn{}, notActive(h.Status)
	}
	if err := b.expireDue(h); err != nil {
		return txn{}, err
	}
	p := b.programOf(h)
	if points > maxPoints || points < -maxPoints || h.Balance+points < 0 || h.Balance+points > p.AdjustmentLimit {
		return txn{}, errAdjust
	}
	if earned := h.self().Earned; forTier && (earned+points < 0 || earned > math.MaxInt64-maxPoints) {
		return txn{}, errAdjustTier
	}
	r := adjustRule{ForTier: forTier, Rule: "adjustment", ProgramID: p.ID, Version: p.Version, Limit: p.AdjustmentLimit, Before: h.Balance, After: h.Balance + points}
	if points > 0 {
		if r.ExpiresAt = a.ends; a.ends == nil {
			r.ExpiresAt = p.expiry(b.now)
		}
	}
	t := b.txn(h, kindAdjust, "", forAdjustment, points, b.now, text(r))
	t.Source, t.Description = cmp.Or(a.source, sourceOf(kindAdjust, t.ID)), a.description
	if points > 0 {
		b.active(h, p, b.now)
		b.grant(h, t.ID, points, r.ExpiresAt)
	} else if taken := b.take(h, t.ID, -points); taken != -points {
		return txn{}, b.unbalanced(h, -points, taken)
	}
	if err := b.move(h, adjusted, t.ID, points); err != nil {
		return txn{}, err
	}
	b.txns = append(b.txns, t)
	b.tell(h, loyaltyevent.PointsAdjusted{SiteID: h.SiteID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: points, Balance: h.Balance, Wallet: h.Wallet, CountsForTier: forTier, AdjustedAt: t.EffectiveAt})
	if forTier {
		b.settleTier(h, p)
		b.credit(h, p, t.EffectiveAt, points)
		b.place(h, p, kindAdjust, t.ID, t.EffectiveAt)
	}
	return t, nil
}

// redeem spends points on a batch, if its terms let the member. Unless something has to be handed out, nothing is waited for.
func (b *books) redeem(h *holder, batch *redemptionBatch, a action) (*redemption, error) {
	p, ok := b.programs[h.SiteID]
	switch {
	case h.Status != active:
		return nil, notActive(h.Status)
	case !ok || p.Status != active:
		return nil, errNoClub
	case batch == nil || batch.Status != active:
		return nil, errNoBatch
	}
	if err := b.expirePool(h); err != nil {
		return nil, err
	}
	cost, amount, err := batch.price(a.points)
	if err != nil {
		return nil, err
	}
	who := candidate{members: h.tallied(), tier: h.self().Tier, unmet: a.unmet, balance: h.spendable(), cost: cost}
	if refused := batch.refusals(p, who, b.now, func(k countKey) int64 { return b.counts[k].taken() }); len(refused) > 0 {
		return nil, asFault(refused[0])
	}
	gives := batch.gives(amount, a.about, b.count(batch, h.MemberID))
	b.active(h, b.programOf(h), b.now)
	others, err := b.gather(h, cost)
	if err != nil {
		return nil, err
	}
	r := redeemRule{Rule: "redemption", ProgramID: p.ID, Version: p.Version, BatchID: batch.ID, Cost: cost, Before: h.Balance, After: h.Balance - cost, Gives: gives, Others: others}
	if batch.Terms.RewardPlan != nil {
		r.Kind, r.Tier = batch.Kind, h.self().Tier
	}
	t := b.txn(h, kindRedeem, "", forRedemption, cost, b.now, text(r))
	t.Source = sourceOf(kindRedeem, t.ID)
	if taken := b.take(h, t.ID, cost); taken != cost {
		return nil, b.unbalanced(h, cost, taken)
	}
	if err := b.move(h, redeemed, t.ID, -cost); err != nil {
		return nil, err
	}
	made := &redemption{SiteID: h.SiteID, ID: t.ID, MemberID: h.MemberID, BatchID: batch.ID, Kind: batch.Kind, Status: waiting, Description: batch.Description,
		Points: cost, Wallet: orNull(h.Wallet), TrafficSource: a.text, CouponListID: batch.CouponListID, Terms: award{gives}, Pooled: others > 0, CreatedAt: t.EffectiveAt}
	if !batch.waits() {
		made.Status, made.FulfilledAt = fulfilled, &made.CreatedAt
	}
	b.txns, b.spent = append(b.txns, t), append(b.spent, made)
	b.tell(h, made.redeemedEvent(h))
	return made, nil
}

// redeemedEvent is what is told of a redemption that was just made.
func (r *redemption) redeemedEvent(h *holder) loyaltyevent.PointsRedeemed {
	g := r.Terms.of()
	return loyaltyevent.PointsRedeemed{SiteID: h.SiteID, RedemptionID: r.ID, TransactionID: r.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: r.Points, Balance: h.Balance, Wallet: h.Wallet, CouponListID: orZero(r.CouponListID), RedeemedAt: r.CreatedAt,
		Kind: r.Kind, BatchID: r.BatchID, Description: r.Description, CouponTemplate: g.Template, Amount: g.Amount, Currency: g.Currency, SKU: g.SKU, Reference: g.Reference}
}

// cancel gives a redemption's points back to the lots that they were taken from. A debt made since is repaid out of them. A
// redemption is cancelled once; to ask again changes nothing.
func (b *books) cancel(h *holder, r *redemption, used []allocation, reason string) error {
	if r.Status == cancelled {
		return nil
	}
	if err := b.expireDue(h); err != nil {
		return err
	}
	t := b.txn(h, kindCancel, sourceOf(kindRedeem, r.ID), forRedemption, r.Points, b.now, "")
	t.EarnID = r.ID
	repaid, graced, lent, err := b.giveBackPooled(h, t, between(used, 0, r.Points))
	if err != nil {
		return err
	}
	t.Rule = text(cancelRule{Rule: "cancellation", RedemptionID: r.ID, Was: r.Status, Reason: reason, Repaid: repaid, Graced: graced})
	if err := b.move(h, redeemed, t.ID, r.Points); err != nil {
		return err
	}
	b.txns = append(b.txns, t)
	r.Status, r.CancelReason, r.CancelTxnID, r.CancelledAt, r.dirty = cancelled, &reason, &t.ID, &t.EffectiveAt, true
	b.uncount(r.Terms.of().Counted, r.SiteID, r.BatchID, r.MemberID)
	b.tell(h, loyaltyevent.RedemptionCancelled{SiteID: h.SiteID, RedemptionID: r.ID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: r.Points, Balance: h.Balance, Wallet: h.Wallet, CouponListID: orZero(r.CouponListID), CouponID: orZero(r.CouponID), Kind: r.Kind, Reason: reason,
		CancelledAt: t.EffectiveAt})
	if err := b.repayLoans(h, t, lent); err != nil {
		return err
	}
	return b.expireDue(h)
}

func (b *books) unbalanced(h *holder, want, have int64) error {
	return fmt.Errorf("member %d of site %d has %d points in lots where %d of a balance of %d are spent", h.MemberID, h.SiteID, have, want, h.Balance)
}
