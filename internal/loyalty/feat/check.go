package feat

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxKeyed    = 50 // achievements of a programme
	maxName     = 100
	maxText     = 1000
	maxURL      = 2000
	maxLevel    = 10
	maxGoal     = 1_000_000_000_000
	maxLength   = 3660 // periods of a streak; days to accept
	maxDistinct = 1000
	maxRolling  = 366
	maxFreezes  = 30
	maxTimes    = 1_000_000
)

var key = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,49}$`)

// Finding notes what is wrong at a place.
type Finding func(pointer, format string, args ...any)

// Check says what is wrong with achievements, place by place; conditions aside.
func Check(all []Achievement, at Finding) {
	if len(all) > maxKeyed {
		at("", "must be at most %d", maxKeyed)
		return
	}
	seen := map[string]bool{}
	for i := range all {
		a := &all[i]
		within := func(pointer, format string, args ...any) { at("/"+strconv.Itoa(i)+pointer, format, args...) }
		if seen[a.Key] {
			within("/key", "is used by another achievement")
		}
		seen[a.Key] = true
		a.check(within)
	}
}

func (a *Achievement) check(at Finding) {
	if !key.MatchString(a.Key) {
		at("/key", "must have 1 to 50 lowercase letters, digits, '_' and '-', and begin with a letter")
	}
	checkText(a.Name, 1, maxName, "/name", at)
	if utf8.RuneCountInString(a.Description) > maxText || !utf8.ValidString(a.Description) || strings.ContainsRune(a.Description, 0) {
		at("/description", "must have at most %d characters", maxText)
	}
	if u, err := url.Parse(a.ImageURL); a.ImageURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || len(a.ImageURL) > maxURL) {
		at("/image_url", "must be an address of https with at most %d characters", maxURL)
	}
	if a.StartsAt != nil && a.EndsAt != nil && !a.EndsAt.After(*a.StartsAt) {
		at("/ends_at", "must be after starts_at")
	}
	a.checkCounts(at)
	a.checkGoals(at)
	a.checkRepeat(at)
	switch a.Enrolment {
	case OptIn:
		if a.AcceptDays < 0 || a.AcceptDays > maxLength {
			at("/accept_days", "must be 0 to %d", maxLength)
		}
	case All:
		if a.AcceptDays != 0 {
			at("/accept_days", "is for opt_in only")
		}
	default:
		at("/enrolment", "must be all or opt_in")
	}
}

func (a *Achievement) checkCounts(at Finding) {
	switch a.Counts {
	case Orders, Spend, Referrals, Products, Categories:
		if a.Of != "" {
			at("/of", "is for events, actions and points only")
		}
	case Events, Actions, Points:
		if a.Of != "" {
			checkText(a.Of, 1, 255, "/of", at)
		}
	default:
		at("/counts", "must be orders, spend, referrals, events, actions, products, categories or points")
	}
	if a.When != "" && (a.Counts == Actions || a.Counts == Points) {
		at("/when", "is not for actions and points: there is nothing to look at")
	}
	switch {
	case a.Kind != KindCount && a.Kind != KindStreak:
		at("/kind", "must be count or streak")
	case a.Kind == KindStreak && !slices.Contains([]string{day, week, month}, a.Period):
		at("/period", "must be day, week or month for a streak")
	case a.Period != Rolling && !isUnit(a.Period):
		at("/period", "must be ever, day, week, month, year or rolling")
	}
	switch {
	case a.Period == Rolling && (a.Days < 1 || a.Days > maxRolling):
		at("/days", "must be 1 to %d", maxRolling)
	case a.Period != Rolling && a.Days != 0:
		at("/days", "is for rolling periods only")
	}
}

func (a *Achievement) checkGoals(at Finding) {
	most := int64(maxGoal)
	switch {
	case a.Kind == KindStreak:
		most = maxLength
		if a.Each < 1 || a.Each > maxGoal {
			at("/each", "must be 1 to %d", int64(maxGoal))
		}
		if a.Freezes < 0 || a.Freezes > maxFreezes {
			at("/freezes", "must be 0 to %d", maxFreezes)
		}
	case a.Each != 0 || a.Freezes != 0:
		at("/each", "is for streaks only, like freezes")
	case a.Distinct():
		most = maxDistinct
	}
	switch {
	case len(a.Levels) > 0 && a.Goal != 0:
		at("/goal", "must be left out where there are levels")
	case len(a.Levels) > maxLevel:
		at("/levels", "must be at most %d", maxLevel)
		return
	case len(a.Levels) == 0 && (a.Goal < 1 || a.Goal > most):
		at("/goal", "must be 1 to %d", most)
	}
	for i, l := range a.Levels {
		place := "/levels/" + strconv.Itoa(i)
		checkText(l.Name, 1, 50, place+"/name", at)
		switch {
		case l.Goal < 1 || l.Goal > most:
			at(place+"/goal", "must be 1 to %d", most)
		case i > 0 && l.Goal <= a.Levels[i-1].Goal:
			at(place+"/goal", "must be above the level before")
		}
	}
}

func (a *Achievement) checkRepeat(at Finding) {
	switch {
	case a.Repeat != Once && a.Repeat != Again:
		at("/repeat", "must be once or again")
	case a.Repeat == Once && a.Times != 0:
		at("/times", "is for again only")
	case a.Repeat == Again && (a.Times < 0 || a.Times > maxTimes):
		at("/times", "must be 0 to %d", maxTimes)
	case a.Repeat == Again && a.Period == Rolling:
		at("/repeat", "must be once for a rolling period: its windows overlap")
	case a.Repeat == Again && a.Period == ever && len(a.Levels) > 0:
		at("/repeat", "must be once where there are levels and the period is ever")
	case a.Repeat == Again && a.Period == ever && a.Distinct():
		at("/repeat", "must be once for different things, ever: each counts once")
	}
}

// checkText says what is wrong with a short text.
func checkText(s string, least, most int, place string, at Finding) {
	printable := utf8.ValidString(s) && strings.TrimSpace(s) == s
	for _, r := range s {
		printable = printable && (r == ' ' || strconv.IsPrint(r))
	}
	if n := utf8.RuneCountInString(s); n < least || n > most || !printable {
		at(place, "must have %d to %d printable characters", least, most)
	}
}
