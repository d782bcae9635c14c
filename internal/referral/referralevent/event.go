// Package referralevent is what module referral tells: offers, visits, referrals and the rewards that follow from them.
package referralevent

import "time"

// Types lists every event of this package, for the catalogue and the golden files.
var Types = []interface{ EventType() string }{
	OfferCreated{}, LinksVisited{}, ReferralCreated{}, ReferralApproved{}, ReferralVoided{}, RewardIssued{}, RewardClawedBack{},
	CouponIssued{}, CouponsLow{}, OfferShared{}, OfferClaimed{}, BudgetReached{}, GiftCardSent{}, PersonalCouponMade{},
	CommissionEarned{}, CommissionReleased{}, CommissionClawedBack{}, AccountAdjusted{}, PayoutPaid{}, PayoutFailed{}, OfferWithheld{},
	ShareReminderDue{}, CouponsUsed{}, AdvocatePurchased{}, OffersMoved{}, ReferralsMoved{},
}

// OfferCreated says that an advocate can share. Key: "offer:ID".
type OfferCreated struct {
	SiteID     int64     `json:"site_id"`
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	AdvocateID int64     `json:"advocate_id,omitempty"` // person; 0 while only a visitor is known
	CreatedAt  time.Time `json:"created_at"`

	ShareCode       string `json:"share_code,omitempty"`       // /x/CODE is the advocate's share page
	CampaignVersion int64  `json:"campaign_version,omitempty"` // whose incentives the offer promises
	Variant         string `json:"variant,omitempty"`          // of an experiment

	// Of the origin that it was made for, if any.
	TrafficSource string `json:"traffic_source,omitempty"`
	DeviceType    string `json:"device_type,omitempty"`    // desktop, mobile, tablet; empty: nobody knows
	EventCategory string `json:"event_category,omitempty"` // purchase, affiliate_member, or that of an event
	QA            bool   `json:"qa_generated,omitempty"`   // the campaign is in Test
}

func (OfferCreated) EventType() string { return "referral.offer_created.v1" }

// OfferWithheld says that somebody was held out of a campaign, to compare with those who get an offer. Once a campaign and person.
// Key: "held_out:ID".
type OfferWithheld struct {
	SiteID          int64     `json:"site_id"`
	HeldOutID       int64     `json:"held_out_id"`
	CampaignID      int64     `json:"campaign_id"`
	CampaignVersion int64     `json:"campaign_version"`
	PersonID        int64     `json:"person_id,omitempty"` // 0 while only a visitor is known
	WithheldAt      time.Time `json:"withheld_at"`
}

func (OfferWithheld) EventType() string { return "referral.offer_withheld.v1" }

// Visit is one opening of a claim link.
type Visit struct {
	VisitID     int64     `json:"visit_id"`
	OfferID     int64     `json:"offer_id"`
	CampaignID  int64     `json:"campaign_id"`
	AdvocateID  int64     `json:"advocate_id,omitempty"`
	VisitorID   string    `json:"visitor_id"`
	Channel     string    `json:"channel,omitempty"`
	FirstOfThem bool      `json:"first,omitempty"` // this visitor's first visit to this offer: a friend offer was made
	VisitedAt   time.Time `json:"visited_at"`
	DeviceType  string    `json:"device_type,omitempty"`  // desktop, mobile, tablet; empty: nobody knows
	Variant     string    `json:"variant,omitempty"`      // of the experiment that the offer is in
	QA          bool      `json:"qa_generated,omitempty"` // the campaign is in Test
}

// LinksVisited tells all visits of one site that were committed together, so that a busy link costs one event a commit.
// Key: "visits:OFFER" of the first visit.
type LinksVisited struct {
	SiteID int64   `json:"site_id"`
	Visits []Visit `json:"visits"`
}

func (LinksVisited) EventType() string { return "referral.links_visited.v1" }

// States of a referral.
const (
	Pending  = "pending"
	Flagged  = "flagged"
	Approved = "approved"
	Voided   = "voided"
	Blocked  = "blocked"
)

// ReferralCreated says that a friend's origin was traced to an advocate, and what was decided at once. All events of a referral
// and its rewards have the key "referral:ID".
type ReferralCreated struct {
	SiteID      int64     `json:"site_id"`
	ReferralID  int64     `json:"referral_id"`
	CampaignID  int64     `json:"campaign_id"`
	OfferID     int64     `json:"offer_id"`
	OriginID    int64     `json:"origin_id"`
	AdvocateID  int64     `json:"advocate_id"`
	FriendID    int64     `json:"friend_id"`
	Status      string    `json:"status"`       // pending, flagged, blocked; approved is told by ReferralApproved
	TrackMethod string    `json:"track_method"` // how the advocate was found: coupon, cookie, web_cookie, email and others
	Subtotal    int64     `json:"subtotal"`
	Currency    string    `json:"currency,omitempty"`
	Reasons     []string  `json:"reasons,omitempty"` // codes of the rules that blocked or flagged it
	OccurredAt  time.Time `json:"occurred_at"`       // of the friend's origin
	CreatedAt   time.Time `json:"created_at"`
	QA          bool      `json:"qa_generated,omitempty"` // somebody of the merchant's tried things out
	FirstOrder  bool      `json:"first_order,omitempty"`  // the friend had bought nothing before

	// What a referral was whose place this one takes: the same origin's, another advocate's, in the same campaign.
	Replaces         int64  `json:"replaces,omitempty"`
	ReplacedMethod   string `json:"replaced_method,omitempty"`   // its track_method
	ReplacedBarred   bool   `json:"replaced_barred,omitempty"`   // its first status was blocked
	ReplacedApproved bool   `json:"replaced_approved,omitempty"` // it was approved
	ReplacedQA       bool   `json:"replaced_qa,omitempty"`

	Channel       string `json:"channel,omitempty"`        // of the link by which the friend first came to the offer; email, coupon
	TrafficSource string `json:"traffic_source,omitempty"` // of the friend's origin, like the next two
	DeviceType    string `json:"device_type,omitempty"`    // desktop, mobile, tablet; empty: nobody knows
	EventCategory string `json:"event_category,omitempty"` // purchase, or that of an event
	Variant       string `json:"variant,omitempty"`        // of the experiment that the offer is in
	UTMSource     string `json:"utm_source,omitempty"`     // of the friend's origin, like the next two
	UTMMedium     string `json:"utm_medium,omitempty"`
	UTMCampaign   string `json:"utm_campaign,omitempty"`

	ReplacedChannel string `json:"replaced_channel,omitempty"`
	ReplacedVariant string `json:"replaced_variant,omitempty"`
}

func (ReferralCreated) EventType() string { return "referral.referral_created.v1" }

// ReferralApproved says that a referral counts. Its rewards follow as RewardIssued.
type ReferralApproved struct {
	SiteID      int64     `json:"site_id"`
	ReferralID  int64     `json:"referral_id"`
	CampaignID  int64     `json:"campaign_id"`
	OfferID     int64     `json:"offer_id,omitempty"`
	OriginID    int64     `json:"origin_id"`
	AdvocateID  int64     `json:"advocate_id"`
	FriendID    int64     `json:"friend_id"`
	Subtotal    int64     `json:"subtotal"`
	Currency    string    `json:"currency,omitempty"`
	Cause       string    `json:"cause"`                  // automatic, delay, manual
	TrackMethod string    `json:"track_method,omitempty"` // as in ReferralCreated
	FirstOrder  bool      `json:"first_order,omitempty"`  // as in ReferralCreated
	OccurredAt  time.Time `json:"occurred_at"`
	ApprovedAt  time.Time `json:"approved_at"`

	// As in ReferralCreated.
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

func (ReferralApproved) EventType() string { return "referral.referral_approved.v1" }

// ReferralVoided says that a referral does not count: voided by hand or by a refund, or blocked by hand.
type ReferralVoided struct {
	SiteID     int64     `json:"site_id"`
	ReferralID int64     `json:"referral_id"`
	CampaignID int64     `json:"campaign_id"`
	OriginID   int64     `json:"origin_id"`
	AdvocateID int64     `json:"advocate_id"`
	FriendID   int64     `json:"friend_id"`
	Status     string    `json:"status"` // voided, blocked
	Was        string    `json:"was"`    // the status before
	Cause      string    `json:"cause"`  // manual, refund
	VoidedAt   time.Time `json:"voided_at"`

	// As in ReferralCreated.
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

func (ReferralVoided) EventType() string { return "referral.referral_voided.v1" }

// Kinds of reward.
const (
	Points      = "points"
	Commission  = "commission"
	Coupon      = "coupon"
	Other       = "other"        // a thing that the merchant gives, told in words
	StoreCredit = "store_credit" // the merchant's shop keeps it: this event is what to add
	GiftCard    = "gift_card"    // GiftCardSent follows
)

// OfferShared says that an advocate shared an offer: by a channel of theirs, or by an e-mail that we are to send to a friend.
// Key: "offer:ID".
type OfferShared struct {
	SiteID     int64     `json:"site_id"`
	ShareID    int64     `json:"share_id"`
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	AdvocateID int64     `json:"advocate_id,omitempty"` // person; 0 while only a visitor is known
	Kind       string    `json:"kind"`                  // social, email
	Channel    string    `json:"channel"`
	First      bool      `json:"first,omitempty"`     // the offer was never shared before
	Link       string    `json:"link"`                // the share's own claim link
	FriendID   int64     `json:"friend_id,omitempty"` // of an e-mail: the person whom it goes to
	Subject    string    `json:"subject,omitempty"`   // of an e-mail: the advocate's words, if any
	Message    string    `json:"message,omitempty"`
	SharedAt   time.Time `json:"shared_at"`

	Second bool `json:"second,omitempty"` // the offer was shared once before

	// As in OfferCreated.
	TrafficSource string `json:"traffic_source,omitempty"`
	DeviceType    string `json:"device_type,omitempty"`
	EventCategory string `json:"event_category,omitempty"`
	Variant       string `json:"variant,omitempty"`
	QA            bool   `json:"qa_generated,omitempty"` // the campaign is in Test
}

func (OfferShared) EventType() string { return "referral.offer_shared.v1" }

// OfferClaimed says that a merchant told us of a friend who claims an advocate's offer, or that a friend gave an address on a claim page; a claim
// by a link alone is a visit instead.
// Key: "offer:ID".
type OfferClaimed struct {
	SiteID        int64     `json:"site_id"`
	OfferID       int64     `json:"offer_id"`
	CampaignID    int64     `json:"campaign_id"`
	AdvocateID    int64     `json:"advocate_id"`
	FriendID      int64     `json:"friend_id"`
	FriendOfferID int64     `json:"friend_offer_id,omitempty"`
	Reason        string    `json:"reason,omitempty"` // why it earns the friend nothing: SELF_REFERRAL
	ClaimedAt     time.Time `json:"claimed_at"`
	ByPage        bool      `json:"by_page,omitempty"`      // the friend said so on a claim page: nobody has confirmed who it is
	OptedIn       bool      `json:"opted_in,omitempty"`     // and wants mail
	Stranger      bool      `json:"stranger,omitempty"`     // whom the site hadn't known before
	Channel       string    `json:"channel,omitempty"`      // of the link that led to the page
	QA            bool      `json:"qa_generated,omitempty"` // the campaign is in Test
}

func (OfferClaimed) EventType() string { return "referral.offer_claimed.v1" }

// ShareReminderDue says that a friend may be reminded of an offer that an advocate mailed three days ago: the friend hasn't taken it, it
// still holds, and nothing newer was mailed. Once a share, if its advocate agreed. Key: "offer:ID".
type ShareReminderDue struct {
	SiteID     int64     `json:"site_id"`
	ShareID    int64     `json:"share_id"`
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	AdvocateID int64     `json:"advocate_id,omitempty"` // person; 0 while only a visitor is known
	FriendID   int64     `json:"friend_id"`             // whom it was mailed to
	Link       string    `json:"link"`                  // the share's own
	DueAt      time.Time `json:"due_at"`
	QA         bool      `json:"qa_generated,omitempty"` // the campaign is in Test
}

func (ShareReminderDue) EventType() string { return "referral.share_reminder_due.v1" }

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
	UTMSource     string    `json:"utm_source,omitempty"`
	UTMMedium     string    `json:"utm_medium,omitempty"`
	UTMCampaign   string    `json:"utm_campaign,omitempty"`
	OccurredAt    time.Time `json:"occurred_at"` // of the order
	UsedAt        time.Time `json:"used_at"`     // when we heard of it
}

func (CouponsUsed) EventType() string { return "referral.coupons_used.v1" }

// AdvocatePurchased says that somebody bought who had an offer before the order's date, of a campaign that isn't in Test.
// Once an order, as far as that was known when it was looked at. Key: "origin:ID".
type AdvocatePurchased struct {
	SiteID        int64     `json:"site_id"`
	OriginID      int64     `json:"origin_id"`
	PersonID      int64     `json:"person_id"`
	Subtotal      int64     `json:"subtotal"` // of the order, minor units
	Currency      string    `json:"currency,omitempty"`
	FirstPurchase bool      `json:"first_purchase,omitempty"` // as the order says
	Referred      bool      `json:"referred,omitempty"`       // the order made a referral, too, of another advocate's
	TrafficSource string    `json:"traffic_source,omitempty"`
	DeviceType    string    `json:"device_type,omitempty"`
	EventCategory string    `json:"event_category,omitempty"`
	UTMSource     string    `json:"utm_source,omitempty"`
	UTMMedium     string    `json:"utm_medium,omitempty"`
	UTMCampaign   string    `json:"utm_campaign,omitempty"`
	OccurredAt    time.Time `json:"occurred_at"` // of the order
}

func (AdvocatePurchased) EventType() string { return "referral.advocate_purchased.v1" }
