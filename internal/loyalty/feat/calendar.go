package feat

import (
	"slices"
	"time"
)

// Day is a day of a site's calendar: how many came before it since 1970-01-01.
type Day int

// Ever is the first day of the span that never ends: 0001-01-01, before all others.
const Ever Day = -719162

// DayOf is the day of a moment.
func DayOf(t time.Time, zone *time.Location) Day {
	year, month, day := t.In(zone).Date()
	return calendarDay(year, month, day)
}

func calendarDay(year int, month time.Month, day int) Day {
	return Day(floor(int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()), 86_400))
}

// Date is the day as a midnight of UTC, as databases have it.
func (d Day) Date() time.Time { return time.Unix(int64(d)*86_400, 0).UTC() }

func (d Day) String() string { return d.Date().Format(time.DateOnly) }

// Begins is the moment at which a day begins. Where the clocks are put forward at midnight, it begins an hour later.
func (d Day) Begins(zone *time.Location) time.Time {
	year, month, n := d.Date().Date()
	t := time.Date(year, month, n, 0, 0, 0, 0, zone)
	for DayOf(t, zone) < d {
		t = t.Add(time.Hour)
	}
	return t.UTC()
}

// Spans of the calendar. Weeks begin on Mondays.
const (
	ever  = "ever"
	day   = "day"
	week  = "week"
	month = "month"
	year  = "year"
)

var units = []string{ever, day, week, month, year}

// number counts spans of a kind: that which a day is in, from any beginning.
func number(unit string, d Day) int {
	switch unit {
	case day:
		return int(d)
	case week:
		return floor(int(d)+3, 7) // 1970-01-01 was a Thursday
	case month:
		t := d.Date()
		return t.Year()*12 + int(t.Month()) - 1
	case year:
		return d.Date().Year()
	}
	return 0
}

// first is the first day of the span with a number.
func first(unit string, n int) Day {
	switch unit {
	case day:
		return Day(n)
	case week:
		return Day(n*7 - 3)
	case month:
		return calendarDay(floor(n, 12), time.Month(n-floor(n, 12)*12+1), 1)
	case year:
		return calendarDay(n, time.January, 1)
	}
	return Ever
}

// floor is n ÷ by, rounded down also below zero.
func floor(n, by int) int {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

func isUnit(unit string) bool { return slices.Contains(units, unit) }
