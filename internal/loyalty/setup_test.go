package loyalty

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a module on a database of its own; admin sees everything.
type world struct {
	*Module
	t     testing.TB
	admin *sqlx.DB
	clock *clock.Movable
}

func setup(t testing.TB) *world {
	t.Helper()
	url := pgtest.Database(t, "loyalty", func(ctx context.Context, url string) error {
		_, err := migrations.Schema("loyalty").Migrate(ctx, url)
		return err
	})
	return setupOn(t, url)
}

// setupOn is a module on a migrated database.
func setupOn(t testing.TB, url string) *world {
	t.Helper()
	open := func(role string) *sqlx.DB {
		db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	now := clock.NewMovable(noon)
	db := open("talkable_loyalty")
	w := &world{t: t, admin: open(""), clock: now, Module: New(Deps{DB: db, Outbox: bus.NewOutbox("loyalty", db, now.Now, nil),
		Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: now.Now, Cursors: web.NewCursors([]byte("secret")), LedgerKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))})}
	t.Cleanup(w.assertLedger)
	return w
}

func shop(id int64) site.Site {
	return site.Site{ID: id, Slug: "demo", Currency: "USD", Zone: time.UTC, URL: "https://shop.example"}
}

// club is a programme for the tests: 10 points a dollar, a year, two tiers.
func club() settings {
	return settings{Name: "Club", Status: active, PointsPerUnit: 10, PointsPerReferral: 50, ExpiresAfterDays: days(365), AdjustmentLimit: 1_000_000,
		Tiers: []tier{{Name: "Silver", Threshold: 1000}, {Name: "Gold", Threshold: 5000}}}
}

func (w *world) start(siteID int64, s settings) programView {
	w.t.Helper()
	p, _, err := w.create(context.WithoutCancel(w.t.Context()), shop(siteID), s, 0, idempotency.Key{})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// hear gives one batch to a handler, as the consumer would.
func hear[T bus.Payload](w *world, h bus.Handler[T], siteID int64, bodies ...T) {
	w.t.Helper()
	if err := tryHear(w, h, siteID, bodies...); err != nil {
		w.t.Fatal(err)
	}
}

func tryHear[T bus.Payload](w *world, h bus.Handler[T], siteID int64, bodies ...T) error {
	batch := make([]bus.Event[T], len(bodies))
	for i, b := range bodies {
		batch[i] = bus.Event[T]{Seq: int64(i + 1), Site: siteID, Key: "k", At: w.clock.Now(), Body: b}
	}
	ctx := w.t.Context()
	return w.outbox.InTx(ctx, func(u *bus.Unit) error { return h(ctx, u, batch) })
}

func (w *world) bought(siteID, personID, originID, subtotal int64) customerevent.OriginRecorded {
	return customerevent.OriginRecorded{SiteID: siteID, OriginID: originID, Type: customerevent.Purchase, PersonID: personID,
		Subtotal: subtotal, Currency: "USD", Verified: true, OccurredAt: w.clock.Now(), RecordedAt: w.clock.Now()}
}

func (w *world) refund(siteID, originID, refundID, total, subtotal int64) customerevent.OriginRefunded {
	return customerevent.OriginRefunded{SiteID: siteID, OriginID: originID, RefundID: refundID, Subtotal: subtotal, Currency: "USD",
		RefundedTotal: total, Full: total >= subtotal, RefundedAt: w.clock.Now()}
}

func (w *world) rewarded(siteID, personID, rewardID, points int64) referralevent.RewardIssued {
	return referralevent.RewardIssued{SiteID: siteID, RewardID: rewardID, ReferralID: rewardID, PersonID: personID, FriendID: 99,
		Kind: referralevent.Points, Points: points, OccurredAt: w.clock.Now(), IssuedAt: w.clock.Now()}
}

func (w *world) balance(siteID, personID int64) int64 {
	w.t.Helper()
	m, err := w.Member(w.t.Context(), siteID, personID)
	if err != nil {
		w.t.Fatal(err)
	}
	return m.Balance
}

// told counts the events in the outbox by type.
func (w *world) told(siteID int64) map[string]int {
	w.t.Helper()
	var rows []struct {
		Type string `db:"type"`
		N    int    `db:"n"`
	}
	if err := w.admin.Select(&rows, `select type, count(*) as n from loyalty.waiting where site = $1 group by type`, siteID); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range rows {
		out[r.Type] = r.N
	}
	return out
}

// dump is everything that the module holds, to see that something changed nothing.
func (w *world) dump() string {
	w.t.Helper()
	var out string
	err := w.admin.Get(&out, `select coalesce(string_agg(x, e'\n' order by x), '') from (
		select 'account ' || a::text as x from loyalty.account a union all select 'member ' || a::text from loyalty.member a
		union all select 'change ' || a::text from loyalty.member_change a
		union all select 'txn ' || a::text from loyalty.txn a union all select 'entry ' || a::text from loyalty.entry a
		union all select 'lot ' || a::text from loyalty.lot a union all select 'use ' || a::text from loyalty.allocation a
		union all select 'refusal ' || a::text from loyalty.refusal a union all select 'tier ' || a::text from loyalty.tier_change a
		union all select 'batch ' || a::text from loyalty.redemption_batch a union all select 'redemption ' || a::text from loyalty.redemption a
		union all select 'date ' || a::text from loyalty.member_date a union all select 'lot date ' || a::text from loyalty.lot_date a union all select 'hold ' || a::text from loyalty.hold a union all select 'collection ' || a::text from loyalty.collection a
		union all select 'tally ' || a::text from loyalty.rule_tally a union all select 'budget ' || a::text from loyalty.rule_budget a union all select 'due ' || a::text from loyalty.rule_due a
		union all select 'go ahead ' || a::text from loyalty.go_ahead a
		union all select 'merit ' || a::text from loyalty.merit a union all select 'merit day ' || a::text from loyalty.merit_day a
		union all select 'part ' || a::text from loyalty.achievement_part a union all select 'span ' || a::text from loyalty.achievement_span a union all select 'streak ' || a::text from loyalty.achievement_streak a
		union all select 'reached ' || a::text from loyalty.achievement_reached a union all select 'lost ' || a::text from loyalty.achievement_lost a
		union all select 'count ' || a::text from loyalty.redemption_count a
		union all select 'pool ' || a::text from loyalty.pool a union all select 'pool member ' || a::text from loyalty.pool_member a
		union all select 'told ' || a::text from loyalty.waiting a) s`)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// givenByRules is what each rule gave in each earning, by its trace.
const givenByRules = `
	select t.site_id, t.member_id, s ->> 'rule' as rule, coalesce((s ->> 'points')::numeric, 0) as n, coalesce((s ->> 'budget')::boolean, false) as budget, s -> 'since' as since,
		l.granted::numeric as granted, l.clawed
	from loyalty.txn t join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
	cross join lateral jsonb_array_elements(case when t.kind = 'earn' and t.rule like '{"rule":"rules"%' then t.rule::jsonb -> 'trace' -> 'rules' end) s
	where s ->> 'result' in ('gave', 'multiplied')`

// invariants of the ledger: each query returns what breaks it.
var invariants = map[string]string{
	"INV-01 entries of a transaction sum to zero": `
		select txn_id from loyalty.entry group by site_id, txn_id, asset having sum(amount) <> 0`,
	"INV-02 accounts of a site sum to zero": `
		select site_id from loyalty.account group by site_id, asset having sum(balance) <> 0`,
	"INV-03 balance and seq are those of the entries": `
		select a.id from loyalty.account a left join loyalty.entry e on e.site_id = a.site_id and e.account_id = a.id
		group by a.site_id, a.id, a.balance, a.seq having a.balance <> coalesce(sum(e.amount), 0) or a.seq <> count(e.txn_id)`,
	"INV-04 the chain of entries is unbroken": `
		select seq from (select *, lag(seq, 1, 0::bigint) over w as ps, lag(balance_after, 1, 0::bigint) over w as pb
			from loyalty.entry window w as (partition by site_id, account_id order by seq)) x
		where seq <> ps + 1 or balance_after <> pb + amount`,
	"an account's entries rise with their transactions": `
		select seq from (select *, lag(txn_id, 1, 0::bigint) over (partition by site_id, account_id order by seq) as before from loyalty.entry) x where txn_id < before`,
	"INV-06 a balance, or 0 in debt, is what the lots have left": `
		select a.id from loyalty.account a left join loyalty.lot l on l.site_id = a.site_id and l.account_id = a.id
		where a.owner_id is not null group by a.site_id, a.id, a.balance having greatest(a.balance, 0) <> coalesce(sum(l.remaining), 0)`,
	"INV-07 a lot is what was granted less its uses": `
		select l.id from loyalty.lot l left join (select site_id, lot_id, sum(amount) u from loyalty.allocation group by 1, 2) x
			on x.site_id = l.site_id and x.lot_id = l.id
		where l.remaining < 0 or l.remaining > l.granted or l.granted - l.remaining <> coalesce(x.u, 0)`,
	"INV-05, INV-09 only claw-backs make debts": `
		select e.seq from loyalty.entry e join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
		where a.owner_id is not null and e.balance_after < 0 and e.amount < 0 and t.kind not in ('claw_back', 'merge_in', 'merge_out')
			and not (t.kind = 'pool_out' and t.rule::jsonb ? 'back')`,
	"INV-10 a source has one transaction of a kind": `
		select count(*) from loyalty.txn group by site_id, kind, source having count(*) > 1`,
	"INV-12 history cannot be rewritten": `
		select 1 from unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p, unnest(array['loyalty.entry', 'loyalty.txn', 'loyalty.allocation', 'loyalty.lot_date', 'loyalty.anchor', 'loyalty.checkpoint', 'loyalty.milestone', 'loyalty.point_value', 'loyalty.closing']) t
		where has_table_privilege('talkable_loyalty', t, p)`,
	"INV-13 amounts are bigint": `
		select 1 from information_schema.columns where table_schema = 'loyalty'
		and column_name ~ '^(amount|balance|balance_after|granted|remaining|clawed|expired|forgiven|waived|points|earned)$' and data_type <> 'bigint'`,
	"INV-22, INV-23 claw-backs and what is forgiven are what is not deserved": `
		select l.id from loyalty.lot l left join loyalty.txn t on t.site_id = l.site_id and t.earn_id = l.id and t.kind = 'claw_back'
		group by l.site_id, l.id, l.clawed, l.forgiven, l.waived having l.clawed - l.forgiven - l.waived <> coalesce(sum(t.points), 0)`,
	"a member's entries are its transaction's points: on one of its accounts, or from one to the other": `
		select t.id from loyalty.txn t
		left join loyalty.account a on a.site_id = t.site_id and a.owner_id = t.member_id and a.asset = coalesce(t.wallet, 'points')
		left join loyalty.entry e on e.site_id = t.site_id and e.txn_id = t.id and e.account_id = a.id
		left join loyalty.account b on b.site_id = t.site_id and b.pending_of = t.member_id and b.asset = coalesce(t.wallet, 'points')
		left join loyalty.entry w on w.site_id = t.site_id and w.txn_id = t.id and w.account_id = b.id
		where coalesce(e.amount, 0) + coalesce(w.amount, 0) <> t.points * case
				when t.kind in ('earn', 'adjust', 'cancel', 'release', 'restore', 'reinstate', 'transfer_in', 'merge_in', 'pool_in') then 1 when t.kind in ('commit', 'activate') then 0 else -1 end
			or t.kind = 'activate' and e.amount is distinct from t.points or t.kind <> 'activate' and e.amount <> 0 and w.amount <> 0
			or t.kind not in ('earn', 'claw_back', 'activate', 'merge_in', 'merge_out') and w.amount <> 0`,
	"what was reinstated of a lot has its transactions, each of an expiry and of no more points": `
		select l.id from loyalty.lot l left join (
			select x.site_id, x.earn_id, sum(x.points) as expired, coalesce(sum(r.points), 0) as back, bool_or(r.points > x.points) as more from loyalty.txn x
			left join loyalty.txn r on r.site_id = x.site_id and r.kind = 'reinstate' and r.earn_id = x.id where x.kind = 'expire' group by 1, 2) t on t.site_id = l.site_id and t.earn_id = l.id
		where l.expired <> coalesce(t.expired, 0) or l.reinstated <> coalesce(t.back, 0) or t.more
		union all select r.id from loyalty.txn r left join loyalty.txn x on x.site_id = r.site_id and x.id = r.earn_id and x.kind = 'expire' where r.kind = 'reinstate' and x.id is null`,
	"every entry has its transaction, every transaction two entries": `
		select e.txn_id from loyalty.entry e left join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		group by e.site_id, e.txn_id, t.id having t.id is null or count(*) <> 2`,
	"each earning has its lot": `
		select t.id from loyalty.txn t full join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
		where (t.kind in ('earn', 'transfer_in') or t.kind = 'adjust' and t.points > 0 or t.id is null) and l.granted is distinct from t.points`,
	"INV-09 no lot is spent after its date": `
		select a.lot_id from loyalty.allocation a join loyalty.lot l on l.site_id = a.site_id and l.id = a.lot_id
		join loyalty.txn t on t.site_id = a.site_id and t.id = a.txn_id
		where (t.kind in ('redeem', 'hold', 'transfer_out') or t.kind = 'adjust' and t.points < 0) and t.recorded_at >= l.expires_at`,
	"what is spent is allocated, and nothing else": `
		select t.id from loyalty.txn t left join loyalty.allocation a on a.site_id = t.site_id and a.txn_id = t.id
		group by t.site_id, t.id having (t.kind in ('redeem', 'expire', 'hold', 'transfer_out', 'pool_out') or t.kind = 'adjust' and t.points < 0) and abs(t.points) <> coalesce(sum(a.amount), 0)
			or t.kind = 'claw_back' and t.points < coalesce(sum(a.amount), 0)`,
	"a lot has the date of its last change, and each change begins where the one before it ended": `
		select l.id from loyalty.lot l join (
			select *, lag(ends) over w as before, lag(true, 1, false) over w as follows, lead(true, 1, false) over w as followed
			from loyalty.lot_date window w as (partition by site_id, lot_id order by id)) d on d.site_id = l.site_id and d.lot_id = l.id
		where d.follows and d.was is distinct from d.before or not d.followed and d.ends is distinct from l.expires_at`,
	"pending lots, and they only, are on the account of pending points, and are all that it has": `
		select a.id from loyalty.account a left join loyalty.lot l on l.site_id = a.site_id and l.account_id = a.id
		where a.owner_id is not null and l.pending or a.pending_of is not null and l.pending is null and l.id is not null
		union all
		select a.id from loyalty.account a left join loyalty.lot l on l.site_id = a.site_id and l.account_id = a.id
		where a.pending_of is not null group by a.site_id, a.id, a.balance having a.balance <> coalesce(sum(l.remaining), 0)`,
	"points are activated once, and none that are pending were": `
		select t.id from loyalty.txn t left join loyalty.lot l on l.site_id = t.site_id and l.id = t.earn_id
		where t.kind = 'activate' and (l.id is null or l.pending or t.points > l.granted)
		union all select min(t.id) from loyalty.txn t where t.kind = 'activate' group by t.site_id, t.earn_id having count(*) > 1`,
	"what one member gave another got, and nothing is left between them": `
		select coalesce(o.id, i.id) from (select * from loyalty.txn where kind = 'transfer_out') o
		full join (select site_id, earn_id as id, sum(points) as points from loyalty.txn where kind = 'transfer_in' group by 1, 2) i
			on i.site_id = o.site_id and i.id = o.id where i.points is distinct from o.points
		union all select id from loyalty.account where name = 'transferred' and balance <> 0
		union all select i.id from loyalty.txn i join loyalty.txn o on o.site_id = i.site_id and o.id = i.earn_id and i.kind = 'transfer_in'
			join loyalty.lot n on n.site_id = i.site_id and n.id = i.id
			where i.member_id = o.member_id or not exists (select from loyalty.allocation a join loyalty.lot l on l.site_id = a.site_id and l.id = a.lot_id
				where a.site_id = o.site_id and a.txn_id = o.id and a.amount = i.points and a.lot_id = (i.rule::jsonb ->> 'from_lot')::bigint)`,
	"what left by a merge came to the other, and nothing is left between them": `
		select coalesce(o.id, i.id) from (select * from loyalty.txn where kind = 'merge_out') o full join (select * from loyalty.txn where kind = 'merge_in') i
			on i.site_id = o.site_id and i.earn_id = o.id
		where i.points is distinct from o.points or i.member_id = o.member_id or i.source <> o.source`,
	"what one of a pool pays comes to who spends, as a lot that is empty then; what comes back is in lots, or repays a debt": `
		select coalesce(o.id, i.id) from (select * from loyalty.txn where kind = 'pool_out') o full join (select * from loyalty.txn where kind = 'pool_in') i
			on i.site_id = o.site_id and i.earn_id = o.id
		left join loyalty.txn s on s.site_id = o.site_id and s.id = o.earn_id left join loyalty.lot l on l.site_id = i.site_id and l.id = i.id
		left join lateral (select sum(amount) as amount from loyalty.allocation a where a.site_id = i.site_id and a.txn_id = i.id) b on true
		where i.points is distinct from o.points or i.source <> o.source or s.id is null or not case when o.rule::jsonb ? 'back'
			then s.kind in ('cancel', 'release', 'restore') and coalesce(l.granted, 0) - coalesce(b.amount, 0) + coalesce((i.rule::jsonb ->> 'repaid_debt')::bigint, 0) = i.points
			else s.kind in ('redeem', 'hold') and l.granted = i.points and l.remaining = 0 and s.member_id = i.member_id and o.member_id <> i.member_id end
		union all select r.id from (select site_id, id, pooled from loyalty.redemption union all select site_id, id, pooled from loyalty.hold) r
			where r.pooled is distinct from (select true from loyalty.txn o where o.site_id = r.site_id and o.earn_id = r.id and o.kind = 'pool_out' limit 1)`,
	"an open pool has its owner in it, a closed one nobody; who was merged is in none": `
		select p.id from loyalty.pool p where (p.closed_at is null) <> exists (select from loyalty.pool_member x where x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null
			and (x.member_id = p.owner_id or p.closed_at is not null))
		union all select p.id from loyalty.pool p join loyalty.pool_member x on x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null where p.closed_at is not null
		union all select m.id from loyalty.member m join loyalty.pool_member x on x.site_id = m.site_id and x.member_id = m.id and x.left_at is null where m.merged_into is not null
		union all select pool_id from loyalty.pool_member where left_at is null group by site_id, pool_id having count(*) > 20`,
	"INV-11 a redemption is its transaction, a cancelled one has its opposite": `
		select coalesce(r.id, t.id) from loyalty.redemption r full join (select * from loyalty.txn where kind = 'redeem') t on t.site_id = r.site_id and t.id = r.id
		left join loyalty.txn c on c.site_id = r.site_id and c.kind = 'cancel' and c.earn_id = r.id
		where t.points is distinct from r.points or c.id is distinct from r.cancel_txn_id or c.points <> r.points`,
	"what the site keeps is what is held": `
		select a.id from loyalty.account a left join loyalty.hold k on k.site_id = a.site_id and k.status = 'held' and coalesce(k.wallet, 'points') = a.asset
		where a.owner_id is null and a.name = 'held' group by a.site_id, a.id having a.balance <> coalesce(sum(k.points), 0)`,
	"a count of redemptions is those that it counted and that live": `
		select c.batch_id from (
			select r.site_id, r.batch_id, case k ->> 'of' when 'all' then 0 else r.member_id end as member_id, k ->> 'per' as span, k ->> 'since' as since, count(*) as n
			from (
				select site_id, batch_id, member_id, terms -> 'counted' as counted from loyalty.redemption where status <> 'cancelled'
				union all
				select site_id, batch_id, member_id, counted from loyalty.hold where status in ('held', 'committed')) r
				cross join lateral jsonb_array_elements(r.counted) k
				group by 1, 2, 3, 4, 5) r
		full join loyalty.redemption_count c on c.site_id = r.site_id and c.batch_id = r.batch_id and c.member_id = r.member_id and c.span = r.span
			and to_char(c.since, 'YYYY-MM-DD') = r.since
		where coalesce(c.taken, 0) <> coalesce(r.n, 0) and not (c.taken is null and r.span = 'day')`,
	"a hold is its transaction, and has one end; what was restored of it has its transactions": `
		select coalesce(k.id, t.id) from loyalty.hold k full join (select * from loyalty.txn where kind = 'hold') t on t.site_id = k.site_id and t.id = k.id
		left join lateral (select count(*) filter (where kind in ('commit', 'release')) as n, coalesce(sum(points) filter (where kind = 'restore'), 0) as back
			from loyalty.txn e where e.site_id = t.site_id and e.earn_id = t.id and e.kind in ('commit', 'release', 'restore')) e on true
		where t.points is distinct from k.points or e.n <> (k.status <> 'held')::int or e.back <> k.restored`,
	"earned is granted less clawed back, but for what is pending, and what was given or taken by hand that counts": `
		select m.id from loyalty.member m left join (
			select t.site_id, coalesce(o.merged_into, o.id) as member_id, sum(case t.kind when 'earn' then l.granted - l.clawed else t.points end) as points
			from loyalty.txn t join loyalty.member o on o.site_id = t.site_id and o.id = t.member_id left join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			where t.kind = 'earn' and l.pending is null and l.tierless is null or t.kind = 'adjust' and (t.rule::jsonb ->> 'counts_for_tier')::boolean group by 1, 2) e
			on e.site_id = m.site_id and e.member_id = m.id
		where m.earned <> coalesce(e.points, 0)`,
	"the tier is where the last change led": `
		select m.id from loyalty.member m left join lateral (select to_tier from loyalty.tier_change c
			where c.site_id = m.site_id and c.member_id = m.id order by id desc limit 1) c on true
		where m.tier <> coalesce(c.to_tier, '')`,
	"a budget is what its rule gave, less what was taken back": `
		select b.rule from loyalty.rule_budget b left join lateral (
			select sum(n - div(n * clawed, granted)) as net from (` + givenByRules + `) g where g.site_id = b.site_id and g.rule = b.rule and g.budget) x on true
		where b.spent <> coalesce(x.net, 0)`,
	"a tally is what its rule gave the member then, less what was taken back": `
		select t.rule from loyalty.rule_tally t left join lateral (
			select sum(n - div(n * clawed, granted)) as points, count(*) filter (where clawed < granted) as times from (` + givenByRules + `) g
			where g.site_id = t.site_id and g.member_id = t.member_id and g.rule = t.rule and g.since ->> t.span = to_char(t.since, 'YYYY-MM-DD')) x on true
		where t.points <> coalesce(x.points, 0) or t.times <> x.times`,
	"the days that count are the sums of the things that do": `
		select 1 from (
			select site_id, coalesce(o.merged_into, o.id) as member_id, day, sum(greatest(amount - refunded, 0)) filter (where kind = 'order' and not gone) as spend,
				count(*) filter (where kind = 'order' and not gone) as orders, count(*) filter (where kind = 'referral' and not gone) as referrals,
				sum(amount) filter (where kind = 'custom') as custom
			from loyalty.merit join (select site_id, id as member_id, id, merged_into from loyalty.member) o using (site_id, member_id) group by 1, 2, 3) q
		full join loyalty.merit_day d using (site_id, member_id, day)
		where (coalesce(q.spend, 0), coalesce(q.orders, 0), coalesce(q.referrals, 0), coalesce(q.custom, 0))
			<> (coalesce(d.spend, 0), coalesce(d.orders, 0), coalesce(d.referrals, 0), coalesce(d.custom, 0))`,
	"whose merits are counted has earned what the days say": `
		select m.id from loyalty.member m left join loyalty.merit_day d on d.site_id = m.site_id and d.member_id = m.id
		where m.counted group by m.site_id, m.id having m.earned <> coalesce(sum(d.earned), 0)`,
	"each member has an account": `
		select m.id from loyalty.member m full join (select * from loyalty.account where owner_id is not null and asset = 'points') a
			on a.site_id = m.site_id and a.owner_id = m.id
		where m.id is null or a.id is null`,
	"entries, lots and allocations are of their transaction's wallet, and of their account's": `
		select t.id from loyalty.txn t join loyalty.entry e on e.site_id = t.site_id and e.txn_id = t.id join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
		where e.asset <> coalesce(t.wallet, 'points') or a.asset <> e.asset
		union all select t.id from loyalty.txn t join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id where a.asset <> coalesce(t.wallet, 'points')
		union all select t.id from loyalty.txn t join loyalty.allocation u on u.site_id = t.site_id and u.txn_id = t.id
			join loyalty.txn o on o.site_id = u.site_id and o.id = u.lot_id where o.wallet is distinct from t.wallet
		union all select t.id from loyalty.txn t join loyalty.txn o on o.site_id = t.site_id and o.id = t.earn_id where o.wallet is distinct from t.wallet
		union all select t.id from loyalty.txn t join loyalty.redemption r on r.site_id = t.site_id and r.id = t.id where r.wallet is distinct from t.wallet
		union all select t.id from loyalty.txn t join loyalty.hold k on k.site_id = t.site_id and k.id = t.id where k.wallet is distinct from t.wallet`,
	"a wallet that the ledger knows is one of the programme's": `
		select a.id from loyalty.account a join loyalty.program p on p.site_id = a.site_id
		where a.asset <> 'points' and a.seq > 0 and not coalesce(p.policy -> 'wallets', '[]') @> jsonb_build_array(jsonb_build_object('key', a.asset))`,
	"INV-52 keys contain the site": `
		select 1 from pg_constraint k join pg_namespace n on n.oid = k.connamespace where n.nspname = 'loyalty' and k.contype in ('u', 'f')
		and exists (select from pg_attribute a where a.attrelid = k.conrelid and a.attname = 'site_id')
		and not exists (select from pg_attribute a where a.attrelid = k.conrelid and a.attname = 'site_id' and a.attnum = any(k.conkey))`,
}

// assertLedger runs after every test.
func (w *world) assertLedger() {
	w.t.Helper()
	for name, query := range invariants {
		var n int
		if err := w.admin.Get(&n, `select count(*) from (`+query+`) broken`); err != nil {
			w.t.Errorf("%s: %v", name, err)
		} else if n > 0 {
			w.t.Errorf("%s: %d rows break it", name, n)
		}
	}
	var sites []int64
	if err := w.admin.Select(&sites, `select site_id from loyalty.program order by site_id`); err != nil {
		w.t.Error(err)
	}
	for _, site := range sites {
		w.verified(site)
	}
}
