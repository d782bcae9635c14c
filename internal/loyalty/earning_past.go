package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/money"
)

// looks are what a condition looks at that isn't told with the thing itself, so that somebody has to be asked.
type looks struct {
	person bool // who it is
	past   bool // what they did before, and their segments, which come of that
	dates  bool // of the member
}

func looksOf(c *criteria.Criteria) looks {
	return looks{person: c.Uses("person"), past: c.Uses("history") || c.Names("person.segments"),
		dates: c.Names("member.birthday") || c.Names("member.dates")}
}

func (l looks) and(o looks) looks {
	return looks{l.person || o.person, l.past || o.past, l.dates || o.dates}
}

// recall fills in what people did before, where a condition looks at it: one question for all of a site's.
func (m *Module) recall(ctx context.Context, all []earning) error {
	if m.people == nil {
		return nil
	}
	wanted := map[int64][]*occasion{}
	for _, e := range all {
		if o := e.occasion; o != nil && o.by.earner.asks[o.on].past {
			wanted[e.SiteID] = append(wanted[e.SiteID], o)
		}
	}
	for site, list := range wanted {
		asked := make([]customerapi.Moment, len(list))
		for i, o := range list {
			asked[i] = o.moment()
		}
		pasts, err := m.people.Pasts(ctx, site, asked)
		if err != nil {
			return bus.Later(fmt.Errorf("ask what they did before: %w", err))
		}
		for i, o := range list {
			o.recall(pasts[i])
		}
	}
	return nil
}

// moment is what the person's past is asked about. The origin at hand is theirs, but for a referral's, which is the friend's.
func (o *occasion) moment() customerapi.Moment {
	at := customerapi.Moment{PersonID: o.facts.Person.ID, At: o.at, Currency: o.by.Currency}
	if o.on == onPurchase || o.on == onEvent {
		at.OriginID = o.facts.Origin.ID
	}
	return at
}

// recall takes down what the person did before.
func (o *occasion) recall(p customerapi.Past) {
	o.facts.Person.Segments = p.Segments
	o.facts.History = criteria.History{Orders: p.Orders, Spent: p.Spent, Refunded: p.Refunded, FirstAt: p.FirstAt, LastAt: p.LastAt}
}

// trialPast is what somebody bought before an order that rules are tried on.
type trialPast struct {
	_        struct{}   `json:"-" nullable:"true"`
	Orders   int64      `json:"orders,omitempty" example:"3"`
	Spent    int64      `json:"spent,omitempty" doc:"What is left of them, in minor units" example:"12000"`
	Refunded int64      `json:"refunded,omitempty" doc:"What was refunded of them"`
	FirstAt  *time.Time `json:"first_at,omitempty" nullable:"true"`
	LastAt   *time.Time `json:"last_at,omitempty" nullable:"true"`
	Segments []string   `json:"segments,omitempty" doc:"Of the person; those of the order, if it has some"`
}

func (p *trialPast) check(at finding) {
	if p == nil {
		return
	}
	for _, n := range []struct {
		place string
		value int64
	}{{"orders", p.Orders}, {"spent", p.Spent}, {"refunded", p.Refunded}} {
		if n.value < 0 || n.value > money.Max {
			at("/history/"+n.place, "must be 0 to %d", money.Max)
		}
	}
	if len(p.Segments) > maxTrySegments {
		at("/history/segments", "must be at most %d", maxTrySegments)
		return
	}
	checkNames("/history/segments", p.Segments, at)
}

// past is it as customer would tell it, of somebody whose order is in some segments.
func (p *trialPast) past(segments []string) (out customerapi.Past) {
	if p != nil {
		out = customerapi.Past{Orders: p.Orders, Spent: p.Spent, Refunded: p.Refunded, FirstAt: orNone(p.FirstAt), LastAt: orNone(p.LastAt), Segments: p.Segments}
	}
	if len(segments) > 0 {
		out.Segments = segments
	}
	return out
}
