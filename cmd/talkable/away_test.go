package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// patience is the longest that an answer may take while the database is away: less than the deadline of requests, which would end any.
const patience = 20 * time.Second

// TestDatabaseGoesAway stops PostgreSQL under a running server and starts it again: meanwhile each request is told to come back,
// and afterwards the server goes on, without a restart, as if nothing had happened.
func TestDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	l, pg, stopPG := ownServer(t)
	s := startServer(t, l)
	shop := newShop(t, s.demo)
	before := tales("before", 4)
	for _, tale := range before {
		tale.tell(shop)
	}
	link, code := linkOf(shop, before[0].advocate)

	// Stories under way when it happens: their shop repeats what was not answered.
	during := tales("during", 8)
	var tellers sync.WaitGroup
	for w := range 2 {
		tellers.Go(func() {
			for i := w; i < len(during); i += 2 {
				during[i].tell(shop)
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	time.Sleep(150 * time.Millisecond)
	stopPG()

	for round := range 2 {
		for _, q := range []struct{ method, path, body string }{
			{"POST", "/api/v2/origins", fmt.Sprintf(`{"type":"Purchase","data":{"email":"x@shop.example","order_number":"away-%d","subtotal":"1"}}`, round)},
			{"POST", "/api/v2/origins", `{"type":"AffiliateMember","data":{"email":"x@shop.example","campaign_tags":"invite"}}`},
			{"POST", "/api/v2/origins/" + before[0].order + "/refund", `{"data":{"refund_subtotal":"1"}}`},
			{"PUT", "/api/v2/origins/" + before[0].order + "/referral", `{"data":{"status":"voided"}}`},
			{"POST", "/api/v2/visitors", `{}`},
			{"POST", "/api/v2/campaigns", `{"name":"away","status":"Live","destination_url":"https://shop.example/","incentives":[]}`},
			{"GET", "/api/v2/campaigns", ""},
			{"GET", "/api/v2/people/" + before[0].advocate, ""},
			{"GET", "/api/v2/people/" + before[0].advocate + "/timeline", ""},
			{"GET", "/api/v2/loyalty/members/" + before[0].advocate, ""},
			{"GET", "/api/v2/loyalty/programs", ""},
			{"GET", "/api/v2/offers/" + code, ""},
			{"GET", "/api/v2/messages?email=" + before[0].advocate, ""},
			{"GET", "/api/v2/metrics/total_sales_sum?start_date=2020-01-01&end_date=2100-01-01", ""},
		} {
			a := quick(patience, func() reply { return once(t, shop, q.method, q.path, q.body) })
			if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !a.problem() {
				t.Errorf("%s %s without a database: %d, Retry-After %q: %s", q.method, q.path, a.status, a.header.Get("Retry-After"), a.body)
			}
			if a.took > patience {
				t.Errorf("%s %s without a database took %s", q.method, q.path, a.took)
			}
		}
		if location, err := shop.visit(t.Context(), link); err != nil || !strings.HasPrefix(location, "https://shop.example/welcome") {
			t.Errorf("a link that was opened before: %q, %v", location, err)
		}
		if a := quick(patience, func() reply { return once(t, shop, "GET", "/x/zzzzzzzzzz", "") }); a.status != http.StatusServiceUnavailable || a.took > patience {
			t.Errorf("a link that nobody can look up: %d in %s", a.status, a.took)
		}
		if got := internal(t, s, "/readyz"); got != http.StatusServiceUnavailable {
			t.Errorf("/readyz: %d", got)
		}
		if got := internal(t, s, "/healthz"); got != http.StatusOK {
			t.Errorf("/healthz: %d", got)
		}
		time.Sleep(500 * time.Millisecond)
	}

	again, err := embedded.Start(t.Context(), embedded.Config{DataDir: pg.DataDir(), BinDir: os.Getenv("PG_BINDIR")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Stop(t.Context()) })
	back := time.Now()
	eventually(t, "the server is ready after its database came back", func() bool { return internal(t, s, "/readyz") == http.StatusOK })
	t.Logf("ready %s after the database came back", time.Since(back).Round(time.Millisecond))
	tellers.Wait()
	after := tales("after", 4)
	for _, tale := range after {
		tale.tell(shop)
	}
	began := time.Now()
	all := append(append(before, during...), after...)
	for _, tale := range all {
		tale.ends(shop)
	}
	t.Logf("every story ended within %s", time.Since(began))
	totals(shop, len(all))
	if out, err := talkable(t, s.environ, "events", "parked", "list"); err != nil || !strings.Contains(out, "nothing is parked") {
		t.Errorf("parked events: %s %v", out, err)
	}
	if err := s.stop(); err != nil { // before its database
		t.Errorf("serve ended with: %v", err)
	}
}

// TestEmbeddedDatabaseDies kills the embedded PostgreSQL of a running server, which starts it again by itself.
func TestEmbeddedDatabaseDies(t *testing.T) {
	t.Parallel()
	dir := pgtest.Dir(t)
	p := startProcess(t, layout{}.environ(dir, "TALKABLE_LISTEN="+freeport.Address(t), "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t)))
	shop := (&telling{t: t}).patient(newShop(t, awaitDemo(t, dir, nil)))
	all := tales("embedded", 12)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, tale := range all {
			tale.tell(shop)
			time.Sleep(300 * time.Millisecond)
		}
	})
	last := 0
	for range 2 {
		time.Sleep(time.Second)
		last = postmaster(t, dir, last)
		if err := syscall.Kill(last, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for _, tale := range all {
		tale.ends(shop)
	}
	totals(shop, len(all))
	if n := p.died(); n != 0 {
		t.Errorf("the server died %d times with its database", n)
	}
}

// postmaster waits for the embedded PostgreSQL of a server to be another process than before, and returns its pid.
func postmaster(t testing.TB, dir string, before int) int {
	t.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if pg, running, err := embedded.Attach(dir); err == nil && running && pg.PID() != before {
			return pg.PID()
		}
	}
	t.Fatal("the embedded PostgreSQL was not started again")
	return 0
}

// linkOf is the claim link of a member, and its code.
func linkOf(s shop, email string) (link, code string) {
	s.t.Helper()
	var got struct {
		Offer struct {
			ClaimURL string `json:"claim_url"`
			Code     string `json:"short_url_code"`
		} `json:"offer"`
	}
	s.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": email, "campaign_tags": "invite"}}, &got)
	return got.Offer.ClaimURL, got.Offer.Code
}

// internal asks the internal listener and returns the status.
func internal(t testing.TB, s *served, path string) int {
	t.Helper()
	for _, e := range s.environ {
		if address, ok := strings.CutPrefix(e, "TALKABLE_INTERNAL_LISTEN="); ok {
			a := quick(patience, func() reply {
				began := time.Now()
				res, err := http.Get("http://" + address + path)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				return reply{status: res.StatusCode, took: time.Since(began)}
			})
			if a.took > patience {
				t.Errorf("%s took %s", path, a.took)
			}
			return a.status
		}
	}
	t.Fatal("no internal listener")
	return 0
}
