package loyalty

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/fault"
)

// finding notes what is wrong at a place of the request.
type finding func(pointer, format string, args ...any)

// check says what is wrong with rules, place by place; tiers are those of the programme.
func (p *earnPlan) check(tiers []tier, at finding) {
	if p == nil {
		return
	}
	const place = "/earning"
	if !slices.Contains([]string{stackAll, stackFirst, stackBest}, p.Stacking) {
		at(place+"/stacking", "must be all, first or best")
	}
	checkNames(place+"/exclude/products", p.Exclude.Products, at)
	checkNames(place+"/exclude/categories", p.Exclude.Categories, at)
	if len(p.Rules) > maxRules {
		at(place+"/rules", "must be at most %d", maxRules)
		return
	}
	seen := map[string]bool{defaultRule: true}
	for i := range p.Rules {
		r := &p.Rules[i]
		here := place + "/rules/" + strconv.Itoa(i)
		within := func(pointer, format string, args ...any) { at(here+pointer, format, args...) }
		if seen[r.Key] {
			within("/key", "is used by another rule")
		}
		seen[r.Key] = true
		r.check(within)
		for j, name := range r.Tiers[:min(len(r.Tiers), maxTiers)] {
			if !slices.ContainsFunc(tiers, func(t tier) bool { return t.Name == name }) {
				within("/tiers/"+strconv.Itoa(j), "is no tier of the programme")
			}
		}
	}
}

// check says what is wrong with a rule by itself.
func (r *earnRule) check(at finding) {
	if !actionIdentifier.MatchString(r.Key) {
		at("/key", "must have 1 to 50 lowercase letters, digits, '_' and '-', and begin with a letter")
	}
	if r.Name != "" && (utf8.RuneCountInString(r.Name) > 100 || !printable(r.Name)) {
		at("/name", "must have at most 100 printable characters")
	}
	r.checkOn(at)
	r.checkKind(at)
	checkNames("/products", r.Products, at)
	checkNames("/categories", r.Categories, at)
	if len(r.Tiers) > maxTiers {
		at("/tiers", "must be at most %d", maxTiers)
	}
	if r.StartsAt != nil && r.EndsAt != nil && !r.EndsAt.After(*r.StartsAt) {
		at("/ends_at", "must be after starts_at")
	}
	r.Hours.check(at)
	checkWhen(r.When, at)
	r.checkLimits(at)
}

// checkWhen says what is wrong with a condition.
func checkWhen(text string, at finding) {
	if _, err := criteria.Compile(text); err != nil {
		why := err.Error()
		if f, ok := fault.Of(err); ok {
			why = f.Detail
		}
		at("/when", "%s", why)
	}
}

func (r *earnRule) checkOn(at finding) {
	switch r.On {
	case onPurchase, onEvent:
	case onReferral, onJoin, onTier, onDate, onShare, onAchievement:
		if r.Kind == kindPerMoney || r.Kind == kindPerItem {
			at("/kind", "must be fixed or multiplier: there is no order")
		}
		if len(r.Products) > 0 || len(r.Categories) > 0 {
			at("/products", "are for purchases and events only, like categories")
		}
	default:
		at("/on", "must be purchase, event, referral, join, tier, date, share or achievement")
	}
	if r.On == onTier && len(r.Tiers) == 0 {
		at("/tiers", "must name what is to be reached")
	}
	if (r.On == onDate) != (r.Date != "") || r.Date != "" && !identifier.MatchString(r.Date) {
		at("/date", "must be the identifier of members' dates, of a rule on dates only")
	}
	switch {
	case r.EventCategory == "":
	case r.On != onEvent:
		at("/event_category", "is for events only")
	default:
		checkNames("/event_category", []string{r.EventCategory}, func(_, format string, args ...any) { at("/event_category", format, args...) })
	}
}

func (r *earnRule) checkKind(at finding) {
	switch r.Kind {
	case kindFixed, kindPerMoney, kindPerItem:
		if r.Points < 1 || r.Points > maxRate {
			at("/points", "must be 1 to %d", maxRate)
		}
		if r.Multiplier != 0 {
			at("/multiplier", "is for multipliers only")
		}
	case kindMultiplier:
		if r.Multiplier <= wholeFactor || r.Multiplier > mostFactor {
			at("/multiplier", "must be %d to %d", wholeFactor+1, mostFactor)
		}
		if r.Points != 0 {
			at("/points", "is not for multipliers")
		}
	default:
		at("/kind", "must be fixed, per_money, per_item or multiplier")
	}
	switch {
	case r.Kind != kindPerMoney && r.PerAmount != 0:
		at("/per_amount", "is for per_money only")
	case r.PerAmount < 0 || r.PerAmount > maxPerAmount:
		at("/per_amount", "must be 1 to %d, or left out", maxPerAmount)
	}
}

func (r *earnRule) checkLimits(at finding) {
	if len(r.Limits) > maxSpans {
		at("/limits", "must be at most %d", maxSpans)
		return
	}
	seen := map[string]bool{}
	for i, l := range r.Limits {
		here := "/limits/" + strconv.Itoa(i)
		if _, ok := periods[l.Per]; !ok {
			at(here+"/per", "must be day, month, year or ever")
		}
		if seen[l.Per] {
			at(here+"/per", "has a limit already")
		}
		seen[l.Per] = true
		if l.Points < 0 || l.Points > maxPoints || l.Times < 0 || l.Times > maxTimes || l.Points == 0 && l.Times == 0 {
			at(here, "must have points of 1 to %d, times of 1 to %d, or both", int64(maxPoints), maxTimes)
		}
	}
	if r.Cooldown < 0 || r.Cooldown > maxCooldown {
		at("/cooldown_minutes", "must be 0 to %d", maxCooldown)
	}
	if r.Budget != nil && (*r.Budget < 1 || *r.Budget > maxPoints) {
		at("/budget", "must be 1 to %d, or null for none", int64(maxPoints))
	}
}

// weekdays are the days by their names; time.Weekday is the place.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (h *earnHours) check(at finding) {
	if h == nil {
		return
	}
	if len(h.Weekdays) > len(weekdays) {
		at("/hours/weekdays", "must be at most 7")
		return
	}
	for i, d := range h.Weekdays {
		if !slices.Contains(weekdays, d) || slices.Contains(h.Weekdays[:i], d) {
			at("/hours/weekdays/"+strconv.Itoa(i), "must be one of mon, tue, wed, thu, fri, sat and sun, each once")
		}
	}
	if h.From == "" && h.To == "" {
		return
	}
	for _, t := range [][2]string{{"from", h.From}, {"to", h.To}} {
		if _, ok := minuteOf(t[1]); !ok {
			at("/hours/"+t[0], "must be a time as HH:MM, or both left out")
		}
	}
	if h.From == h.To {
		at("/hours/to", "must not be the same as from")
	}
}

// minuteOf is how many minutes of the day have passed at HH:MM.
func minuteOf(text string) (int, bool) {
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// holds says whether a local time is within the hours. Hours over midnight belong to the day on which they begin.
func (h *earnHours) holds(local time.Time) bool {
	if h == nil {
		return true
	}
	day, now := local.Weekday(), local.Hour()*60+local.Minute()
	if h.From != "" {
		from, _ := minuteOf(h.From)
		to, _ := minuteOf(h.To)
		switch {
		case from < to && (now < from || now >= to):
			return false
		case from > to && now < to:
			day = (day + 6) % 7 // they began yesterday
		case from > to && now < from:
			return false
		}
	}
	return len(h.Weekdays) == 0 || slices.Contains(h.Weekdays, weekdays[day])
}

// checkNames says what is wrong with names of products or categories.
func checkNames(place string, names []string, at finding) {
	if len(names) > maxLines {
		at(place, "must be at most %d", maxLines)
		return
	}
	for i, name := range names {
		if n := utf8.RuneCountInString(name); n < 1 || n > maxLineName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			at(place+"/"+strconv.Itoa(i), "must have 1 to %d characters", maxLineName)
		}
	}
}
