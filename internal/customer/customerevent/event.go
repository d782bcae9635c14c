// Package customerevent is what module customer tells: people, what they did, and what was taken back.
package customerevent

import "time"

// Types lists every event of this package, for the catalogue and the golden files.
var Types = []interface{ EventType() string }{PersonChanged{}, PersonAnonymized{}, PersonMerged{}, PersonUnmerged{}, OriginRecorded{}, OriginRefunded{}}

// PersonChanged says that a person is new or that contact data, or the wish to get mail, changed; it carries all of it as it is now.
// Key: "person:ID".
type PersonChanged struct {
	SiteID         int64     `json:"site_id"`
	PersonID       int64     `json:"person_id"`
	Email          string    `json:"email,omitempty"`
	Phone          string    `json:"phone,omitempty"`
	CustomerID     string    `json:"customer_id,omitempty"`
	FirstName      string    `json:"first_name,omitempty"`
	LastName       string    `json:"last_name,omitempty"`
	Username       string    `json:"username,omitempty"` // the personal name, as it was written
	ChangedAt      time.Time `json:"changed_at"`
	UnsubscribedAt time.Time `json:"unsubscribed_at,omitzero"` // not zero: wants no mail but what is necessary
}

func (PersonChanged) EventType() string { return "customer.person_changed.v1" }

// PersonAnonymized says that a person's identity is to be forgotten, for good: whoever keeps contact data of the person, or what
// was written to it, erases that. Facts stay with the person's id. It follows a PersonChanged with what is left. Key: "person:ID".
type PersonAnonymized struct {
	SiteID       int64     `json:"site_id"`
	PersonID     int64     `json:"person_id"`
	AnonymizedAt time.Time `json:"anonymized_at"`
}

func (PersonAnonymized) EventType() string { return "customer.person_anonymized.v1" }

// PersonMerged says that two persons are one: from now on whatever is told of the duplicate is the survivor's, and told of the survivor. A survivor is
// nobody's duplicate, so nothing leads on. Facts that were told before stay with the duplicate's id. Key: "person:SURVIVOR".
type PersonMerged struct {
	SiteID      int64     `json:"site_id"`
	MergeID     int64     `json:"merge_id"`
	SurvivorID  int64     `json:"survivor_id"`
	DuplicateID int64     `json:"duplicate_id"`
	MergedAt    time.Time `json:"merged_at"`
}

func (PersonMerged) EventType() string { return "customer.person_merged.v1" }

// PersonUnmerged says that a merge was undone: the duplicate is a person of its own again, with what it had. What came since stays the survivor's.
// Key: "person:SURVIVOR".
type PersonUnmerged struct {
	SiteID      int64     `json:"site_id"`
	MergeID     int64     `json:"merge_id"`
	SurvivorID  int64     `json:"survivor_id"`
	DuplicateID int64     `json:"duplicate_id"`
	MergedAt    time.Time `json:"merged_at"`
	UnmergedAt  time.Time `json:"unmerged_at"`
}

func (PersonUnmerged) EventType() string { return "customer.person_unmerged.v1" }

// Kinds of origin, as Talkable names them on the wire.
const (
	AffiliateMember = "AffiliateMember"
	Purchase        = "Purchase"
	Event           = "Event"
)

// Item is a line of an order. One with a negative price is a discount.
type Item struct {
	ProductID string `json:"product_id,omitempty"`
	Category  string `json:"category,omitempty"`
	Price     int64  `json:"price"` // of a piece, minor units
	Quantity  int64  `json:"quantity"`
}

// OriginRecorded says that a person signed up, bought, or did something else that the site told of. An origin that only an
// unauthenticated browser told of has Verified false and must not yield value; when the site confirms it, the event is told
// again with Verified true. Key: "person:ID", or "origin:ID" when nobody is known.
type OriginRecorded struct {
	SiteID        int64     `json:"site_id"`
	OriginID      int64     `json:"origin_id"`
	Type          string    `json:"type"`                // AffiliateMember, Purchase, Event
	PersonID      int64     `json:"person_id,omitempty"` // 0: nobody known
	VisitorIDs    []string  `json:"visitor_ids,omitempty"`
	WebVisitorID  string    `json:"web_visitor_id,omitempty"` // that of them which is the browser within an app; the app told it beside its own
	Number        string    `json:"number,omitempty"`         // order number or event number
	Category      string    `json:"category,omitempty"`       // of an Event
	Subtotal      int64     `json:"subtotal"`                 // minor units
	Currency      string    `json:"currency,omitempty"`
	Items         []Item    `json:"items,omitempty"`
	CouponCodes   []string  `json:"coupon_codes,omitempty"`
	CampaignTags  []string  `json:"campaign_tags,omitempty"`
	TrafficSource string    `json:"traffic_source,omitempty"`
	Verified      bool      `json:"verified"`
	FirstPurchase bool      `json:"first_purchase,omitempty"` // no verified purchase of this person was known before this one, nor is it an existing customer
	OccurredAt    time.Time `json:"occurred_at"`              // when the person did it; may be long ago
	RecordedAt    time.Time `json:"recorded_at"`

	// What fraud rules compare. All but the IP address are fingerprints: they tell whether two are the same, and no more.
	IP      string `json:"ip,omitempty"`      // that it was told to come from
	Device  string `json:"device,omitempty"`  // of the browser's user agent
	Address string `json:"address,omitempty"` // of the shipping address and zip, without case, accents, signs and spaces
	Phone   string `json:"phone,omitempty"`   // of the number that came with it; the person may have another
	Card    string `json:"card,omitempty"`    // of what the payment provider calls the card that it was paid with

	DeviceType string `json:"device_type,omitempty"` // desktop, mobile, tablet; empty: nobody knows

	Segments []string `json:"segments,omitempty"` // that the site says it is in

	// Of a sign-up: the person wants mail, and said so with it for the first time.
	OptedIn    bool `json:"opted_in,omitempty"`
	FirstOptIn bool `json:"first_opt_in,omitempty"`

	Guest bool `json:"guest,omitempty"` // of the person only the hash of an address is known
	// Where its visitor came from, as the shop's links say it.
	UTMSource   string `json:"utm_source,omitempty"`
	UTMMedium   string `json:"utm_medium,omitempty"`
	UTMCampaign string `json:"utm_campaign,omitempty"`
}

func (OriginRecorded) EventType() string { return "customer.origin_recorded.v1" }

// OriginRefunded says how much of an origin has been taken back by now. Consumers work with the cumulative amount, so that any
// split of refunds has the same end. Key: the origin's.
type OriginRefunded struct {
	SiteID        int64     `json:"site_id"`
	OriginID      int64     `json:"origin_id"`
	RefundID      int64     `json:"refund_id"`
	PersonID      int64     `json:"person_id,omitempty"`
	Subtotal      int64     `json:"subtotal"` // of the origin, minor units
	Currency      string    `json:"currency,omitempty"`
	Refunded      int64     `json:"refunded"`       // by this refund
	RefundedTotal int64     `json:"refunded_total"` // by all refunds so far, this one included
	Full          bool      `json:"full"`           // nothing is left
	OccurredAt    time.Time `json:"occurred_at"`    // of the origin
	RefundedAt    time.Time `json:"refunded_at"`

	// Of the origin, as in OriginRecorded.
	Type          string `json:"type,omitempty"`
	Category      string `json:"category,omitempty"`
	TrafficSource string `json:"traffic_source,omitempty"`
	DeviceType    string `json:"device_type,omitempty"`
	UTMSource     string `json:"utm_source,omitempty"`
	UTMMedium     string `json:"utm_medium,omitempty"`
	UTMCampaign   string `json:"utm_campaign,omitempty"`
}

func (OriginRefunded) EventType() string { return "customer.origin_refunded.v1" }
