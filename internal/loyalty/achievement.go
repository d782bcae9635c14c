package loyalty

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// featPlan is a programme's achievements as they are kept.
type featPlan struct {
	List []feat.Achievement `json:"list"`
	Zone string             `json:"zone"` // of the site, whose days and months count
}

// featsOf is what was sent, as settings take it; nil: no achievements.
func featsOf(list []feat.Achievement) *featPlan {
	if len(list) == 0 {
		return nil
	}
	return &featPlan{List: list}
}

// in is the plan as a site keeps it.
func (p *featPlan) in(shop site.Site) *featPlan {
	if p == nil {
		return nil
	}
	out := &featPlan{Zone: "UTC", List: make([]feat.Achievement, len(p.List))}
	if shop.Zone != nil {
		out.Zone = shop.Zone.String()
	}
	for i, a := range p.List {
		out.List[i] = a.Full()
	}
	return out
}

// view is the plan as it is answered.
func (p *featPlan) view() []feat.Achievement {
	if p == nil {
		return []feat.Achievement{}
	}
	return p.List
}

// featsFrom is the version that changed the achievements last, of settings whose first version it is.
func (s settings) featsFrom(version int) int {
	if s.Feats == nil {
		return 0
	}
	return version
}

// check says what is wrong with achievements, place by place, and with rules that speak of them.
func (p *featPlan) check(s settings, at finding) {
	if p != nil {
		feat.Check(p.List, func(pointer, format string, args ...any) { at("/achievements"+pointer, format, args...) })
		for i := range p.List[:min(len(p.List), maxRules)] {
			here := "/achievements/" + strconv.Itoa(i)
			if _, ok := s.wallet(p.List[i].Of); p.List[i].Counts == feat.Points && !ok {
				at(here+"/of", "%s", noWallet)
			}
			checkWhen(p.List[i].When, func(pointer, format string, args ...any) { at(here+pointer, format, args...) })
			if c, err := criteria.Compile(p.List[i].When); err == nil && (c.Uses("person") || c.Uses("member") || c.Uses("now") || c.Uses("advocate")) {
				at(here+"/when", "must not look at the person, the member, the advocate or now: what counts must not depend on when it is heard")
			}
		}
	}
	if s.Earning == nil {
		return
	}
	for i, r := range s.Earning.Rules[:min(len(s.Earning.Rules), maxRules)] {
		here := "/earning/rules/" + strconv.Itoa(i)
		switch a := p.named(r.Achievement); {
		case r.On != onAchievement && (r.Achievement != "" || r.Level != 0):
			at(here+"/achievement", "is for rules on achievements only, like level")
		case r.On != onAchievement:
		case a == nil:
			at(here+"/achievement", "must be the key of an achievement of the programme")
		case r.Level < 0 || r.Level > len(a.Goals()):
			at(here+"/level", "must be one of its %d levels, or 0 for each", len(a.Goals()))
		}
	}
}

// named finds an achievement by its key; nil: there is none.
func (p *featPlan) named(key string) *feat.Achievement {
	if p == nil {
		return nil
	}
	for i := range p.List {
		if p.List[i].Key == key {
			return &p.List[i]
		}
	}
	return nil
}

// feats are a version's achievements made ready to decide. They are made once and never change.
type feats struct {
	*featPlan
	zone *time.Location
	when []*criteria.Criteria // of each
}

func newFeats(p *featPlan) (*feats, error) {
	if p == nil {
		return nil, nil
	}
	f := &feats{featPlan: p, zone: zoneNamed(p.Zone), when: make([]*criteria.Criteria, len(p.List))}
	for i, a := range p.List {
		var err error
		if f.when[i], err = criteria.Compile(a.When); err != nil {
			return nil, fmt.Errorf("condition of achievement %s: %w", a.Key, err)
		}
	}
	return f, nil
}

// thing is what happened to somebody, as achievements look at it.
type thing struct {
	by      *feats // those of its time
	version int
	counts  []string // kinds of what it is, as achievements count them
	of      string   // category of an event, identifier of an action, wallet of points
	spend   int64
	items   []customerevent.Item
	facts   func() criteria.Facts // what conditions see, made where one asks
	parts   []part                // what counts of it: found by weigh
}

// part is what counts of a thing for an achievement: a row of loyalty.achievement_part.
type part struct {
	SiteID   int64     `db:"site_id"`
	Source   string    `db:"source"`
	Key      string    `db:"key"`
	Name     string    `db:"name"`
	MemberID int64     `db:"member_id"`
	PersonID int64     `db:"person_id"`
	Since    feat.Day  `db:"-"`
	At       time.Time `db:"at"`
	Amount   int64     `db:"amount"`
	Refunded int64     `db:"refunded"`
	Money    bool      `db:"money"`      // each refund lowers it
	Points   bool      `db:"is_earning"` // and so does what takes back points, whatever it is
	Gone     bool      `db:"gone"`

	achievement *feat.Achievement
}

// counted is what a part counts by now: money less what was refunded of it, anything else until all of it was.
func (p part) counted() int64 {
	switch {
	case p.Gone:
		return 0
	case p.Money:
		return max(p.Amount-p.Refunded, 0)
	}
	return p.Amount
}

// featOfOrigin is a purchase or an event, if the programme has achievements.
func (p program) featOfOrigin(o customerevent.OriginRecorded) *thing {
	if p.feats == nil || p.Status != active {
		return nil
	}
	t := &thing{by: p.feats, version: p.Version, facts: func() criteria.Facts { return ofOrigin(o).facts }}
	if o.Type == customerevent.Event {
		t.counts, t.of = []string{feat.Events}, o.Category
		return t
	}
	t.counts, t.items = []string{feat.Orders, feat.Spend, feat.Products, feat.Categories}, o.Items[:min(len(o.Items), factItems)]
	if o.Currency == p.Currency {
		t.spend = max(o.Subtotal, 0)
	}
	return t
}

// featOfReferral is an approved referral, to its advocate.
func (p program) featOfReferral(r referralevent.ReferralApproved) *thing {
	if p.feats == nil || p.Status != active {
		return nil
	}
	return &thing{by: p.feats, version: p.Version, counts: []string{feat.Referrals}, facts: func() criteria.Facts { return ofReferralApproved(r).facts }}
}

// featOfAction is an action that was collected.
func (p program) featOfAction(c collection) *thing {
	if p.feats == nil {
		return nil
	}
	return &thing{by: p.feats, version: p.Version, counts: []string{feat.Actions}, of: c.Config.Identifier}
}

// featOfPoints is what a decision may earn, if the programme has achievements that count points of its wallet. What achievements give counts for none:
// else one would lead to the next.
func (p program) featOfPoints(e earning) *thing {
	counts := func(a feat.Achievement) bool { return a.Counts == feat.Points && a.Of == e.Wallet }
	if p.feats == nil || p.Status != active || e.Reason == loyaltyevent.ForAchievement || !slices.ContainsFunc(p.feats.List, counts) {
		return nil
	}
	return &thing{by: p.feats, version: p.Version, counts: []string{feat.Points}, of: e.Wallet}
}

// some says that something counts of it.
func (t *thing) some() bool { return t != nil && len(t.parts) > 0 }

// weighAll finds what counts of earnings for achievements, and says who is to be a member because of it: so it makes no difference whether
// what counts or what makes a member is heard first.
func weighAll(ctx context.Context, all []earning, now time.Time) error {
	for i := range all {
		e := &all[i]
		if e.points != nil {
			if err := e.points.weigh(ctx, *e, now); err != nil {
				return bus.Later(err)
			}
		}
		if e.feat == nil {
			continue
		}
		if err := e.feat.weigh(ctx, *e, now); err != nil {
			return bus.Later(err)
		}
		e.Joins = e.Joins || slices.ContainsFunc(e.feat.parts, func(p part) bool { return p.achievement.Enrolment == feat.All })
	}
	return nil
}

func (t *thing) weigh(ctx context.Context, e earning, now time.Time) error {
	at := moment(e.EffectiveAt, now)
	t.parts = t.parts[:0]
	for i := range t.by.List {
		a := &t.by.List[i]
		if !slices.Contains(t.counts, a.Counts) || a.Of != t.of && (a.Of != "" || a.Counts == feat.Points) || !a.Takes(at) {
			continue
		}
		if a.When != "" {
			facts := t.facts()
			facts.Now, facts.Today = at, criteria.DateOf(at.In(t.by.zone))
			answer, err := t.by.when[i].Ask(ctx, facts)
			if err != nil {
				return err
			}
			if !answer.Met {
				continue
			}
		}
		for name, amount := range t.amounts(a) {
			t.parts = append(t.parts, part{SiteID: e.SiteID, Source: e.Source, Key: a.Key, Name: name, At: at, Amount: amount, Money: a.Counts == feat.Spend || a.Counts == feat.Points,
				Points: a.Counts == feat.Points, Since: a.Since(feat.DayOf(at, t.by.zone)), achievement: a})
		}
	}
	slices.SortFunc(t.parts, func(x, y part) int { return strings.Compare(x.Key+"\x00"+x.Name, y.Key+"\x00"+y.Name) })
	return nil
}

// amounts are how much counts of a thing, by names where different ones are counted.
func (t *thing) amounts(a *feat.Achievement) map[string]int64 {
	switch a.Counts {
	case feat.Spend:
		if t.spend == 0 {
			return nil
		}
		return map[string]int64{"": t.spend}
	case feat.Points:
		return map[string]int64{"": 0} // how many is decided later
	case feat.Products, feat.Categories:
		out := map[string]int64{}
		for _, i := range t.items {
			name := i.ProductID
			if a.Counts == feat.Categories {
				name = i.Category
			}
			if name != "" && i.Quantity > 0 && i.Price >= 0 {
				out[name] = 1
			}
		}
		return out
	}
	return map[string]int64{"": 1}
}
