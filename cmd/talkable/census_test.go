package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/migrations"
)

// rowsOf is how many rows each table has, and what is in them.
type rowsOf map[string]string

// census counts every table of the modules, but for what the look at the coupons' stock leaves: see contents.
func census(t testing.TB, db *sqlx.DB) rowsOf {
	t.Helper()
	var tables []string
	for _, m := range migrations.Modules {
		var some []string
		if err := db.Select(&some, `select quote_ident(nspname) || '.' || quote_ident(relname) from pg_catalog.pg_class c
			join pg_catalog.pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relkind in ('r', 'p') and not relispartition`, m); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, some...)
	}
	if len(tables) < 40 {
		t.Fatalf("only %d tables", len(tables))
	}
	return tally(t, db, tables, "")
}

// tally counts and sums up tables, all in one question.
func tally(t testing.TB, db *sqlx.DB, tables []string, where string, args ...any) rowsOf {
	t.Helper()
	var each []string
	for _, name := range tables {
		row, from := contents(name)
		each = append(each, `select `+pq.QuoteLiteral(name)+` as name, count(*) || ' rows, ' || coalesce(sum(hashtextextended(`+row+`, 0)::numeric), 0) as rows from `+from+` x `+where)
	}
	var got []struct{ Name, Rows string }
	if err := db.Select(&got, strings.Join(each, " union all "), args...); err != nil {
		t.Fatal(err)
	}
	out := rowsOf{}
	for _, g := range got {
		out[g.Name] = g.Rows
	}
	return out
}

// stockEvent is what a look at the stock of coupons tells.
const stockEvent = `'referral.coupons_low.v1'`

// contents is what is compared of a table, and where it comes from. Once a minute the stock of coupons is looked at, which nobody asked for:
// it notes the day (coupon_day) and which lists are low (low_at), and tells of those. This is left out, and the places in
// the log that tells of it count the other events only. What the ledger's sealer makes of transactions, which stand in tables of their own, comes when it comes.
func contents(table string) (row, from string) {
	schema, name, _ := strings.Cut(table, ".")
	switch {
	case table == "referral.coupon_day":
		return `x::text`, `(select null::bigint as site_id where false)`
	case slices.Contains([]string{"loyalty.horizon", "loyalty.chain", "loyalty.anchor", "loyalty.checkpoint", "loyalty.milestone", "loyalty.turnover"}, table): // the sealer follows when it can
		return `x::text`, `(select null::bigint as site_id where false)`
	case table == "referral.coupon_list":
		return `(to_jsonb(x) - 'low_at')::text`, table
	case table == "referral.outbox", table == "referral.log":
		view := map[string]string{"outbox": "waiting", "log": "event"}[name]
		return `x::text`, `(select site, at, key, type, payload from referral.` + view + ` where type <> ` + stockEvent + `)`
	case table == "referral.head":
		return `x::text`, `(select epoch, (select count(*) from referral.event e where e.seq <= h.seq and e.type <> ` + stockEvent + `) from referral.head h)`
	case name == "cursor":
		return `x::text`, `(select name, source, epoch, parked, case when source = 'referral' then
			(select count(*) from referral.event e where e.seq <= c.seq and e.type <> ` + stockEvent + `) else seq end from ` + schema + `.cursor c)`
	}
	return `x::text`, table
}

// same reports the tables that differ, but for those named: "schema.table", or "*.table" in every schema.
func (r rowsOf) same(t testing.TB, now rowsOf, but ...string) {
	t.Helper()
	ignored := map[string]bool{}
	for _, name := range but {
		ignored[name] = true
	}
	for name, was := range r {
		_, table, _ := strings.Cut(name, ".")
		if now[name] != was && !ignored[name] && !ignored["*."+table] {
			t.Errorf("%s changed: %s, now %s", name, was, now[name])
		}
	}
}

// settled waits until a server, whose modules share one database, has nothing left to do: twice in a row nothing is left, and the logs end
// where they ended. All work stands in the database, so that nothing happens from then on unless it is asked for, but for the look
// at the stock of coupons.
func settled(t testing.TB, _ *served, db *sqlx.DB) {
	t.Helper()
	var left, ends, before string
	n, err := hearings()
	if err != nil {
		t.Fatal(err)
	}
	query := leftQuery(t)
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if err := db.QueryRow(query, n).Scan(&left, &ends); err != nil {
			t.Fatal(err)
		}
		if left != "" {
			ends = ""
		}
		if ends != "" && ends == before {
			return
		}
		before = ends
	}
	t.Fatalf("the server does not come to rest: %s", left)
}

// wired is a platform on nothing, for what it is made of. Wiring is dear, so it is done once.
var wired = sync.OnceValues(func() (*platform, error) {
	p := &platform{dbs: &databases{}, tables: map[string]*bus.Table{}, registry: prometheus.NewRegistry(), log: zerolog.Nop()}
	return p, p.wire(&config{}, clock.System, "smtp://localhost", "", func(*gateway.Gateway) ([]byte, error) { return nil, nil })
})

// hearings is how many cursors there are once every consumer has begun.
func hearings() (n int, err error) {
	p, err := wired()
	if err != nil {
		return 0, err
	}
	for _, c := range p.consumers {
		n += len(c.Sources())
	}
	return n, nil
}

// leftQuery says what is left to do, and where the logs end, at one moment: what was told and isn't heard, what is queued, what the timers will do
// within a minute (each module's agenda says it), and transactions under way.
func leftQuery(t testing.TB) string {
	p, err := wired()
	if err != nil {
		t.Fatal(err)
	}
	rows, heads, cursors := []string{}, []string{}, []string{}
	row := func(what, count string) { rows = append(rows, `select '`+what+`' as what, (`+count+`) as n`) }
	for _, m := range migrations.Modules {
		row(m+" has not told", `select count(*) from `+m+`.outbox`)
		heads = append(heads, `select '`+m+`' as source, seq from `+m+`.head`)
		cursors = append(cursors, `select name, source, seq from `+m+`.cursor`)
	}
	row("not heard", `select coalesce(sum(h.seq - c.seq), 0) from cursor c join head h using (source)`)
	row("consumers not begun", `select greatest($1 - count(*), 0) from cursor`)
	for _, m := range p.timed {
		for _, item := range m.Agenda() {
			row(item.What, item.Left(`now() + interval '1 minute'`))
		}
	}
	row("payouts to hand over", `select count(*) from referral.payout_batch where status = 'approved' and next_at < now() + interval '1 minute'`) // here is no provider
	row("batches that somebody is at", `select count(*) from gateway.job where state = 'waiting' and leased_until is not null`)
	row("gift cards", `select count(*) from referral.giftcard where lease_until is not null`)
	row("transactions", `select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and backend_xid is not null and pid <> pg_backend_pid()`)
	return `with head as (` + strings.Join(heads, " union all ") + `), cursor as (` + strings.Join(cursors, " union all ") + `),
		todo as (` + strings.Join(rows, " union all ") + `)
		select coalesce((select string_agg(what || ': ' || n, ', ') from todo where n <> 0), ''), (select string_agg(source || ' ' || seq, ', ' order by source) from head)`
}

// stopsAfter has whoever writes origins wait once there are some with such a number, until it is let go on: however quick the import, it is
// cut off in the midst of it.
func stopsAfter(t *testing.T, db *sqlx.DB, like string) (goOn func()) {
	t.Helper()
	if _, err := db.Exec(`create function customer.gate() returns trigger language plpgsql as $$ begin
			if exists (select from customer.origin where number like '` + like + `') then
				perform pg_advisory_xact_lock(1);
			end if;
			return null;
		end $$;
		create trigger gate before insert on customer.origin for each statement execute function customer.gate()`); err != nil {
		t.Fatal(err)
	}
	held, err := db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(`select pg_advisory_xact_lock(1)`); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`drop trigger gate on customer.origin; drop function customer.gate()`); err != nil {
			t.Fatal(err)
		}
	}
}
