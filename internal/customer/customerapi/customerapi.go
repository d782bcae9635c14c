// Package customerapi is what module customer answers when the edge asks it: the shapes of its calls.
package customerapi

import (
	"time"

	"github.com/talkable/talkable/internal/idempotency"
)

// Origin is what a merchant, or a browser, tells us that somebody did.
type Origin struct {
	Type     string // customerevent.AffiliateMember, Purchase, Event
	Person   Identity
	Visitors []string // uuids: uuid, alternative_visitor_uuid

	WebVisitor string // that of them which is the browser within an app: alternative_visitor_uuid

	Number   string // order number, or event number; "" for an AffiliateMember
	Category string // of an Event
	Subtotal int64  // minor units
	Currency string // "" means the site's
	Items    []Item

	CouponCodes     []string
	CampaignTags    []string
	TrafficSource   string
	Segments        [3]string
	UTM             UTM
	IP, UserAgent   string
	ShippingAddress string
	ShippingZip     string
	CardHash        string // what the shop's payment provider calls the card; never its number

	OccurredAt  time.Time // zero means now
	Verified    bool      // told by the secret API, an import or a signature; a browser's word is not
	OptsIn      bool      // of a sign-up: agrees to mail by it; OptIn keeps that
	Idempotency idempotency.Key
}

// Identity is how a request names a person. Any of Email, CustomerID, Phone may find one; Email first, then CustomerID, then Phone.
type Identity struct {
	Email, Phone, CustomerID, Username string
	FirstName, LastName                string
	CustomProperties                   map[string]string // merged into the person's
	ExistingCustomer                   *bool             // had bought before we heard of anything; nil: nothing is said. Of imports only
}

// Item is one line of an order.
type Item struct {
	ProductID string `json:"product_id"`
	Category  string `json:"category,omitempty"` // as the shop names it
	Price     int64  `json:"price"`              // minor units, each
	Quantity  int64  `json:"quantity"`
	Title     string `json:"title,omitempty"`
	URL       string `json:"url,omitempty"`
	ImageURL  string `json:"image_url,omitempty"`
}

// UTM is where the visitor came from.
type UTM struct {
	Source   string `json:"source,omitempty"`
	Medium   string `json:"medium,omitempty"`
	Campaign string `json:"campaign,omitempty"`
	Term     string `json:"term,omitempty"`
	Content  string `json:"content,omitempty"`
}

// Recorded is an origin as it stands in the books.
type Recorded struct {
	ID            int64      `json:"id"`
	PersonID      int64      `json:"person_id"` // 0: nobody known
	Type          string     `json:"type"`
	Email         string     `json:"email"`
	CustomerID    string     `json:"customer_id"`
	IP            string     `json:"ip"`
	Number        string     `json:"number"`
	Category      string     `json:"category"`
	Subtotal      int64      `json:"subtotal"`
	Currency      string     `json:"currency"`
	CouponCodes   []string   `json:"coupon_codes"`
	Segments      [3]string  `json:"segments"`
	UTM           UTM        `json:"utm"`
	OccurredAt    time.Time  `json:"occurred_at"`
	Verified      bool       `json:"verified"`
	RefundedTotal int64      `json:"refunded_total"`
	RefundedAt    *time.Time `json:"refunded_at"` // of the last refund
	Existing      bool       `json:"-"`           // it was there already, with the same data
	Replayed      bool       `json:"-"`           // answered by the Idempotency-Key
}

// Person is a customer of the merchant.
type Person struct {
	ID               int64
	Email            string
	Phone            string
	CustomerID       string
	Username         string
	FirstName        string
	LastName         string
	CustomProperties map[string]string
	CreatedAt        time.Time
	SubscribedAt     *time.Time // wants mail
	UnsubscribedAt   *time.Time
	OptedInAt        *time.Time // first agreed to mail
	PhoneOptedInAt   *time.Time // first agreed to messages to the phone
	AnonymizedAt     *time.Time
	EventsCount      int64 // verified purchases and events
	PurchasesCount   int64 // verified purchases
	ExistingCustomer bool  // had bought before we heard of anything, as the merchant says
}

// PersonUpdate is what the merchant says of one person: nil leaves a member as it is, "" takes it away.
type PersonUpdate struct {
	Email, Phone, CustomerID, Username *string
	FirstName, LastName                *string
	IdentifierHash                     *string
	CustomProperties                   map[string]string // merged into the person's
	Subscribed                         *bool             // opted in to mail, or no longer
	Unsubscribed                       *bool
	UnsubscribedAt                     *time.Time // when; now if it is left out
	Idempotency                        idempotency.Key
}
