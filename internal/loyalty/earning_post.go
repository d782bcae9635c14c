package loyalty

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
)

// People is who knows the people that conditions ask about.
type People interface {
	People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error)
	// Pasts says what they did before something, for each question.
	Pasts(ctx context.Context, siteID int64, asked []customerapi.Moment) ([]customerapi.Past, error)
}

// foresee makes decisions that rules are to make ready: it asks who the people are, where a condition looks at them, and lets the rules
// decide as for somebody new, since only who earns something becomes a member. The last word is spoken when the members are locked.
func (m *Module) foresee(ctx context.Context, u *bus.Unit, all []earning) error {
	for _, e := range all {
		e.occasion.happen(u.Now)
	}
	if err := m.introduce(ctx, all); err != nil {
		return err
	}
	if err := m.recall(ctx, all); err != nil {
		return err
	}
	for i := range all {
		if err := all[i].foresee(ctx); err != nil {
			return err
		}
	}
	return nil
}

// foresee says whether what rules would give somebody new makes a member.
func (e *earning) foresee(ctx context.Context) error {
	o := e.occasion
	if o == nil || e.Joins {
		return nil
	}
	v, err := o.by.decide(ctx, o, criteria.Member{}, unbounded)
	if err != nil {
		return bus.Later(err)
	}
	e.Joins = v.Points > 0
	return nil
}

// introduce fills in the people that conditions look at.
func (m *Module) introduce(ctx context.Context, all []earning) error {
	if m.people == nil {
		return nil
	}
	wanted := map[int64][]int64{}
	for _, e := range all {
		if e.occasion != nil && e.occasion.by.earner.asks[e.occasion.on].person {
			wanted[e.SiteID] = append(wanted[e.SiteID], e.PersonID)
		}
	}
	for site, ids := range wanted {
		slices.Sort(ids)
		people, err := m.people.People(ctx, site, slices.Compact(ids))
		if err != nil {
			return bus.Later(fmt.Errorf("ask who they are: %w", err))
		}
		for _, e := range all {
			if p, ok := people[e.PersonID]; ok && e.SiteID == site && e.occasion != nil {
				e.occasion.meet(p)
			}
		}
	}
	return nil
}

// happen fixes when it happened, and that it is decided now.
func (o *occasion) happen(now time.Time) {
	if o != nil {
		o.at, o.facts.Now = moment(o.at, now), now
	}
}

// meet takes down what conditions may ask of the person.
func (o *occasion) meet(p customerapi.Person) {
	f := &o.facts.Person
	f.CustomerID, f.CustomProperties, f.Events, f.CreatedAt = p.CustomerID, p.CustomProperties, p.EventsCount, p.CreatedAt
	_, f.EmailDomain, _ = strings.Cut(strings.ToLower(p.Email), "@")
	if f.Subscribed = p.SubscribedAt != nil && p.UnsubscribedAt == nil; f.Subscribed {
		f.NewSubscriber = o.at.Sub(*p.SubscribedAt).Abs().Hours() < 24
	}
}

// openRooms reads and locks what rules with limits or budgets have given, where one of the decisions needs it. Members are locked by then.
func openRooms(ctx context.Context, u *bus.Unit, all []earning, holders map[person]*holder) (*rooms, error) {
	tallies, budgets := map[tallyKey]bool{}, map[budgetKey]bool{}
	some := false
	for _, e := range all {
		o := e.occasion
		if o == nil {
			continue
		}
		some = true
		for i := range o.by.earner.Rules {
			r := &o.by.earner.Rules[i]
			if !r.speaksOf(o) {
				continue
			}
			if r.Budget != nil {
				budgets[budgetKey{e.SiteID, o.by.ID, r.Key}] = true
			}
			if h := holders[person{e.SiteID, e.PersonID}]; h != nil {
				for span, since := range o.by.earner.counts(r, moment(o.at, u.Now)) {
					for _, member := range h.tallied() {
						tallies[tallyKey{e.SiteID, member, r.Key, span, since}] = true
					}
				}
			}
		}
	}
	if !some {
		return nil, nil
	}
	return roomsOf(ctx, u, tallies, budgets)
}

// roomsOf reads what rules gave; budgets are locked after members and before the sites' accounts.
func roomsOf(ctx context.Context, tx sqlx.QueryerContext, tallies map[tallyKey]bool, budgets map[budgetKey]bool) (r *rooms, err error) {
	r = &rooms{tallies: map[tallyKey]*tally{}, budgets: map[budgetKey]*budget{}}
	if len(tallies) > 0 {
		if r.tallies, err = talliesOf(ctx, tx, tallies); err != nil {
			return nil, err
		}
	}
	if len(budgets) > 0 {
		r.budgets, err = lockBudgets(ctx, tx, budgets)
	}
	return r, err
}

// reopenRooms is openRooms for what is taken back of earnings.
func reopenRooms(ctx context.Context, u *bus.Unit, programs map[int64]program, earnings map[siteSource]earned) (*rooms, error) {
	var of []siteID
	members := map[siteID]int64{}
	for _, e := range earnings {
		if programs[e.SiteID].ruled() {
			of = append(of, siteID{e.SiteID, e.ID})
			members[siteID{e.SiteID, e.ID}] = e.MemberID
		}
	}
	if len(of) == 0 {
		return nil, nil
	}
	given, err := givenIn(ctx, u, of)
	if err != nil {
		return nil, err
	}
	tallies, budgets := map[tallyKey]bool{}, map[budgetKey]bool{}
	for at, steps := range given {
		for _, s := range steps {
			for span, since := range s.Since {
				tallies[tallyKey{at.site, members[at], s.Rule, span, since}] = true
			}
			if s.Budget {
				budgets[budgetKey{at.site, programs[at.site].ID, s.Rule}] = true
			}
		}
	}
	r, err := roomsOf(ctx, u, tallies, budgets)
	if err == nil {
		r.given = given
	}
	return r, err
}

// judge lets the rules decide about a member as they are now; h is nil for who is none and becomes none.
func (b *books) judge(ctx context.Context, h *holder, e earning) (earning, error) {
	o := e.occasion
	who, room := criteria.Member{}, allowance(unbounded)
	if h != nil {
		b.settleTier(h, b.programs[h.SiteID])
		who = h.known()
		room = b.rooms.of(o.by, h.tallied(), o.at)
	}
	v, err := o.by.decide(ctx, o, who, room)
	if err != nil {
		return e, bus.Later(err)
	}
	e.Points, e.Refused = v.Points, v.Refused
	if h != nil {
		b.rooms.give(o.by, h.MemberID, o.at, v)
	}
	b.asked = append(b.asked, v.Trace.Rules...)
	digits := o.by.Digits
	arrived := e.ArrivedAt
	e = o.by.decided(e, rule{Rule: "rules", On: o.on, Currency: o.by.Currency, Digits: &digits, Subtotal: o.subtotal, OrderCurrency: o.currency, Trace: &v.Trace})
	if !arrived.IsZero() {
		o.by.arrive(&e, arrived)
	}
	return e, nil
}
