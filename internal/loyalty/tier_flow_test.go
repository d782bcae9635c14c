package loyalty

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
)

// yearly is a programme whose tiers ask for what was spent in a calendar year, and give thirty days of grace.
func yearly() settings {
	s := club()
	s.Tiers = []tier{{Name: "Silver", Spend: 10_000, Benefits: "Free shipping"}, {Name: "Gold", Spend: 50_000, Orders: 3, Properties: map[string]string{"icon": "sun"}}}
	s.TierPlan = tierPlan{Window: calendarYear, GraceDays: 30}
	return s
}

type moveRow struct {
	To        string    `db:"to_tier"`
	Cause     string    `db:"cause"`
	ChangedAt time.Time `db:"changed_at"`
}

func (w *world) moves(siteID int64) (rows []moveRow) {
	w.t.Helper()
	if err := w.admin.Select(&rows, `select to_tier, cause, changed_at from loyalty.tier_change where site_id = $1 order by id`, siteID); err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func TestYearsOfTiers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := yearly()
	s.PointsPerUnit = 0 // nothing is earned, so the order itself is the cause
	w.start(1, s)
	w.start(2, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 9_999))
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	got := w.tierOf(1, 7)
	if orBlank(got.Tier) != "Silver" || !got.Since.Equal(noon) || !got.Until.Equal(day(2028, 1, 31)) || got.Benefits != "Free shipping" || got.Keep != nil ||
		got.Next.Tier != "Gold" || got.Next.Missing != (loyaltyapi.Counters{Spend: 40_000, Orders: 2}) || *got.Window.From != "2026-01-01" || *got.Window.To != "2026-12-31" ||
		orBlank(got.Projected.Tier) != "Silver" || !got.Projected.At.Equal(day(2027, 1, 31)) {
		t.Errorf("at once: %+v, next %+v", got, got.Next)
	}
	if twin := w.tierOf(2, 7); twin.Tier != nil || twin.Since != nil || twin.Until != nil || twin.Next.Missing.Spend != 1 {
		t.Errorf("the twin: %+v", twin)
	}
	w.at(2027, 2, 10)
	if n := w.tiersDue(); n != 0 {
		t.Errorf("%d are due in the year after", n)
	}
	got = w.tierOf(1, 7)
	if orBlank(got.Tier) != "Silver" || got.Keep == nil || got.Keep.Missing.Spend != 10_000 || !got.Keep.By.Equal(day(2028, 1, 1)) || got.Projected.Tier != nil ||
		!got.Projected.At.Equal(day(2028, 1, 31)) {
		t.Errorf("in the year after: %+v, keep %+v", got, got.Keep)
	}
	w.clock.Move(day(2028, 1, 31).Add(-time.Microsecond).Sub(w.clock.Now()))
	if n := w.tiersDue(); n != 0 || orBlank(w.tierOf(1, 7).Tier) != "Silver" {
		t.Errorf("before the grace is over %d fall", n)
	}
	w.clock.Move(time.Microsecond)
	if tier := w.tierOf(1, 7).Tier; tier != nil { // read before the timer comes by
		t.Errorf("after the grace: %q", *tier)
	}
	var wg sync.WaitGroup
	for range 3 { // replicas
		wg.Go(func() {
			if _, err := w.TiersDue(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := []moveRow{{"Silver", meritOrder, noon}, {"", causeTime, day(2028, 1, 31)}}
	if moves := w.moves(1); !slices.EqualFunc(moves, want, func(a, b moveRow) bool { return a.To == b.To && a.Cause == b.Cause && a.ChangedAt.Equal(b.ChangedAt) }) {
		t.Errorf("moves %+v", moves)
	}
	if n := w.told(1)["loyalty.tier_changed.v1"]; n != 2 {
		t.Errorf("told %d times", n)
	}
	changes, more, err := w.TierChanges(t.Context(), 1, 7, loyaltyapi.AfterTierChange{}, 1)
	if err != nil || !more || changes[0].Cause != causeTime || changes[0].To != nil || changes[0].Counters.Spend != 0 {
		t.Fatalf("history %+v, %v", changes, err)
	}
	changes, more, err = w.TierChanges(t.Context(), 1, 7, loyaltyapi.AfterTierChange{At: changes[0].ChangedAt, ID: changes[0].ID}, 1)
	if err != nil || more || *changes[0].Source != "origin:1" || changes[0].Counters.Spend != 10_000 || !changes[0].Until.Equal(day(2028, 1, 31)) {
		t.Errorf("history %+v, %v", changes, err)
	}
}

func TestOneLevelAtATimeAlsoWhenTheTimerIsLate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := yearly()
	s.Tiers[1].Orders = 1
	s.TierPlan = tierPlan{Window: rollingDays, Length: 90, Downgrade: oneLevel, GraceDays: 10}
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 60_000))
	w.at(2027, 3, 1)
	if n := w.tiersDue(); n != 1 {
		t.Errorf("%d are due", n)
	}
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 100)
	moves := w.moves(1)
	if len(moves) != 3 || moves[1].To != "Silver" || !moves[1].ChangedAt.Equal(first) || moves[2].To != "" || !moves[2].ChangedAt.Equal(first.AddDate(0, 0, 10)) {
		t.Errorf("moves %+v", moves)
	}
}

// TestDaysAreTheSites: a purchase just before the site's midnight counts for that day, and a tier falls at a midnight of the site's, also
// where a day begins at one o'clock.
func TestDaysAreTheSites(t *testing.T) {
	t.Parallel()
	w := setup(t)
	zone, err := time.LoadLocation("America/Sao_Paulo") // its clocks went forward at midnight of 2018-11-04
	if err != nil {
		t.Fatal(err)
	}
	s := yearly()
	s.TierPlan = tierPlan{Window: rollingDays, Length: 3}
	shop := shop(1)
	shop.Zone = zone
	w.at(2018, 11, 2)
	if _, _, err := w.create(t.Context(), shop, s, 0, noKey); err != nil {
		t.Fatal(err)
	}
	w.clock.Move(2 * time.Hour) // 23 o'clock of the first
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	got := w.tierOf(1, 7)
	if *got.Window.To != "2018-11-01" || !got.Until.Equal(time.Date(2018, 11, 4, 1, 0, 0, 0, zone)) {
		t.Errorf("%+v until %v", *got.Window.To, got.Until)
	}
	w.clock.Move(got.Until.Sub(w.clock.Now()))
	if n := w.tiersDue(); n != 1 || w.stored(1, 7) != "" {
		t.Errorf("%d fell, %q", n, w.stored(1, 7))
	}
}

func TestWhatCountsAndWhatDoesNot(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, yearly())
	other, event := w.bought(1, 7, 1, 20_000), w.bought(1, 7, 2, 20_000)
	other.Currency, event.Type = "EUR", "Event"
	nobody, browser := w.bought(1, 0, 3, 20_000), w.bought(1, 7, 4, 20_000)
	browser.Verified = false
	hear(w, w.originsRecorded, 1, other, event, nobody, browser)
	hear(w, w.referralsApproved, 1, w.approved(1, 8, 1)) // becomes a member
	if c := w.tierOf(1, 7).Counters; c != (loyaltyapi.Counters{Points: 2000, Orders: 1}) {
		t.Errorf("counts %+v", c)
	}
	if c := w.tierOf(1, 8).Counters; c.Referrals != 1 {
		t.Errorf("the advocate counts %+v", c)
	}
	s := yearly()
	s.Status = paused
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 5, 20_000))
	hear(w, w.referralsApproved, 1, w.approved(1, 8, 2))
	if c, d := w.tierOf(1, 7).Counters, w.tierOf(1, 8).Counters; c.Orders != 1 || d.Referrals != 1 {
		t.Errorf("while paused: %+v, %+v", c, d)
	}
}

// TestLifetimeTiersCountNothing: a programme that asks for lifetime points only does what it always did.
func TestLifetimeTiersCountNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 20_000))
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 15_000, 20_000))
	hear(w, w.referralsApproved, 1, w.approved(1, 7, 1))
	var n int
	if err := w.admin.Get(&n, `select (select count(*) from loyalty.merit) + (select count(*) from loyalty.merit_day)
		+ (select count(*) from loyalty.member where counted is not null or tier_due_at is not null)
		+ (select count(*) from loyalty.tier_change where seen is not null)`); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
	got := w.tierOf(1, 7)
	if got.Tier != nil || got.Counters.Points != 550 || got.Next.Missing.Points != 450 || got.Window.Window != windowLifetime || got.Projected.At != nil {
		t.Errorf("%+v, next %+v", got, got.Next)
	}
	if _, _, err := w.CountTowards(t.Context(), 1, 7, loyaltyapi.TierCount{Source: "a", Amount: 1}, noKey); !fault.Is(err, fault.Conflict) {
		t.Errorf("to count by hand: %v", err)
	}
}

// TestCountingBeginsWithTheLedger: a programme that asks for a window has its members' points of the days on which they were earned.
func TestCountingBeginsWithTheLedger(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 20_000), w.bought(1, 8, 2, 20_000))
	w.clock.Move(60 * 24 * time.Hour)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 15_000))
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 10_000, 20_000))
	windowed := club()
	windowed.TierPlan = tierPlan{Window: rollingDays, Length: 30}
	for _, s := range []settings{windowed, club(), windowed} { // to and fro
		if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, noKey); err != nil {
			t.Fatal(err)
		}
		points := int64(1500)
		if s.TierPlan.Window == lifetime {
			points = 2500
		}
		if got := w.tierOf(1, 7); orBlank(got.Tier) != "Silver" || got.Counters.Points != points {
			t.Errorf("%q: before the timer %q with %d", s.TierPlan.Window, orBlank(got.Tier), got.Counters.Points)
		}
		if n, err := w.retierAll(t.Context()); err != nil || n != 2 {
			t.Errorf("%q: %d re-tiered, %v", s.TierPlan.Window, n, err)
		}
		want := map[string]string{lifetime: "Silver", rollingDays: ""}[s.TierPlan.Window]
		if got := w.stored(1, 8); got != want || w.stored(1, 7) != "Silver" {
			t.Errorf("%q: left in %q and %q", s.TierPlan.Window, w.stored(1, 7), got)
		}
		w.assertLedger()
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 3, 2, 10_000, 15_000))
	if got := w.stored(1, 7); got != "" {
		t.Errorf("after a refund %q", got)
	}
}

// TestPointsThatComeLaterCount: pending points count from their activation on, for the day of the purchase; adjustments if they are to.
func TestPointsThatComeLaterCount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.TierPlan = tierPlan{Window: rollingDays, Length: 30}
	s.PendingRule, s.PendingDays = untilDays, 3
	p := w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 9_000))
	w.clock.Move(3 * 24 * time.Hour)
	if got := w.tierOf(1, 7); got.Counters.Points != 0 {
		t.Errorf("pending: %+v", got.Counters)
	}
	if n, err := w.activateDue(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d activated, %v", n, err)
	}
	if _, err := w.AdjustForTier(t.Context(), 1, 7, 100, "a gift", noKey); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Adjust(t.Context(), 1, 7, 5_000, "that doesn't count", noKey); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC) // the purchase leaves the window first
	got := w.tierOf(1, 7)
	if orBlank(got.Tier) != "Silver" || got.Counters.Points != 1_000 || got.Until == nil || !got.Until.Equal(want) || w.stored(1, 7) != "Silver" {
		t.Errorf("active: %+v until %v", got.Counters, got.Until)
	}
	w.admin.MustExec(`delete from loyalty.merit_day`)
	w.admin.MustExec(`update loyalty.member set counted = null`)
	s.Tiers[1].Threshold++
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, noKey); err != nil {
		t.Fatal(err)
	}
	if _, err := w.retierAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := w.tierOf(1, 7); again.Counters != got.Counters || !again.Until.Equal(want) {
		t.Errorf("from the ledger: %+v until %v", again.Counters, again.Until)
	}
	w.assertLedger()
}

func TestWhatTheShopCounts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := yearly()
	s.Tiers = []tier{{Name: "Regular", Custom: 3}}
	w.start(1, s)
	w.start(2, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100))
	count := func(site int64, source string, amount int64, key string) (loyaltyapi.TierCounted, bool, error) {
		return w.CountTowards(t.Context(), site, 7, loyaltyapi.TierCount{Source: source, Amount: amount}, idempotency.Key{Value: key, Fingerprint: key})
	}
	for i, want := range []bool{true, false} {
		if out, _, err := count(1, "visit", 3, ""); err != nil || out.Counted != want || orBlank(out.Tier.Tier) != "Regular" || out.Count.Day != "2026-03-01" {
			t.Errorf("time %d: %+v, %v", i, out, err)
		}
	}
	if _, _, err := count(1, "visit", 4, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("another amount: %v", err)
	}
	for i, want := range []bool{false, true} {
		if out, replayed, err := count(1, "back", -1, "k"); err != nil || !out.Counted || replayed != want || out.Tier.Tier != nil {
			t.Errorf("with a key, time %d: %+v, %v, %v", i, out, replayed, err)
		}
	}
	if _, _, err := count(2, "visit", 3, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("the twin: %v", err)
	}
	for what, in := range map[string]loyaltyapi.TierCount{"no source": {Amount: 1}, "a long source": {Source: strings.Repeat("x", 201), Amount: 1}, "nothing": {Source: "a"},
		"too much": {Source: "a", Amount: maxPoints + 1}, "the future": {Source: "a", Amount: 1, At: noon.Add(time.Hour)}, "long ago": {Source: "a", Amount: 1, At: noon.AddDate(-100, 0, 0)},
		"a control character": {Source: "a\n", Amount: 1}} {
		if _, _, err := w.CountTowards(t.Context(), 1, 7, in, noKey); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var wg sync.WaitGroup
	var counted [8]bool
	for i := range counted { // at once
		wg.Go(func() {
			out, _, err := w.CountTowards(context.WithoutCancel(t.Context()), 1, 7, loyaltyapi.TierCount{Source: "race", Amount: 1}, noKey)
			if counted[i] = out.Counted; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.tierOf(1, 7); got.Counters.Custom != 3 || len(slices.DeleteFunc(counted[:], func(b bool) bool { return !b })) != 1 {
		t.Errorf("%+v, %v", got.Counters, counted)
	}
}

func TestPreviewOfTiers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.start(2, club())
	for person := range int64(10) {
		hear(w, w.originsRecorded, 1, w.bought(1, person+1, person+1, (person+1)*2_000)) // 200 to 2000 points: six are Silver
		hear(w, w.originsRecorded, 2, w.bought(2, person+1, person+1, 2_000))
	}
	before := w.dump()
	try := func(s settings) *tierMoves {
		out, err := w.tierMoves(postgres.Rehearsal(t.Context()), shop(1), p.ID, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	more := club()
	more.Tiers = []tier{{Name: "Silver", Threshold: 2000}, {Name: "Gold", Threshold: 3000}}
	windowed := club()
	windowed.TierPlan = tierPlan{Window: rollingDays, Length: 30}
	spend := yearly()
	for what, c := range map[string]struct {
		s       settings
		moving  int64
		largest int64
	}{"the same": {club(), 0, 0}, "higher": {more, 5, 5}, "a window": {windowed, 0, 0}, "of spend, which nobody counted": {spend, 6, 6}, "no tiers": {settings{Name: "Club", Status: active, AdjustmentLimit: 1}, 6, 6}} {
		got := try(c.s)
		if got.Members != 10 || !got.Complete || got.Moving != c.moving || c.largest > 0 && (got.Moves[0].Members != c.largest || *got.Moves[0].From != "Silver" || got.Moves[0].To != nil) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if w.dump() != before {
		t.Error("a preview changed something")
	}
	for what, err := range map[string]error{"another's": first(w.tierMoves(t.Context(), shop(2), p.ID, more)), "unknown": first(w.tierMoves(t.Context(), shop(1), 99, more))} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func first(_ *tierMoves, err error) error { return err }
