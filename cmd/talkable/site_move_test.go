package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/loyalty"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/migrations"
)

// emptyPlatform is a migrated database that nobody has served yet.
func emptyPlatform(t *testing.T) (environ []string, l layout, db *sqlx.DB) {
	t.Helper()
	l = oneDatabase(t)
	return l.environ(t.TempDir()), l, open(t, l["TALKABLE_DATABASE_URL"])
}

// TestSiteMoves takes a site with everything that the API can make from one installation to another: each table is the same, each answer is the
// same to the same key, and what happens from then on ends as it would have at home.
func TestSiteMoves(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	mover := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "mover")})
	ops := operationsOf(t, s.demo.Server)
	w := play(t, mover, ops)
	home := open(t, l["TALKABLE_DATABASE_URL"])
	settled(t, s, home)
	moment := clock.System()
	file := filepath.Join(t.TempDir(), "mover.zip")
	if _, err := talkable(t, s.environ, "site", "export", "mover", "--out", file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	environ, there, db := emptyPlatform(t)
	out, err := talkable(t, environ, "site", "import", file)
	if err != nil || !strings.Contains(out, "site mover (2) is here") {
		t.Fatalf("%s, %v", out, err)
	}
	censusOf(t, home, "mover").same(t, censusOf(t, db, "mover"), "notify.endpoint") // secrets are sealed with another key
	out, err = talkable(t, environ, "ledger", "verify", "--site", "mover")
	if err != nil || !strings.Contains(out, "all is as it should be") {
		t.Errorf("%s, %v", out, err)
	}
	if at, err := talkable(t, s.environ, "ledger", "verify", "--site", "mover"); err != nil || hashOf(at) != hashOf(out) {
		t.Errorf("the chains differ: %s, %s, %v", at, out, err)
	}

	for m, db := range emptyDatabasePerModule(t, file) { // and where each module has a database of its own
		var tables []string
		if err := db.Select(&tables, `select table_schema || '.' || table_name from information_schema.columns where table_schema = $1 and column_name = 'site_id' and ordinal_position = 1
			and not exists (select from pg_class c where c.oid = (table_schema || '.' || table_name)::regclass and (c.relispartition or c.relkind not in ('r', 'p')))`, m); err != nil {
			t.Fatal(err)
		}
		tally(t, home, tables, `where site_id = 2`).same(t, tally(t, db, tables, `where site_id = 2`), "notify.endpoint")
	}

	sealed(t, home)
	sealed(t, db)
	away := startServer(t, there)
	moved := newShop(t, demoFile{Server: away.demo.Server, APIKey: mover.key})
	n := sameAnswers(t, mover, moved, ops, w, moment)
	for _, order := range []string{"1001", "1002"} { // bought before
		for _, shop := range []shop{mover, moved} {
			if a := ask(t, shop, "POST", "/api/v2/origins/"+order+"/refund", `{"data":{"refund_subtotal":"3.00"}}`); a.status != http.StatusOK {
				t.Fatalf("refund of %s: %d %s", order, a.status, a.body)
			}
		}
		settled(t, s, home)
		settled(t, away, db)
	}
	sealed(t, home)
	sealed(t, db)
	sameAnswers(t, mover, moved, ops, w, moment)
	t.Logf("%d operations answer the same", n)
}

// sealed seals all ledgers now, rather than within minutes. What others of the same PostgreSQL are still writing holds it up.
func sealed(t *testing.T, db *sqlx.DB) {
	t.Helper()
	m := loyalty.New(loyalty.Deps{DB: db, Now: clock.System})
	if !within(longest, func() (done bool) {
		if _, err := m.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := db.Get(&done, `select not exists (select from loyalty.txn t left join loyalty.chain c using (site_id) where t.id > coalesce(c.txn_id, 0))`); err != nil {
			t.Fatal(err)
		}
		return done
	}) {
		t.Fatal("the ledger is not sealed")
	}
}

// emptyDatabasePerModule imports a file where each module has a database of its own.
func emptyDatabasePerModule(t *testing.T, file string) map[string]*sqlx.DB {
	t.Helper()
	l, dbs := layout{}, map[string]*sqlx.DB{}
	for _, m := range migrations.Modules {
		url := pgtest.Sturdy(t, "only "+m, func(ctx context.Context, url string) error {
			_, err := migrations.Schema(m).Migrate(ctx, url)
			return err
		})
		l["TALKABLE_"+strings.ToUpper(m)+"_DATABASE_URL"], dbs[m] = url, open(t, url)
	}
	l["TALKABLE_DATABASE_URL"] = l["TALKABLE_GATEWAY_DATABASE_URL"]
	environ := l.environ(t.TempDir())
	for _, args := range [][]string{{"import", file}, {"export", "mover", "--out", filepath.Join(t.TempDir(), "again.zip")}} {
		if out, err := talkable(t, environ, append([]string{"site"}, args...)...); err != nil {
			t.Fatalf("%v: %s, %v", args, out, err)
		}
	}
	if out, err := talkable(t, environ, "site", "import", file); err == nil || !strings.Contains(err.Error(), "number 2 already") {
		t.Errorf("a site that is there: %s, %v", out, err)
	}
	return dbs
}

// TestTablesOfNoSite: what isn't exported with a site is named here, with the reason. A table of a new kind is a decision.
func TestTablesOfNoSite(t *testing.T) {
	t.Parallel()
	ours := map[string]string{
		"gateway.setting":         "secrets of the installation",
		"gateway.test_clock":      "the platform's clock",
		"loyalty.horizon":         "how far ids of all sites are decided",
		"referral.referral_graph": "constants",
		"referral.reminded":       "how far a timer came over all sites; the import moves it on",
	}
	bus := []string{"outbox", "log", "head", "cursor", "park", "goose_db_version"} // of the installation, see package archive
	_, _, db := emptyPlatform(t)
	for _, m := range migrations.Modules {
		var names []string
		if err := db.Select(&names, `
			select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
				and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum = 1 and a.attname = 'site_id' and a.atttypid = 'bigint'::regtype)`, m); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if ours[m+"."+name] == "" && !slices.Contains(bus, name) {
				t.Errorf("%s.%s has no site: it is not exported with one", m, name)
			}
		}
	}
}

var hashLine = regexp.MustCompile(`hash [0-9a-f]{64}`)

func hashOf(report string) string { return hashLine.FindString(report) }

// sameAnswers asks two installations all that can be asked, and says how many questions there were. Where pages end is signed by each, addresses are
// each's own, and what happened after a moment happened at another in each, which the hash of a ledger tells.
func sameAnswers(t *testing.T, a, b shop, ops []operation, w world, moment time.Time) (n int) {
	t.Helper()
	answer := func(s shop, op operation, one sample) string {
		local := world{}
		for name, value := range w {
			local[name] = strings.ReplaceAll(value, a.server, s.server)
		}
		text := ask(t, s, http.MethodGet, one.target(op, local), "", one.headers()...).told()
		text = strings.NewReplacer(a.server, "SERVER", b.server, "SERVER").Replace(cursorShown.ReplaceAllString(text, `"next_cursor":"…"`))
		text = hashShown.ReplaceAllString(text, `"hash":"…"`)
		text = timeShown.ReplaceAllStringFunc(text, func(at string) string {
			if when, err := time.Parse(time.RFC3339, at); err == nil && when.After(moment) {
				return "LATER"
			}
			return at
		})
		return strings.ReplaceAll(text, `"low_at":"LATER"`, `"low_at":null`) // stocks are looked at now and then, by each at another moment
	}
	for _, op := range ops {
		one, _ := sampleOf(op.id)
		if op.method != http.MethodGet {
			continue
		}
		n++
		var here, there string
		if !within(longest/20, func() bool {
			here, there = answer(a, op, one), answer(b, op, one)
			return here == there
		}) {
			t.Errorf("%s here:\n%s\nthere:\n%s", op.id, here, there)
		}
	}
	return n
}

var (
	hashShown   = regexp.MustCompile(`"hash":"[0-9a-f]{64}"`)
	cursorShown = regexp.MustCompile(`"next_cursor":"[^"]+"`)
	timeShown   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
)
