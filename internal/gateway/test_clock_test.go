package gateway

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/agenda"
)

func TestParseSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"40d": 40 * 24 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute, "90s": 90 * time.Second, "0d": 0, "2h5s": 2*time.Hour + 5*time.Second, "007d": 7 * 24 * time.Hour,
	} {
		if got, err := ParseSpan(in); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "40", "40 d", "-1d", "+1d", "1.5d", "1h1d", "1d1d", "1x", "1d ", "P40D", "99999999999d", "99999999999999999999d", "2147483647d", "73001d", "73000d1s", "१d"} {
		if got, err := ParseSpan(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if d, err := ParseSpan(rapid.String().Draw(t, "span")); err == nil && (d < 0 || d > mostSpan) {
			t.Fatal(d)
		}
	})
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(to time.Time) advanceInput { return advanceInput{To: &to} }
	by := func(span string) advanceInput { return advanceInput{By: &span} }
	both := at(now.AddDate(0, 0, 1))
	both.By = by("1d").By
	for name, tt := range map[string]struct {
		in   advanceInput
		want time.Time // zero: it is refused
	}{
		"a day": {by("1d"), now.AddDate(0, 0, 1)}, "a moment of another zone": {at(now.Add(time.Second).In(time.FixedZone("", 3600))), now.Add(time.Second)},
		"ten years": {by("3660d"), now.Add(mostAhead)}, "more": {by("3660d1s"), time.Time{}}, "now": {at(now), time.Time{}}, "before": {at(now.Add(-time.Second)), time.Time{}},
		"nothing": {advanceInput{}, time.Time{}}, "both": {both, time.Time{}}, "no time at all": {by("0d"), time.Time{}},
	} {
		got, err := tt.in.until(now)
		if !got.Equal(tt.want) && err == nil || (err == nil) == tt.want.IsZero() {
			t.Errorf("%s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

// TestWhatIsDue: a piece of work that somebody is at is nobody else's until its lease has ended.
func TestWhatIsDue(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later := now.Add(time.Minute)
	for name, tt := range map[string]struct {
		line agenda.Line
		want bool
	}{
		"nothing":          {agenda.Line{Kind: agenda.Timed, Next: &later}, false},
		"something":        {agenda.Line{Kind: agenda.Timed, Due: 1}, true},
		"at once":          {agenda.Line{Kind: agenda.AtOnce, Due: 1}, true},
		"on its way":       {agenda.Line{Kind: agenda.Underway, Due: 1, Next: &later}, false},
		"on its way, dead": {agenda.Line{Kind: agenda.Underway, Due: 1, Next: &now}, true},
	} {
		if got := due([]agenda.Line{tt.line}, now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	all := outlook{{{What: "a", Kind: agenda.Timed, Due: 2}}, {{What: "b", Kind: agenda.Underway, Due: 1, Next: &later}, {What: "c", Kind: agenda.AtOnce}}}
	if dues, underway := all.left(); dues != "a: 2" || underway != "b: 1" || !all.next(now).Equal(later) {
		t.Errorf("%q, %q, next %v", dues, underway, all.next(now))
	}
}
