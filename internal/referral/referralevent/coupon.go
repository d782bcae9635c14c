package referralevent

import "time"

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

// CouponsUsed says that an order came with coupons that the site's campaigns and lists give. Once an order. Key: "origin:ID".
type CouponsUsed struct {
	SiteID        int64     `json:"site_id"`
	OriginID      int64     `json:"origin_id"`
	PersonID      int64     `json:"person_id,omitempty"`
	Codes         []string  `json:"codes"`                  // those of the site
	ByAdvocate    bool      `json:"by_advocate,omitempty"`  // one of them is for advocates
	ByFriend      bool      `json:"by_friend,omitempty"`    // one of them is for friends
	RewardsUsed   int64     `json:"rewards_used,omitempty"` // that advocates had got for referrals, and used now for the first time
	Subtotal      int64     `json:"subtotal"`               // of the order, minor units
	Currency      string    `json:"currency,omitempty"`
	TrafficSource string    `json:"traffic_source,omitempty"`
	DeviceType    string    `json:"device_type,omitempty"`
	EventCategory string    `json:"event_category,omitempty"`
	OccurredAt    time.Time `json:"occurred_at"` // of the order
	UsedAt        time.Time `json:"used_at"`     // when we heard of it
}

func (CouponsUsed) EventType() string { return "referral.coupons_used.v1" }
