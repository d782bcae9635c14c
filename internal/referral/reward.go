package referral

import (
	"time"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// States of a reward, as Talkable names them. Points, coupons, store credit and what is promised in words are in the earner's hands
// at once: Paid. A commission is Unpaid until somebody pays it out, a gift card until its provider has taken the order.
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
	ShareID       *int64    `db:"share_id"`        // of sharing
	Milestone     *int64    `db:"milestone"`       // approved referrals that it is for
	Once          *string   `db:"once"`            // what it is unique by beside its source
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

	coupon  *coupon // the single-use coupon, where it was read
	offer   int64   // whose click it is for, while it is decided
	channel string  // of a share, likewise
	cost    int64   // in its campaign's budget, likewise
	costIn  string  // the currency of an amount; "" is the budget's
	planned bool    // it is what a commission plan came to
}

const reasonShared = "shared" // the reason of action sharing

// clawed is how much of a reward refunds have taken back: its share of the cumulative refund, so every split of the refunds has
// the same end. What has no parts, a coupon,
// a gift card or a thing, is taken back by a full refund only.
func (w *reward) clawed(refunded, subtotal int64, full bool) (value int64, voided bool) {
	whole := w.Points + w.Amount
	switch {
	case full:
		return whole, true
	case w.Points+w.Amount == 0 || w.Kind == referralevent.GiftCard || refunded <= 0 || subtotal <= 0:
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
	from := w.rule().From
	told := &referralevent.RewardClawedBack{SiteID: w.SiteID, RewardID: w.ID, ReferralID: r.ID, CampaignID: w.CampaignID,
		PersonID: deref(w.PersonID), Side: w.Side, Kind: w.Kind, Currency: w.Currency, Full: voided, Cause: causeRefund, ClawedAt: now,
		QA: from.QA, Channel: from.Channel, TrafficSource: from.Source, DeviceType: from.Device, EventCategory: from.Category, Variant: from.Variant,
		UTMSource: from.UTM.Source, UTMMedium: from.UTM.Medium, UTMCampaign: from.UTM.Campaign}
	if w.Kind == referralevent.Points {
		told.Points, told.PointsTotal = step, target
	} else {
		told.Amount, told.AmountTotal = step, target
	}
	return told
}
