package loyalty

import (
	"fmt"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/site"
)

// What a rule gives points on.
const (
	onPurchase = "purchase"
	onEvent    = "event"
	onReferral = "referral" // to the advocate, when it is approved
	onJoin     = "join"
	onTier     = "tier"  // reached
	onDate     = "date"  // of a member
	onShare    = "share" // of an offer, by its advocate

	onAchievement = "achievement" // reached
)

// Kinds of rule. All but the last give points, which are summed up; a multiplier multiplies the sum.
const (
	kindFixed      = "fixed"
	kindPerMoney   = "per_money"
	kindPerItem    = "per_item"
	kindMultiplier = "multiplier"
)

// Which of the rules that apply give, and which of the multipliers.
const (
	stackAll   = "all"
	stackFirst = "first"
	stackBest  = "best"
)

const (
	defaultRule  = "default" // the key of the programme's own rates, behind all rules
	wholeFactor  = 10_000    // basis points: once
	mostFactor   = 1_000_000
	maxRules     = 50
	maxLines     = 100 // products or categories that a rule names
	maxLineName  = 255
	maxSpans     = 4
	maxTimes     = 1_000_000
	maxCooldown  = 366 * 24 * 60 // minutes
	maxPerAmount = 1_000_000_000_000
)

// EarnTerms are a programme's rules of earning as they are sent. It is exported because huma looks into no other embedded struct.
type EarnTerms struct {
	_        struct{}     `json:"-" nullable:"true"`
	Stacking string       `json:"stacking,omitempty" default:"all" doc:"Which of the rules that apply give points: all; first, in their order; or best, the one that gives most. Likewise of the multipliers" example:"all"`
	Exclude  earnExcluded `json:"exclude,omitzero" doc:"What of an order earns nothing. Its subtotal has neither tax nor shipping in it"`
	Rules    []earnRule   `json:"rules" doc:"At most 50, in their order. The programme's points_per_unit is one more, behind them all, named default"`
}

// earnPlan is EarnTerms as they are kept.
type earnPlan struct {
	_ struct{} `json:"-" nullable:"true"`
	EarnTerms
	Zone string `json:"zone" doc:"Of the site: its days and hours count"`
}

type earnExcluded struct {
	Products   []string `json:"products,omitempty" doc:"Lines of them"`
	Categories []string `json:"categories,omitempty" doc:"Lines of them, gift cards for example"`
	Coupons    bool     `json:"coupons,omitempty" doc:"Orders that a coupon was used for"`
}

// earnRule is what one rule says. Its key is its name for good: what it gave counts towards its limits in all versions.
type earnRule struct {
	Key           string      `json:"key" doc:"1 to 50 of a-z, 0-9, '_' and '-'; its limits and budget go on by it when the programme changes" example:"spring_shoes"`
	Name          string      `json:"name,omitempty" doc:"At most 100 characters" example:"Shoes in spring"`
	Paused        bool        `json:"paused,omitempty" doc:"Gives nothing for now"`
	On            string      `json:"on,omitempty" default:"purchase" doc:"purchase; event; referral, when one is approved, to its advocate; join; tier, when one of tiers is reached, each once; date, of the member, once a year; share, of an offer, once for each channel and day; achievement, when one is reached" example:"purchase"`
	Kind          string      `json:"kind" doc:"fixed: points for all of it; per_money: points for each per_amount of what qualifies; per_item: points for each piece; multiplier: what the other rules gave, so many times" example:"per_money"`
	Points        int64       `json:"points,omitempty" doc:"1 to 1,000,000; fractions are kept until all rules and multipliers have spoken, and dropped then" example:"5"`
	PerAmount     int64       `json:"per_amount,omitempty" doc:"Of per_money, in minor units; a whole unit of currency when left out" example:"100"`
	Multiplier    int64       `json:"multiplier,omitempty" doc:"Of a multiplier, in basis points: 20000 doubles; 10001 to 1,000,000" example:"20000"`
	Products      []string    `json:"products,omitempty" doc:"Only lines of them; of a fixed rule or a multiplier: only orders with such a line"`
	Categories    []string    `json:"categories,omitempty" doc:"Only lines of them, or of the products"`
	EventCategory string      `json:"event_category,omitempty" doc:"Only events of it" example:"review"`
	Date          string      `json:"date,omitempty" doc:"Of a rule on dates: which of them" example:"birthday"`
	Achievement   string      `json:"achievement,omitempty" doc:"Of a rule on achievements: its key" example:"regular"`
	Level         int         `json:"level,omitempty" doc:"Of a rule on achievements: which of its levels, from 1; 0: each"`
	Tiers         []string    `json:"tiers,omitempty" doc:"Only members who are in one of them before it; of a rule on tiers: those to be reached"`
	StartsAt      *time.Time  `json:"starts_at,omitempty" nullable:"true" doc:"Only what happened from then on"`
	EndsAt        *time.Time  `json:"ends_at,omitempty" nullable:"true" doc:"Only what happened before"`
	Hours         *earnHours  `json:"hours,omitempty" doc:"Only what happened at these times, in the site's zone"`
	When          string      `json:"when,omitempty" doc:"A condition, see docs/criteria.md; an answer in words is the reason why not" example:"origin.first_purchase"`
	Limits        []earnLimit `json:"limits,omitempty" doc:"Of each member"`
	Cooldown      int         `json:"cooldown_minutes,omitempty" doc:"That pass between two times that it gives a member something, by when they happened; at most a year"`
	Wallet        string      `json:"wallet,omitempty" doc:"Of the programme's, that it gives points of; left out: the main one. Stacking and multipliers are each wallet's own" example:""`
	Budget        *int64      `json:"budget,omitempty" nullable:"true" doc:"The most points that it gives to all members together; it stops there"`
}

// earnHours are times of the week.
type earnHours struct {
	_        struct{} `json:"-" nullable:"true"`
	Weekdays []string `json:"weekdays,omitempty" doc:"mon, tue, wed, thu, fri, sat, sun; all when left out. Hours over midnight are those of the day on which they begin"`
	From     string   `json:"from,omitempty" doc:"HH:MM; the whole day when both are left out" example:"17:00"`
	To       string   `json:"to,omitempty" doc:"HH:MM; before from: of the next day" example:"19:00"`
}

// earnLimit is the most that a rule gives a member within a span of time.
type earnLimit struct {
	Per    string `json:"per" doc:"day, month or year of the site's calendar, or ever" example:"day"`
	Points int64  `json:"points,omitempty" doc:"What is above is cut off" example:"100"`
	Times  int64  `json:"times,omitempty" example:"1"`
}

// plan is what was sent, as settings take it.
func (t *EarnTerms) plan() *earnPlan {
	if t == nil {
		return nil
	}
	return &earnPlan{EarnTerms: *t}
}

// rulesFrom is the version that changed the rules last, of settings whose first version it is.
func (s settings) rulesFrom(version int) int {
	if s.Earning == nil {
		return 0
	}
	return version
}

// in is the plan as a site keeps it; nil: it says nothing.
func (p *earnPlan) in(shop site.Site) *earnPlan {
	if p == nil || len(p.Rules) == 0 && p.Exclude.none() {
		return nil
	}
	p = &earnPlan{EarnTerms: p.EarnTerms, Zone: "UTC"}
	if shop.Zone != nil {
		p.Zone = shop.Zone.String()
	}
	if p.Stacking == "" {
		p.Stacking = stackAll
	}
	p.Rules = slices.Clone(p.Rules)
	for i := range p.Rules {
		if p.Rules[i].On == "" {
			p.Rules[i].On = onPurchase
		}
		p.Rules[i].Wallet = walletNamed(p.Rules[i].Wallet)
	}
	return p
}

func (x earnExcluded) none() bool {
	return len(x.Products) == 0 && len(x.Categories) == 0 && !x.Coupons
}

// spans are those of time that a rule counts in.
func (r *earnRule) spans() (out []string) {
	for _, l := range r.Limits {
		out = append(out, l.Per)
	}
	if r.Cooldown > 0 && !slices.Contains(out, "ever") {
		out = append(out, "ever") // its row says when the last time was
	}
	return out
}

// earner is a plan made ready to decide: its conditions are compiled. It is made once for a version and never changes.
type earner struct {
	*earnPlan
	zone    *time.Location
	when    []*criteria.Criteria // of each rule
	wallets map[string]*earner   // with the rules of each wallet beside the main one; nil: none has any
	asks    map[string]looks     // what conditions of rules look at beside the thing itself, by what the rules are on
}

// newEarner makes a plan ready to decide. The rules of each wallet decide by themselves.
func newEarner(p *earnPlan) (*earner, error) {
	of := p.byWallet()
	e, err := oneEarner(of[""])
	for wallet, plan := range of {
		if err != nil || wallet == "" {
			continue
		}
		if e.wallets == nil {
			e.wallets = map[string]*earner{}
		}
		own, wrong := oneEarner(plan)
		if wrong != nil {
			return nil, wrong
		}
		for on, l := range own.asks {
			e.asks[on] = e.asks[on].and(l)
		}
		e.wallets[wallet] = own
	}
	return e, err
}

// byWallet is the plan of each wallet, of which "" is the main one.
func (p *earnPlan) byWallet() map[string]*earnPlan {
	all := map[string]*earnPlan{"": p}
	if !slices.ContainsFunc(p.Rules, func(r earnRule) bool { return r.Wallet != "" }) {
		return all
	}
	all[""] = p.without()
	for _, r := range p.Rules {
		if all[r.Wallet] == nil {
			all[r.Wallet] = p.without()
		}
		all[r.Wallet].Rules = append(all[r.Wallet].Rules, r)
	}
	return all
}

// without is the plan without its rules.
func (p *earnPlan) without() *earnPlan {
	out := *p
	out.Rules = nil
	return &out
}

func oneEarner(p *earnPlan) (*earner, error) {
	e := &earner{earnPlan: p, when: make([]*criteria.Criteria, len(p.Rules)), asks: map[string]looks{}}
	var err error
	if e.zone, err = time.LoadLocation(p.Zone); err != nil {
		return nil, fmt.Errorf("zone of the rules: %w", err)
	}
	for i, r := range p.Rules {
		if e.when[i], err = criteria.Compile(r.When); err != nil {
			return nil, fmt.Errorf("condition of rule %s: %w", r.Key, err)
		}
		e.asks[r.On] = e.asks[r.On].and(looksOf(e.when[i]))
	}
	return e, nil
}

// since is the first day of the span of time that a moment is in, by the site's calendar.
func (e *earner) since(span string, at time.Time) string {
	return periods[span](at.In(e.zone)).Format(time.DateOnly)
}

// counts are the first days of the spans of time that a rule counts something in.
func (e *earner) counts(r *earnRule, at time.Time) map[string]string {
	var out map[string]string
	for _, span := range r.spans() {
		if out == nil {
			out = map[string]string{}
		}
		out[span] = e.since(span, at)
	}
	return out
}
