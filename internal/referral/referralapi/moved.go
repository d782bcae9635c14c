package referralapi

import "time"

// MovedAdvocate is somebody who shared elsewhere before the site moved here, and one of the ways in which friends came to him. Several rows may be
// about one person.
type MovedAdvocate struct {
	PersonID   int64 `json:"-"`
	CampaignID int64
	Link       string    // the old address, as https://refer.shop.example/ann; "": none
	AnyCase    bool      // the old address was the same in capitals
	Code       string    // that friends type at checkout
	Name       string    // of the link /by/NAME
	Since      time.Time // zero: now
}

// MovedReferral is a referral that was made elsewhere. What its friend did is recorded here as an origin.
type MovedReferral struct {
	Number     string // the other's
	AdvocateID int64
	FriendID   int64
	OriginID   int64
	CampaignID int64
	Status     string // as referralevent has them
	Subtotal   int64
	Currency   string
	OccurredAt time.Time
	FirstOrder bool   // the friend had bought nothing before
	Category   string // purchase, or that of an event
}

// MovedReward is a coupon that was issued elsewhere and that nobody used.
type MovedReward struct {
	Number   string
	Referral string // the number of its referral, which was taken in before
	Friend   bool   // it is the friend's, else the advocate's
	Code     string
	ListID   int64     // whose worth it has
	IssuedAt time.Time // zero: when its friend's order was
	Expires  *time.Time
}

// MovedBalance is what an advocate had earned elsewhere and wasn't paid.
type MovedBalance struct {
	Number   string
	PersonID int64
	Currency string
	Amount   int64 // below zero: owed
	Note     string
}
