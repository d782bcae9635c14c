package analytics

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The segments of any span follow each other without a gap, cover it, and end where the calendar's periods end.
func TestSegmentsCoverTheSpan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 20000).Draw(t, "from"))
		s := span{from, from.AddDate(0, 0, rapid.IntRange(0, 3000).Draw(t, "days"))}
		for period, end := range ends {
			all, err := s.segments(period)
			if err != nil {
				t.Fatal(err)
			}
			next := s.from
			for i, one := range all {
				if !one.from.Equal(next) || one.to.Before(one.from) {
					t.Fatalf("%s %d: %s", period, i, one)
				}
				if i < len(all)-1 && !end(one.from).Equal(one.to) {
					t.Fatalf("%s %d ends at %s", period, i, one.to)
				}
				next = one.to.AddDate(0, 0, 1)
			}
			if !all[len(all)-1].to.Equal(s.to) {
				t.Fatalf("%s ends with %s", period, all[len(all)-1])
			}
		}
	})
}

func TestParseDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 3_000_000).Draw(t, "day"))
		for _, form := range []string{"2006-01-02", "1/2/2006", "01/02/2006"} {
			if got, ok := parseDay(d.Format(form)); !ok || !got.Equal(d) {
				t.Fatalf("%s: %s %v", d.Format(form), got, ok)
			}
		}
	})
	for _, bad := range []string{"", "2024", "2024-1-1", "1/1/24", "2024-02-30", "2/30/2024", "0/1/2024", "1/0/2024", "1/1/0000", "0000-01-01",
		"2024-01-15T00:00:00Z", " 2024-01-15", "+1/1/2024", "-1/1/2024", "1/1/2024/1", "15.1.2024"} {
		if got, ok := parseDay(bad); ok {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func FuzzParseDay(f *testing.F) {
	for _, seed := range []string{"2024-01-15", "1/15/2024", "//", "99/99/9999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parseDay(text); ok && (d.Hour() != 0 || d.Year() < 1 || d.Year() > 9999) {
			t.Errorf("%q: %s", text, d)
		}
	})
}

func TestRatioRounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b   int64
		digits int
		want   string
	}{{1, 3, 4, "3333"}, {2, 3, 4, "6667"}, {1, 2, 0, "1"}, {-1, 2, 0, "-1"}, {-1, 3, 0, "0"}, {5, 0, 2, "0"}, {0, 5, 2, "0"},
		{9223372036854775807, 1, 2, "922337203685477580700"}} {
		if got := ratio(c.a, c.b, c.digits).String(); got != c.want {
			t.Errorf("%d/%d to %d: %s, want %s", c.a, c.b, c.digits, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // never further than half from the truth
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64Range(1, 1<<40).Draw(t, "b")
		got := new(big.Rat).SetInt(ratio(a, b, 0))
		diff := got.Sub(got, big.NewRat(a, b))
		if diff.Abs(diff).Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("%d/%d is off by %s", a, b, diff)
		}
	})
}
