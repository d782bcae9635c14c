package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

const day = 24 * time.Hour

const onTestClock = "TALKABLE_TEST_CLOCK=true"

// receiver is a shop's webhook that refuses each message the first time, and notes what came when, by the message's own time.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]bool
	got  []received
}

type received struct {
	kind    string
	at      time.Time
	refused bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{seen: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var said struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(body, &said)
		seconds, _ := strconv.ParseInt(q.Header.Get("Webhook-Timestamp"), 10, 64)
		r.mu.Lock()
		defer r.mu.Unlock()
		id := q.Header.Get("Webhook-Id")
		r.got = append(r.got, received{said.Type, time.Unix(seconds, 0).UTC(), !r.seen[id]})
		if !r.seen[id] {
			r.seen[id] = true
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// toldSince is what a log tells since a moment, each event with its type and how many days later it was told.
func toldSince(t *testing.T, db *sqlx.DB, schema string, since time.Time, types ...string) (out []string, at []time.Time) {
	t.Helper()
	var rows []struct {
		Type string    `db:"type"`
		At   time.Time `db:"at"`
	}
	if err := db.Select(&rows, `select type, at from `+schema+`.event where at >= $1 order by seq`, since); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if name := strings.TrimSuffix(strings.TrimPrefix(r.Type, schema+"."), ".v1"); slices.Contains(types, name) {
			out = append(out, fmt.Sprintf("%s +%d", name, int(r.At.Truncate(day).Sub(since.Truncate(day)).Hours()/24)))
			at = append(at, r.At)
		}
	}
	return out, at
}

// club replaces the demo's programme by one in which much is due by time.
func (s shop) club() {
	var got struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	s.must("GET", "/api/v2/loyalty/programs", nil, &got)
	s.must("PUT", fmt.Sprintf("/api/v2/loyalty/programs/%d", got.Programs[0].ID), object{"name": "Club", "points_per_unit": 1, "expires_after_days": 365, "remind_days": 30,
		"pending_rule": "days", "pending_days": 14, "tiers": []object{{"name": "Silver", "threshold": 100}},
		"tier_plan": object{"window": "rolling_days", "length": 200, "downgrade": "qualified"}, "earning": object{"rules": []object{
			{"key": "orders", "on": "purchase", "kind": "per_money", "points": 1, "per_amount": 100}, {"key": "birthday", "on": "date", "date": "birthday", "kind": "fixed", "points": 50}}}}, nil)
}

// TestClockAdvances is the life of two members in 400 days: what is due comes in its order, each at its own time.
func TestClockAdvances(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l, onTestClock)
	db, shop, hook := open(t, l["TALKABLE_DATABASE_URL"]), newShop(t, s.demo), newReceiver(t)
	st := &stage{t: t, shop: shop, demo: s.demo, db: db}
	shop.club()
	st.campaign("slow", object{"mode": "automatic", "delay_seconds": 10 * 24 * 3600})
	shop.must("POST", "/api/v2/webhooks", object{"url": hook.URL, "style": "standard", "types": []string{"referral.approved", "points.activated", "points.expiring", "points.expired"}}, nil)
	p := st.tell("slow", "clock")
	p.is("pending", 0, 0)
	settled(t, s, db)

	since := shop.now(t)
	shop.must("PUT", "/api/v2/loyalty/members/"+p.friend, object{"data": object{"member_dates": []object{
		{"identifier": "birthday", "date": "1990-" + since.AddDate(0, 0, 100).Format("01-02")}}}}, nil)
	foretold := shop.moves(t, "?dry_run=true", object{"by": "20d"})
	if got := fmt.Sprint(foretold.Due); !strings.HasPrefix(got, "[{referrals to approve 1 ") || !strings.Contains(got, "{points to activate 1 ") || strings.Contains(got, "expire") {
		t.Errorf("known to be due in 20 days: %s", got)
	}
	if now := shop.now(t); now.Sub(since) > time.Hour {
		t.Fatalf("a dry run moved the clock to %v", now)
	}
	shop.travels(t, s, "400d")
	if now := shop.now(t); now.Sub(since) < 400*day || now.Sub(since) > 401*day {
		t.Errorf("it is %v after %v", now, since)
	}

	since = bornAt(t, db, p.origin)
	points, at := toldSince(t, db, "loyalty", since, "points_activated", "points_expired", "points_expiring", "tier_changed")
	const order = "tier_changed +10 tier_changed +10 points_activated +14 tier_changed +210 tier_changed +210 points_expiring +335 points_expiring +345 points_expiring +345 points_expired +365 points_expired +375 points_expired +375"
	if got := strings.Join(points, " "); got != order {
		t.Errorf("loyalty told\n%s, want\n%s", got, order)
	}
	if earned, _ := toldSince(t, db, "loyalty", since, "points_earned"); strings.Join(earned, " ") != "points_earned +0 points_earned +10 points_earned +10 points_earned +100" {
		t.Errorf("loyalty told %v: an order, a referral's two sides, a birthday", earned)
	}
	referrals, approvedAt := toldSince(t, db, "referral", since, "referral_approved")
	if len(referrals) != 1 || approvedAt[0].Sub(since) < 10*day || approvedAt[0].Sub(since) > 10*day+time.Minute {
		t.Errorf("approved at %v, ten days after %v", approvedAt, since)
	}
	for i, what := range points {
		if strings.HasPrefix(what, "points_activated") && !at[i].Equal(since.AddDate(0, 0, 14)) {
			t.Errorf("the points were activated at %v, want 14 days after %v", at[i], since)
		}
	}
	hook.inOrder(t)
	var mails int
	if err := db.Get(&mails, `select count(*) from notify.message where status = 'sent' and sent_at >= $1 and sent_at < $2`, approvedAt[0], approvedAt[0].Add(time.Hour)); err != nil || mails == 0 {
		t.Errorf("%d mails were sent at the approval (%v)", mails, err)
	}
	p.is(rewarded, 0, 50)
}

// bornAt is when an origin was recorded.
func bornAt(t *testing.T, db *sqlx.DB, origin int64) (at time.Time) {
	t.Helper()
	if err := db.Get(&at, `select occurred_at from customer.origin where id = $1`, origin); err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// inOrder checks that each message came again after it was refused, at a time of its own, and that nothing came before what was earlier.
func (r *receiver) inOrder(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []string
	for i, m := range r.got {
		if i > 0 && m.at.Before(r.got[i-1].at) {
			t.Errorf("%s of %v came after %s of %v", m.kind, m.at, r.got[i-1].kind, r.got[i-1].at)
		}
		if !m.refused {
			kinds = append(kinds, m.kind)
		}
	}
	if want := "referral.approved points.activated points.expiring points.expiring points.expiring points.expired points.expired points.expired"; strings.Join(kinds, " ") != want || len(r.got) != 2*len(kinds) {
		t.Errorf("the shop was told %v, with what it refused %d times; want %s", kinds, len(r.got), want)
	}
}

type moveAnswer struct {
	Advance moved `json:"advance"`
	Due     []struct {
		What  string `json:"what"`
		Count int64  `json:"count"`
		First string `json:"first_at"`
	} `json:"due"`
}

func (s shop) now(t *testing.T) time.Time {
	t.Helper()
	var got testClock
	s.must("GET", "/api/v2/test_clock", nil, &got)
	return got.Now
}

func (s shop) moves(t *testing.T, query string, body object) (got moveAnswer) {
	t.Helper()
	if err := s.call(t.Context(), "POST", "/api/v2/test_clock/advance"+query, body, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// travels moves the clock by the command, as a person would, however long it takes.
func (s shop) travels(t *testing.T, server *served, span string) (took time.Duration) {
	t.Helper()
	began := time.Now()
	out, err := talkable(t, server.environ, "clock", "advance", span)
	if err != nil || !strings.HasPrefix(out, "done: ") {
		t.Fatalf("%v\n%s", err, out)
	}
	took = time.Since(began)
	t.Logf("%s took %s:\n%s", span, took.Round(10*time.Millisecond), out)
	return took
}

// TestClockRefuses: backwards, too far, two at once, and databases of the other kind. A restart goes on where the clock was.
func TestClockRefuses(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l, onTestClock)
	shop := newShop(t, s.demo)
	for body, code := range map[string]string{
		`{}`: "invalid_advance", `{"to":"2000-01-01T00:00:00Z"}`: "clock_goes_forward", `{"by":"0d"}`: "clock_goes_forward", `{"by":"4000d"}`: "too_far", `{"by":"99999999999999999999d"}`: "invalid_advance",
		`{"by":"1d","to":"2100-01-01T00:00:00Z"}`: "invalid_advance", `{"by":"-1d"}`: "invalid_advance", `{"by":"1x"}`: "invalid_advance", `{"by":"1h1d"}`: "invalid_advance", `{"to":"9999-01-01T00:00:00Z"}`: "too_far",
	} {
		if a := ask(t, shop, "POST", "/api/v2/test_clock/advance", body); a.status != 400 || !strings.Contains(a.body, `"`+code+`"`) {
			t.Errorf("%s: %d %s, want 400 %s", body, a.status, a.body, code)
		}
	}
	if a := ask(t, newShop(t, demoFile{Server: s.demo.Server, APIKey: s.demo.PublicKey}), "POST", "/api/v2/test_clock/advance", `{"by":"1d"}`); a.status != 403 {
		t.Errorf("a public key: %d %s", a.status, a.body)
	}

	before := shop.now(t)
	var all sync.WaitGroup
	results := make([]reply, 6)
	for i := range results {
		all.Go(func() { results[i] = ask(t, shop, "POST", "/api/v2/test_clock/advance", `{"by":"10d"}`) })
	}
	all.Wait()
	moves := 0
	for _, a := range results {
		switch {
		case a.status == 200 && strings.Contains(a.body, `"state":"done"`):
			moves++
		case a.status != 409 || !strings.Contains(a.body, "test_clock_moving") || a.header.Get("Retry-After") == "":
			t.Errorf("many at once: %d %s", a.status, a.body)
		}
	}
	if days := int(shop.now(t).Sub(before).Hours() / 24); moves == 0 || days != 10*moves {
		t.Errorf("%d moves of ten days made %d", moves, days)
	}
	var first, again moveAnswer
	if err := shop.call(t.Context(), "POST", "/api/v2/test_clock/advance", object{"by": "1d"}, &first, "Idempotency-Key", "a-day"); err != nil {
		t.Fatal(err)
	}
	if err := shop.call(t.Context(), "POST", "/api/v2/test_clock/advance", object{"by": "1d"}, &again, "Idempotency-Key", "a-day"); err != nil || fmt.Sprint(first.Advance) != fmt.Sprint(again.Advance) {
		t.Errorf("repeated: %v %+v, want %+v", err, again.Advance, first.Advance)
	}

	for said, args := range map[string][]string{"nothing is due": {"advance", "5d", "--dry-run"}, "20": {}, "say how far": {"advance"}, "must be like 40d": {"advance", "soon"},
		"only goes forward": {"advance", "--to", "2000-01-01T00:00:00Z"}, "--key-file": {"--server", s.demo.Server}} {
		out, err := talkable(t, s.environ, append([]string{"clock"}, args...)...)
		if got := out + fmt.Sprint(err); !strings.Contains(got, said) {
			t.Errorf("talkable clock %v: %s", args, got)
		}
	}

	other := append(slices.Clone(s.environ), "TALKABLE_LISTEN=127.0.0.1:0", "TALKABLE_INTERNAL_LISTEN=127.0.0.1:0")
	if out, err := talkable(t, other, "serve"); err == nil || !strings.Contains(err.Error(), "another process serves this test platform") {
		t.Errorf("a second server: %v\n%s", err, out)
	}
	there := shop.now(t)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := talkable(t, other, "serve", "--test-clock=false"); err == nil || !strings.Contains(err.Error(), "serve it with --test-clock") {
		t.Errorf("a moved clock served as if it were live: %v\n%s", err, out)
	}
	if out, err := talkable(t, other, "site", "list"); err != nil {
		t.Errorf("a command beside: %v\n%s", err, out)
	}
	if _, err := open(t, l["TALKABLE_DATABASE_URL"]).Exec(`update gateway.test_clock set moving = true; update gateway.test_advance set state = 'running'`); err != nil {
		t.Fatal(err) // as a server leaves it that is killed meanwhile
	}
	back := newShop(t, startServer(t, l, onTestClock).demo)
	if now := back.now(t); now.Before(there) || now.Sub(there) > time.Hour {
		t.Errorf("after a restart it is %v, before it was %v", now, there)
	}
	var left testClock
	if back.must("GET", "/api/v2/test_clock", nil, &left); left.Advance == nil || left.Advance.State != "stopped" || left.Advance.Detail == nil {
		t.Errorf("a move that was cut off: %+v", left.Advance)
	}
	if got := back.moves(t, "", object{"by": "1d"}); got.Advance.State != "done" {
		t.Errorf("and the next: %+v", got.Advance)
	}
}

// TestClockIsForTestPlatforms: a live server says how to start one, and a live database doesn't become one.
func TestClockIsForTestPlatforms(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, s.demo)
	for _, a := range []reply{ask(t, shop, "GET", "/api/v2/test_clock", ""), ask(t, shop, "POST", "/api/v2/test_clock/advance", `{"by":"1d"}`)} {
		if a.status != 409 || !strings.Contains(a.body, "talkable serve --test-clock") {
			t.Errorf("a live platform: %d %s", a.status, a.body)
		}
	}
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "ann@shop.example"}}, nil)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := talkable(t, s.environ, "serve", "--test-clock"); err == nil || !strings.Contains(err.Error(), "has people of a live platform") {
		t.Errorf("a live database: %v\n%s", err, out)
	}
}

// clockMembers is how many members TestClockYear has; it says how many moments a second it passed: go test ./cmd/talkable -run TestClockYear -v -clock.members 100
var clockMembers = flag.Int("clock.members", 10, "members of TestClockYear")

// TestClockYear: a year of some members, of whom each has points that are activated, reminded of and expire at moments of their own.
func TestClockYear(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l, onTestClock)
	db, shop := open(t, l["TALKABLE_DATABASE_URL"]), newShop(t, s.demo)
	shop.club()
	rows, start := []object{}, shop.now(t)
	for i := range *clockMembers {
		rows = append(rows, object{"email": fmt.Sprintf("m%d@shop.example", i), "order_number": fmt.Sprintf("year-%d", i), "subtotal": 100 + i,
			"created_at": start.Add(-time.Duration(i+1) * 13 * time.Hour).Format(time.RFC3339)})
	}
	shop.must("POST", "/api/v2/origins/batch/purchases", object{"data": rows}, nil)
	settled(t, s, db)
	took := shop.travels(t, s, "366d")
	var moments, expired int
	if err := db.QueryRow(`select moments, coalesce((jobs ->> 'points that expire')::int, 0) from gateway.test_advance`).Scan(&moments, &expired); err != nil || expired != *clockMembers {
		t.Errorf("%d lots expired (%v), want %d", expired, err, *clockMembers)
	}
	t.Logf("%d moments, %.0f a second", moments, float64(moments)/took.Seconds())
	var left int64
	if err := db.Get(&left, `select sum(balance) from loyalty.account where owner_id is not null`); err != nil || left != 0 {
		t.Errorf("%d points are left (%v)", left, err)
	}
	if out, err := talkable(t, s.environ, "demo"); err != nil { // a year later a visit is a visit, and a purchase a purchase
		t.Errorf("the story: %v\n%s", err, out)
	}
}
