package loyalty

import (
	"sync"
	"time"
)

// day is a day of a site's calendar: how many came before it since 1970-01-01.
type day int

const (
	never   day = 1 << 40 // comes after all days
	longAgo day = -never
)

// dayOf is the day of a moment.
func dayOf(t time.Time, zone *time.Location) day { return calendarDay(t.In(zone).Date()) }

func calendarDay(year int, month time.Month, d int) day {
	return day(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

// date is the day as the database has it.
func (d day) date() time.Time { return time.Unix(int64(d)*86_400, 0).UTC() }

func (d day) String() string { return d.date().Format(time.DateOnly) }

// begins is the moment at which a day begins. Where the clocks are put forward at midnight, it begins an hour later.
func (d day) begins(zone *time.Location) time.Time {
	year, month, n := d.date().Date()
	t := time.Date(year, month, n, 0, 0, 0, 0, zone)
	for dayOf(t, zone) < d {
		t = t.Add(time.Hour)
	}
	return t.UTC()
}

// monthsBefore is the day some months before; in a month that is too short for it, its last.
func (d day) monthsBefore(months int) day {
	year, month, n := d.date().Date()
	first := time.Date(year, month-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1)
	return calendarDay(first.Year(), first.Month(), min(n, last.Day()))
}

// anniversary is that of a day in a year; of 29 February, 1 March where there is none.
func (d day) anniversary(year int) day {
	_, month, n := d.date().Date()
	return calendarDay(year, month, n)
}

func (d day) year() int { return d.date().Year() }

var zones sync.Map // by name: reading one from the disk for each batch would be dear

// zoneNamed is a site's zone.
func zoneNamed(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC
	}
	zones.Store(name, zone)
	return zone
}
