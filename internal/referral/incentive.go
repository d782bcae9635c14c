package referral

import (
	"fmt"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Actions that an incentive rewards.
const (
	actionReferrer = "referrer" // the advocate, for an approved referral
	actionReferred = "referred" // the friend, for the same
	actionClick    = "click"    // the friend, for opening the link
	actionSignup   = "signup"   // the advocate, for signing up
	actionSharing  = "sharing"  // the advocate, for sharing
)

// Sides of a reward.
const (
	sideAdvocate = "advocate"
	sideFriend   = "friend"
)

// incentive is one promise of a campaign.
type incentive struct {
	SiteID         int64  `db:"site_id" json:"-"`
	ID             int64  `db:"id" json:"id"`
	CampaignID     int64  `db:"campaign_id" json:"-"`
	Identifier     string `db:"identifier" json:"identifier"`
	Position       int    `db:"position" json:"-"`
	Action         string `db:"action" json:"action_type"`
	Kind           string `db:"kind" json:"kind"`
	Points         int64  `db:"points" json:"points,omitempty"`
	BasisPoints    int64  `db:"basis_points" json:"basis_points,omitempty"`
	Amount         int64  `db:"amount" json:"amount,omitempty"`
	Currency       string `db:"currency" json:"currency,omitempty"`
	CouponCode     string `db:"coupon_code" json:"coupon_code,omitempty"`
	CouponList     *int64 `db:"coupon_list_id" json:"coupon_list_id,omitempty"`         // instead of a code: each reward takes one of its coupons
	CommissionPlan *int64 `db:"commission_plan_id" json:"commission_plan_id,omitempty"` // instead of a percentage or an amount
	SubtotalMin    *int64 `db:"subtotal_min" json:"subtotal_min,omitempty"`
	Terms          terms  `db:"terms" json:"terms,omitzero"`
	Active         bool   `db:"active" json:"-"`
}

func (i incentive) side() string {
	if i.Action == actionReferred || i.Action == actionClick {
		return sideFriend
	}
	return sideAdvocate
}

// reason is the action in the words of rewards.
func (i incentive) reason() string {
	if i.Action == actionSharing {
		return reasonShared
	}
	return i.Action
}

// wire is the incentive's kind in Talkable's words.
func (i incentive) wire() string {
	switch i.Kind {
	case referralevent.Coupon:
		return "discount_coupon"
	case referralevent.Commission:
		return "rebate"
	default:
		return "other"
	}
}

// value is what it is worth in Talkable's "amount": a plain number, or "" when there is none.
func (i incentive) value() string {
	switch {
	case i.BasisPoints > 0:
		return money.Rate(i.BasisPoints)
	case i.Amount > 0:
		return money.Format(i.Amount, i.Currency)
	default:
		return ""
	}
}

// describe is the incentive in words: "$5", "10%", "500 points".
func (i incentive) describe() string {
	switch {
	case i.Terms.Description != "":
		return i.Terms.Description
	case i.Kind == referralevent.Points:
		return fmt.Sprintf("%d points", i.Points)
	case i.BasisPoints > 0:
		return money.Rate(i.BasisPoints) + "%"
	case i.Amount > 0:
		return money.Price(i.Amount, i.Currency)
	case i.CommissionPlan != nil:
		return "commission by plan"
	default:
		return fmt.Sprintf("coupon %q", i.CouponCode)
	}
}
