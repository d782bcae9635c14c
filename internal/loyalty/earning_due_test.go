package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// asked lets the timers run, and says what a person has.
func (w *world) asked(siteID, personID int64) int64 {
	w.t.Helper()
	w.pass(w.t.Context())
	return w.balance(siteID, personID)
}

func on(cause string, points int64) earnRule {
	return earnRule{Key: "on_" + cause, On: cause, Kind: kindFixed, Points: points}
}

func TestJoining(t *testing.T) {
	t.Parallel()
	w := setup(t)
	twice := earnRule{Key: "twice", On: onJoin, Kind: kindMultiplier, Multiplier: 20_000}
	for _, site := range []int64{1, 2} {
		w.start(site, onlyRules(on(onJoin, 50), twice))
		w.heard(site, 7, 1, 2)
		if got := w.asked(site, 7); got != 100 {
			t.Errorf("got %d", got)
		}
	}
	before := w.dump()
	w.heard(1, 7, 1)
	if w.asked(1, 7); w.dump() != before {
		t.Error("the same again is not nothing")
	}
	if d, err := decisionOf(t.Context(), w.db, 1, "join:1"); err != nil || d.Points != 100 || d.Reason != "join" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestReachingTiers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := onlyRules(earnRule{Key: "gold", On: onTier, Kind: kindFixed, Points: 77, Tiers: []string{"Gold"}})
	s.PointsPerUnit = 10
	p := w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	if got := w.asked(1, 7); got != 1000 {
		t.Errorf("Silver: %d", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 40_000))
	if got := w.asked(1, 7); got != 5077 {
		t.Errorf("Gold: %d", got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 40_000, 40_000))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 40_000))
	if got := w.asked(1, 7); got != 5077 {
		t.Errorf("Gold again: %d", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 4, 20_000))
	s.Tiers = []tier{{Name: "Silver", Threshold: 1000}, {Name: "Gold", Threshold: 2000}}
	w.configured(1, p.ID, s)
	w.asked(1, 8)
	if got := w.asked(1, 8); got != 2077 {
		t.Errorf("Gold because it changed: %d", got)
	}
}

func TestReferralsByRules(t *testing.T) {
	t.Parallel()
	w := setup(t)
	big := on(onReferral, 40)
	big.When = "origin.subtotal >= 5000 && friend.new_customer"
	s := ruled(stackFirst, big)
	s.PointsPerReferral = 5
	w.start(1, s)
	approve := func(id, subtotal int64) {
		hear(w, w.referralsApproved, 1, referralevent.ReferralApproved{SiteID: 1, ReferralID: id, AdvocateID: 7, FriendID: 8, Subtotal: subtotal, Currency: "USD", FirstOrder: true, ApprovedAt: noon})
	}
	approve(1, 5000)
	approve(2, 4999)
	approve(1, 9999)
	if got := w.balance(1, 7); got != 45 {
		t.Errorf("got %d", got)
	}
	hear(w, w.referralsVoided, 1, referralevent.ReferralVoided{SiteID: 1, ReferralID: 1, AdvocateID: 7, Was: referralevent.Approved, VoidedAt: noon})
	if got := w.balance(1, 7); got != 5 {
		t.Errorf("voided: %d", got)
	}
}

// TestBirthdays: once a year, on the day in the site's zone, also when the timer stood still on it.
func TestBirthdays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	gift := on(onDate, 25)
	gift.Date = "birthday"
	for _, site := range []int64{1, 2} {
		s := onlyRules(gift)
		s.ExpiresAfterDays = nil
		p := w.start(site, s)
		w.heard(site, 7, 1)
		w.heard(site, 8, 2)
		if site == 2 {
			w.configured(2, p.ID, club())
		}
	}
	born := func(site, person int64, day string) {
		if _, _, err := w.SetMemberDates(t.Context(), site, person, []loyaltyapi.MemberDate{{Identifier: "birthday", Date: day}, {Identifier: "wedding", Date: "1999-03-02"}}, noKey); err != nil {
			t.Fatal(err)
		}
	}
	born(1, 7, "1990-03-03")
	born(1, 8, "1988-02-29")
	born(2, 7, "1990-03-03")
	at := func(day, want string) {
		t.Helper()
		when, err := time.Parse("2006-01-02 15:04", day)
		if err != nil {
			t.Fatal(err)
		}
		w.clock.Move(when.Sub(w.clock.Now()))
		w.pass(t.Context())
		if got := fmt.Sprint(w.asked(1, 7), w.balance(1, 8)); got != want {
			t.Errorf("%s: %s, want %s", day, got, want)
		}
	}
	at("2026-03-02 23:59", "0 0")
	at("2026-03-03 00:01", "25 0")
	born(1, 7, "1990-03-04")
	at("2026-03-04 12:00", "25 0")
	at("2027-02-27 12:00", "25 0")
	at("2027-03-05 12:00", "50 25") // the 28th was made up for
	at("2028-02-28 12:00", "50 25")
	at("2028-02-29 00:00", "50 50")
	if got := w.balance(2, 7); got != 0 {
		t.Errorf("without the rule: %d", got)
	}
}

func (w *world) scheduled(id int64, s settings, at time.Time) error {
	_, _, err := w.configureFrom(w.t.Context(), shop(1), id, s, &at, 0, idempotency.Key{})
	return err
}

// TestVersionsInForce: what is told late is decided by the version that was in force when it happened.
func TestVersionsInForce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	flat := func(points int64) settings { return onlyRules(earnRule{Key: "ten", Kind: kindFixed, Points: points}) }
	p := w.start(1, club())
	began := w.clock.Now()
	next := int64(0)
	earned := func(at time.Time) int64 {
		t.Helper()
		next++
		o := w.bought(1, 100+next, next, 1000)
		o.OccurredAt = at
		hear(w, w.originsRecorded, 1, o)
		return w.balance(1, 100+next)
	}
	w.clock.Move(time.Hour)
	w.configured(1, p.ID, flat(1))
	w.clock.Move(time.Hour)
	w.configured(1, p.ID, flat(2))
	later := began.Add(24 * time.Hour)
	if err := w.scheduled(p.ID, flat(3), later); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			at   time.Duration
			want int64
		}{{-time.Hour, 2}, {0, 100}, {59 * time.Minute, 100}, {time.Hour, 1}, {2 * time.Hour, 2}, {23 * time.Hour, 2}, {24 * time.Hour, 3}, {25 * time.Hour, 3}} {
			if c.at < 0 && when != "before" {
				c.want = 3 // what happened before the programme began is decided by the version at hand
			}
			if got := earned(began.Add(c.at)); got != c.want {
				t.Errorf("%s, %v: %d, want %d", when, c.at, got, c.want)
			}
		}
	}
	w.clock.Move(23 * time.Hour)
	check("before") // the timer has not come by yet
	w.pass(t.Context())
	check("after")
	marks, err := versionMarks(t.Context(), w.db, versionKey{1, p.ID, 9})
	if err != nil || len(marks) != 4 || !marks[3].Since.Equal(later) {
		t.Errorf("%v, %v", marks, err)
	}
	if err := w.scheduled(p.ID, flat(9), w.clock.Now()); !fault.Is(err, fault.Invalid) {
		t.Errorf("in the past: %v", err)
	}
}

func TestVersionsOverHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	call, twin := w.serve(1), w.serve(2)
	const path = "/api/v2/loyalty/programs"
	body := func(more string) string {
		return `{"name":"Club","points_per_unit":0,"tiers":[{"name":"Gold","threshold":5}],"earning":{"stacking":"best","exclude":{"categories":["gift cards"]},"rules":[{"key":"a","kind":"per_money","points":2,` +
			`"per_amount":1000,"hours":{"weekdays":["sun"],"from":"10:00","to":"14:00"},"limits":[{"per":"day","times":2}],"budget":500},{"key":"b","kind":"multiplier","multiplier":15000,"tiers":["Gold"]}]}` + more + `}`
	}
	check := func(what string, method, url, send string, wantCode int, want string) {
		t.Helper()
		code, got, _ := call(method, url, "", send)
		if code != wantCode || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s\nwant %d %s", what, code, got, wantCode, want)
		}
	}
	check("create later", "POST", path, body(`,"effective_at":"2026-04-01T00:00:00Z"`), 400, `/effective_at`)
	check("create", "POST", path, body(""), 201, `"earning":{"stacking":"best","exclude":{"categories":["gift cards"]},"rules":[{"key":"a","on":"purchase","kind":"per_money","points":2,"per_amount":1000,`+
		`"hours":{"weekdays":["sun"],"from":"10:00","to":"14:00"},"limits":[{"per":"day","times":2}],"budget":500},{"key":"b","on":"purchase","kind":"multiplier","multiplier":15000,"tiers":["Gold"]}],"zone":"UTC"},"scheduled_at":null`)
	check("the same", "PUT", path+"/1", body(""), 200, `"version":1`)
	check("budgets", "GET", path+"/1/budgets", "", 200, `"budgets":[{"rule":"a","budget":500,"spent":0}]`)
	check("null rules", "PUT", path+"/1", `{"name":"Club","points_per_unit":1,"earning":null}`, 200, `"version":2,`)
	check("unknown member", "PUT", path+"/1", `{"name":"Club","points_per_unit":1,"earning":{"rules":[{"key":"a","kind":"fixed","points":1,"colour":"red"}]}}`, 400, `colour`)
	check("rules later", "PUT", path+"/1", body(`,"effective_at":"2026-04-01T00:00:00Z"`), 200, `"earning":null,"scheduled_at":"2026-04-01T00:00:00Z"`)
	check("what will be", "GET", path+"/1/scheduled", "", 200, `"version":3,`)
	check("what was", "GET", path+"/1/versions/1", "", 200, `"budget":500`)
	check("what is", "GET", path+"/1/versions/2", "", 200, `"version":2,`)
	check("what never was", "GET", path+"/1/versions/3", "", 404, `version_not_found`)
	check("all", "GET", path+"/1/versions?limit=1", "", 200, `"versions":[{"version":2,"in_force_at":"2026-03-01T12:00:00Z"}],"next_cursor":"`)
	check("cancel", "DELETE", path+"/1/scheduled", "", 200, `"scheduled_at":null`)
	check("cancel again", "DELETE", path+"/1/scheduled", "", 404, `nothing_scheduled`)
	check("a trial", "POST", path+"/1/trial", `{"earning":{"rules":[{"key":"a","kind":"per_item","points":3,"products":["chair"]}]},"subtotal":4000,"items":[{"product_id":"chair","price":2000,"quantity":2}]}`, 200,
		`"trial":{"points":46,"refused":null,"trace":{"stacking":"all","amount":4000,"rules":[{"rule":"a","kind":"per_item","result":"gave","value":"6.0000","points":6},`)
	check("a trial without rules", "POST", path+"/1/trial", `{"subtotal":4000}`, 200, `"points":40`)
	check("a bad trial", "POST", path+"/1/trial", `{"subtotal":-1,"items":[{"price":1,"quantity":-1}]}`, 400, `/items/0/quantity`)
	check("bad rules", "POST", path+"/1/trial", `{"earning":{"rules":[{"key":"a","kind":"fixed"}]}}`, 400, `/earning/rules/0/points`)
	for _, url := range []string{path + "/1/versions", path + "/1/versions/1", path + "/1/scheduled"} {
		if code, got, _ := twin("GET", url, "", ""); code != 404 || !strings.Contains(got, "program_not_found") {
			t.Errorf("%s of another: %d %s", url, code, got)
		}
	}
}
