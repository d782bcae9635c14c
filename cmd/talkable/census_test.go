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
	query := leftQuery()
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

// hearings is how many cursors there are once every consumer has begun. Wiring a platform to count them is dear, so it is done once.
var hearings = sync.OnceValues(func() (n int, err error) {
	p := &platform{dbs: &databases{}, tables: map[string]*bus.Table{}, registry: prometheus.NewRegistry(), log: zerolog.Nop()}
	if err := p.wire(&config{}, clock.System, "smtp://localhost", "", func(*gateway.Gateway) ([]byte, error) { return nil, nil }); err != nil {
		return 0, err
	}
	for _, c := range p.consumers {
		n += len(c.Sources())
	}
	return n, nil
})

// leftQuery says what is left to do, and where the logs end, at one moment: what was told and isn't heard, what is queued, what the timers will do
// within a minute, and transactions under way.
func leftQuery() string {
	rows, heads, cursors := []string{}, []string{}, []string{}
	row := func(what, count string) { rows = append(rows, `select '`+what+`' as what, (`+count+`) as n`) }
	for _, m := range migrations.Modules {
		row(m+" has not told", `select count(*) from `+m+`.outbox`)
		heads = append(heads, `select '`+m+`' as source, seq from `+m+`.head`)
		cursors = append(cursors, `select name, source, seq from `+m+`.cursor`)
	}
	row("not heard", `select coalesce(sum(h.seq - c.seq), 0) from cursor c join head h using (source)`)
	row("consumers not begun", `select greatest($1 - count(*), 0) from cursor`)
	row("messages", `select count(*) from notify.message where lease_until is not null or status = 'queued' and next_at < now() + interval '1 minute'`)
	row("webhooks", `select count(*) from notify.delivery where state = 'sending' or state = 'waiting' and next_at < now() + interval '1 minute'`)
	row("batches", `select count(*) from gateway.job where state = 'waiting'`)
	row("referrals due", `select count(*) from referral.referral where status = 'pending' and approve_at < now() + interval '1 minute'`)
	row("flagged to resolve", `select count(*) from (select distinct on (site_id) site_id, policy -> 'flagged' ->> 'after_days' as days from referral.fraud_policy where campaign_id = 0
		order by site_id, version desc) u join referral.referral r using (site_id) where r.status = 'flagged' and r.updated_at < now() + interval '1 minute' - make_interval(days => u.days::int)`)
	row("decisions", `select count(*) from referral.hook_ask where state = 'waiting' and next_at < now() + interval '1 minute'`)
	row("commissions to release", `select count(*) from referral.commission where held and hold_until < now() + interval '1 minute'`)
	row("commissions to convert", `select count(*) from referral.commission c join referral.exchange_rate x on x.site_id = c.site_id and x.source = c.order_currency
		and x.target = c.currency and x.day = (c.occurred_at at time zone 'UTC')::date where c.status = 'waiting'`)
	row("payouts to hand over", `select count(*) from referral.payout_batch where status = 'approved' and next_at < now() + interval '1 minute'`)
	row("lists to serve", `select count(*) from referral.coupon_list l where kind = 'single-use' and (expires_at is null or expires_at > now())
		and exists (select from referral.coupon_wait w where w.site_id = l.site_id and w.list_id = l.id)
		and exists (select from referral.coupon c where c.site_id = l.site_id and c.list_id = l.id and c.single_use and c.issued_at is null)`)
	row("friends to remind", `select count(*) from referral.share h cross join referral.reminded m where h.reminder
		and (h.shared_at, h.site_id, h.id) > (m.shared_at, m.site_id, m.share_id) and h.shared_at < now() + interval '1 minute' - interval '72 hours'`)
	row("test data", `select count(*) from referral.test_drop where state = 'running' and next_at < now() + interval '1 minute'`)
	row("gift cards", `select count(*) from referral.giftcard where lease_until is not null`)
	row("members of older tiers", `select count(*) from loyalty.member m join loyalty.program p using (site_id) where m.tiers_version < p.tiers_version`)
	row("tiers that time changes", `select count(*) from loyalty.member where tier_due_at < now() + interval '1 minute'`)
	row("points that expire", `select count(*) from loyalty.lot where remaining > 0 and expires_at < now() + interval '1 minute'`)
	row("holds", `select count(*) from loyalty.hold where status = 'held' and until < now() + interval '1 minute'`)
	row("points to activate", `select count(*) from loyalty.lot where pending and remaining > 0 and activates_at < now() + interval '1 minute'`)
	row("members who lapse", `select count(*) from loyalty.member where lapses_at < now() + interval '1 minute'`)
	row("points to wake", `select (select count(*) from loyalty.lot where wake_at < now() + interval '1 minute') + (select count(*) from loyalty.member where wake_at < now() + interval '1 minute')`)
	row("expiry to reverse", `select count(*) from loyalty.expiry_reversal where done_at is null`)
	row("scheduled programmes", `select count(*) from loyalty.program where next_at < now() + interval '1 minute'`)
	row("rules to be asked", `select count(*) from loyalty.rule_due`)
	row("changed reminders", `select count(*) from loyalty.program where rewake_after is not null`)
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
