package referral

import (
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// States of a reward, as Talkable names them. Points and coupons are in the earner's hands at once: Paid. A commission is
// Unpaid until somebody pays it out.
const (
	rewardPaid   = "Paid"
	rewardUnpaid = "Unpaid"
	rewardVoided = "Voided"
	// A single-use coupon was due when its list had none left; it is told and given once there is one. The API, which knows three
	// states, calls it Unpaid.
	rewardWaiting = "Waiting for coupon"
)

// reward is what somebody earned.
type reward struct {
	SiteID        int64     `db:"site_id"`
	ID            int64     `db:"id"`
	CampaignID    int64     `db:"campaign_id"`
	IncentiveID   int64     `db:"incentive_id"`
	ReferralID    *int64    `db:"referral_id"`
	FriendOfferID *int64    `db:"friend_offer_id"` // of a click
	OriginID      *int64    `db:"origin_id"`
	PersonID      *int64    `db:"person_id"`
	VisitorID     *string   `db:"visitor_id"`
	FriendID      *int64    `db:"friend_id"`
	Side          string    `db:"side"`
	Reason        string    `db:"reason"`
	Kind          string    `db:"kind"`
	Status        string    `db:"status"`
	Points        int64     `db:"points"`
	Amount        int64     `db:"amount"`
	Currency      string    `db:"currency"`
	CouponCode    string    `db:"coupon_code"`
	CouponListID  *int64    `db:"coupon_list_id"` // of a single-use coupon
	CouponID      *int64    `db:"coupon_id"`
	Clawed        int64     `db:"clawed"` // of points or amount, by all refunds so far
	Rule          string    `db:"rule"`
	OccurredAt    time.Time `db:"occurred_at"`
	IssuedAt      time.Time `db:"issued_at"` // while it waits for a coupon: since when

	planned bool // it is what a commission plan came to

	coupon *coupon // the single-use coupon, where it was read
}

// rewardRule is why a reward is what it is.
type rewardRule struct {
	Incentive       incentive `json:"incentive"`
	CampaignVersion int       `json:"campaign_version"`
	Subtotal        int64     `json:"subtotal_seen"`
	Currency        string    `json:"currency_seen,omitempty"`
	Points          int64     `json:"points,omitempty"`
	Amount          int64     `json:"amount,omitempty"`
}

// earn is what one incentive gives for an order; nil when its condition doesn't hold. A commission in percent has the order's
// currency, a fixed one its own.
func earn(i incentive, version int, subtotal int64, currency string) *reward {
	if i.SubtotalMin != nil && subtotal < *i.SubtotalMin {
		return nil
	}
	w := &reward{SiteID: i.SiteID, CampaignID: i.CampaignID, IncentiveID: i.ID, Side: i.side(), Reason: i.Action, Kind: i.Kind,
		Status: rewardPaid}
	switch i.Kind {
	case referralevent.Points:
		w.Points = i.Points
	case referralevent.Commission:
		w.Status = rewardUnpaid
		if i.CommissionPlan != nil {
			return nil // the plan decides: see earnApproved
		}
		if w.Amount, w.Currency = i.Amount, i.Currency; i.BasisPoints > 0 {
			w.Amount, w.Currency = money.Percent(subtotal, i.BasisPoints), currency
		}
		if w.Amount == 0 {
			return nil
		}
	case referralevent.Coupon:
		if w.CouponCode, w.CouponListID = i.CouponCode, i.CouponList; w.CouponListID != nil {
			w.Status = rewardWaiting // until it is handed out, in the same transaction if the list has one
		}
	}
	rule, err := json.Marshal(rewardRule{Incentive: i, CampaignVersion: version, Subtotal: subtotal, Currency: currency,
		Points: w.Points, Amount: w.Amount})
	if err != nil {
		panic(err) // plain fields
	}
	w.Rule = string(rule)
	return w
}

// clickRewards are what a new friend offer earns the visitor.
func clickRewards(c *campaign, f friendOffer, now time.Time) []reward {
	var out []reward
	for _, i := range c.active(actionClick) {
		if w := earn(i, c.Version, 0, ""); w != nil {
			w.FriendOfferID, w.VisitorID, w.OccurredAt = &f.ID, &f.VisitorID, now
			out = append(out, *w)
		}
	}
	return out
}

// referralRewards are what an approved referral earns both sides.
func referralRewards(c *campaign, r *referral) []reward {
	var out []reward
	for _, i := range c.Incentives {
		if !i.Active || i.Action == actionClick {
			continue
		}
		w := earn(i, c.Version, r.Subtotal, r.Currency)
		if w == nil {
			continue
		}
		w.ReferralID, w.OriginID, w.FriendID, w.OccurredAt = &r.ID, &r.OriginID, &r.FriendID, r.OccurredAt
		if w.PersonID = &r.FriendID; w.Side == sideAdvocate {
			w.PersonID = &r.AdvocateID
		}
		out = append(out, *w)
	}
	return out
}

// clawed is how much of a reward refunds have taken back: its share of the cumulative refund, so every split of the refunds has
// the same end. A coupon is taken back by a full refund only.
func (w *reward) clawed(refunded, subtotal int64, full bool) (value int64, voided bool) {
	whole := w.Points + w.Amount
	switch {
	case full:
		return whole, true
	case w.Kind == referralevent.Coupon || refunded <= 0 || subtotal <= 0:
		return 0, false
	default:
		value = money.Share(whole, refunded, subtotal)
		return value, value == whole
	}
}

// clawBack takes back what refunds now ask for, and says what to tell; nil when nothing changes.
func (w *reward) clawBack(r *referral, now time.Time) *referralevent.RewardClawedBack {
	if w.Status == rewardVoided {
		return nil
	}
	target, voided := w.clawed(r.RefundedTotal, r.Subtotal, r.RefundedFull)
	step := target - w.Clawed
	if step <= 0 && !voided {
		return nil
	}
	w.Clawed = target
	if voided {
		w.Status = rewardVoided
	}
	told := &referralevent.RewardClawedBack{SiteID: w.SiteID, RewardID: w.ID, ReferralID: r.ID, CampaignID: w.CampaignID,
		PersonID: deref(w.PersonID), Side: w.Side, Kind: w.Kind, Currency: w.Currency, Full: voided, Cause: causeRefund, ClawedAt: now}
	if w.Kind == referralevent.Points {
		told.Points, told.PointsTotal = step, target
	} else {
		told.Amount, told.AmountTotal = step, target
	}
	return told
}
