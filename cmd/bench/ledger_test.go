package main

import (
	"testing"

	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestLedgerDatabase fills a small one and asks whether it is such as the platform itself would have made.
func TestLedgerDatabase(t *testing.T) {
	o := options{sites: 7, people: 20, pairs: 1, seconds: 1, only: wanted{nightly}}
	var err error
	if o.scale, err = scaleOf("tiny"); err != nil {
		t.Fatal(err)
	}
	pg, err := startDatabase(t.Context(), pgtest.Dir(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pg.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := fill(t.Context(), pg, o, ledgers(o)[0]); err != nil {
		t.Fatal(err)
	}
	db, err := pg.use(t.Context(), sparseDatabase)
	if err != nil {
		t.Fatal(err)
	}
	const none = 0
	if err := check(t.Context(), db, []fact{
		{"entries too few", `select (count(*) < 9000)::int from loyalty.entry`, none},
		{"transactions that don't add up to zero", `select count(*) from (select from loyalty.entry group by site_id, txn_id having sum(amount) <> 0 or count(*) <> 2) t`, none},
		{"transactions without entries", `select (select count(*) from loyalty.txn) - (select count(*) / 2 from loyalty.entry)`, none},
		{"accounts that differ from their entries", `select count(*) from loyalty.account a left join
			(select site_id, account_id, sum(amount) as sum, count(*) as n, max(seq) as last from loyalty.entry group by 1, 2) e on (e.site_id, e.account_id) = (a.site_id, a.id)
			where a.balance <> coalesce(e.sum, 0) or a.seq <> coalesce(e.n, 0) or a.seq <> coalesce(e.last, 0)`, none},
		{"breaks in the chains of entries", `select count(*) from (select seq, amount, balance_after, lag(seq, 1, 0::bigint) over w as s, lag(balance_after, 1, 0::bigint) over w as b
			from loyalty.entry window w as (partition by site_id, account_id order by seq)) x where seq <> s + 1 or balance_after <> b + amount`, none},
		{"entries out of the order of their transactions", `select count(*) from (select e.txn_id, lag(e.txn_id, 1, 0::bigint) over (partition by e.site_id, e.account_id order by e.seq) as before from loyalty.entry e) x
			where txn_id <= before`, none},
		{"balances that are not their lots'", `select count(*) from loyalty.account a left join (select site_id, account_id, sum(remaining) as sum from loyalty.lot group by 1, 2) l
			on (l.site_id, l.account_id) = (a.site_id, a.id) where coalesce(owner_id, pending_of) is not null and a.balance <> coalesce(l.sum, 0)`, none},
		{"lots that differ from what was taken of them", `select count(*) from loyalty.lot l left join (select site_id, lot_id, sum(amount) as taken from loyalty.allocation group by 1, 2) a
			on (a.site_id, a.lot_id) = (l.site_id, l.id) where l.granted - l.remaining <> coalesce(a.taken, 0)`, none},
		{"transactions that differ from what they took", `select count(*) from loyalty.txn t left join (select site_id, txn_id, sum(amount) as taken from loyalty.allocation group by 1, 2) a
			on (a.site_id, a.txn_id) = (t.site_id, t.id) where t.kind <> 'earn' and t.points <> coalesce(a.taken, 0)`, none},
		{"redemptions against their transactions", `select (select count(*) from loyalty.txn where kind = 'redeem') - (select count(*) from loyalty.redemption r
			join loyalty.txn t on (t.site_id, t.id, t.member_id, t.points) = (r.site_id, r.id, r.member_id, r.points) and t.kind = 'redeem')`, none},
		{"chains that differ from their accounts", `select count(*) from (select site_id, name, sum(balance) as sum from loyalty.account group by 1, 2 having sum(balance) <> 0) a
			full join (select site_id, key, value::bigint as sum from loyalty.chain, jsonb_each_text(sums)) c on (c.site_id, c.key) = (a.site_id, a.name) where a.sum is distinct from c.sum`, none},
		{"turnover that differs from its entries", `select (select count(*) from loyalty.entry) - (select sum(entries) from loyalty.turnover)::bigint`, none},
		{"what counts towards tiers", `select count(*) from loyalty.member m left join (select site_id, member_id, sum(earned) as earned from loyalty.merit_day group by 1, 2) d
			on (d.site_id, d.member_id) = (m.site_id, m.id) where m.counted and m.earned is distinct from d.earned`, none},
		{"open lots too few or too many", `select (count(*) filter (where remaining > 0) not between 0.1 * count(*) and 0.25 * count(*))::int from loyalty.lot where pending is null`, none},
		{"something due already", `select (select count(*) from loyalty.lot where expires_at < now() + interval '1 day' and remaining > 0 or activates_at < now() + interval '1 day')`, none},
	}); err != nil {
		t.Error(err)
	}
}
