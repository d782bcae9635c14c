package loyalty

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// States of a programme.
const (
	active = "active"
	paused = "paused" // purchases and referrals earn nothing; issued rewards, claw-backs and expiry go on
)

const (
	maxRate   = 1_000_000         // points per unit or per referral
	maxPoints = 1_000_000_000_000 // of one posting; millions of them still fit an account
	maxTiers  = 20
	maxName   = 50     // characters, of a tier
	maxDays   = 36_500 // a hundred years
)

// settings is what the merchant decides; each change of it is a version.
type settings struct {
	Name              string `json:"name"`
	Status            string `json:"status"`
	Currency          string `json:"currency"`
	Digits            int    `json:"digits"`
	PointsPerUnit     int64  `json:"points_per_unit"`
	PointsPerReferral int64  `json:"points_per_referral"`
	ExpiresAfterDays  *int   `json:"expires_after_days"`
	AdjustmentLimit   int64  `json:"adjustment_limit"`
	Tiers             []tier `json:"tiers"`
	policy
	Earning *earnPlan `json:"earning,omitempty"`      // nil: the rates are all; what posts knows it as program.earner
	Feats   *featPlan `json:"achievements,omitempty"` // nil: there are none; what posts knows them as program.feats
}

// program is a site's programme as it stands.
type program struct {
	SiteID       int64
	ID           int64
	Version      int
	TiersVersion int
	NextAt       *time.Time // when a scheduled change takes effect
	RulesVersion int        // that changed the rules last; 0: there never were any
	CreatedAt    time.Time
	UpdatedAt    time.Time
	FeatsVersion int     // that changed the achievements last; 0: there never were any
	feats        *feats  // of whom posts; nil: there are none
	earner       *earner // of whom posts; nil: there are no rules
	unkept       bool    // nobody keeps what is decided: a backtest, for which writing it down would be a tenth of the work
	settings
}

// check says what is wrong with settings, place by place of the request.
func (s settings) check() error {
	bad := fault.New(fault.Invalid, "invalid_program", "The programme's settings are not valid.")
	at := func(pointer, format string, args ...any) { bad = bad.At(pointer, fmt.Sprintf(format, args...)) }
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > 100 || !printable(s.Name) {
		at("/name", "must have 1 to 100 printable characters")
	}
	if s.Status != active && s.Status != paused {
		at("/status", "must be active or paused")
	}
	if s.PointsPerUnit < 0 || s.PointsPerUnit > maxRate {
		at("/points_per_unit", "must be 0 to %d", maxRate)
	}
	if s.PointsPerReferral < 0 || s.PointsPerReferral > maxRate {
		at("/points_per_referral", "must be 0 to %d", maxRate)
	}
	if d := s.ExpiresAfterDays; d != nil && (*d < 1 || *d > maxDays) {
		at("/expires_after_days", "must be 1 to %d, or null for never", maxDays)
	}
	if s.AdjustmentLimit < 1 || s.AdjustmentLimit > maxPoints {
		at("/adjustment_limit", "must be 1 to %d", int64(maxPoints))
	}
	s.policy.check(s.ExpiresAfterDays, at)
	s.Earning.check(s.Tiers, at)
	s.Feats.check(s, at)
	s.checkWallets(at)
	if len(s.Tiers) > maxTiers {
		at("/tiers", "must be at most %d", maxTiers)
	}
	names := map[string]bool{}
	for i, t := range s.Tiers {
		place := "/tiers/" + strconv.Itoa(i)
		name := strings.ToLower(t.Name)
		switch n := utf8.RuneCountInString(t.Name); {
		case n < 1 || n > maxName || !printable(t.Name):
			at(place+"/name", "must have 1 to %d printable characters", maxName)
		case names[name]:
			at(place+"/name", "is used by another tier")
		}
		names[name] = true
	}
	checkTiers(s.Tiers, at)
	s.TierPlan.check(at)
	return bad.Pointed()
}

// printable says that s is text that neither hides nor begins or ends with blanks.
func printable(s string) bool {
	for _, r := range s {
		if r != ' ' && !strconv.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s) && strings.TrimSpace(s) == s
}

// of sets what a site decides: the currency that earns, and the zone in which its months and years end.
func (s settings) of(shop site.Site) (settings, error) {
	s.policy = s.in(shop.Zone)
	s.Earning = s.Earning.in(shop)
	s.Feats = s.Feats.in(shop)
	s.TierPlan = s.TierPlan.in(s.Tiers, shop.Zone)
	code := shop.Currency
	digits, ok := money.Digits(code)
	if !ok {
		return s, fault.New(fault.Conflict, "site_currency_unknown", "The site's currency is not one of ISO 4217, so no rate of points can be set.")
	}
	s.Currency, s.Digits = code, digits
	return s, nil
}

// change is p with other settings; the version counts changes only.
func (p program) change(s settings, now time.Time) program {
	s.TierPlan = s.TierPlan.after(p.TierPlan)
	before, after := p.settings.text(), s.text()
	if before == after {
		return p
	}
	p.Version++
	if !sameTiers(p.Tiers, s.Tiers) || p.TierPlan != s.TierPlan {
		p.TiersVersion = p.Version
	}
	if text(p.Earning) != text(s.Earning) {
		p.RulesVersion = p.Version
	}
	if text(p.Feats) != text(s.Feats) {
		p.FeatsVersion = p.Version
	}
	p.settings, p.UpdatedAt = s, now
	return p
}

func (s settings) text() string {
	if s.Tiers == nil {
		s.Tiers = []tier{}
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of plain fields always encodes
	}
	return string(b)
}

func sameTiers(a, b []tier) bool { return slices.EqualFunc(a, b, tier.sameAs) }

// tierOf is the highest tier that earned points reach; "" below the first.
func (p program) tierOf(earned int64) string {
	name := ""
	for _, t := range p.Tiers {
		if earned < t.Threshold {
			break
		}
		name = t.Name
	}
	return name
}

// pointsFor is floor(minor × points per unit ÷ 10^digits), exact in 128 bits; false when it is beyond what one posting may be.
func (s settings) pointsFor(minor int64) (int64, bool) {
	if minor <= 0 || s.PointsPerUnit <= 0 {
		return 0, true
	}
	unit := uint64(1)
	for range s.Digits {
		unit *= 10
	}
	hi, lo := bits.Mul64(uint64(minor), uint64(s.PointsPerUnit))
	if hi >= unit {
		return 0, false
	}
	points, _ := bits.Div64(hi, lo, unit)
	return int64(points), points <= maxPoints
}
