package loyalty

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// crowded is a site whose member 7 has an account of n entries, one a minute.
func crowded(t testing.TB, n int) *world {
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100))
	w.admin.MustExec(`
		with m as (select m.id as member_id, a.id as account_id, s.id as issued_id from loyalty.member m join loyalty.account a on a.site_id = 1 and a.owner_id = m.id
			join loyalty.account s on s.site_id = 1 and s.name = 'issued' where m.site_id = 1),
		n as (select i, nextval('loyalty.txn_id_seq') as id, m.*, $2::timestamptz + make_interval(mins => i) as at from m, generate_series(2, $1::int) i),
		t as (insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, rule, effective_at, recorded_at)
			select 1, id, member_id, 'earn', 'test:' || i, 'purchase', 10, '{}', at, at from n),
		l as (insert into loyalty.lot (site_id, id, account_id, granted, remaining) select 1, id, account_id, 10, 10 from n),
		e as (insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
			select 1, id, account_id, 'points', 10, i, 10 * i from n union all select 1, id, issued_id, 'points', -10, i, -10 * i from n),
		u as (update loyalty.member set earned = 10 * $1 where site_id = 1)
		update loyalty.account set seq = $1, balance = case when owner_id is null then -10 else 10 end * $1 where site_id = 1 and seq = 1`, n, noon)
	w.admin.MustExec(`analyze`)
	w.sealed()
	return w
}

// blocks is how much of the tables a query looks at, and how it goes about it.
func (w *world) blocks(query string, args ...any) (n int, plan string) {
	w.t.Helper()
	if err := w.admin.Get(&plan, `explain (analyze, buffers, timing off, format json) `+query, args...); err != nil {
		w.t.Fatal(err)
	}
	var got []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(plan), &got); err != nil {
		w.t.Fatal(err)
	}
	return got[0].Plan.Hit + got[0].Plan.Read, plan
}

// TestHotAccount: what is asked of an account looks at a small part of it, however many entries it has.
func TestHotAccount(t *testing.T) {
	t.Parallel()
	const entries = 20_000
	w := crowded(t, entries)
	account := w.accounts(1)
	member := account[len(account)-1]
	for i := range 4 { // at the beginning, in between, in the end
		at := noon.Add(time.Duration(i) * entries / 3 * time.Minute)
		seq, balance, err := balanceAt(t.Context(), w.db, 1, member, at)
		if want := min(int64(i)*entries/3, entries); err != nil || balance != 10*max(seq, 0) || seq < want || seq > want+1 {
			t.Errorf("%s: %d after %d, %v", at, balance, seq, err)
		}
		if n, plan := w.blocks(balanceAtQuery, 1, member, at); n > 2500 {
			t.Errorf("%s: %d blocks, %.3000s", at, n, plan)
		}
	}
	for _, p := range [][2]int64{{0, entries}, {1000, 1500}, {1000, 15_000}, {milestoneStep, 70 * milestoneStep}, {milestoneStep - 1, 70*milestoneStep + 1}, {255, entries - 3}} {
		want, err := totalsBetween(t.Context(), w.db, 1, member, p[0], p[1])
		if err != nil || len(want) == 0 {
			t.Fatalf("%+v, %v", want, err)
		}
		if got, err := addUp(t.Context(), w.db, 1, member, p[0], p[1]); err != nil || text(got) != text(want) {
			t.Errorf("entries %v come to %+v, want %+v, %v", p, got, want, err)
		}
		if n, plan := w.blocks(totalsByMilestones, 1, member, p[0], p[1]); n > 4000 { // a look-up for each entry behind a milestone, and the milestones
			t.Errorf("%v: %d blocks, %.3000s", p, n, plan)
		}
	}
	if n, plan := w.blocks(entryOfQuery("owner_id"), 1, entries/2, 1); n > 20 || !strings.Contains(plan, "entry_txn") {
		t.Errorf("%d blocks, %s", n, plan)
	}
	if n, plan := w.blocks(selectEntries+` and e.seq > $3 and e.seq <= $4 order by e.seq limit $5`, 1, member, entries/2, entries, 26); n > 1000 {
		t.Errorf("%d blocks, %s", n, plan)
	}
}

// TestMembersAreFoundByIndexes: a member of a site in which many have pending points, and lots, costs some look-ups.
func TestMembersAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	w := crowded(t, 5000)
	w.admin.MustExec(`
		insert into loyalty.member (site_id, person_id, tiers_version, joined_at) select 1, n, 1, now() from generate_series(100, 8000) n;
		insert into loyalty.account (site_id, owner_id, name, asset) select 1, id, 'member', 'points' from loyalty.member where person_id >= 100;
		insert into loyalty.account (site_id, pending_of, name, asset) select 1, id, 'pending', 'points' from loyalty.member where person_id >= 100`)
	w.admin.MustExec(`analyze loyalty.member, loyalty.account, loyalty.lot, loyalty.txn`)
	if n, plan := w.blocks(memberQuery, 1, 4000); n > 30 {
		t.Errorf("a member: %d blocks, %.3000s", n, plan)
	}
	hot := int64(0)
	if err := w.admin.Get(&hot, `select id from loyalty.account where site_id = 1 and seq = 5000 and owner_id is not null`); err != nil {
		t.Fatal(err)
	}
	if n, plan := w.blocks(expirationsQuery, 1, hot, noon.AddDate(-1, 0, 0), 0, 26); n > 400 { // the lots once, and 26 look-ups
		t.Errorf("what expires: %d blocks, %.3000s", n, plan)
	}
}

// BenchmarkHotAccount asks about an account of 100,000 entries.
func BenchmarkHotAccount(b *testing.B) {
	w := crowded(b, 100_000)
	account := w.accounts(1)
	member, at := account[len(account)-1], noon.Add(50_000*time.Minute)
	ask := func(name, query string, args ...any) {
		b.Run(name, func(b *testing.B) {
			n, plan := w.blocks(query, args...)
			for b.Loop() {
				if _, err := w.db.ExecContext(b.Context(), query, args...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "blocks")
			b.Log(plan)
		})
	}
	ask("as_of", balanceAtQuery, 1, member, at)
	ask("explain", entryOfQuery("owner_id"), 1, 50_000, 1)
	b.Run("statement of a month", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := w.Statement(b.Context(), 1, 7, at, at.AddDate(0, 1, 0), loyaltyapi.After{}, 25); err != nil {
				b.Fatal(err)
			}
		}
	})
	w.admin.MustExec(`drop index loyalty.entry_txn; truncate loyalty.milestone`)
	ask("as_of without milestones", balanceAtQuery, 1, member, at)
	ask("explain without its index", entryOfQuery("owner_id"), 1, 50_000, 1)
	w.admin.MustExec(`create index entry_txn on loyalty.entry (site_id, txn_id)`)
}

// BenchmarkSeal seals 20,000 transactions, each time from the beginning.
func BenchmarkSeal(b *testing.B) {
	const entries = 20_000
	w := crowded(b, entries)
	n := 0
	for b.Loop() {
		b.StopTimer()
		w.admin.MustExec(`truncate loyalty.chain, loyalty.anchor, loyalty.milestone, loyalty.checkpoint, loyalty.turnover`)
		b.StartTimer()
		done, err := w.Seal(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		n += done
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/transaction")
}
