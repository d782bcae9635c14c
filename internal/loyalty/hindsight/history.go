// Package hindsight holds what goes into a backtest of a loyalty programme and what comes out of it: what people of a shop did, and the report on what
// programmes would have made of it, as JSON, CSV and a page. Module loyalty plays the one and fills the other, with the code that decides about points
// every day; this package knows no rule, no database and no clock.
package hindsight

import (
	"cmp"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Order is a purchase, or another event that was told of. There may be millions of them in memory, so what few have is kept apart.
type Order struct {
	ID       int64 // rises with when it was heard of
	At       time.Time
	Subtotal int64 // minor units
	Currency string
	Event    bool // not a purchase
	First    bool // no purchase of the person was known before
	Details  *Details
	Refunds  []Refund
}

// Details are what only some orders have.
type Details struct {
	Category      string // of an event
	Items         []customerevent.Item
	CouponCodes   []string
	CampaignTags  []string
	TrafficSource string
	Segments      []string
}

// Refund is money of an order that went back.
type Refund struct {
	ID     int64
	At     time.Time
	Amount int64
}

// Redemption is points that somebody really spent.
type Redemption struct {
	ID          int64
	At          time.Time
	Points      int64
	Wallet      string    // "": the main one
	CancelledAt time.Time // zero: it stands
}

// Person is somebody and what they did.
type Person struct {
	ID          int64
	Name        string // what the file calls them; empty where they have a number in the platform
	Before      int64  // purchases and events before those at hand
	Earlier     *Earlier
	Opening     *Opening // what they had when it begins; nil: nothing
	Orders      []Order
	Redemptions []Redemption
	Challenges  []Challenge // by when they were accepted
	Dates       map[string]criteria.Date
}

// Challenge is an achievement that somebody really accepted to take part in.
type Challenge struct {
	Key    string
	At     time.Time
	LeftAt time.Time // zero: they didn't leave it
}

// Earlier is what somebody did before the orders at hand.
type Earlier struct {
	Orders   []Order  // purchases, by their moments; without their details
	Segments []string // of the latest that had any

	segmentsAt time.Time
}

// Opening is what somebody had when a backtest begins.
type Opening struct {
	JoinedAt time.Time
	Debt     int64
	Lots     []OpeningLot
	Days     []OpeningDay // what counts towards tiers, beside orders
	LapsesAt time.Time    // of what lives by activity; zero: nothing does
	IdleDays int
	Wallets  []OpeningWallet // beside the main one
	Counted  []OpeningPart   // for achievements
	Reached  []OpeningReach
}

// OpeningWallet is what somebody had in a wallet beside the main one.
type OpeningWallet struct {
	Key  string
	Debt int64
	Lots []OpeningLot
}

// In finds a wallet by its key; nil: there was nothing in it yet.
func (o *Opening) In(key string) *OpeningWallet {
	for i := range o.Wallets {
		if o.Wallets[i].Key == key {
			return &o.Wallets[i]
		}
	}
	return nil
}

// OpeningPart is something that had counted for an achievement, whose basis says what was counted.
type OpeningPart struct {
	Key, Basis, Name string
	Origin           int64 // the order that it is; 0: something else
	At               time.Time
	Amount           int64
	Refunded         int64 // of money, of what is no order
	Money, Gone      bool
}

// OpeningReach is a level of an achievement that had been reached, in a period by its first day.
type OpeningReach struct {
	Key, Basis    string
	Level, Nth    int
	Since, Period time.Time // midnights in UTC
	Goal, Amount  int64
	Source        string
	At            time.Time
	TakenBack     bool // by hand: it can't be reached again
}

// OpeningLot is points that were left.
type OpeningLot struct {
	Points      int64
	EarnedAt    time.Time
	EndsAt      time.Time // zero: never, or by activity
	ByActivity  bool
	Pending     bool
	ActivatesAt time.Time // of pending points; zero: when somebody says so
}

// OpeningDay is what counts towards tiers for a day of the site.
type OpeningDay struct {
	Day                       time.Time // midnight in UTC
	Earned, Referrals, Custom int64
}

// History is what the people of a shop did.
type History struct {
	Source string // where it comes from, for the report
	People []*Person
	Opened bool // people begin with what they had

	byID map[int64]*Person
}

// Of is a person of the history, who is added if need be.
func (h *History) Of(id int64) *Person {
	if p := h.byID[id]; p != nil {
		return p
	}
	if h.byID == nil {
		h.byID = map[int64]*Person{}
	}
	p := &Person{ID: id}
	h.byID[id], h.People = p, append(h.People, p)
	return p
}

// Keep leaves what was done from one moment until another, puts all of it in order, and finds first purchases: of each person the first that was
// heard of, unless they are known to have bought before. Whatever order it was read in, it is the same afterwards.
func (h *History) Keep(from, until time.Time) {
	for _, p := range h.People {
		p.keep(from, until)
	}
	h.People = slices.DeleteFunc(h.People, func(p *Person) bool { return len(p.Orders) == 0 && len(p.Redemptions) == 0 && p.Opening == nil })
	slices.SortFunc(h.People, func(a, b *Person) int { return cmp.Compare(a.ID, b.ID) })
}

func (p *Person) keep(from, until time.Time) {
	within := func(at time.Time) bool { return !at.Before(from) && at.Before(until) }
	slices.SortFunc(p.Orders, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
	bought := false
	for i := range p.Orders {
		o := &p.Orders[i]
		o.First = o.First && !o.Event && !bought
		bought = bought || !o.Event
		if o.At.Before(from) {
			p.Before++
			p.keepEarlier(o)
		}
	}
	p.Orders = slices.DeleteFunc(p.Orders, func(o Order) bool { return !within(o.At) })
	if p.Earlier != nil {
		slices.SortStableFunc(p.Earlier.Orders, func(a, b Order) int { return a.At.Compare(b.At) })
	}
	for i := range p.Orders {
		o := &p.Orders[i]
		o.Refunds = slices.DeleteFunc(o.Refunds, func(r Refund) bool { return !r.At.Before(until) })
		slices.SortFunc(o.Refunds, func(a, b Refund) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	}
	p.Redemptions = slices.DeleteFunc(p.Redemptions, func(r Redemption) bool { return !within(r.At) })
	slices.SortFunc(p.Redemptions, func(a, b Redemption) int { return cmp.Compare(a.ID, b.ID) })
}

// keepEarlier keeps what conditions may ask of an order from before.
func (p *Person) keepEarlier(o *Order) {
	if p.Earlier == nil {
		p.Earlier = &Earlier{}
	}
	if d := o.Details; d != nil && len(d.Segments) > 0 && !o.At.Before(p.Earlier.segmentsAt) {
		p.Earlier.Segments, p.Earlier.segmentsAt = d.Segments, o.At
	}
	if !o.Event {
		p.Earlier.Orders = append(p.Earlier.Orders, Order{ID: o.ID, At: o.At, Subtotal: o.Subtotal, Currency: o.Currency, Refunds: o.Refunds})
	}
}

// Span is from the first order's moment to the last one's; false: there is none.
func (h *History) Span() (first, last time.Time, some bool) {
	for _, p := range h.People {
		for i := range p.Orders {
			at := p.Orders[i].At
			if !some || at.Before(first) {
				first = at
			}
			if !some || at.After(last) {
				last = at
			}
			some = true
		}
	}
	return first, last, some
}

// Recorded is the order as module customer tells of it.
func (o *Order) Recorded(siteID, personID int64) customerevent.OriginRecorded {
	e := customerevent.OriginRecorded{SiteID: siteID, OriginID: o.ID, Type: customerevent.Purchase, PersonID: personID, Subtotal: o.Subtotal, Currency: o.Currency,
		Verified: true, FirstPurchase: o.First, OccurredAt: o.At}
	if o.Event {
		e.Type = customerevent.Event
	}
	if d := o.Details; d != nil {
		e.Category, e.Items, e.CouponCodes, e.CampaignTags, e.TrafficSource, e.Segments = d.Category, d.Items, d.CouponCodes, d.CampaignTags, d.TrafficSource, d.Segments
	}
	return e
}

// Take keeps an order that module customer tells of, one after the other. What nobody may earn with is passed by.
func (h *History) Take(e customerevent.OriginRecorded) {
	if !e.Verified || e.PersonID == 0 || e.Type != customerevent.Purchase && e.Type != customerevent.Event {
		return
	}
	o := Order{ID: e.OriginID, At: e.OccurredAt, Subtotal: e.Subtotal, Currency: e.Currency, Event: e.Type == customerevent.Event, First: e.FirstPurchase}
	if e.Category != "" || len(e.Items)+len(e.CouponCodes)+len(e.CampaignTags)+len(e.Segments) > 0 || e.TrafficSource != "" {
		o.Details = &Details{e.Category, e.Items, e.CouponCodes, e.CampaignTags, e.TrafficSource, e.Segments}
	}
	p := h.Of(e.PersonID)
	p.Orders = append(p.Orders, o)
}

// TakeRefund keeps a refund of an order that was taken before; others are passed by.
func (h *History) TakeRefund(e customerevent.OriginRefunded) {
	p := h.byID[e.PersonID]
	if p == nil {
		return
	}
	i, found := slices.BinarySearchFunc(p.Orders, e.OriginID, func(o Order, id int64) int { return cmp.Compare(o.ID, id) })
	if found {
		p.Orders[i].Refunds = append(p.Orders[i].Refunds, Refund{e.RefundID, e.RefundedAt, e.Refunded})
	}
}

// TakeRedemption keeps what somebody really spent.
func (h *History) TakeRedemption(personID int64, r Redemption) {
	p := h.Of(personID)
	p.Redemptions = append(p.Redemptions, r)
}
