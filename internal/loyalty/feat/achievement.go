// Package feat decides about achievements: what they are, how far somebody has come, and what is reached. It knows no database, no clock and
// no points: how much counted in which span of the calendar goes in, what is met comes out. So whatever order things are heard in, and
// whatever is refunded, the same sums lead to the same end.
package feat

import "time"

// Kinds of achievement.
const (
	KindCount  = "count"  // so much of something, in a span of time
	KindStreak = "streak" // something in each of so many spans that follow each other
)

// What is counted.
const (
	Orders     = "orders"
	Spend      = "spend"
	Referrals  = "referrals"
	Events     = "events"
	Actions    = "actions"
	Products   = "products"   // different ones
	Categories = "categories" // different ones
	Points     = "points"     // earned, of one wallet
)

// Rolling is a period that ends today.
const Rolling = "rolling"

// How often somebody can reach it.
const (
	Once  = "once"
	Again = "again"
)

// Who takes part.
const (
	All   = "all"
	OptIn = "opt_in"
)

// Achievement is what a merchant says of one. Its key is its name for good: what counted, and who reached it, go on by it in all versions.
type Achievement struct {
	Key         string `json:"key" doc:"1 to 50 of a-z, 0-9, '_' and '-'; what counted goes on by it when the programme changes" example:"regular"`
	Name        string `json:"name" doc:"1 to 100 characters" example:"Regular"`
	Description string `json:"description,omitempty" doc:"At most 1000 characters" example:"Five orders in a month"`
	ImageURL    string `json:"image_url,omitempty" doc:"Of the badge: an address of https, at most 2000 characters"`

	Kind   string `json:"kind,omitempty" default:"count" doc:"count: so much in a period; streak: something in each of so many periods that follow each other" example:"count"`
	Counts string `json:"counts" doc:"orders, spend (minor units, net of refunds), referrals (approved), events, actions (collected), products or categories (different ones that were bought), points (earned in a wallet, but for those that achievements give; less what refunds take back)" example:"orders"`
	Of     string `json:"of,omitempty" doc:"Of events: only those of this category, review or login for example; of actions: only this identifier; of points: those of this wallet, the main one when left out"`
	When   string `json:"when,omitempty" doc:"A condition on what is counted, see docs/criteria.md: it looks at the order, its lines, the friend or the campaign, not at the person, the member or now" example:"origin.subtotal >= 2000"`

	Period  string  `json:"period,omitempty" default:"ever" doc:"In which so much is to be done, in the site's zone: ever, day, week (from Monday), month, year, or rolling. Of a streak: those that follow each other, day, week or month" example:"month"`
	Days    int     `json:"days,omitempty" doc:"Of a rolling period, 1 to 366"`
	Goal    int64   `json:"goal,omitempty" doc:"How much; of a streak: how many periods. Left out where there are levels" example:"5"`
	Levels  []Level `json:"levels,omitempty" doc:"At most 10, by rising goals: bronze, silver, gold"`
	Each    int64   `json:"each,omitempty" doc:"Of a streak: how much a period needs to hold; 1 when left out"`
	Freezes int     `json:"freezes,omitempty" doc:"Of a streak: how many periods may be missed before it breaks, at most 30"`

	Repeat string `json:"repeat,omitempty" default:"once" doc:"once, or again: in each period, each time so much more was done (ever), with each streak. A rolling period is for once" example:"once"`
	Times  int    `json:"times,omitempty" doc:"Of again: how often at most; 0: no limit"`

	StartsAt   *time.Time `json:"starts_at,omitempty" nullable:"true" doc:"Only what happened from then on"`
	EndsAt     *time.Time `json:"ends_at,omitempty" nullable:"true" doc:"Only what happened before"`
	Enrolment  string     `json:"enrolment,omitempty" default:"all" doc:"all; or opt_in, a challenge: what is done counts from when the member accepts it" example:"all"`
	AcceptDays int        `json:"accept_days,omitempty" doc:"Of a challenge: how many days a member has from accepting it, at most 3660; 0: no deadline of their own"`
	Hidden     bool       `json:"hidden,omitempty" doc:"Members see it once they have reached it"`
	Revoke     bool       `json:"revoke,omitempty" doc:"A refund that undoes what was reached takes it back, with its points; else who reached it keeps it"`
	Paused     bool       `json:"paused,omitempty" doc:"Counts nothing for now"`
}

// Level is one of several goals: a badge of bronze, silver or gold.
type Level struct {
	Name string `json:"name" doc:"1 to 50 characters" example:"Gold"`
	Goal int64  `json:"goal" example:"25"`
}

// Full is the achievement with what is left out filled in.
func (a Achievement) Full() Achievement {
	or := func(s *string, usual string) {
		if *s == "" {
			*s = usual
		}
	}
	or(&a.Kind, KindCount)
	or(&a.Period, ever)
	or(&a.Repeat, Once)
	or(&a.Enrolment, All)
	if a.Counts == Points && a.Of == Points { // what the main wallet is called
		a.Of = ""
	}
	if a.Kind == KindStreak && a.Each == 0 {
		a.Each = 1
	}
	return a
}

// Goals are the goals of its levels; a single goal is its one level.
func (a *Achievement) Goals() []Level {
	if len(a.Levels) > 0 {
		return a.Levels
	}
	return []Level{{Goal: a.Goal}}
}

// Unit is the span of the calendar that it counts by.
func (a *Achievement) Unit() string {
	if a.Period == Rolling {
		return day
	}
	return a.Period
}

// Basis is what may not change of it: numbers that were counted by another mean something else.
func (a *Achievement) Basis() string { return a.Kind + " " + a.Counts + " " + a.Unit() + " " + a.Of }

// Distinct says that it counts different things, each once.
func (a *Achievement) Distinct() bool { return a.Counts == Products || a.Counts == Categories }

// Since is the first day of the span that a day counts for.
func (a *Achievement) Since(d Day) Day { return first(a.Unit(), number(a.Unit(), d)) }

// Takes says that what happened at a moment may count.
func (a *Achievement) Takes(at time.Time) bool {
	return !a.Paused && (a.StartsAt == nil || !at.Before(*a.StartsAt)) && (a.EndsAt == nil || at.Before(*a.EndsAt))
}

// keepFor is how long a span is remembered after its end, so that refunds and what is told late find it.
const keepFor = 800

// Fades is the day on which a span can be forgotten; false: never. Who did something ever, and how long the longest streak was, isn't forgotten.
func (a *Achievement) Fades(since Day) (Day, bool) {
	if a.Kind == KindStreak || a.Unit() == ever || a.Repeat == Once && a.Revoke {
		return 0, false
	}
	return first(a.Unit(), number(a.Unit(), since)+1) + keepFor + Day(a.Days), true
}
