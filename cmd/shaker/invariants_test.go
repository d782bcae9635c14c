package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestInvariants plays stories on two sites with the same names through the real program, and looks: nothing may be wrong. Then it
// plants one violation for each invariant, and that one must say so.
func TestInvariants(t *testing.T) {
	t.Parallel()
	db := played(t)
	var broken []violation
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		var err error
		if broken, err = checkInvariants(t.Context(), db, true); err != nil {
			t.Fatal(err)
		}
		if len(broken) == 0 {
			break
		}
		if time.Since(began) > longest {
			for _, v := range broken {
				t.Errorf("on clean data: %s: %s\n%s", v.Invariant, v.Detail, strings.Join(v.Rows, "\n"))
			}
			t.FailNow()
		}
	}
	known := map[string]bool{}
	for _, i := range invariants {
		if known[i.ID] {
			t.Errorf("two invariants are called %s", i.ID)
		}
		known[i.ID] = true
		plant, ok := plants[i.ID]
		if !ok {
			t.Errorf("%s has no planted violation", i.ID)
			continue
		}
		t.Run(i.ID, func(t *testing.T) {
			tx, err := db.Beginx()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			done, err := tx.Exec(`set local session_replication_role = replica; ` + plant)
			if err != nil {
				t.Fatalf("plant: %v", err)
			}
			if n, err := done.RowsAffected(); err == nil && n == 0 && !strings.Contains(plant, "alter ") && !strings.Contains(plant, "create ") &&
				!strings.Contains(plant, "grant ") && !strings.Contains(plant, "set local") && !strings.Contains(plant, "drop ") {
				t.Fatal("the plant changed nothing")
			}
			if err := prepare(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
			v, err := i.look(t.Context(), tx)
			if err != nil {
				t.Fatal(err)
			}
			if v == nil {
				t.Error("the planted violation was not seen")
			}
		})
	}
	for id := range plants {
		if !known[id] {
			t.Errorf("a violation is planted for %s, which is no invariant", id)
		}
	}
}

// played is a database in which the real program has played everything that the invariants speak of, on two sites.
func played(t *testing.T) *sqlx.DB {
	server, _ := pgtest.Durable(t)
	admin, err := sqlx.Connect("postgres", server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(`create database played`); err != nil {
		t.Fatal(err)
	}
	admin.Close()
	dir := pgtest.Dir(t)
	path := filepath.Join(t.TempDir(), "talkable")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/talkable/talkable/cmd/talkable").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address := freeport.Address(t)
	environ := []string{"TALKABLE_DATABASE_URL=" + server.URL("played"), "TALKABLE_DATA_DIR=" + dir, "TALKABLE_LISTEN=" + address,
		"TALKABLE_INTERNAL_LISTEN=" + freeport.Address(t), "TALKABLE_LOG_LEVEL=warn", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	talkable := func(args ...string) string {
		cmd := exec.Command(path, args...)
		cmd.Env = environ
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("talkable %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	talkable("migrate")
	keys := regexp.MustCompile(`tk_(secret|public)_[0-9A-Za-z]+`)
	var shops []*merchant
	for slug, place := range map[string]string{"one": "Pacific/Auckland", "two": "America/Los_Angeles"} {
		secret := keys.FindString(talkable("site", "create", slug, "--url", "https://"+slug+".example", "--time-zone", place))
		public := keys.FindString(talkable("key", "create", slug, "--public"))
		shops = append(shops, &merchant{t: t, server: "http://" + address, secret: secret, public: public, ruled: slug == "two"})
	}
	serve := exec.Command(path, "serve")
	serve.Env = environ
	var log bytes.Buffer
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Signal(os.Interrupt)
		_ = serve.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for _, s := range shops {
		s.play()
	}
	db, err := sqlx.Connect("postgres", server.URL("played"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(`insert into customer.outbox (at, n, body)
		values (now(), 1, E'1\tpoison:1\tcustomer.origin_recorded.v1\t{"site_id":"poison"}')`); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(db, `select count(*) = 0 from notify.message where status <> 'sent'`); err != nil {
		t.Fatal(err)
	}
	return db
}

func waitFor(db *sqlx.DB, query string) error {
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var ok bool
		if err := db.Get(&ok, query); err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("after %s still not: %s", longest, query)
}

// longest is how long a machine may take, at the very most, to do what it does at once when it isn't busy. A test that passes never waits
// for it.
const longest = 3 * time.Minute

// merchant is a site's own client.
type merchant struct {
	t                      *testing.T
	server, secret, public string
	ruled                  bool // the programme has rules of earning
}

// ask sends a request until somebody answers, and insists on the class of the status; 0: any.
func (m *merchant) ask(want int, key, method, path string, body map[string]any, result any) {
	m.t.Helper()
	text, _ := json.Marshal(body)
	for end := time.Now().Add(longest); time.Now().Before(end); {
		req, _ := http.NewRequest(method, m.server+path, bytes.NewReader(text))
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil { // not up yet
			time.Sleep(100 * time.Millisecond)
			continue
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable { // told to come back
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if want > 0 && res.StatusCode/100 != want/100 {
			m.t.Fatalf("%s %s %s: %s %s, want %d", method, path, text, res.Status, got, want)
		}
		if result != nil {
			if err := json.Unmarshal(got, &struct{ Result any }{result}); err != nil {
				m.t.Fatal(err)
			}
		}
		return
	}
	m.t.Fatalf("%s %s: nobody answers", method, path)
}

func (m *merchant) signUp(email, tag string) (link string) {
	var got struct {
		Offer struct {
			ClaimURL string `json:"claim_url"`
		}
	}
	m.ask(200, m.secret, "POST", "/api/v2/origins", map[string]any{"type": "AffiliateMember", "data": map[string]any{"email": email, "campaign_tags": tag}}, &got)
	return got.Offer.ClaimURL
}

func (m *merchant) open(link, visitor string) string {
	m.t.Helper()
	var to *url.URL
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		req, _ := http.NewRequest("GET", link+"?tkbl_cvuuid="+visitor, nil)
		req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			m.t.Fatal(err)
		}
		res.Body.Close()
		if to, err = url.Parse(res.Header.Get("Location")); err != nil {
			m.t.Fatal(err)
		}
		if to.Query().Get("talkable_visitor_offer_id") != "" { // else the visit couldn't be written down just then
			return to.Query().Get("tkbl_cvuuid")
		}
	}
	m.t.Fatalf("%s leads to %q", link, to)
	return ""
}

func (m *merchant) buy(key, email, visitor, order, subtotal, at string) {
	m.t.Helper()
	data := map[string]any{"email": email, "order_number": order, "subtotal": subtotal, "items": []any{map[string]any{"product_id": "p", "price": 1, "quantity": 1}}}
	if visitor != "" {
		data["uuid"] = visitor
	}
	if at != "" {
		data["created_at"] = at
	}
	m.ask(200, key, "POST", "/api/v2/origins", map[string]any{"type": "Purchase", "data": data}, nil)
}

func (m *merchant) refund(order, amount string) {
	m.t.Helper()
	data := map[string]any{}
	if amount != "" {
		data["refund_subtotal"] = amount
	}
	m.ask(200, m.secret, "POST", "/api/v2/origins/"+order+"/refund", map[string]any{"data": data}, nil)
}

func (m *merchant) set(want int, order, status string) {
	m.t.Helper()
	m.ask(want, m.secret, "PUT", "/api/v2/origins/"+order+"/referral", map[string]any{"data": map[string]any{"status": status}}, nil)
}

// play tells a story of everything once. Both sites tell the same one.
func (m *merchant) play() {
	m.t.Helper()
	for tag, mode := range map[string]string{"invite": "automatic", "manual": "manual"} {
		m.ask(200, m.secret, "POST", "/api/v2/campaigns", map[string]any{"name": tag, "status": "Live", "tags": []string{tag},
			"destination_url": "https://shop.example/welcome", "approval": map[string]any{"mode": mode, "delay_seconds": 0}, "incentives": []any{
				map[string]any{"identifier": "points", "action_type": "referrer", "kind": "points", "points": 500},
				map[string]any{"identifier": "commission", "action_type": "referrer", "kind": "commission", "percent": 10},
				map[string]any{"identifier": "friend", "action_type": "referred", "kind": "points", "points": 200},
				map[string]any{"identifier": "click", "action_type": "click", "kind": "coupon", "coupon_code": "WELCOME10"},
			}}, nil)
	}
	programme := map[string]any{"name": "Points", "points_per_unit": 3, "points_per_referral": 50, "pool_size": 3,
		"achievements":       []any{map[string]any{"key": "regular", "name": "Regular", "counts": "orders", "goal": 2, "revoke": true}},
		"expires_after_days": 30, "tiers": []any{map[string]any{"name": "Silver", "threshold": 300}, map[string]any{"name": "Gold", "threshold": 700}}}
	if m.ruled {
		programme["earning"] = map[string]any{"rules": []any{map[string]any{"key": "more", "kind": "fixed", "points": 5, "budget": 100,
			"limits": []any{map[string]any{"per": "year", "times": 2}}},
			map[string]any{"key": "starry", "kind": "per_money", "per_amount": 100, "points": 1, "wallet": "stars"},
			map[string]any{"key": "loyal", "on": "achievement", "achievement": "regular", "kind": "fixed", "points": 7}}}
		programme["wallets"] = []any{map[string]any{"key": "stars", "name": "Stars"}}
	}
	var made struct{ Program struct{ ID int64 } }
	m.ask(200, m.secret, "POST", "/api/v2/loyalty/programs", programme, &made)
	time.Sleep(1200 * time.Millisecond) // the programme's first second
	ann, other := m.signUp("ann@shop.example", "invite"), m.signUp("ann@shop.example", "manual")
	visitor := m.open(ann, "0190a0a0-0000-7000-8000-00000000000a")
	m.open(ann, visitor)
	m.buy(m.secret, "bob@shop.example", visitor, "1001", "33.33", "")
	m.refund("1001", "3.33")
	m.refund("1001", "10.01")
	for n, status := range map[string]string{"2001": "approved", "2002": "voided", "2003": "blocked", "2004": "", "2005": ""} {
		v := m.open(other, "0190a0a0-0000-7000-8000-00000000"+n)
		m.buy(m.secret, "friend"+n+"@shop.example", v, n, "100", "")
		if status != "" {
			m.set(200, n, status)
		}
	}
	m.set(400, "2002", "approved")
	m.set(400, "2001", "voided")
	m.refund("2001", "")
	m.set(200, "2005", "pending") // it has been decided
	m.refund("2005", "")
	m.buy(m.secret, "ann@shop.example", m.open(ann, "0190a0a0-0000-7000-8000-00000000000b"), "3001", "12.00", "") // herself
	m.buy(m.public, "eve@shop.example", m.open(ann, "0190a0a0-0000-7000-8000-00000000000c"), "4001", "50.00", "")
	m.buy(m.public, "dan@shop.example", m.open(ann, "0190a0a0-0000-7000-8000-00000000000d"), "4002", "50.00", "")
	m.buy(m.secret, "dan@shop.example", "", "4002", "50.00", "")
	m.buy(m.secret, "old@shop.example", "", "5001", "70.00", "2024-01-15T10:00:00Z") // its points have expired
	m.ask(200, m.secret, "POST", "/api/v2/origins", map[string]any{"type": "Event", "data": map[string]any{"email": "bob@shop.example",
		"event_category": "review", "event_number": "1", "subtotal": "5.00"}}, nil)
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // until the old purchase has earned, though its points may be gone again
		var got struct {
			Member struct {
				Email string `json:"email"`
			} `json:"loyalty_member"`
		}
		if m.ask(0, m.secret, "GET", "/api/v2/loyalty/members/old@shop.example", nil, &got); got.Member.Email != "" {
			break
		}
	}
	m.shares(made.Program.ID)
	m.spend(made.Program.ID)
	m.limit()
	programme["tiers"] = []any{map[string]any{"name": "Silver", "threshold": 200}, map[string]any{"name": "Gold", "threshold": 600}}
	m.ask(200, m.secret, "PUT", fmt.Sprintf("/api/v2/loyalty/programs/%d", made.Program.ID), programme, nil) // lets the timer of expiry run, too
}
