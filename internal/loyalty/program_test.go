package loyalty

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
)

func TestPointsForAnOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		digits      int
		rate, minor int64
		want        int64
		sane        bool
	}{
		{2, 10, 10044, 1004, true}, {2, 1, 99, 0, true}, {2, 1, 100, 1, true}, {0, 10, 5, 50, true}, {3, 1, 1999, 1, true},
		{2, 10, 0, 0, true}, {2, 10, -500, 0, true}, {2, 0, 500, 0, true},
		{2, maxRate, 100_000_000, maxPoints, true}, {0, maxRate, 1_000_001, 1_000_001_000_000, false}, {0, maxRate, 1<<63 - 1, 0, false},
	} {
		got, sane := settings{Digits: c.digits, PointsPerUnit: c.rate}.pointsFor(c.minor)
		if got != c.want || sane != c.sane {
			t.Errorf("%d at %d: %d %v, want %d %v", c.minor, c.rate, got, sane, c.want, c.sane)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(0, 4).Draw(t, "digits")
		rate, minor := rapid.Int64Range(0, maxRate).Draw(t, "rate"), rapid.Int64Range(0, 1<<62).Draw(t, "minor")
		want := new(big.Int).Mul(big.NewInt(rate), big.NewInt(minor))
		want.Div(want, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
		got, sane := settings{Digits: digits, PointsPerUnit: rate}.pointsFor(minor)
		if sane != (want.Cmp(big.NewInt(maxPoints)) <= 0) || sane && got != want.Int64() {
			t.Fatalf("got %d %v, want %s", got, sane, want)
		}
	})
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	if err := club().check(); err != nil {
		t.Errorf("the club: %v", err)
	}
	for want, spoil := range map[string]func(*settings){
		"/name":                 func(s *settings) { s.Name = "" },
		"/status":               func(s *settings) { s.Status = "off" },
		"/points_per_unit":      func(s *settings) { s.PointsPerUnit = maxRate + 1 },
		"/points_per_referral":  func(s *settings) { s.PointsPerReferral = -1 },
		"/expires_after_days":   func(s *settings) { s.ExpiresAfterDays = days(0) },
		"/tiers":                func(s *settings) { s.Tiers = manyTiers(21) },
		"/tiers/0/name":         func(s *settings) { s.Tiers = []tier{{Name: strings.Repeat("é", 51), Threshold: 1}} },
		"/tiers/1/name":         func(s *settings) { s.Tiers = []tier{{Name: "A", Threshold: 1}, {Name: "a", Threshold: 2}} },
		"/tiers/0/threshold":    func(s *settings) { s.Tiers = []tier{{Name: "A"}} },
		"/tiers/0/spend":        func(s *settings) { s.Tiers = []tier{{Name: "A", Spend: -1}} },
		"/tiers/1/orders":       func(s *settings) { s.Tiers = []tier{{Name: "A", Spend: 5, Orders: 3}, {Name: "B", Orders: 2}} },
		"/tiers/0/match":        func(s *settings) { s.Tiers = []tier{{Name: "A", Spend: 5, Match: "most"}} },
		"/tiers/0/benefits":     func(s *settings) { s.Tiers = []tier{{Name: "A", Spend: 5, Benefits: strings.Repeat("x", 1001)}} },
		"/tiers/0/properties":   func(s *settings) { s.Tiers = []tier{{Name: "A", Spend: 5, Properties: map[string]string{"": "x"}}} },
		"/tier_plan/window":     func(s *settings) { s.TierPlan = tierPlan{Window: "week"} },
		"/tier_plan/length":     func(s *settings) { s.TierPlan = tierPlan{Window: rollingDays} },
		"/tier_plan/downgrade":  func(s *settings) { s.TierPlan = tierPlan{Downgrade: neverDown} },
		"/tier_plan/grace_days": func(s *settings) { s.TierPlan = tierPlan{Window: rollingDays, Length: 9, Downgrade: oneLevel} },
		"/tiers/1/threshold":    func(s *settings) { s.Tiers = []tier{{Name: "A", Threshold: 5}, {Name: "B", Threshold: 5}} },
	} {
		s := club()
		spoil(&s)
		f, ok := fault.Of(s.check())
		if !ok || len(f.Fields) != 1 || f.Fields[0].Pointer != want {
			t.Errorf("%s: %+v", want, f)
		}
	}
}

func manyTiers(n int) []tier {
	out := make([]tier, n)
	for i := range out {
		out[i] = tier{Name: strings.Repeat("x", i+1), Threshold: int64(i + 1)}
	}
	return out
}

func TestTierFollowsTheCounter(t *testing.T) {
	t.Parallel()
	p := program{settings: club()}
	for _, c := range []struct {
		earned  int64
		in, up  string
		missing int64
	}{{-5, "", "Silver", 1005}, {999, "", "Silver", 1}, {1000, "Silver", "Gold", 4000}, {5000, "Gold", "", 0}} {
		s := standing{ladder: p.ladder(0, []dayCounts{{0, counts{countEarned: c.earned}}})}
		s.level = s.on(0)
		up, missing := s.above()
		if in := p.tierOf(c.earned); p.nameOf(s.level) != in || in != c.in || up != c.up || missing != c.missing {
			t.Errorf("%d: %q, %q in %d", c.earned, in, up, missing)
		}
	}
}

func TestVersionCountsChanges(t *testing.T) {
	t.Parallel()
	p := program{Version: 3, TiersVersion: 2, settings: club()}
	if q := p.change(club(), noon); q.Version != 3 {
		t.Errorf("the same settings made version %d", q.Version)
	}
	s := club()
	s.PointsPerUnit = 11
	if q := p.change(s, noon); q.Version != 4 || q.TiersVersion != 2 {
		t.Errorf("another rate: %d, tiers %d", q.Version, q.TiersVersion)
	}
	s.Tiers = s.Tiers[:1]
	if q := p.change(s, noon); q.Version != 4 || q.TiersVersion != 4 {
		t.Errorf("other tiers: %d, tiers %d", q.Version, q.TiersVersion)
	}
}
