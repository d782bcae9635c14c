package customer

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// personRoutes adds what is asked of persons and answered by this module alone.
func (m *Module) personRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getPersonalData", Method: http.MethodGet, Path: "/api/v2/people/{person_slug}/personal_data",
		Tags: []string{"People"}, Summary: "Read all that is kept of a person",
		Description: "What a person may ask for by law: the person, and everything that it did, newest first, with addresses. The slug is the e-mail " +
			"address, the phone number, the merchant's customer id or the username.\n\nErrors: 400 `person_not_found`."}, m.getPersonalData)
	huma.Register(api, huma.Operation{OperationID: "listTrafficSources", Method: http.MethodGet, Path: "/api/v2/traffic_sources",
		Tags: []string{"Metrics"}, Summary: "List where origins came from",
		Description: "Each `traffic_source` that an origin of the site was told with, by name, at most 10,000. The result is the list itself."}, m.getTrafficSources)
}

// personalDataView is a person in Talkable's shape, with what Talkable leaves out behind it.
type personalDataView struct {
	Email          *string              `json:"email"`
	FirstName      *string              `json:"first_name"`
	LastName       *string              `json:"last_name"`
	Username       *string              `json:"username"`
	CustomerID     *string              `json:"customer_id"`
	CreatedAt      string               `json:"created_at" format:"date-time"`
	OptedInAt      *string              `json:"opted_in_at"`
	PhoneOptedInAt *string              `json:"phone_opted_in_at"`
	UnsubscribedAt *string              `json:"unsubscribed_at"`
	Origins        []personalOriginView `json:"origins"`

	ID               int64             `json:"id"`
	PhoneNumber      *string           `json:"phone_number"`
	IdentifierHash   *string           `json:"identifier_hash"`
	CustomProperties map[string]string `json:"custom_properties"`
}

type personalOriginView struct {
	Type        string         `json:"type" enum:"AffiliateMember,Purchase,Event"`
	CreatedAt   string         `json:"created_at" format:"date-time" doc:"When it happened"`
	IPAddress   *string        `json:"ip_address"`
	OrderNumber *string        `json:"order_number" doc:"Of a Purchase"`
	Subtotal    *money.Decimal `json:"subtotal" doc:"Of a Purchase or an Event"`

	ID              int64    `json:"id"`
	Currency        *string  `json:"currency_iso_code"`
	EventCategory   *string  `json:"event_category"`
	EventNumber     *string  `json:"event_number"`
	UserAgent       *string  `json:"user_agent"`
	ShippingAddress *string  `json:"shipping_address"`
	ShippingZip     *string  `json:"shipping_zip"`
	TrafficSource   *string  `json:"traffic_source"`
	CouponCodes     []string `json:"coupon_codes"`
	Visitors        []string `json:"visitor_uuids" doc:"Browsers and apps"`
	Verified        bool     `json:"verified" doc:"false: only a browser told of it"`
}

type personalDataResult struct {
	Person personalDataView `json:"person"`
}

type personPath struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
}

func (m *Module) getPersonalData(ctx context.Context, in *personPath) (*web.OK[personalDataResult], error) {
	s := web.From(ctx).Site
	p, origins, err := m.personalData(ctx, s.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	out := personalDataView{Email: orNull(p.Email), FirstName: orNull(p.FirstName), LastName: orNull(p.LastName), Username: orNull(p.Username),
		CustomerID: orNull(p.CustomerID), CreatedAt: web.Talkable(p.CreatedAt, s.Zone), OptedInAt: web.TalkablePtr(p.OptedInAt, s.Zone),
		PhoneOptedInAt: web.TalkablePtr(p.PhoneOptedInAt, s.Zone),
		UnsubscribedAt: web.TalkablePtr(p.UnsubscribedAt, s.Zone), Origins: make([]personalOriginView, len(origins)),
		ID: p.ID, PhoneNumber: orNull(p.Phone), IdentifierHash: orNull(p.IdentifierHash), CustomProperties: p.api().CustomProperties}
	for i, o := range origins {
		out.Origins[i] = o.personal(s)
	}
	return web.Answer(personalDataResult{out}), nil
}

func (o *origin) personal(s site.Site) personalOriginView {
	out := personalOriginView{Type: o.Type, CreatedAt: web.Talkable(o.OccurredAt, s.Zone), IPAddress: orNull(o.IP), ID: o.ID,
		UserAgent: orNull(o.UserAgent), ShippingAddress: orNull(o.ShippingAddress), ShippingZip: orNull(o.ShippingZip),
		TrafficSource: orNull(o.TrafficSource), CouponCodes: noNil(o.CouponCodes), Visitors: noNil(o.Visitors), Verified: o.Verified}
	switch o.Type {
	case customerevent.AffiliateMember:
		return out
	case customerevent.Purchase:
		out.OrderNumber = &o.Number
	default:
		out.EventCategory, out.EventNumber = &o.Category, &o.Number
	}
	out.Subtotal, out.Currency = &money.Decimal{Minor: o.Subtotal, Currency: o.Currency}, &o.Currency
	return out
}

// trafficSource is one of the list, which clients read as it is: the result is no object here.
type trafficSource struct {
	Identifier string `json:"identifier" example:"api"`
}

func (m *Module) getTrafficSources(ctx context.Context, _ *struct{}) (*web.OK[[]trafficSource], error) {
	names, err := m.TrafficSources(ctx, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	out := make([]trafficSource, len(names))
	for i, name := range names {
		out[i].Identifier = name
	}
	return web.Answer(out), nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
