package loyalty

import (
	"testing"
	"time"
)

func TestNextOn(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mark        int
		today, want string
	}{
		{517, "2026-05-16", "2026-05-17"},
		{517, "2026-05-17", "2027-05-17"}, // today's has begun
		{101, "2026-12-31", "2027-01-01"},
		{229, "2026-02-27", "2026-02-28"},
		{229, "2026-02-28", "2027-02-28"},
		{229, "2027-03-01", "2028-02-29"},
		{228, "2028-02-27", "2028-02-28"},
		{229, "2028-02-28", "2028-02-29"},
	} {
		today, err := time.ParseInLocation(time.DateOnly, tt.today, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextOn(tt.mark, today); got.Format(time.DateOnly) != tt.want || got.Hour() != 0 {
			t.Errorf("%d after %s: %v, want %s", tt.mark, tt.today, got, tt.want)
		}
	}
}
