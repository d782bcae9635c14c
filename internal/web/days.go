package web

import (
	"time"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
)

// Days is embedded in the inputs of operations about a period: some days of the site.
type Days struct {
	From string `query:"from" maxLength:"10" doc:"The first day, in the site's zone; the first of the month of the last if left out" example:"2026-11-01"`
	To   string `query:"to" maxLength:"10" doc:"The last day; today if left out" example:"2026-11-30"`
}

const longestPeriod = 366 // days

// Period is the first moment of the days, and the first after them, in the zone of now.
func (d Days) Period(now time.Time) (from, to time.Time, err error) {
	wrong := fault.New(fault.Invalid, "invalid_period", "The period is not valid.")
	midnight := func(year int, month time.Month, day int) time.Time {
		return clock.Midnight(year, month, day, now.Location())
	}
	day := func(name, text string, without time.Time) time.Time {
		if text == "" {
			return without
		}
		at, err := time.Parse(time.DateOnly, text)
		if err != nil || at.Year() < 1970 || at.Year() > 2999 {
			wrong = wrong.At("query."+name, "must be a day like 2026-11-01, from 1970 to 2999")
		}
		return midnight(at.Date())
	}
	last := day("to", d.To, midnight(now.Date()))
	from = day("from", d.From, midnight(last.Year(), last.Month(), 1))
	year, month, n := last.Date()
	to = midnight(year, month, n+1) // days of a zone have 23 to 25 hours
	if len(wrong.Fields) == 0 && (!from.Before(to) || to.After(from.AddDate(0, 0, longestPeriod))) {
		wrong = wrong.At("query.from", "must not be behind the last day, nor more than 366 days before its end")
	}
	if len(wrong.Fields) > 0 {
		return from, to, wrong
	}
	return from, to, nil
}
