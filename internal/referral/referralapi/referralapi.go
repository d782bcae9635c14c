// Package referralapi is what module referral answers when the edge asks it: the shapes of its calls.
package referralapi

import (
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
)

// Join asks for the offer that an origin earns its advocate.
type Join struct {
	OriginID     int64
	Type         string // customerevent's
	Category     string
	PersonID     int64    // 0: only visitors are known
	Visitors     []string // uuids
	CampaignTags []string
	Channels     []string // claim links wanted for these sharing channels
	CampaignID   int64    // the campaign that it has to be, also one in Test; 0: any
	Placements   []int64  // that the page matched; none: not known
	Idempotency  idempotency.Key

	// What join criteria may ask for of the origin.
	Subtotal      int64 // minor units
	Currency      string
	CouponCodes   []string
	Segments      []string
	TrafficSource string
	Items         []customerapi.Item
	Verified      bool
	OccurredAt    time.Time

	DeviceType string // desktop, mobile, tablet; "": nobody knows
}

// Offer is an advocate's offer in Talkable's shape. Email is left to the caller, who knows the person.
type Offer struct {
	ID            int64                `json:"id"`
	Email         *string              `json:"email"`
	ShortURLCode  string               `json:"short_url_code"`
	ShowURL       string               `json:"show_url"`
	ClaimURL      string               `json:"claim_url"`
	CouponCode    *string              `json:"coupon_code"`
	Incentives    map[string]Incentive `json:"incentives"`
	TriggerWidget bool                 `json:"trigger_widget"`
	CampaignTags  []string             `json:"campaign_tags"`
	ClaimLinks    map[string]string    `json:"claim_links,omitempty"` // by sharing channel, when asked for

	CampaignID int64             `json:"campaign_id"`       // ours, beside Talkable's members
	Variant    string            `json:"variant,omitempty"` // likewise: of the campaign's experiment, in which the advocate stays
	Texts      map[string]string `json:"texts,omitempty"`   // likewise: the campaign's, with those of the variant in their places
	AdvocateID int64             `json:"-"`                 // person, 0 while unknown
}

// Incentive is one of the offer's incentives in Talkable's shape.
type Incentive struct {
	Identifier      string          `json:"identifier"`
	ActionType      string          `json:"action_type"`    // referrer, referred, click
	IncentiveType   string          `json:"incentive_type"` // discount_coupon, rebate, other
	Amount          json.RawMessage `json:"amount"`         // number or null
	Description     string          `json:"description"`    // "$5", "10%", "500 points"
	Percentage      bool            `json:"percentage"`
	ForAdvocate     bool            `json:"for_advocate"`
	ForFriend       bool            `json:"for_friend"`
	HighestAmount   bool            `json:"highest_amount"`
	CouponExpiresAt *string         `json:"coupon_expires_at"`
	CriteriaConfig  map[string]any  `json:"criteria_config"`
}

// Referral is the link between an advocate's offer and a friend's origin.
type Referral struct {
	ID              int64
	Status          string // referralevent's
	Cause           string // of the status
	CampaignID      int64
	OfferID         int64
	OriginID        int64
	AdvocateID      int64
	FriendID        int64
	Subtotal        int64
	Currency        string
	RefundedTotal   int64
	TrackMethod     string
	AdvocateGot     bool // an advocate reward exists that isn't voided
	Fraud           Verdicts
	Superseded      bool   // another referral has taken its place
	Replaces        *int64 // the referral whose place it took
	QA              bool   // somebody of the merchant's tried things out
	FraudDetails    *string
	ApproveAt       *time.Time // when it will be approved by itself
	OccurredAt      time.Time  // of the friend's origin
	CreatedAt       time.Time
	UpdatedAt       time.Time
	AdvocateRewards []Reward
	FriendRewards   []Reward
}

// Step asks for another status of a referral.
type Step struct {
	Status string // referralevent's, or "unblocked"
	Cause  string // manual
	KeyID  int64  // who asks; 0 for nobody
	Note   string // why, in the words of who asks
}

// Verdicts lists the labels of the fraud rules by what each of them found.
type Verdicts struct {
	Blocked []string `json:"blocked"`
	Flagged []string `json:"flagged"`
	Skipped []string `json:"skipped"`
	Passed  []string `json:"passed"`
}

// Reward is a reward in Talkable's shape.
type Reward struct {
	ID                         int64           `json:"id"`
	Reason                     string          `json:"reason"` // referrer, referred, click
	Status                     string          `json:"status"` // Paid, Unpaid, Voided
	IncentiveType              string          `json:"incentive_type"`
	IncentiveDescription       string          `json:"incentive_description"`
	IncentiveCustomDescription *string         `json:"incentive_custom_description"`
	Amount                     json.RawMessage `json:"amount"` // number or null
	Coupon                     *Coupon         `json:"coupon"`
	CouponCode                 *string         `json:"coupon_code"`
	Points                     *int64          `json:"points,omitempty"`             // ours: of a points reward
	WaitsForCoupon             bool            `json:"waiting_for_coupon,omitempty"` // ours: its coupon list is empty; the status is Unpaid until it has its coupon
}

// Coupon is a coupon in Talkable's shape.
type Coupon struct {
	ID                 int64           `json:"id"`
	Code               string          `json:"code"`
	Active             bool            `json:"active"`
	ValidUntil         *string         `json:"valid_until"`
	ExpiresAt          *string         `json:"expires_at"`
	SingleUse          bool            `json:"single_use"`
	Used               bool            `json:"used"`
	Usages             int64           `json:"usages"`
	Amount             json.RawMessage `json:"amount"`
	PercentageDiscount bool            `json:"percentage_discount"`
	Description        string          `json:"description"`
}

// Counts is what a person's page says of referral.
type Counts struct {
	Referrals        map[string]int64 // "total", "approved", "pending"
	Rewards          map[string]int64 // "total", "paid", "unpaid"
	Shares           map[string]int64 // "total"; channels when there are shares
	ReferredBy       int64            // person id of the advocate of the newest approved or pending referral, 0 for none
	LastInvitedBy    int64            // person id of the advocate whose link was opened, or whose e-mail was asked for, last; 0 for none
	PersonalClaimURL *string
}
