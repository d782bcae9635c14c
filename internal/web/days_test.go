package web

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

func TestDays(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 0, 30, 0, 0, vienna)
	for in, want := range map[Days]string{
		{}:                                     "2026-11-01T00:00:00+01:00 2026-11-24T00:00:00+01:00",
		{To: "2026-10-25"}:                     "2026-10-01T00:00:00+02:00 2026-10-26T00:00:00+01:00", // clocks went back
		{From: "2026-11-23"}:                   "2026-11-23T00:00:00+01:00 2026-11-24T00:00:00+01:00",
		{From: "2024-01-01", To: "2024-12-31"}: "2024-01-01T00:00:00+01:00 2025-01-01T00:00:00+01:00",
		{From: "2024-01-01", To: "2025-01-01"}: "", {From: "2026-11-24"}: "", {From: "2026-11-3"}: "", {To: "x"}: "", {To: "0001-01-01"}: "", {From: "2026-02-30"}: "", {From: "9999-12-31"}: "",
	} {
		from, to, err := in.Period(now)
		got := ""
		if err == nil {
			got = from.Format(time.RFC3339) + " " + to.Format(time.RFC3339)
		} else if !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", in, err)
		}
		if got != want {
			t.Errorf("%+v: %s (%v), want %s", in, got, err, want)
		}
	}
}
