package gateway

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

func TestKeys_that_are_taken(t *testing.T) {
	h := newHouse(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(h.secret+":"))
	const path = "/api/v2/people/ann"
	for _, c := range []struct{ name, method, path, body, authorization string }{
		{"bearer", "GET", path, "", "Bearer " + h.secret},
		{"bearer in lower case", "GET", path, "", "bearer " + h.secret},
		{"basic with a blank password", "GET", path, "", basic},
		{"query", "GET", path + "?api_key=" + h.secret, "", ""},
		{"query of a write", "POST", "/api/v2/loose?api_key=" + h.secret, `{"amount":1}`, ""},
		{"body", "POST", "/api/v2/loose", `{"amount":1,"api_key":"` + h.secret + `"}`, ""},
		{"bearer, and something else in query and body", "POST", "/api/v2/loose?api_key=x", `{"api_key":"y"}`, "Bearer " + h.secret},
	} {
		h.on(c.name, func(h *house) { h.fine(h.call(c.method, c.path, c.body, "Authorization", c.authorization)) })
	}
	if strings.Contains(h.log.String(), h.secret) {
		t.Error("a key is in the log")
	}
}

func TestKeys_that_are_refused(t *testing.T) {
	h := newHouse(t)
	other := mint(Secret) // well formed, and nobody's
	flip := func(s string, i int) string {
		c := byte('A')
		if s[i] == c {
			c = 'B'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	revoked, k := h.key(h.shop, Secret)
	if err := h.g.RevokeKey(t.Context(), h.shop.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	var same string
	for _, c := range []struct{ name, path, authorization string }{
		{"none", "", ""},
		{"empty bearer", "", "Bearer "},
		{"bearer alone", "", "Bearer"},
		{"two spaces", "", "Bearer  " + h.secret},
		{"space behind", "", "Bearer " + h.secret + " x"},
		{"other scheme", "", "Token " + h.secret},
		{"key alone", "", h.secret},
		{"nobody's", "", "Bearer " + other},
		{"revoked", "", "Bearer " + revoked},
		{"truncated by one", "", "Bearer " + h.secret[:len(h.secret)-1]},
		{"first digit wrong", "", "Bearer " + flip(h.secret, 10)},
		{"last digit wrong", "", "Bearer " + flip(h.secret, len(h.secret)-1)},
		{"right prefix only", "", "Bearer tk_secret_" + strings.Repeat("a", 49)},
		{"other kind's prefix", "", "Bearer tk_public_" + h.secret[10:]},
		{"other case", "", "Bearer " + strings.ToUpper(h.secret)},
		{"10 kB", "", "Bearer " + strings.Repeat("a", 10_000)},
		{"not ASCII", "", "Bearer " + h.secret + "é"},
		{"basic with a password", "", basic(h.secret + ":x")},
		{"basic with a blank user", "", basic(":" + h.secret)},
		{"basic without a colon", "", basic(h.secret)},
		{"basic that isn't base64", "", "Basic %%%"},
		{"blank in the query", "?api_key=", ""},
		{"twice in the query", "?api_key=" + h.secret + "&api_key=" + h.secret, ""},
		{"wrong header, right query", "?api_key=" + h.secret, "Bearer x"},
	} {
		h.on(c.name, func(h *house) {
			r := h.call("GET", "/api/v2/people/ann"+c.path, "", "Authorization", c.authorization, "X-Request-Id", "same")
			h.problem(r, 401, "unauthenticated")
			if r.header.Get("WWW-Authenticate") == "" {
				h.t.Error("no WWW-Authenticate")
			}
			if same == "" {
				same = r.text
			}
			if r.text != same {
				h.t.Errorf("another answer: %s", r.text)
			}
		})
	}
	h.on("two headers", func(h *house) {
		req, _ := http.NewRequestWithContext(h.t.Context(), "GET", h.server+"/api/v2/people/ann", nil)
		req.Header["Authorization"] = []string{"Bearer " + h.secret, "Bearer " + h.secret}
		h.problem(h.do(req), 401, "unauthenticated")
	})
	h.on("NUL and line breaks never arrive", func(h *house) {
		for _, c := range []string{"\x00", "\r", "\x7f"} {
			if r := h.raw("GET /api/v2/people/ann HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + h.secret + c + "\r\n\r\n"); r.status != 400 {
				h.t.Errorf("%q: %d", c, r.status)
			}
		}
	})
	h.on("in a body that isn't readable", func(h *house) {
		for _, body := range []string{`{"api_key":"` + h.secret + `"`, `{"api_key":["` + h.secret + `"]}`, `{"data":{"api_key":"` + h.secret + `"}}`} {
			h.problem(h.call("POST", "/api/v2/loose", body, "Authorization", ""), 401, "unauthenticated")
		}
	})
	if h.works.Load() != 0 {
		t.Error("an operation ran")
	}
}

func TestKeys_of_a_wrong_form_ask_no_database(t *testing.T) {
	h := newHouse(t)
	h.db.Close()
	for _, a := range []string{"", "Bearer x", "Bearer " + h.secret[:len(h.secret)-1], "Bearer " + strings.Repeat("é", 100), "Basic x"} {
		h.problem(h.call("GET", "/api/v2/people/ann", "", "Authorization", a), 401, "unauthenticated")
	}
}

func TestKeys_while_the_database_is_away(t *testing.T) {
	h := newHouse(t)
	h.fine(h.call("GET", "/api/v2/site", ""))
	later := start
	h.g.keys.real = func() time.Time { return later }
	h.g.keys.known.Add(named{hash: hashOf(h.secret)}, remembered{mustGet(t, h).caller, start})
	dead, err := sqlx.Open("postgres", "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	h.g.keys.db = dead
	later = start.Add(30 * time.Second)
	h.on("a known one goes on for a minute", func(h *house) { h.fine(h.call("GET", "/api/v2/site", "")) })
	h.on("an unknown one is put off", func(h *house) {
		r := h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+h.otherSecret)
		h.problem(r, 503, "unavailable")
		if r.header.Get("Retry-After") == "" {
			h.t.Error("no Retry-After")
		}
	})
	h.g.keys.db = h.db
	h.on("one whose pool is taken goes on, too", func(h *house) {
		h.db.SetMaxOpenConns(1)
		held, err := h.db.Beginx()
		if err != nil {
			h.t.Fatal(err)
		}
		defer func() { _ = held.Rollback() }()
		h.fine(h.call("GET", "/api/v2/site", ""))
	})
	h.g.keys.db = dead
	later = start.Add(61 * time.Second)
	h.on("after that it is put off too", func(h *house) { h.problem(h.call("GET", "/api/v2/site", ""), 503, "unavailable") })
}

func mustGet(t *testing.T, h *house) remembered {
	t.Helper()
	r, ok := h.g.keys.known.Get(named{hash: hashOf(h.secret)})
	if !ok {
		t.Fatal("the key is not remembered")
	}
	return r
}

func TestRevoked_keys_are_refused_within_a_second_on_other_replicas(t *testing.T) {
	h := newHouse(t)
	elsewhere := New(Deps{DB: h.db, Outbox: h.g.outbox, Log: h.g.log})
	h.fine(h.call("GET", "/api/v2/site", ""))
	if err := elsewhere.RevokeKey(t.Context(), h.shop.ID, h.secretKey.ID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(believed)
	refused := func() int64 {
		var n atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if r := h.call("GET", "/api/v2/site", ""); r.status == 401 {
					n.Add(1)
				}
			})
		}
		all.Wait()
		return n.Load()
	}
	for end := time.Now().Add(longest); ; { // a database that answers late is none that was asked: see TestKeys_while_the_database_is_away
		n := refused()
		if n == 20 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of 20 were refused", n)
		}
	}
	if err := elsewhere.RevokeKey(t.Context(), h.shop.ID, h.secretKey.ID); err != nil {
		t.Errorf("revoking twice: %v", err)
	}
	if err := elsewhere.RevokeKey(t.Context(), h.other.ID, h.secretKey.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another site's key: %v", err)
	}
}

func TestUnknown_keys_become_known_within_a_second(t *testing.T) {
	h := newHouse(t)
	plain := mint(Secret)
	if r := h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+plain); r.status != 401 {
		t.Fatalf("got %d", r.status)
	}
	tx := h.db.MustBegin()
	if _, err := tx.Exec(`insert into gateway.api_key (site_id, kind, key_hash, prefix, name, created_at) values ($1, 'secret', $2, 'x', 'x', now())`,
		h.shop.ID, func() []byte { b := hashOf(plain); return b[:] }()); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(believed)
	again := func() reply { return h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+plain) }
	r := again()
	for end := time.Now().Add(longest); r.status == 503 && time.Now().Before(end); r = again() {
		time.Sleep(100 * time.Millisecond) // the database answered late
	}
	h.fine(r)
}

func TestPublic_keys_call_public_operations_only(t *testing.T) {
	h := newHouse(t)
	h.fine(h.call("POST", "/api/v2/loose", `{}`, "Authorization", "Bearer "+h.public))
	if h.mu.Lock(); !h.last.Public || h.last.KeyID != h.publicKey.ID {
		t.Errorf("the operation saw %+v", h.last)
	}
	h.mu.Unlock()
	works := h.works.Load()
	for _, c := range [][2]string{{"GET", "/people/ann"}, {"GET", "/site"}, {"POST", "/bodyless/x"}, {"GET", "/panic"}} {
		h.problem(h.call(c[0], "/api/v2"+c[1], "", "Authorization", "Bearer "+h.public), 403, "secret_key_needed")
	}
	if h.works.Load() != works {
		t.Error("an operation ran")
	}
}

func TestSite_slug_is_of_the_key(t *testing.T) {
	h := newHouse(t)
	body := func(slug string) string { return `{"external_id":"x","amount":1,"site_slug":` + slug + `}` }
	const ok, bad = 200, 400
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"nowhere", "POST", "/strict", `{"external_id":"x","amount":1}`, ok},
		{"in the body", "POST", "/strict", body(`"my-store"`), ok},
		{"in the query", "POST", "/strict?site_slug=my-store", `{"external_id":"x","amount":1}`, ok},
		{"in a GET's query", "GET", "/people/ann?site_slug=my-store", "", ok},
		{"the body's goes first", "POST", "/strict?site_slug=other-store", body(`"my-store"`), ok},
		{"another's in the body", "POST", "/strict", body(`"other-store"`), bad},
		{"another's in the query", "GET", "/people/ann?site_slug=other-store", "", bad},
		{"another's in a write's query", "POST", "/strict?site_slug=other-store", `{"external_id":"x","amount":1}`, bad},
		{"another's second in the query", "GET", "/people/ann?site_slug=my-store&site_slug=other-store", "", bad},
		{"nobody's", "GET", "/people/ann?site_slug=none", "", bad},
		{"other case", "GET", "/people/ann?site_slug=My-Store", "", bad},
		{"empty", "GET", "/people/ann?site_slug=", "", bad},
		{"empty in the body", "POST", "/strict", body(`""`), bad},
		{"a number", "POST", "/strict", body(`5`), bad},
		{"an array", "POST", "/strict", body(`["my-store"]`), bad},
		{"null", "POST", "/strict", body(`null`), bad},
		{"another's where there is no body needed", "POST", "/bodyless/x", `{"site_slug":"other-store"}`, bad},
		{"another's in a DELETE", "DELETE", "/loose", `{"site_slug":"other-store"}`, bad},
	} {
		h.on(c.name, func(h *house) {
			before := h.works.Load()
			r := h.call(c.method, "/api/v2"+c.path, c.body)
			if c.status == ok {
				h.fine(r)
				return
			}
			h.problem(r, bad, "site_not_found")
			if r.body.ErrorMessage != "No site found by ``site_slug``." {
				h.t.Errorf("got %q", r.body.ErrorMessage)
			}
			if h.works.Load() != before {
				h.t.Error("the operation ran")
			}
		})
	}
}

func TestKey_form(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		for _, kind := range []string{Secret, Public} {
			k := mint(kind)
			if !wellFormed(k) || len(k) != 59 || seen[k] || !strings.HasPrefix(k, "tk_"+kind+"_") {
				t.Fatalf("minted %q", k)
			}
			seen[k] = true
		}
	}
	if got := base62(hashNumber(), 43); len(got) != 43 {
		t.Errorf("the largest takes %d digits", len(got))
	}
}

func TestKeys_are_kept_as_hashes(t *testing.T) {
	h := newHouse(t)
	admin, err := postgres.Open(t.Context(), postgres.Pool{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var rows []string
	if err := admin.Select(&rows, `select k::text || encode(k.key_hash, 'escape') from gateway.api_key k`); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if strings.Contains(r, h.secret) || strings.Contains(r, h.secret[20:40]) {
			t.Errorf("the key is in %s", r)
		}
	}
	if len(rows) != 3 {
		t.Errorf("%d keys", len(rows))
	}
}
