package loyalty

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// What counts towards tiers. The balance does not: who spends points keeps the tier that they were earned for.
const (
	countEarned    = iota // points earned, less what was clawed back
	countSpend            // minor units of the programme's currency, net of refunds
	countOrders           // that were not refunded whole
	countReferrals        // approved, and not voided since
	countCustom           // what the shop says
	counters
)

// counts are how much of each counts.
type counts [counters]int64

func (c counts) plus(o counts) counts {
	for i, n := range o {
		c[i] += n
	}
	return c
}

func (c counts) minus(o counts) counts {
	for i, n := range o {
		c[i] -= n
	}
	return c
}

// tier is a level that a member reaches by what counts.
type tier struct {
	Name       string            `json:"name"`
	Threshold  int64             `json:"threshold,omitempty" doc:"Points earned; 0: the tier doesn't ask for them"`
	Spend      int64             `json:"spend,omitempty" doc:"Of orders in the programme's currency, in minor units, net of refunds"`
	Orders     int64             `json:"orders,omitempty" doc:"Orders that were not refunded whole"`
	Referrals  int64             `json:"referrals,omitempty" doc:"Approved referrals as an advocate"`
	Custom     int64             `json:"custom,omitempty" doc:"What POST /loyalty/members/{email}/tier_counts adds"`
	Match      string            `json:"match,omitempty" doc:"all (the default) or any of them"`
	Benefits   string            `json:"benefits,omitempty" doc:"What members of it get, in words; at most 1000 characters"`
	Properties map[string]string `json:"properties,omitempty" doc:"At most 20, for programs to read: names of 1 to 50 characters, values of at most 255"`
}

const matchAny, matchAll = "any", "all"

const (
	maxBenefits   = 1000
	maxProperties = 20
	maxProperty   = 255
)

// needs are what a tier asks for; 0: not for that.
func (t tier) needs() counts {
	return counts{countEarned: t.Threshold, countSpend: t.Spend, countOrders: t.Orders, countReferrals: t.Referrals, countCustom: t.Custom}
}

// counterNames are the names of what counts, as a tier's members are called.
var counterNames = [counters]string{"threshold", "spend", "orders", "referrals", "custom"}

// met says whether so much reaches a tier.
func (t tier) met(c counts) bool {
	all := t.Match != matchAny
	for i, need := range t.needs() {
		if met := c[i] >= need; need > 0 && met != all {
			return met
		}
	}
	return all
}

// check says what is wrong with a tier, beside its name. It must ask for more than the tier before it.
func (t tier) check(place string, before *tier, at func(pointer, format string, args ...any)) {
	needs, asks := t.needs(), false
	for i, n := range needs {
		if asks = asks || n != 0; n < 0 || n > maxPoints {
			at(place+"/"+counterNames[i], "must be 1 to %d", int64(maxPoints))
		}
	}
	if !asks {
		at(place+"/threshold", "must be 1 to %d, or something else must be asked for", int64(maxPoints))
	}
	if t.Match != "" && t.Match != matchAny && t.Match != matchAll {
		at(place+"/match", "must be any or all")
	}
	if utf8.RuneCountInString(t.Benefits) > maxBenefits || !utf8.ValidString(t.Benefits) {
		at(place+"/benefits", "must have at most %d characters", maxBenefits)
	}
	if len(t.Properties) > maxProperties {
		at(place+"/properties", "must be at most %d", maxProperties)
	}
	for name, value := range t.Properties {
		if n := utf8.RuneCountInString(name); n < 1 || n > maxName || !printable(name) || utf8.RuneCountInString(value) > maxProperty || !utf8.ValidString(value) {
			at(place+"/properties", "must have names of 1 to %d printable characters, and values of at most %d", maxName, maxProperty)
			break
		}
	}
	if before == nil {
		return
	}
	same := -1
	for i, had := range before.needs() {
		switch {
		case had == 0 || needs[i] == 0:
			continue
		case needs[i] < had:
			at(place+"/"+counterNames[i], "must be above the tier before")
			return
		case needs[i] > had:
			return
		case same < 0:
			same = i
		}
	}
	if same >= 0 {
		at(place+"/"+counterNames[same], "must be above the tier before")
	}
}

// sameAs says that two tiers are reached by the same. What their members get is another matter.
func (t tier) sameAs(o tier) bool {
	return t.Name == o.Name && t.needs() == o.needs() && (t.Match == matchAny) == (o.Match == matchAny)
}

// Windows: of which days what counts is summed up.
const (
	lifetime      = "" // all
	rollingDays   = "rolling_days"
	rollingMonths = "rolling_months"
	calendarYear  = "calendar_year"
	joinYear      = "join_year" // from each anniversary of the day on which the member joined
)

// What becomes of a tier that isn't reached any more.
const (
	toQualified = "" // the member falls to the tier that is
	oneLevel    = "one_level"
	neverDown   = "never"
)

// tierPlan says how tiers are kept. Its zero is a programme that looks at lifetime points.
type tierPlan struct {
	Counted   bool   `json:"counted,omitempty"` // by days, since a tier or window first asked for it; from then on it is, whatever tiers there are
	Window    string `json:"window,omitempty"`
	Length    int    `json:"length,omitempty"` // days or months of a rolling window
	Downgrade string `json:"downgrade,omitempty"`
	GraceDays int    `json:"grace_days,omitempty"`
	Zone      string `json:"zone,omitempty"` // of the site, while it is counted
}

const (
	maxRollingDays   = 3660
	maxRollingMonths = 120
	maxTierGrace     = 366
)

// check says what is wrong with a plan, place by place.
func (p tierPlan) check(at func(pointer, format string, args ...any)) {
	switch p.Window {
	case rollingDays:
		if p.Length < 1 || p.Length > maxRollingDays {
			at("/tier_plan/length", "must be 1 to %d days", maxRollingDays)
		}
	case rollingMonths:
		if p.Length < 1 || p.Length > maxRollingMonths {
			at("/tier_plan/length", "must be 1 to %d months", maxRollingMonths)
		}
	case lifetime, calendarYear, joinYear:
		if p.Length != 0 {
			at("/tier_plan/length", "is for rolling windows only")
		}
	default:
		at("/tier_plan/window", "must be lifetime, rolling_days, rolling_months, calendar_year or join_year")
	}
	switch {
	case p.Downgrade != toQualified && p.Downgrade != oneLevel && p.Downgrade != neverDown:
		at("/tier_plan/downgrade", "must be qualified, one_level or never")
	case p.Window == lifetime && p.Downgrade != toQualified:
		at("/tier_plan/downgrade", "is for windows that end; a lifetime does not")
	}
	switch {
	case p.GraceDays < 0 || p.GraceDays > maxTierGrace:
		at("/tier_plan/grace_days", "must be 0 to %d", maxTierGrace)
	case p.GraceDays > 0 && (p.Window == lifetime || p.Downgrade == neverDown):
		at("/tier_plan/grace_days", "is for tiers that end")
	case p.GraceDays == 0 && p.Downgrade == oneLevel && p.rolls():
		at("/tier_plan/grace_days", "must be at least 1 with one_level in a rolling window: a level goes each time they are over")
	}
}

// rolls says that a window has no end, but goes on each day.
func (p tierPlan) rolls() bool { return p.Window == rollingDays || p.Window == rollingMonths }

// in is the plan with what a site decides.
func (p tierPlan) in(tiers []tier, zone *time.Location) tierPlan {
	p.Counted, p.Zone = p.Window != lifetime, ""
	for _, t := range tiers {
		needs := t.needs()
		if needs[countEarned] = 0; needs != (counts{}) {
			p.Counted = true
		}
	}
	if p.Counted && zone != nil {
		p.Zone = zone.String()
	}
	return p
}

// after is a plan that follows another: what is counted goes on being counted.
func (p tierPlan) after(before tierPlan) tierPlan {
	if before.Counted && !p.Counted {
		p.Counted, p.Zone = true, before.Zone
	}
	return p
}

func (p tierPlan) zone() *time.Location { return zoneNamed(p.Zone) }

// opens is the first day of the window that a day is in.
func (p tierPlan) opens(d, joined day) day {
	switch p.Window {
	case rollingDays:
		return d - day(p.Length) + 1
	case rollingMonths:
		return d.monthsBefore(p.Length) + 1
	case calendarYear:
		return calendarDay(d.year(), time.January, 1)
	case joinYear:
		start := joined.anniversary(d.year())
		if start > d {
			start = joined.anniversary(d.year() - 1)
		}
		return start
	}
	return longAgo
}

// leaves is the first day whose window a day is in no more.
func (p tierPlan) leaves(d, joined day) day {
	switch p.Window {
	case rollingDays:
		return d + day(p.Length)
	case rollingMonths:
		year, month, n := d.date().Date()
		e := calendarDay(year, month+time.Month(p.Length), n) - 3 // a month that is too short for n runs over by three days at most
		for e.monthsBefore(p.Length) < d {
			e++
		}
		return e
	case calendarYear:
		return calendarDay(d.year()+1, time.January, 1)
	case joinYear:
		return joined.anniversary(p.opens(d, joined).year() + 1)
	}
	return never
}

// falls is the day on which a tier that was reached on d for the last time falls by its k-th level: in a rolling window when the grace
// is over, and again each time; else when the period after that of d ends, and again with each, each time after the grace.
func (p tierPlan) falls(d, joined day, k int) day {
	switch {
	case p.Downgrade == neverDown || p.Window == lifetime:
		return never
	case p.rolls():
		return d + 1 + day(k*p.GraceDays)
	}
	for range k + 1 {
		d = p.leaves(d, joined)
	}
	return d + day(p.GraceDays)
}

// since is the first day that can matter to a tier of today, with days to spare.
func (p program) since(today day) day {
	plan, levels := p.TierPlan, 1
	if plan.Downgrade == oneLevel {
		levels = len(p.Tiers)
	}
	switch {
	case plan.Downgrade == neverDown:
		return longAgo
	case plan.Window == rollingDays:
		return today - day(plan.Length+(levels+1)*plan.GraceDays+3)
	case plan.Window == rollingMonths:
		return today - day(31*plan.Length+(levels+1)*plan.GraceDays+3)
	case plan.Window == lifetime:
		return today
	}
	return today - day(plan.GraceDays+(levels+2)*366)
}

// nameOf is the name of the tier at a place.
func (p program) nameOf(level int) string {
	if level == 0 {
		return ""
	}
	return p.Tiers[level-1].Name
}

// check of all tiers; names are checked with them.
func checkTiers(tiers []tier, at func(pointer, format string, args ...any)) {
	var before *tier
	for i := range tiers {
		tiers[i].check("/tiers/"+strconv.Itoa(i), before, at)
		before = &tiers[i]
	}
}
