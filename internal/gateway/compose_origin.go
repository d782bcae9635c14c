package gateway

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

var typedPaths = map[string]string{
	"affiliate_member": customerevent.AffiliateMember, "purchase": customerevent.Purchase, "event": customerevent.Event,
}

// originData is what Talkable's clients send of an origin. Members that we don't know are let pass: the clients send some.
type originData struct {
	_               struct{}     `json:"-" additionalProperties:"true"`
	Email           optional     `json:"email,omitempty" example:"\"ann@shop.example\""`
	FirstName       optional     `json:"first_name,omitempty"`
	LastName        optional     `json:"last_name,omitempty"`
	Username        optional     `json:"username,omitempty"`
	CustomerID      optional     `json:"customer_id,omitempty" doc:"The merchant's id of the person; sha256: and the hexadecimal hash of an address or number is a guest's"`
	PhoneNumber     optional     `json:"phone_number,omitempty" doc:"E.164" example:"\"+12025551111\""`
	EmailOptIn      *truth       `json:"email_optin,omitempty" doc:"The person agreed to get mail"`
	PhoneOptIn      *truth       `json:"phone_optin,omitempty" doc:"The person agreed to get messages to the phone"`
	Custom          properties   `json:"custom_properties,omitempty"`
	PersonCustom    properties   `json:"person_custom_properties,omitempty" doc:"Older name of custom_properties"`
	CampaignTags    list         `json:"campaign_tags,omitempty"`
	CampaignID      optional     `json:"affiliate_campaign_id,omitempty" doc:"Forces a campaign, also one in Test, as tkbl_campaign_id of a page does"`
	PageCampaignID  optional     `json:"tkbl_campaign_id,omitempty" doc:"The same, by its name in a page's address"`
	Placements      list         `json:"matched_placement_ids,omitempty" doc:"Placements that the page matched"`
	SharingChannels list         `json:"sharing_channels,omitempty" doc:"Claim links are wanted for these channels"`
	IPAddress       optional     `json:"ip_address,omitempty" doc:"Of the person; \"current\" means of this request"`
	UUID            optional     `json:"uuid,omitempty" doc:"Visitor; links the origin to the friend offer that the visitor claimed"`
	AlternativeUUID optional     `json:"alternative_visitor_uuid,omitempty"`
	CreatedAt       optional     `json:"created_at,omitempty" doc:"When it happened, for what is told later"`
	TrafficSource   optional     `json:"traffic_source,omitempty"`
	Segment1        optional     `json:"segment1,omitempty"`
	Segment2        optional     `json:"segment2,omitempty"`
	Segment3        optional     `json:"segment3,omitempty"`
	UTMSource       optional     `json:"utm_source,omitempty"`
	UTMMedium       optional     `json:"utm_medium,omitempty"`
	UTMCampaign     optional     `json:"utm_campaign,omitempty"`
	UTMTerm         optional     `json:"utm_term,omitempty"`
	UTMContent      optional     `json:"utm_content,omitempty"`
	OrderNumber     optional     `json:"order_number,omitempty" doc:"Of a Purchase; unique in the site for ever"`
	OrderDate       optional     `json:"order_date,omitempty" doc:"Older name of created_at"`
	EventCategory   optional     `json:"event_category,omitempty" doc:"Of an Event"`
	EventNumber     optional     `json:"event_number,omitempty" doc:"Of an Event; unique in its category"`
	Subtotal        money.Number `json:"subtotal,omitempty" doc:"Decimal amount; required for a Purchase"`
	CurrencyISOCode optional     `json:"currency_iso_code,omitempty" doc:"Default: the site's currency"`
	CouponCodes     list         `json:"coupon_codes,omitempty"`
	CouponCode      list         `json:"coupon_code,omitempty"`
	ShippingAddress optional     `json:"shipping_address,omitempty"`
	ShippingZip     optional     `json:"shipping_zip,omitempty"`
	CardHash        optional     `json:"card_hash,omitempty" doc:"Ours: what your payment provider calls the card that it was paid with (its fingerprint), never the card's number. Compared by fraud rules, kept as a fingerprint only"`
	Items           []itemData   `json:"items,omitempty" nullable:"true"`
}

type itemData struct {
	_         struct{}     `json:"-" additionalProperties:"true"`
	ProductID optional     `json:"product_id,omitempty"`
	Category  optional     `json:"category,omitempty" doc:"As the shop names it; commission plans pay by it"`
	Price     money.Number `json:"price,omitempty"`
	Quantity  money.Number `json:"quantity,omitempty"`
	Title     optional     `json:"title,omitempty"`
	URL       optional     `json:"url,omitempty"`
	ImageURL  optional     `json:"image_url,omitempty"`
}

type createOriginInput struct {
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Type string     `json:"type,omitempty" example:"Purchase" doc:"AffiliateMember, Purchase or Event"`
		Data originData `json:"data"`
	}
}

type createTypedInput struct {
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data originData `json:"data"`
	}
}

// originAnswer always has an offer member: Android's client needs it there, if only as null.
type originAnswer struct {
	Origin     customerapi.TalkableOrigin `json:"origin"`
	Offer      *referralapi.Offer         `json:"offer"`
	ClaimLinks map[string]string          `json:"claim_links,omitempty"`
}

func (c Composition) createOrigin(ctx context.Context, in *createOriginInput) (*web.OK[originAnswer], error) {
	switch in.Body.Type {
	case customerevent.AffiliateMember, customerevent.Purchase, customerevent.Event:
		return c.record(ctx, in.Body.Type, in.Body.Data)
	}
	return nil, fault.New(fault.Invalid, "invalid_type", "`type` must be within [\"AffiliateMember\", \"Purchase\", \"Event\"]").
		At("/type", "must be AffiliateMember, Purchase or Event")
}

func (c Composition) createTyped(kind string) func(context.Context, *createTypedInput) (*web.OK[originAnswer], error) {
	return func(ctx context.Context, in *createTypedInput) (*web.OK[originAnswer], error) {
		return c.record(ctx, kind, in.Body.Data)
	}
}

// recordPatience is how long both modules together may take: longer than either waits for a lock.
const recordPatience = 12 * time.Second

// record lets customer write the origin down, then asks referral for the offer. Each keeps its own answer under the request's
// idempotency key, so a repetition puts the same two answers together again.
func (c Composition) record(ctx context.Context, kind string, data originData) (*web.OK[originAnswer], error) {
	req := web.From(ctx)
	in, err := data.origin(kind, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	channels := data.SharingChannels.values()
	if err := checkChannels(channels, "/data/sharing_channels"); err != nil { // before anything is written
		return nil, err
	}
	led, err := data.led()
	if err != nil {
		return nil, err
	}
	if integrationCheck(in) {
		return web.Answer(originAnswer{Origin: unrecorded(in, c.Now()).Talkable(req.Site)}), nil
	}
	in.OptsIn = data.EmailOptIn.or(false) && !req.Public
	recorded, err := c.Customers.Record(ctx, req.Site, in)
	if err != nil {
		return nil, data.asWritten(err)
	}
	req.MarkReplayed(recorded.Replayed)
	if mail, phone := data.EmailOptIn.or(false), data.PhoneOptIn.or(false); (mail || phone) && recorded.PersonID != 0 && !req.Public {
		if err := c.Customers.OptIn(ctx, req.Site.ID, recorded.PersonID, mail, phone); err != nil {
			return nil, err
		}
	}
	offer, err := c.Referrals.Join(ctx, req.Site, referralapi.Join{OriginID: recorded.ID, Type: kind, Category: recorded.Category,
		PersonID: recorded.PersonID, Visitors: in.Visitors, CampaignTags: in.CampaignTags, Channels: channels, Idempotency: req.Idempotency,
		CampaignID: led.campaign, Placements: led.placements, Subtotal: in.Subtotal, Currency: in.Currency, CouponCodes: in.CouponCodes, Segments: in.Segments[:],
		TrafficSource: in.TrafficSource, Items: in.Items, Verified: in.Verified, OccurredAt: recorded.OccurredAt,
		DeviceType: web.DeviceType(in.UserAgent)})
	if err != nil {
		return nil, err
	}
	answer := originAnswer{Origin: recorded.Talkable(req.Site)}
	if offer != nil {
		mine := *offer // requests with one Idempotency-Key that went in one batch share theirs
		if recorded.Email != "" {
			mine.Email = &recorded.Email
		}
		answer.Offer = &mine
		answer.ClaimLinks = offer.ClaimLinks // beside the offer and inside it: clients look in one place or the other
	}
	return web.Answer(answer), nil
}

// integrationCheck says whether a purchase only tries out whether purchases are told: those of this address are answered, and nothing is kept.
func integrationCheck(in customerapi.Origin) bool {
	return in.Type == customerevent.Purchase && strings.EqualFold(strings.TrimSpace(in.Person.Email), "integration@talkable.com")
}

// unrecorded is an origin as it would be answered.
func unrecorded(in customerapi.Origin, now time.Time) customerapi.Recorded {
	if in.OccurredAt.IsZero() {
		in.OccurredAt = now
	}
	return customerapi.Recorded{Type: in.Type, Email: in.Person.Email, CustomerID: in.Person.CustomerID, IP: in.IP, Number: in.Number, Category: in.Category,
		Subtotal: in.Subtotal, Currency: in.Currency, CouponCodes: in.CouponCodes, Segments: in.Segments, UTM: in.UTM, OccurredAt: in.OccurredAt}
}

// origin turns the wire's members into the module's call, finding fault only with what the module could not see.
func (d originData) origin(kind string, req *web.Request) (customerapi.Origin, error) {
	in := customerapi.Origin{
		Type: kind,
		Person: customerapi.Identity{Email: plainEmail(d.Email), Phone: plainPhone(d.PhoneNumber), CustomerID: string(d.CustomerID),
			Username: string(d.Username), FirstName: string(d.FirstName), LastName: string(d.LastName), CustomProperties: d.PersonCustom.merge(d.Custom)},
		Currency: string(d.CurrencyISOCode), CouponCodes: append(d.CouponCodes.values(), d.CouponCode.values()...),
		CampaignTags: d.CampaignTags.values(), TrafficSource: string(d.TrafficSource),
		Segments: [3]string{string(d.Segment1), string(d.Segment2), string(d.Segment3)},
		UTM: customerapi.UTM{Source: string(d.UTMSource), Medium: string(d.UTMMedium), Campaign: string(d.UTMCampaign),
			Term: string(d.UTMTerm), Content: string(d.UTMContent)},
		UserAgent: "", ShippingAddress: string(d.ShippingAddress), ShippingZip: string(d.ShippingZip), CardHash: string(d.CardHash),
		Verified: !req.Public, Idempotency: req.Idempotency,
	}
	for _, v := range []optional{d.UUID, d.AlternativeUUID} {
		if v != "" {
			in.Visitors = append(in.Visitors, strings.ToLower(string(v)))
		}
	}
	if d.AlternativeUUID != d.UUID {
		in.WebVisitor = strings.ToLower(string(d.AlternativeUUID))
	}
	if in.Currency == "" {
		in.Currency = req.Site.Currency
	}
	in.Currency = strings.ToUpper(in.Currency)
	invalid := fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.")
	if _, known := money.Digits(in.Currency); !known && kind != customerevent.AffiliateMember {
		return in, invalid.At("/data/currency_iso_code", "no ISO 4217 currency")
	}
	var err error
	switch kind {
	case customerevent.Purchase:
		in.Number = string(d.OrderNumber)
		if d.Subtotal == "" {
			return in, invalid.At("/data/subtotal", "a purchase needs its subtotal")
		}
	case customerevent.Event:
		in.Number, in.Category = string(d.EventNumber), string(d.EventCategory)
	}
	if d.Subtotal != "" && kind != customerevent.AffiliateMember {
		if in.Subtotal, err = money.Parse(string(d.Subtotal), in.Currency); err != nil {
			return in, invalid.At("/data/subtotal", err.Error())
		}
	}
	if in.Items, err = items(d.Items, in.Currency); err != nil {
		return in, err
	}
	var known bool
	if in.IP, in.UserAgent, known = cameFrom(req, string(d.IPAddress)); !known {
		return in, invalid.At("/data/ip_address", notAddress)
	}
	when, pointer := d.CreatedAt, "/data/created_at"
	if when == "" {
		when, pointer = d.OrderDate, "/data/order_date"
	}
	if when != "" {
		if in.OccurredAt, err = moment(string(when), req.Site); err != nil {
			return in, invalid.At(pointer, "not a date and time like 2026-11-22T10:00:00Z")
		}
	}
	return in, nil
}

func items(lines []itemData, currency string) ([]customerapi.Item, error) {
	var out []customerapi.Item
	invalid := fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.")
	for i, l := range lines {
		at := "/data/items/" + itoa(i)
		item := customerapi.Item{ProductID: string(l.ProductID), Category: string(l.Category), Quantity: 1, Title: string(l.Title), URL: string(l.URL), ImageURL: string(l.ImageURL)}
		var err error
		if l.Price != "" {
			if item.Price, err = money.Parse(string(l.Price), currency); err != nil {
				return nil, invalid.At(at+"/price", err.Error())
			}
		}
		if l.Quantity != "" {
			if item.Quantity, err = wholeNumber(string(l.Quantity)); err != nil {
				return nil, invalid.At(at+"/quantity", "must be a whole number from 0 to 1000000")
			}
		}
		out = append(out, item)
	}
	return out, nil
}

// moments are the forms of time that Talkable's clients send; those without a zone are the site's.
var moments = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"}

// guessed says that the zone's abbreviation meant nothing to Go, which then takes it for UTC.
func guessed(t time.Time, s site.Site) bool {
	name, offset := t.Zone()
	return t.Location() != time.UTC && t.Location() != s.Zone && offset == 0 && name != "" && name != "GMT"
}

func moment(text string, s site.Site) (time.Time, error) {
	var first error
	for _, form := range moments {
		t, err := time.ParseInLocation(form, text, s.Zone)
		if err == nil && (t.IsZero() || guessed(t, s)) {
			err = errors.New("no certain moment")
		}
		if err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
		if first == nil {
			first = err
		}
	}
	return time.Time{}, first
}

const notAddress = "not an IP address, nor \"current\""

// cameFrom is where somebody came from who is told of by an ip_address: of "current", the one who asks is meant, and the browser is known.
func cameFrom(req *web.Request, address string) (ip, userAgent string, known bool) {
	switch address {
	case "":
		return "", "", true
	case "current":
		return req.ClientIP, req.UserAgent, true
	}
	_, err := netip.ParseAddr(address)
	return address, "", err == nil
}
