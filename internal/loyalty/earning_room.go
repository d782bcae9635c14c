package loyalty

import (
	"math"
	"time"

	"github.com/talkable/talkable/internal/money"
)

// tallyKey is a member's span of time with a rule.
type tallyKey struct {
	SiteID   int64  `db:"site_id"`
	MemberID int64  `db:"member_id"`
	Rule     string `db:"rule"`
	Span     string `db:"span"`
	Since    string `db:"since"`
}

// tally is what a rule has given a member in a span of time.
type tally struct {
	tallyKey
	Points int64      `db:"points"`
	Times  int64      `db:"times"`
	LastAt *time.Time `db:"last_at"` // when that happened which it gave something for last
	dirty  bool
}

// budgetKey is a rule of a programme.
type budgetKey struct {
	SiteID    int64  `db:"site_id"`
	ProgramID int64  `db:"program_id"`
	Rule      string `db:"rule"`
}

// budget is what a rule has given to everybody.
type budget struct {
	budgetKey
	Spent int64 `db:"spent"`
	dirty bool
}

// rooms are what rules have given so far, as far as limits and budgets need it. Its rows are locked: the members' with their members,
// the budgets by themselves.
type rooms struct {
	tallies map[tallyKey]*tally
	budgets map[budgetKey]*budget
	given   map[siteID][]step // of the earnings that are taken back: what each rule gave
}

func (r *rooms) tally(k tallyKey) *tally {
	t := r.tallies[k]
	if t == nil {
		t = &tally{tallyKey: k}
		r.tallies[k] = t
	}
	return t
}

func (r *rooms) budget(k budgetKey) *budget {
	b := r.budgets[k]
	if b == nil {
		b = &budget{budgetKey: k}
		r.budgets[k] = b
	}
	return b
}

// of is how much the rules may still give a member for something that happened at a moment; members are that one and who was merged into it.
func (r *rooms) of(p program, members []int64, at time.Time) allowance {
	return func(rule *earnRule) (int64, string) {
		left, why := int64(math.MaxInt64), ""
		narrow := func(to int64, because string) {
			if to < left {
				left, why = to, because
			}
		}
		if rule.Budget != nil {
			narrow(max(*rule.Budget-r.budget(budgetKey{p.SiteID, p.ID, rule.Key}).Spent, 0), wasBudget)
		}
		for _, l := range rule.Limits {
			t := r.sum(tallyKey{SiteID: p.SiteID, Rule: rule.Key, Span: l.Per, Since: p.earner.since(l.Per, at)}, members)
			if l.Points > 0 {
				narrow(max(l.Points-t.Points, 0), wasLimit)
			}
			if l.Times > 0 && t.Times >= l.Times {
				narrow(0, wasLimit)
			}
		}
		if rule.Cooldown > 0 {
			last := r.sum(tallyKey{SiteID: p.SiteID, Rule: rule.Key, Span: "ever", Since: p.earner.since("ever", at)}, members).LastAt
			if last != nil && at.Sub(*last).Abs() < time.Duration(rule.Cooldown)*time.Minute {
				narrow(0, wasCooldown)
			}
		}
		return left, why
	}
}

// give counts what the rules of a decision gave a member.
func (r *rooms) give(p program, memberID int64, at time.Time, v verdict) {
	if v.Points == 0 {
		return
	}
	for _, s := range v.Trace.Rules {
		for span, since := range s.Since {
			t := r.tally(tallyKey{p.SiteID, memberID, s.Rule, span, since})
			t.Points, t.Times, t.dirty = t.Points+s.Points, t.Times+1, true
			if t.LastAt == nil || at.After(*t.LastAt) {
				t.LastAt = &at
			}
		}
		if s.Budget {
			b := r.budget(budgetKey{p.SiteID, p.ID, s.Rule})
			b.Spent, b.dirty = b.Spent+s.Points, true
		}
	}
}

// takeBack gives limits and budgets back what a claw-back takes of an earning: each rule's part by the cumulative share, so that any split
// has the same end. A time is given back when all of the earning is gone; when the last time was stays.
func (r *rooms) takeBack(p program, memberID int64, own *lot, before, after int64) {
	for _, s := range r.given[siteID{own.SiteID, own.ID}] {
		points := money.Share(s.Points, after, own.Granted) - money.Share(s.Points, before, own.Granted)
		for span, since := range s.Since {
			t := r.tallies[tallyKey{p.SiteID, memberID, s.Rule, span, since}]
			if t == nil { // so long ago that it was swept
				continue
			}
			t.Points, t.dirty = t.Points-points, true
			if after == own.Granted {
				t.Times--
			}
		}
		if s.Budget {
			b := r.budget(budgetKey{p.SiteID, p.ID, s.Rule})
			b.Spent, b.dirty = b.Spent-points, true
		}
	}
}
