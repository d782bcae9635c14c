package main

import (
	"fmt"
	"hash/crc32"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

var (
	keyShown = regexp.MustCompile(`tk_(secret|public)_[0-9A-Za-z]+`)
	numbered = regexp.MustCompile(`key (\d+) of site`)
)

func makeSite(t *testing.T, s *served, slug string) (key string) {
	t.Helper()
	out, err := talkable(t, s.environ, "site", "create", slug, "--url", "https://"+slug+".example")
	if err != nil {
		t.Fatal(err)
	}
	return keyShown.FindString(out)
}

func makeKey(t *testing.T, s *served, args ...string) (key, id string) {
	t.Helper()
	out, err := talkable(t, s.environ, append([]string{"key", "create"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return keyShown.FindString(out), numbered.FindStringSubmatch(out)[1]
}

// strange is a key of our form that nobody has.
func strange() string {
	start := "tk_secret_" + strings.Repeat("7", 43)
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n, sum := big.NewInt(int64(crc32.ChecksumIEEE([]byte(start)))), make([]byte, 6)
	for i := range sum {
		digit := new(big.Int)
		n.DivMod(n, big.NewInt(62), digit)
		sum[5-i] = digits[digit.Int64()]
	}
	return start + string(sum)
}

var (
	requestID = regexp.MustCompile(`"instance":"[^"]*"`)
	fresh     = map[string]bool{"Date": true, "X-Request-Id": true, "Ratelimit-Remaining": true, "Ratelimit-Reset": true, "Ratelimit-Limit": true, "Content-Length": true}
)

// told is all of an answer that says something: the status, the headers, the body without the request's id. Names of the pairs,
// which the answer may repeat, count as the same.
func (r reply) told(names ...string) string {
	var headers []string
	for name, values := range r.header {
		if !fresh[name] {
			headers = append(headers, fmt.Sprintf("%s: %q", name, values))
		}
	}
	slices.Sort(headers)
	body := requestID.ReplaceAllString(r.body, "")
	for _, name := range names {
		if name != "" { // as a word: an id of 4 is no part of a status of 404
			body = regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).ReplaceAllString(body, "X")
		}
	}
	return fmt.Sprintf("%d\n%s\n%s", r.status, strings.Join(headers, "\n"), body)
}

// TestAnotherSitesThingsAreUnknown takes every operation that names a thing, in its path, its query or its body: with the key of
// another site the answer is that for a thing that exists nowhere, to the letter, and nothing changes.
func TestAnotherSitesThingsAreUnknown(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	a := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "twin-a")})
	b := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "twin-b")})
	public := newShop(t, demoFile{Server: s.demo.Server, APIKey: first(makeKey(t, s, "twin-b", "--public"))})
	if err := seedCampaign(t.Context(), b.client); err != nil { // a campaign and a programme of its own, and nobody in them
		t.Fatal(err)
	}
	if err := seedProgramme(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
	ops := operationsOf(t, s.demo.Server)
	w := play(t, a, ops)
	db := open(t, l["TALKABLE_DATABASE_URL"])
	settled(t, s, db)
	before := census(t, db)
	cells := 0
	for _, op := range ops {
		one, ok := sampleOf(op.id)
		if !ok {
			t.Errorf("%s has no sample: see TestRouterAndDescriptionAgree", op.id)
			continue
		}
		inPath := parameter.MatchString(op.path)
		if inPath && len(one.named()) == 0 && !slices.Contains(nobodys, op.id) {
			t.Errorf("%s: the sample names no thing of a site: add it to nobody", op.id)
		}
		if op.body != nil && !inPath || slices.Contains(makers, op.id) {
			continue // makes something of one's own; bodies that name things of others are below
		}
		for _, name := range one.named() {
			theirs := w.fill(name)
			for _, key := range []shop{b, public} {
				if key.key == public.key && !op.public {
					continue // refused before anything is looked at: TestKeysDoWhatTheirKindSays
				}
				got := ask(t, key, op.method, one.target(op, w), w.fill(one.body), one.headers()...)
				other := one
				other.path, other.query = map[string]string{}, strings.ReplaceAll(one.query, name, nobody[name])
				for p, v := range one.path {
					other.path[p] = strings.ReplaceAll(v, name, nobody[name])
				}
				want := ask(t, key, op.method, other.target(op, w), w.fill(strings.ReplaceAll(one.body, name, nobody[name])), one.headers()...)
				if got.told(theirs) != want.told(nobody[name]) {
					t.Errorf("%s %s of another site: %s\n\tof nobody: %s", op.id, name, got.told(), want.told())
				}
				cells++
			}
		}
	}
	settled(t, s, db)
	before.same(t, census(t, db))

	// Bodies: site b says things of a in all that it makes. It may get an origin of its own; nothing of a may change or come back.
	mine := censusOf(t, db, "twin-a")
	for _, op := range ops {
		one, _ := sampleOf(op.id)
		if op.body == nil || parameter.MatchString(op.path) && !slices.Contains(makers, op.id) {
			continue
		}
		got := ask(t, b, op.method, one.target(op, w), w.fill(one.body), one.headers()...)
		if got.status >= 500 {
			t.Errorf("%s: %d %s", op.id, got.status, got.body)
		}
		if code := w["$code"]; strings.Contains(got.body, code) {
			t.Errorf("%s gave the other site's offer away: %s", op.id, got.body)
		}
		cells++
	}
	settled(t, s, db)
	mine.same(t, censusOf(t, db, "twin-a"))

	// And each site's name is unknown to the other's key, in a query and in a body, for every operation.
	for _, op := range ops {
		one, _ := sampleOf(op.id)
		target := one.target(op, w)
		var answers [2]string
		for i, slug := range []string{"twin-a", "no-such-site"} {
			answers[i] = ask(t, b, op.method, target+separator(target)+"site_slug="+slug, w.fill(one.body), one.headers()...).told(slug)
			if op.body != nil {
				answers[i] += ask(t, b, op.method, target, put(w.fill(one.body), []string{"site_slug"}, `"`+slug+`"`)).told(slug)
			}
		}
		if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "400") || !strings.Contains(answers[0], "No site found by") {
			t.Errorf("%s for site twin-a: %s\n\tfor no site: %s", op.id, answers[0], answers[1])
		}
		cells++
	}
	t.Logf("%d cells", cells)
}

// makers are operations that make what their path names, where it isn't there.
var makers = []string{"updatePerson", "unsubscribePerson"}

// nobodys are operations whose path names what belongs to no site.
var nobodys = []string{"getMetric", "detalizeMetric", "segmentizeMetric", "putExchangeRates", "getExchangeRates", "replaceMail"}

func first(key, _ string) string { return key }

// censusOf counts what belongs to one site.
func censusOf(t testing.TB, db *sqlx.DB, slug string) rowsOf {
	t.Helper()
	var site int64
	if err := db.Get(&site, `select site_id from gateway.site where slug = $1`, slug); err != nil {
		t.Fatal(err)
	}
	var tables []string
	if err := db.Select(&tables, `select quote_ident(nspname) || '.' || quote_ident(relname) from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id'
		where relkind in ('r', 'p') and not relispartition and nspname not in ('pg_catalog', 'information_schema')`); err != nil {
		t.Fatal(err)
	}
	out := tally(t, db, tables, `where site_id = $1`, site)
	if len(out) < 20 {
		t.Fatalf("only %d tables have a site", len(out))
	}
	return out
}

// TestKeysDoWhatTheirKindSays asks every operation with every kind of key.
func TestKeysDoWhatTheirKindSays(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	secret := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "keys")})
	other := makeSite(t, s, "keys-other")
	public, _ := makeKey(t, s, "keys", "--public")
	revoked, id := makeKey(t, s, "keys")
	revokedPublic, idPublic := makeKey(t, s, "keys", "--public")
	for _, one := range []string{id, idPublic} {
		if _, err := talkable(t, s.environ, "key", "revoke", "keys", one); err != nil {
			t.Fatal(err)
		}
	}
	ops := operationsOf(t, s.demo.Server)
	w := play(t, secret, ops) // the secret key may do everything: each sample succeeds
	db := open(t, l["TALKABLE_DATABASE_URL"])
	settled(t, s, db)
	before := census(t, db)
	cells := len(ops)
	for _, kind := range []struct {
		name, key, code string
		status          int
		site            string
	}{
		{"no key", "", "", http.StatusUnauthorized, ""},
		{"a key of another form", "sk_live_0123456789", "", http.StatusUnauthorized, ""},
		{"a key that nobody has", strange(), "", http.StatusUnauthorized, ""},
		{"a revoked secret key", revoked, "", http.StatusUnauthorized, ""},
		{"a revoked public key", revokedPublic, "", http.StatusUnauthorized, ""},
		{"a public key with the kind of a secret one", strings.Replace(public, "tk_public_", "tk_secret_", 1), "", http.StatusUnauthorized, ""},
		{"another site's secret key", other, "site_not_found", http.StatusBadRequest, "site_slug=keys"},
		{"a public key", public, "secret_key_needed", http.StatusForbidden, ""},
	} {
		var firstBody string
		for _, op := range ops {
			if kind.key == public && op.public {
				continue
			}
			one, _ := sampleOf(op.id)
			target := one.target(op, w)
			if kind.site != "" {
				target += separator(target) + kind.site
			}
			bearer := ""
			if kind.key != "" {
				bearer = "Bearer " + kind.key
			}
			got := ask(t, secret, op.method, target, w.fill(one.body), one.headers("Authorization", bearer)...)
			body := requestID.ReplaceAllString(got.body, "")
			if got.status != kind.status || !got.problem() || !strings.Contains(got.body, kind.code) {
				t.Errorf("%s with %s: %d %s", op.id, kind.name, got.status, got.body)
			}
			if firstBody == "" {
				firstBody = body
			}
			if body != firstBody {
				t.Errorf("%s with %s answers %s, others %s", op.id, kind.name, body, firstBody)
			}
			if (got.header.Get("WWW-Authenticate") != "") != (kind.status == http.StatusUnauthorized) {
				t.Errorf("%s with %s: WWW-Authenticate %q", op.id, kind.name, got.header.Get("WWW-Authenticate"))
			}
			cells++
		}
	}
	settled(t, s, db)
	before.same(t, census(t, db))
	open := 0
	for _, op := range ops { // a public key may call what says so
		one, _ := sampleOf(op.id)
		if !op.public {
			continue
		}
		got := ask(t, secret, op.method, one.target(op, w), w.fill(one.body), one.headers("Authorization", "Bearer "+public)...)
		if !one.good(got.status) {
			t.Errorf("%s with a public key: %d %s", op.id, got.status, got.body)
		}
		open++
		cells++
	}
	if open == 0 || open > len(ops)/2 {
		t.Errorf("%d operations are open to public keys", open)
	}
	// Whatever a public key said, it is worth nothing: see TestUnverifiedPurchase.
	settled(t, s, db)
	before.same(t, census(t, db), "*.outbox", "*.event", "*.head", "*.cursor", "*.sequencer", "customer.visitor", "customer.origin", "customer.person",
		"referral.share", "referral.link", "referral.log", "referral.friend_offer", "analytics.daily") // a share is counted
	t.Logf("%d operations, %d cells, %d open to public keys", len(ops), cells, open)
}
