package referralevent

import "time"

// RewardIssued says that somebody earned something. One reward exists per referral, incentive and side; a click reward belongs
// to a friend offer instead of a referral, one for sharing to a share, one for signing up to its origin, and a milestone to nothing.
type RewardIssued struct {
	SiteID      int64     `json:"site_id"`
	RewardID    int64     `json:"reward_id"`
	ReferralID  int64     `json:"referral_id,omitempty"`
	CampaignID  int64     `json:"campaign_id"`
	IncentiveID int64     `json:"incentive_id"`
	OriginID    int64     `json:"origin_id,omitempty"`
	PersonID    int64     `json:"person_id,omitempty"` // who earned it; 0 for a friend that is only a visitor
	FriendID    int64     `json:"friend_id,omitempty"` // whose purchase it is for
	Side        string    `json:"side"`                // advocate, friend
	Reason      string    `json:"reason"`              // referrer, referred, click, signup, shared
	Kind        string    `json:"kind"`                // points, commission, coupon, other, store_credit, gift_card
	Points      int64     `json:"points,omitempty"`
	Amount      int64     `json:"amount,omitempty"` // of money, minor units
	Currency    string    `json:"currency,omitempty"`
	CouponCode  string    `json:"coupon_code,omitempty"`
	OccurredAt  time.Time `json:"occurred_at"` // of what it is for
	IssuedAt    time.Time `json:"issued_at"`
	ShareID     int64     `json:"share_id,omitempty"`    // what an advocate got for sharing
	Milestone   int64     `json:"milestone,omitempty"`   // how many approved referrals it is for
	Description string    `json:"description,omitempty"` // in the merchant's words

	// As in ReferralCreated: of the referral; of a click, a share or a sign-up, of that.
	QA            bool   `json:"qa_generated,omitempty"`
	Channel       string `json:"channel,omitempty"`
	TrafficSource string `json:"traffic_source,omitempty"`
	DeviceType    string `json:"device_type,omitempty"`
	EventCategory string `json:"event_category,omitempty"`
	Variant       string `json:"variant,omitempty"`
	UTMSource     string `json:"utm_source,omitempty"`
	UTMMedium     string `json:"utm_medium,omitempty"`
	UTMCampaign   string `json:"utm_campaign,omitempty"`
}

func (RewardIssued) EventType() string { return "referral.reward_issued.v1" }

// RewardClawedBack says how much of a reward has been taken back by now, after a refund or a void. Totals are cumulative.
type RewardClawedBack struct {
	SiteID      int64     `json:"site_id"`
	RewardID    int64     `json:"reward_id"`
	ReferralID  int64     `json:"referral_id"`
	CampaignID  int64     `json:"campaign_id"`
	PersonID    int64     `json:"person_id,omitempty"`
	Side        string    `json:"side"`
	Kind        string    `json:"kind"`
	Points      int64     `json:"points,omitempty"`       // taken back by this step
	PointsTotal int64     `json:"points_total,omitempty"` // by all steps so far
	Amount      int64     `json:"amount,omitempty"`
	AmountTotal int64     `json:"amount_total,omitempty"`
	Currency    string    `json:"currency,omitempty"`
	Full        bool      `json:"full"` // nothing is left of the reward: it is voided
	Cause       string    `json:"cause"`
	ClawedAt    time.Time `json:"clawed_at"`

	// As in RewardIssued.
	QA            bool   `json:"qa_generated,omitempty"`
	Channel       string `json:"channel,omitempty"`
	TrafficSource string `json:"traffic_source,omitempty"`
	DeviceType    string `json:"device_type,omitempty"`
	EventCategory string `json:"event_category,omitempty"`
	Variant       string `json:"variant,omitempty"`
	UTMSource     string `json:"utm_source,omitempty"`
	UTMMedium     string `json:"utm_medium,omitempty"`
	UTMCampaign   string `json:"utm_campaign,omitempty"`
}

func (RewardClawedBack) EventType() string { return "referral.reward_clawed_back.v1" }

// BudgetReached says that a campaign's rewards have cost 80 or 100 percent of its budget for a period; at 100 those that cost something
// are refused. Told once for each, as long as the amount stays. Key: "campaign:ID".
type BudgetReached struct {
	SiteID     int64     `json:"site_id"`
	CampaignID int64     `json:"campaign_id"`
	Percent    int64     `json:"percent"` // 80, 100
	Spent      int64     `json:"spent"`   // minor units
	Amount     int64     `json:"amount"`  // of the budget
	Currency   string    `json:"currency"`
	Period     string    `json:"period"` // month, total
	Since      string    `json:"since"`  // the day on which the period began, UTC
	ReachedAt  time.Time `json:"reached_at"`
}

func (BudgetReached) EventType() string { return "referral.budget_reached.v1" }

// GiftCardSent says that the provider has taken the order for a gift card and mails it. Key: the reward's, or "redemption:ID".
type GiftCardSent struct {
	SiteID     int64     `json:"site_id"`
	RewardID   int64     `json:"reward_id"`
	CampaignID int64     `json:"campaign_id"`
	PersonID   int64     `json:"person_id"`
	Amount     int64     `json:"amount"` // minor units
	Currency   string    `json:"currency"`
	Provider   string    `json:"provider"`
	OrderID    string    `json:"order_id"` // the provider's
	SentAt     time.Time `json:"sent_at"`

	RedemptionID int64 `json:"redemption_id,omitempty"` // of points; then there is neither a reward nor a campaign
}

func (GiftCardSent) EventType() string { return "referral.gift_card_sent.v1" }

// CouponIssued says that a single-use coupon of a list went to its one holder, for a reward or for a loyalty redemption.
// Key: "reward:ID" or "redemption:ID".
type CouponIssued struct {
	SiteID       int64     `json:"site_id"`
	CouponID     int64     `json:"coupon_id"`
	CouponListID int64     `json:"coupon_list_id"`
	Code         string    `json:"code"`
	RewardID     int64     `json:"reward_id,omitempty"`
	RedemptionID int64     `json:"redemption_id,omitempty"`
	PersonID     int64     `json:"person_id,omitempty"` // 0 for a friend that is only a visitor
	IssuedAt     time.Time `json:"issued_at"`
}

func (CouponIssued) EventType() string { return "referral.coupon_issued.v1" }

// PersonalCouponMade says that an offer has a code of its advocate's own: whoever orders with it came by the advocate. The shop has to
// know it. Key: "offer:ID".
type PersonalCouponMade struct {
	SiteID       int64     `json:"site_id"`
	CouponID     int64     `json:"coupon_id"`
	CouponListID int64     `json:"coupon_list_id"` // what the shop gives for it
	Code         string    `json:"code"`
	OfferID      int64     `json:"offer_id"`
	CampaignID   int64     `json:"campaign_id"`
	AdvocateID   int64     `json:"advocate_id"`
	Chosen       bool      `json:"chosen,omitempty"` // in somebody's own words, not drawn
	MadeAt       time.Time `json:"made_at"`
}

func (PersonalCouponMade) EventType() string { return "referral.personal_coupon_made.v1" }

// CouponsLow says that a list has fewer coupons left than it should. It is told again only after the list was refilled in between.
// Key: "coupon_list:ID".
type CouponsLow struct {
	SiteID       int64     `json:"site_id"`
	CouponListID int64     `json:"coupon_list_id"`
	Name         string    `json:"name"`
	Available    int64     `json:"available"`
	Threshold    int64     `json:"threshold"`     // the merchant's, or enough for 21 days as the last 21 were, at least 20
	IssuedLately int64     `json:"issued_lately"` // in the last 21 days
	Waiting      int64     `json:"waiting"`       // rewards and redemptions that wait for a coupon
	LowAt        time.Time `json:"low_at"`
}

func (CouponsLow) EventType() string { return "referral.coupons_low.v1" }

// Kinds of share.
const (
	Social = "social"
	Email  = "email"
)
