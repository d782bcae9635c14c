package referralevent

import "time"

// OffersMoved says that advocates who shared elsewhere can share here. They come with a history, so nobody is told of an offer that is new:
// there is no OfferCreated of these. Key: "moved:SOURCE".
type OffersMoved struct {
	SiteID int64        `json:"site_id"`
	Source string       `json:"source"` // where they come from
	Offers []MovedOffer `json:"offers"`
}

// MovedOffer is an offer as it would have been told then.
type MovedOffer struct {
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	AdvocateID int64     `json:"advocate_id"`
	CreatedAt  time.Time `json:"created_at"` // there
}

func (OffersMoved) EventType() string { return "referral.offers_moved.v1" }

// ReferralsMoved says that referrals of elsewhere are in the books. Whatever followed from them followed there: there is no ReferralCreated and
// no ReferralApproved of these, and no reward. Key: "moved:SOURCE".
type ReferralsMoved struct {
	SiteID    int64           `json:"site_id"`
	Source    string          `json:"source"`
	Referrals []MovedReferral `json:"referrals"`
}

// MovedReferral is a referral as it stood there.
type MovedReferral struct {
	ReferralID    int64     `json:"referral_id"`
	CampaignID    int64     `json:"campaign_id"`
	OfferID       int64     `json:"offer_id"`
	OriginID      int64     `json:"origin_id"`
	AdvocateID    int64     `json:"advocate_id"`
	FriendID      int64     `json:"friend_id"`
	Status        string    `json:"status"`
	Subtotal      int64     `json:"subtotal"`
	Currency      string    `json:"currency,omitempty"`
	FirstOrder    bool      `json:"first_order,omitempty"`
	EventCategory string    `json:"event_category,omitempty"`
	OccurredAt    time.Time `json:"occurred_at"`
}

func (ReferralsMoved) EventType() string { return "referral.referrals_moved.v1" }
