package referralapi

import "time"

// Campaign is a campaign in Talkable's shape.
type Campaign struct {
	ID                    int64    `json:"id"`
	Slug                  int64    `json:"slug"`
	Name                  string   `json:"name"`
	Status                string   `json:"status"`
	IsActive              bool     `json:"is_active"`
	Appearance            string   `json:"appearance"`
	JoinableCategoryNames []string `json:"joinable_category_names"`
	TagNames              []string `json:"tag_names"`
	NewCustomer           *string  `json:"new_customer"`
	OriginMinAge          *int64   `json:"origin_min_age"`
	OriginMaxAge          *int64   `json:"origin_max_age"`
	LivePeriod            Period   `json:"live_period"`
}

// Period is when a campaign is live.
type Period struct {
	StartsAt *string `json:"starts_at"`
	EndsAt   *string `json:"ends_at"`
}

// FoundCoupon is what is known of a code.
type FoundCoupon struct {
	Coupon   Coupon
	Reward   *CouponReward // nil: it isn't the coupon of a reward
	Owners   []int64       // who it was given to: a person, or all that a visitor is known to be; none: nobody in particular
	Unissued bool          // it is one of a list, and was not handed out yet
	Expired  bool          // or what it was given for was taken back
	Used     bool
}

// CouponReward is the reward that a coupon is.
type CouponReward struct {
	CreatedAt time.Time
	PersonID  int64 // 0: only a visitor
	Campaign  Campaign
	Incentive Incentive

	OfferLapsed bool // the friend offer that it was given for is over
}

// CouponList is a supply of coupons.
type CouponList struct {
	ID          int64
	Name        string
	SingleUse   bool
	BasisPoints int64 // percentage, or
	Amount      int64 // minor units
	Currency    string
	ExpiresAt   *time.Time
	Available   int64
}
