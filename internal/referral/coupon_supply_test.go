package referral

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/site"
)

// printer is a shop's program that makes codes.
type printer struct {
	*httptest.Server
	mu     sync.Mutex
	says   func(w http.ResponseWriter, q codeQuestion)
	asked  []codeQuestion
	secret string
	wrong  []string // requests that weren't as they should be
	now    func() time.Time
}

func (p *printer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q codeQuestion
	err := json.Unmarshal(body, &q)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, q)
	if err != nil || r.Header.Get(outcall.HeaderID) != q.ID || !outcall.Verify(p.secret, r.Header, body, p.now(), time.Minute) || q.Type != "coupons.requested" {
		p.wrong = append(p.wrong, string(body))
	}
	p.says(w, q)
}

func (p *printer) will(says func(w http.ResponseWriter, q codeQuestion)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = says
}

// prints answers with codes that follow from the request's id, so the same each time.
func prints(n int) func(w http.ResponseWriter, q codeQuestion) {
	return func(w http.ResponseWriter, q codeQuestion) {
		var codes []string
		for i := range n {
			codes = append(codes, fmt.Sprintf("%s-%d", q.ID, i))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"codes": codes})
	}
}

// printer has a list's codes asked for.
func (p *place) printer(s site.Site, list int64, more string) *printer {
	p.t.Helper()
	m := &printer{now: p.clock.Now, says: prints(2)}
	m.Server = httptest.NewServer(m)
	p.calls = outcall.New(outcall.Settings{Private: true, Now: p.clock.Now})
	p.t.Cleanup(func() { p.calls.Close(); m.Close() })
	code, out, _ := p.call(s, "PUT", "/api/v2/coupon_lists/"+itoa(list)+"/supply", `{"url":"`+m.URL+`/codes","timeout_ms":10000`+more+`}`, "")
	if code != 200 {
		p.t.Fatalf("%d %v", code, out)
	}
	m.secret = *into[supplyResult](p.t.(*testing.T), out).Supply.Secret
	return m
}

// supplies runs the timer and returns how many questions the shop has heard by then, and how the last request stands.
func (p *place) supplies(m *printer, s site.Site, list int64) (asked int, last codeRequestJSON) {
	p.t.Helper()
	if _, err := p.SupplyCoupons(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	code, out, _ := p.call(s, "GET", "/api/v2/coupon_lists/"+itoa(list)+"/supply", nil, "")
	if code != 200 {
		p.t.Fatalf("%d %v", code, out)
	}
	if l := into[supplyResult](p.t.(*testing.T), out).Supply.Last; l != nil {
		last = *l
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wrong) > 0 {
		p.t.Errorf("asked wrongly: %s", m.wrong)
	}
	return len(m.asked), last
}

// waits are the coupons of the rewards of a site, in the order of the rewards; "": it waits.
func (p *place) coupons(s site.Site) (out []string) {
	p.t.Helper()
	if err := p.root.Select(&out, `select coupon_code from referral.reward where site_id = $1 and coupon_list_id is not null order by id`, s.ID); err != nil {
		p.t.Fatal(err)
	}
	return out
}

// TestSupply_110_111: who waits for a coupon waits in the list's queue while the shop is asked, and is served in the order of waiting. A try that brought
// nothing is repeated under the same id; a list that nobody waits for is filled when it is low.
func TestSupply_110_111_fills_lists_and_serves_who_waits(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list, twin := p.list(p.one), p.list(p.two)
	for _, s := range []site.Site{p.one, p.two} {
		id := map[int64]int64{1: list, 2: twin}[s.ID]
		p.campaign(s, func(in *campaignInput) {
			in.Incentives = []incentiveInput{{Identifier: "click", ActionType: "click", Kind: "coupon", CouponListID: &id}}
		})
	}
	m := p.printer(p.one, list, `,"batch":2`)
	if n, _ := p.supplies(m, p.one, list); n != 0 {
		t.Fatal("asked without need")
	}
	m.will(func(w http.ResponseWriter, _ codeQuestion) {
		http.Error(w, `{"codes":["NOT-THESE"]}`, http.StatusInternalServerError)
	})
	for i := range 3 {
		for _, s := range []site.Site{p.one, p.two} {
			p.visitLink(p.join(s, 10).ClaimURL, uuidOf(1+i))
		}
	}
	n, last := p.supplies(m, p.one, list)
	if n != 1 || last.State != requestWaiting || last.NextAt == nil || m.asked[0].Count != 2 || m.asked[0].List.Waiting != 3 || !strings.Contains(string(last.Tries), `"failure":"status"`) {
		t.Fatalf("%d %+v %+v", n, last, m.asked)
	}
	if n, _ = p.supplies(m, p.one, list); n != 1 {
		t.Error("asked again at once")
	}
	p.clock.Move(10 * time.Second)
	m.will(prints(5)) // more than were asked for
	if n, last = p.supplies(m, p.one, list); n != 2 || m.asked[0].ID != m.asked[1].ID || last.State != requestAnswered || last.Added != 2 {
		t.Errorf("%d %+v", n, last)
	}
	first := strings.ToUpper(m.asked[0].ID)
	if got, want := p.coupons(p.one), []string{first + "-0", first + "-1", ""}; !slices.Equal(got, want) {
		t.Errorf("who waits got %q, not %q", got, want)
	}
	if n, last = p.supplies(m, p.one, list); n != 3 || last.ID == m.asked[0].ID || slices.Contains(p.coupons(p.one), "") {
		t.Errorf("who still waits isn't asked for at once: %d %+v", n, last)
	}
	if n, _ = p.supplies(m, p.one, list); n != 3 {
		t.Error("asked although nobody waits and nobody has seen that the list is low")
	}
	if err := p.CheckStock(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.will(func(w http.ResponseWriter, q codeQuestion) { // one of them, and what can't be one
		_ = json.NewEncoder(w).Encode(map[string]any{"codes": []string{q.ID, "no code"}})
	})
	if n, last = p.supplies(m, p.one, list); n != 4 || last.Added != 1 || last.Refused != 1 || last.RefusedWhy == nil {
		t.Errorf("a low list: %d %+v", n, last)
	}
	if p.clock.Move(time.Minute); p.coupons(p.two)[0] != "" || p.count(`select count(*) from referral.coupon_request where site_id = 2`) != 0 {
		t.Error("the twin is supplied, too")
	}
}

// Codes that are offered are the same at each try; an answer without any takes them all. Answers that can't be read are none.
func TestSupply_offers_codes(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	m := p.printer(p.one, list, `,"batch":3,"template":"save-########"`)
	if err := p.CheckStock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`{"codes":"X"}`, `<html>`, `{"codes":[]}`, `{"codes":[1]}`} {
		m.will(func(w http.ResponseWriter, _ codeQuestion) { _, _ = io.WriteString(w, bad) })
		if _, last := p.supplies(m, p.one, list); last.State != requestWaiting || last.Added != 0 {
			t.Errorf("%s: %+v", bad, last)
		}
		p.clock.Move(supplyPauseMax)
	}
	m.will(func(http.ResponseWriter, codeQuestion) {})
	n, last := p.supplies(m, p.one, list)
	for _, q := range m.asked {
		if len(q.Codes) != 3 || !strings.HasPrefix(q.Codes[0], "SAVE-") || !slices.Equal(q.Codes, m.asked[0].Codes) {
			t.Errorf("offered %v", q.Codes)
		}
	}
	if n < 5 || last.State != requestAnswered || last.Added != 3 || p.count(`select count(*) from referral.coupon where code = $1`, m.asked[0].Codes[2]) != 1 ||
		p.count(`select count(*) from referral.coupon_request where state = 'answered' and offered is not null`) != 0 {
		t.Errorf("%d %+v", n, last)
	}
}

// A shop that gives nothing for a day is left alone for an hour, and asked anew under another id; one that isn't to be asked any more is not.
func TestSupply_gives_up_and_begins_anew(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	m := p.printer(p.one, list, "")
	if err := p.CheckStock(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.will(func(w http.ResponseWriter, _ codeQuestion) { w.WriteHeader(http.StatusNotFound) })
	n, last := p.supplies(m, p.one, list)
	for begin := p.clock.Now(); last.State == requestWaiting && p.clock.Now().Before(begin.Add(48*time.Hour)); {
		p.clock.Move(30 * time.Minute)
		n, last = p.supplies(m, p.one, list)
	}
	if last.State != requestFailed || n < 20 || n > 40 || m.asked[0].ID != m.asked[n-1].ID {
		t.Fatalf("after %d tries %+v", n, last)
	}
	p.clock.Move(59 * time.Minute)
	if again, _ := p.supplies(m, p.one, list); again != n {
		t.Error("asked again at once")
	}
	p.clock.Move(time.Minute)
	if again, _ := p.supplies(m, p.one, list); again != n+1 || m.asked[n].ID == m.asked[0].ID {
		t.Error("not asked anew")
	}
	p.call(p.one, "DELETE", "/api/v2/coupon_lists/"+itoa(list)+"/supply", nil, "")
	if p.clock.Move(time.Hour); true {
		if _, err := p.SupplyCoupons(t.Context()); err != nil || len(m.asked) != n+1 {
			t.Errorf("%d tries, %v", len(m.asked), err)
		}
	}
	if p.count(`select count(*) from referral.coupon_request where state = 'waiting'`) != 0 {
		t.Error("a request waits for nobody")
	}
	p.clock.Move(time.Second)
	if dropped, err := dropCodeRequests(t.Context(), p.db, p.clock.Now(), 10); err != nil || dropped != 2 {
		t.Errorf("dropped %d %v", dropped, err)
	}
}

// However many look at once, a list has one open request, and a shop is asked once.
func TestSupply_asks_once_at_a_time(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	m := p.printer(p.one, list, `,"batch":2`)
	if err := p.CheckStock(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.will(func(w http.ResponseWriter, _ codeQuestion) { w.WriteHeader(http.StatusTooManyRequests) })
	other := open(t, p.url, 8)
	other.calls = p.calls
	places := []*place{p, other}
	race(8, func(i int) {
		if _, err := places[i%2].SupplyCoupons(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if p.count(`select count(*) from referral.coupon_request`) != 1 || len(m.asked) != 1 {
		t.Errorf("%d requests, asked %d times", p.count(`select count(*) from referral.coupon_request`), len(m.asked))
	}
}

func TestSupply_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	multi, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "Many", Kind: multiUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v2/coupon_lists/" + itoa(list) + "/supply"
	if code, _, _ := p.call(p.one, "PUT", path, `{"url":"https://shop.example/codes"}`, ""); code != 503 {
		t.Errorf("a server that calls nobody: %d", code)
	}
	m := p.printer(p.one, list, `,"enabled":false`)
	for _, c := range []struct {
		s          site.Site
		path, body string
		want       int
		at         string
	}{{p.two, path, `{"url":"https://shop.example/"}`, 404, ""}, {p.one, "/api/v2/coupon_lists/999/supply", `{"url":"https://shop.example/"}`, 404, ""},
		{p.one, "/api/v2/coupon_lists/" + itoa(multi.ID) + "/supply", `{"url":"https://shop.example/"}`, 400, "path.id"},
		{p.one, path, `{"url":"ftp://shop.example/"}`, 400, "/url"}, {p.one, path, `{"url":"https://shop.example/","batch":501}`, 400, "/batch"},
		{p.one, path, `{"url":"https://shop.example/","timeout_ms":99}`, 400, "/timeout_ms"}, {p.one, path, `{"url":"https://shop.example/","template":"X#"}`, 400, "/template"}} {
		if code, out, _ := p.call(c.s, "PUT", c.path, c.body, ""); code != c.want || !strings.Contains(fmt.Sprint(out), c.at) {
			t.Errorf("%s %s: %d %v", c.path, c.body, code, out)
		}
	}
	code, out, _ := p.call(p.one, "GET", path, nil, "")
	got := into[supplyResult](t, out).Supply
	if code != 200 || got.Secret != nil || got.Batch != supplyBatch || got.Enabled || got.URL != m.URL+"/codes" {
		t.Errorf("%d %+v", code, got)
	}
	for range 2 {
		code, out, _ = p.call(p.one, "PUT", path, `{"url":"https://shop.example/codes","rotate_secret":true}`, "k")
		if s := into[supplyResult](t, out).Supply.Secret; code != 200 || s == nil || *s == m.secret {
			t.Errorf("%d %v", code, out)
		}
	}
	if n := p.count(`select count(*) from referral.audit where action = 'coupon_supply.set'`); n != 2 {
		t.Errorf("%d lines in the audit log", n)
	}
	if code, out, _ = p.call(p.one, "DELETE", path, nil, ""); code != 200 || into[supplyResult](t, out).Supply != nil || p.count(`select count(*) from referral.coupon_supply`) != 0 {
		t.Errorf("%d %v", code, out)
	}
}
