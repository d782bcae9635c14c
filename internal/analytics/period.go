package analytics

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

// A day here is midnight UTC of a calendar date.

// span is some days, both ends included.
type span struct{ from, to time.Time }

// String is Talkable's way to write a period: 1/1/24 - 1/31/24.
func (s span) String() string {
	return fmt.Sprintf("%s - %s", s.from.Format("1/2/06"), s.to.Format("1/2/06"))
}

// parseDay reads 2024-01-15 and 1/15/2024.
func parseDay(text string) (time.Time, bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, t.Year() >= 1
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 || len(parts[0]) > 2 || len(parts[1]) > 2 || len(parts[2]) != 4 {
		return time.Time{}, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return time.Time{}, false
		}
		n[i] = int(v)
	}
	t := time.Date(n[2], time.Month(n[0]), n[1], 0, 0, 0, 0, time.UTC)
	return t, t.Year() == n[2] && int(t.Month()) == n[0] && t.Day() == n[1] && n[2] >= 1
}

// parseSpan reads both ends.
func parseSpan(start, end string) (span, error) {
	from, ok := parseDay(start)
	if !ok {
		return span{}, badDay("start_date")
	}
	to, ok := parseDay(end)
	if !ok {
		return span{}, badDay("end_date")
	}
	if from.After(to) {
		return span{}, fault.New(fault.Invalid, "invalid_range", "start_date must not be after end_date.").At("query.start_date", "after end_date")
	}
	if to.After(from.AddDate(100, 0, 0)) {
		return span{}, fault.New(fault.Invalid, "invalid_range", "The range must not be longer than 100 years.").At("query.end_date", "more than 100 years after start_date")
	}
	return span{from, to}, nil
}

func badDay(name string) error {
	return fault.New(fault.Invalid, "invalid_date", "%s is required and must be a date like 2024-01-15 or 1/15/2024.", name).
		At("query."+name, "not a date")
}

// ends are the last days of the calendar's periods; weeks begin on Monday.
var ends = map[string]func(time.Time) time.Time{
	"day":  func(d time.Time) time.Time { return d },
	"week": func(d time.Time) time.Time { return d.AddDate(0, 0, (7-int(d.Weekday()))%7) },
	"month": func(d time.Time) time.Time {
		return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	},
	"quarter": func(d time.Time) time.Time {
		return time.Date(d.Year(), (d.Month()-1)/3*3+4, 0, 0, 0, 0, 0, time.UTC)
	},
	"year": func(d time.Time) time.Time { return time.Date(d.Year(), 12, 31, 0, 0, 0, 0, time.UTC) },
}

var errPeriod = fault.New(fault.Invalid, "unsupported_period",
	"Unsupported option for period segmentation. Supported options: day, week, month, quarter, year").At("query.segment_by[period]", "not supported")

// segments cuts the span at the ends of calendar periods. The first and the last may be shorter than a period.
func (s span) segments(period string) ([]span, error) {
	end, ok := ends[period]
	if !ok {
		return nil, errPeriod
	}
	var out []span
	for from := s.from; !from.After(s.to); {
		to := end(from)
		if to.After(s.to) {
			to = s.to
		}
		out = append(out, span{from, to})
		from = to.AddDate(0, 0, 1)
	}
	return out, nil
}
