package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// optinFresh is how long somebody who opted in is a new subscriber.
const optinFresh = 24 * time.Hour

// deedFacts are what a condition may ask of the purchase or event that made a referral, and what reports take referrals apart by. They are
// kept with the referral, since it may be approved much later.
type deedFacts struct {
	Type     string     `json:"type"`
	Category string     `json:"category,omitempty"`
	Coupons  []string   `json:"coupons,omitempty"`
	Tags     []string   `json:"tags,omitempty"`
	Source   string     `json:"source,omitempty"`
	First    bool       `json:"first,omitempty"` // purchase of the friend
	Items    []deedItem `json:"items,omitempty"`
	Device   string     `json:"device,omitempty"`  // its type
	Channel  string     `json:"channel,omitempty"` // of the link by which the friend first came to the offer
	Variant  string     `json:"variant,omitempty"` // of the offer
	UTM      utm        `json:"utm,omitzero"`
}

// utm is where an origin came from, as the shop's link said it. Nothing is decided by it: reports take referrals and rewards apart by it.
type utm struct {
	Source   string `json:"source,omitempty"`
	Medium   string `json:"medium,omitempty"`
	Campaign string `json:"campaign,omitempty"`
}

func utmOf(o customerevent.OriginRecorded) utm { return utm{o.UTMSource, o.UTMMedium, o.UTMCampaign} }

// deedItem is a line of the order. Of a long order the first ones are kept.
type deedItem struct {
	Product  string `json:"p,omitempty"`
	Category string `json:"c,omitempty"`
	Price    int64  `json:"n"` // of a piece, minor units
	Quantity int64  `json:"q"`
}

const deedItems = 100

func factsOf(o customerevent.OriginRecorded, c *candidate) string {
	var items []deedItem
	for _, i := range o.Items[:min(len(o.Items), deedItems)] {
		items = append(items, deedItem{i.ProductID, i.Category, i.Price, i.Quantity})
	}
	b, err := json.Marshal(deedFacts{Items: items, Type: o.Type, Category: o.Category, Coupons: o.CouponCodes, Tags: o.CampaignTags, Source: o.TrafficSource, First: o.FirstPurchase,
		Device: o.DeviceType, Channel: c.channel, Variant: c.variant, UTM: utmOf(o)})
	if err != nil {
		panic(err) // plain fields
	}
	return string(b)
}

// origin is what conditions may ask of the referral's purchase or event.
func (r *referral) origin() (criteria.Origin, deedFacts) {
	var d deedFacts
	if r.Deed != nil {
		_ = json.Unmarshal([]byte(*r.Deed), &d) // the column is written by us only
	}
	return criteria.Origin{ID: r.OriginID, Type: d.Type, Category: categoryOf(d.Type, d.Category), Subtotal: r.Subtotal, Currency: r.Currency,
		CouponCodes: d.Coupons, CampaignTags: d.Tags, TrafficSource: d.Source, FirstPurchase: d.First, OccurredAt: r.OccurredAt}, d
}

// acquaintances are people whom conditions look at.
type acquaintances map[key]customerapi.Person

// acquaint reads the people of referrals where a condition of their campaign looks at them.
func (m *Module) acquaint(ctx context.Context, list []referral, campaigns map[key]*campaign) (acquaintances, error) {
	var wanted []key
	for _, r := range list {
		if c := campaigns[key{r.SiteID, r.OfferID}]; c != nil && c.asks(actionReferrer, actionReferred) {
			wanted = append(wanted, key{r.SiteID, r.AdvocateID}, key{r.SiteID, r.FriendID})
		}
	}
	return m.peopleOfSites(ctx, wanted)
}

// peopleOfSites reads people of several sites.
func (m *Module) peopleOfSites(ctx context.Context, wanted []key) (acquaintances, error) {
	if m.people == nil || len(wanted) == 0 {
		return nil, nil
	}
	bySite, out := map[int64][]int64{}, acquaintances{}
	for _, k := range wanted {
		if k.id != 0 {
			bySite[k.site] = append(bySite[k.site], k.id)
		}
	}
	for site, ids := range bySite {
		slices.Sort(ids)
		people, err := m.people.People(ctx, site, slices.Compact(ids))
		if err != nil {
			return nil, bus.Later(fmt.Errorf("ask who they are: %w", err))
		}
		for id, p := range people {
			out[key{site, id}] = p
		}
	}
	return out, nil
}

// person is what conditions may ask of somebody, at a moment.
func (a acquaintances) person(siteID, id int64, at time.Time) criteria.Person {
	p, ok := a[key{siteID, id}]
	if !ok {
		return criteria.Person{ID: id}
	}
	out := criteria.Person{ID: id, CustomerID: p.CustomerID, CustomProperties: p.CustomProperties, Events: p.EventsCount, CreatedAt: p.CreatedAt,
		NewCustomer: p.EventsCount == 0 && !p.ExistingCustomer, Subscribed: p.SubscribedAt != nil && p.UnsubscribedAt == nil}
	if i := strings.LastIndexByte(p.Email, '@'); i >= 0 {
		out.EmailDomain = strings.ToLower(p.Email[i+1:])
	}
	if p.SubscribedAt != nil {
		age := at.Sub(*p.SubscribedAt)
		out.NewSubscriber = out.Subscribed && age < optinFresh && age > -optinFresh
	}
	return out
}

// of is what conditions may ask about a referral, and its order. Whether the friend is a new customer was told with the purchase.
func (a acquaintances) of(c *campaign, r *referral, now time.Time) (f criteria.Facts, d deedFacts) {
	f = criteria.Facts{Now: now, Campaign: c.facts(), Advocate: a.person(r.SiteID, r.AdvocateID, r.OccurredAt),
		Friend: a.person(r.SiteID, r.FriendID, r.OccurredAt)}
	f.Origin, d = r.origin()
	for _, i := range d.Items {
		f.Items = append(f.Items, criteria.Item{ProductID: i.Product, Category: i.Category, Price: i.Price, Quantity: i.Quantity})
	}
	f.Friend.NewCustomer = d.First
	return f, d
}
