package clock_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/talkable/talkable/internal/clock"
)

func TestMidnight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone       string
		year       int
		month      time.Month
		day        int
		want, hour string
	}{
		{"UTC", 2026, 2, 29, "2026-03-01T00:00:00Z", "24h0m0s"},
		{"Europe/Berlin", 2026, 3, 29, "2026-03-28T23:00:00Z", "23h0m0s"},
		{"Europe/Berlin", 2026, 10, 25, "2026-10-24T22:00:00Z", "25h0m0s"},
		{"America/Sao_Paulo", 2018, 11, 4, "2018-11-04T03:00:00Z", "23h0m0s"}, // the clocks go from 23:59 to 01:00
		{"America/Sao_Paulo", 2018, 11, 3, "2018-11-03T03:00:00Z", "24h0m0s"},
		{"Asia/Amman", 2011, 4, 1, "2011-03-31T22:00:00Z", "23h0m0s"}, // and so does the month
		{"Asia/Kathmandu", 2026, 1, 1, "2025-12-31T18:15:00Z", "24h0m0s"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, next := clock.Midnight(c.year, c.month, c.day, zone), clock.Midnight(c.year, c.month, c.day+1, zone)
		if got := at.UTC().Format(time.RFC3339); got != c.want || next.Sub(at).String() != c.hour {
			t.Errorf("%+v: %s, %s long", c, got, next.Sub(at))
		}
	}
}
