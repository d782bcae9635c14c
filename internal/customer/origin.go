package customer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// origin is a row of customer.origin.
type origin struct {
	SiteID          int64          `db:"site_id" json:"site_id"`
	ID              int64          `db:"id" json:"id,omitempty"`
	Type            string         `db:"type" json:"type"`
	Category        string         `db:"category" json:"category"`
	Number          string         `db:"number" json:"number"`
	PersonID        *int64         `db:"person_id" json:"person_id"`
	Visitors        pq.StringArray `db:"visitors" json:"visitors"`
	WebVisitor      string         `db:"web_visitor" json:"web_visitor"` // that of them which is the browser within an app
	Subtotal        int64          `db:"subtotal" json:"subtotal"`
	Currency        string         `db:"currency" json:"currency"`
	CouponCodes     pq.StringArray `db:"coupon_codes" json:"coupon_codes"`
	CampaignTags    pq.StringArray `db:"campaign_tags" json:"campaign_tags"`
	TrafficSource   string         `db:"traffic_source" json:"traffic_source"`
	Segments        pq.StringArray `db:"segments" json:"segments"`
	UTM             utm            `db:"utm" json:"utm"`
	IP              string         `db:"ip" json:"ip"`
	UserAgent       string         `db:"user_agent" json:"user_agent"`
	ShippingAddress string         `db:"shipping_address" json:"shipping_address"`
	ShippingZip     string         `db:"shipping_zip" json:"shipping_zip"`
	Verified        bool           `db:"verified" json:"verified"`
	Digest          hexBytes       `db:"digest" json:"digest"`
	RefundedTotal   int64          `db:"refunded_total" json:"-"`
	RefundedAt      *time.Time     `db:"refunded_at" json:"-"`
	OccurredAt      time.Time      `db:"occurred_at" json:"occurred_at"`
	RecordedAt      time.Time      `db:"recorded_at" json:"recorded_at"`

	phone  string             // that came with it; not kept
	card   string             // that it was paid with; likewise
	optsIn bool               // the person agrees to mail with it; likewise
	person *person            // of PersonID, when the batch has it at hand
	items  []customerapi.Item // to be written
	stored bool               // the row is there
	turned bool               // stored, and confirmed by this batch
}

type utm customerapi.UTM

// Scan reads it from a jsonb column.
func (u *utm) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok {
		return fmt.Errorf("utm is a %T", v)
	}
	return json.Unmarshal(b, u)
}

// hexBytes is a bytea that travels within JSON as PostgreSQL writes it.
type hexBytes []byte

func (h hexBytes) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"\\x%x"`, []byte(h)), nil }

var (
	errSameOrder = fault.New(fault.Invalid, "duplicate_entity",
		"Duplicate entity: Talkable already has existing Purchase with the same order_number but different data\n")
	errSameEvent = fault.New(fault.Invalid, "duplicate_entity",
		"Duplicate entity: Talkable already has existing Event with the same event_number but different data\n")
)

// place finds an origin: it is unique for ever.
type place struct {
	site                   int64
	kind, category, number string
}

func (o *origin) place() place { return place{o.SiteID, o.Type, o.Category, o.Number} }

func (o *origin) key() string {
	if o.PersonID != nil {
		return fmt.Sprintf("person:%d", *o.PersonID)
	}
	return fmt.Sprintf("origin:%d", o.ID)
}

// of says that the origin is p's; a nil p is nobody.
func (o *origin) of(p *person) bool {
	switch {
	case p == nil:
		return o.person == nil && o.PersonID == nil
	case o.person != nil:
		return o.person == p
	default:
		return o.PersonID != nil && *o.PersonID == p.ID
	}
}

// fill makes the origin what the entry says.
func (o *origin) fill(e entry, p *person, now time.Time) {
	in := e.in
	o.person, o.items, o.phone, o.RecordedAt = p, in.Items, e.who.phone, now
	o.Visitors, o.WebVisitor, o.Subtotal, o.Currency = in.Visitors, in.WebVisitor, in.Subtotal, in.Currency
	o.CouponCodes, o.CampaignTags, o.TrafficSource = in.CouponCodes, in.CampaignTags, in.TrafficSource
	o.Segments, o.UTM = in.Segments[:], utm(in.UTM)
	o.IP, o.UserAgent, o.ShippingAddress, o.ShippingZip = in.IP, in.UserAgent, in.ShippingAddress, in.ShippingZip
	o.card = in.CardHash
	o.Verified, o.Digest, o.optsIn = in.Verified, e.digest, in.Verified && in.OptsIn
	if o.OccurredAt = in.OccurredAt.UTC().Truncate(time.Microsecond); in.OccurredAt.IsZero() {
		o.OccurredAt = now
	}
}

// same says that the entry tells of the origin what is known of it.
func (o *origin) same(e entry, p *person) bool {
	return bytes.Equal(o.Digest, e.digest) && (p != nil || !e.who.named()) && o.of(p)
}

// event is what OriginRecorded says of it.
func (o *origin) event(first bool) customerevent.OriginRecorded {
	e := customerevent.OriginRecorded{SiteID: o.SiteID, Type: o.Type, VisitorIDs: o.Visitors, WebVisitorID: o.WebVisitor, Category: o.Category,
		Subtotal: o.Subtotal, Currency: o.Currency, CouponCodes: o.CouponCodes, CampaignTags: o.CampaignTags,
		TrafficSource: o.TrafficSource, Verified: o.Verified, FirstPurchase: first, OccurredAt: o.OccurredAt, RecordedAt: o.RecordedAt,
		IP: o.IP, Device: customerapi.Fingerprint(customerapi.DeviceMark, o.UserAgent), Address: addressMark(o.ShippingAddress, o.ShippingZip),
		Phone: customerapi.Fingerprint(customerapi.PhoneMark, o.phone), Card: customerapi.Fingerprint(customerapi.CardMark, o.card), DeviceType: web.DeviceType(o.UserAgent),
		UTMSource: o.UTM.Source, UTMMedium: o.UTM.Medium, UTMCampaign: o.UTM.Campaign}
	for _, s := range o.Segments {
		if s != "" {
			e.Segments = append(e.Segments, s)
		}
	}
	if o.Type != customerevent.AffiliateMember {
		e.Number = o.Number
	}
	for _, i := range o.items {
		e.Items = append(e.Items, customerevent.Item{ProductID: i.ProductID, Category: i.Category, Price: i.Price, Quantity: i.Quantity})
	}
	return e
}

// recorded is the origin as the edge is told; p is its person, nil when nobody is known.
func (o *origin) recorded(p *person) customerapi.Recorded {
	r := customerapi.Recorded{ID: o.ID, Type: o.Type, IP: o.IP, Category: o.Category, Subtotal: o.Subtotal, Currency: o.Currency,
		CouponCodes: noNil(o.CouponCodes), UTM: customerapi.UTM(o.UTM), OccurredAt: o.OccurredAt, Verified: o.Verified,
		RefundedTotal: o.RefundedTotal, RefundedAt: o.RefundedAt}
	copy(r.Segments[:], o.Segments)
	if o.Type != customerevent.AffiliateMember {
		r.Number = o.Number
	}
	if o.PersonID != nil {
		r.PersonID = *o.PersonID
	}
	if p != nil {
		r.PersonID, r.Email, r.CustomerID = p.ID, p.Email, p.CustomerID
	}
	return r
}
