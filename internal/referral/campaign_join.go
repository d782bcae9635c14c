package referral

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// Whom a campaign is for.
const (
	newCustomers      = "new"
	existingCustomers = "existing"
)

const (
	maxOriginAge  = 10 * 366 * 24 // hours
	maxJoinThings = 20
)

// joining says who may join a campaign. All of it has to hold.
type joining struct {
	Customers  string            `json:"customers,omitempty"` // new, existing; "": all
	MinAge     *int64            `json:"origin_min_age,omitempty"`
	MaxAge     *int64            `json:"origin_max_age,omitempty"`
	Products   []string          `json:"products,omitempty"`
	Segments   []string          `json:"segments,omitempty"`
	Properties map[string]string `json:"custom_properties,omitempty"`
	Criteria   string            `json:"criteria,omitempty"`
}

// conditions are the same in CEL: what is structured first, the merchant's own last.
func (j *joining) conditions() []string {
	var out []string
	switch j.Customers {
	case newCustomers:
		out = append(out, "person.new_customer")
	case existingCustomers:
		out = append(out, "!person.new_customer")
	}
	if j.MinAge != nil {
		out = append(out, fmt.Sprintf(`now - origin.occurred_at >= duration("%dh")`, *j.MinAge))
	}
	if j.MaxAge != nil {
		out = append(out, fmt.Sprintf(`now - origin.occurred_at <= duration("%dh")`, *j.MaxAge))
	}
	if len(j.Products) > 0 {
		out = append(out, "items.exists(i, i.product_id in "+celList(j.Products)+")")
	}
	if len(j.Segments) > 0 {
		out = append(out, "origin.segments.exists(s, s in "+celList(j.Segments)+")")
	}
	names := make([]string, 0, len(j.Properties))
	for name := range j.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		at := strconv.Quote(name)
		out = append(out, at+" in person.custom_properties && person.custom_properties["+at+"] == "+strconv.Quote(j.Properties[name]))
	}
	if j.Criteria != "" {
		out = append(out, j.Criteria)
	}
	return out
}

func celList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// newcomer is who would join, as far as conditions have asked for it.
type newcomer struct {
	in     referralapi.Join
	now    time.Time
	people People
	siteID int64
	facts  *criteria.Facts
	known  bool // the person was asked for
}

// meets says whether the newcomer may join by the campaign's criteria. A Test campaign lets everybody in: who sees it was led to it.
func (n *newcomer) meets(ctx context.Context, c *campaign) (bool, error) {
	if c.Join == nil || c.Status == statusTest {
		return true, nil
	}
	for _, text := range c.Join.conditions() {
		asked, err := criteria.Compile(text)
		if err != nil {
			return false, fmt.Errorf("join criteria of campaign %d: %w", c.ID, err)
		}
		if err := n.learn(ctx, asked.Uses("person") || asked.Uses("advocate")); err != nil {
			return false, err
		}
		facts := *n.facts
		facts.Campaign = criteria.Campaign{ID: c.ID, Name: c.Name, Tags: c.Tags}
		verdict, err := asked.Ask(ctx, facts)
		if err != nil || !verdict.Met {
			return false, err
		}
	}
	return true, nil
}

// occurred is when it happened; just now if that isn't said.
func (n *newcomer) occurred() time.Time {
	if n.in.OccurredAt.IsZero() {
		return n.now
	}
	return n.in.OccurredAt
}

// learn gathers what conditions may ask for, the person only if one does.
func (n *newcomer) learn(ctx context.Context, person bool) error {
	if n.facts == nil {
		n.facts = &criteria.Facts{Now: n.now, Origin: criteria.Origin{ID: n.in.OriginID, Type: n.in.Type, Category: n.in.Category, Subtotal: n.in.Subtotal,
			Currency: n.in.Currency, CouponCodes: n.in.CouponCodes, CampaignTags: n.in.CampaignTags, TrafficSource: n.in.TrafficSource, OccurredAt: n.occurred()},
			Person: criteria.Person{ID: n.in.PersonID, NewCustomer: true}}
		for _, s := range n.in.Segments {
			if s != "" {
				n.facts.Origin.Segments = append(n.facts.Origin.Segments, s)
			}
		}
		for _, i := range n.in.Items {
			n.facts.Items = append(n.facts.Items, criteria.Item{ProductID: i.ProductID, Title: i.Title, Price: i.Price, Quantity: i.Quantity})
		}
	}
	if !person || n.known || n.in.PersonID == 0 || n.people == nil {
		return nil
	}
	people, err := n.people.People(ctx, n.siteID, []int64{n.in.PersonID})
	if err != nil {
		return err
	}
	n.known = true
	if p, ok := people[n.in.PersonID]; ok {
		n.facts.Person = n.person(p)
	}
	n.facts.Origin.FirstPurchase = n.in.Type == customerevent.Purchase && n.facts.Person.NewCustomer
	n.facts.Advocate = n.facts.Person
	return nil
}

// person is who would join, without the purchase that lets them.
func (n *newcomer) person(p customerapi.Person) criteria.Person {
	out := criteria.Person{ID: p.ID, CustomerID: p.CustomerID, CustomProperties: p.CustomProperties, Events: p.EventsCount, CreatedAt: p.CreatedAt,
		Subscribed: p.SubscribedAt != nil && p.UnsubscribedAt == nil}
	_, out.EmailDomain, _ = strings.Cut(strings.ToLower(p.Email), "@")
	before := p.PurchasesCount
	if n.in.Type == customerevent.Purchase && n.in.Verified {
		before--
	}
	out.NewCustomer = before <= 0 && !p.ExistingCustomer
	out.NewSubscriber = out.Subscribed && n.now.Sub(*p.SubscribedAt).Hours() < 24
	return out
}
