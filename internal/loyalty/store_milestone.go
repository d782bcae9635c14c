package loyalty

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// milestone is an entry of an account from which old balances, and what entries come to, are looked for.
type milestone struct {
	AccountID int64     `db:"account_id"`
	Seq       int64     `db:"seq"`
	At        time.Time `db:"at"`
	Step      kindTotals
	Before    *kindTotals // of the milestone before; nil: that one had none
}

// kindTotals are how many entries of each kind there are, and the points of them.
type kindTotals map[string][2]int64

func (t *kindTotals) Scan(from any) error {
	text, _ := from.([]byte)
	return json.Unmarshal(text, t)
}

func (t kindTotals) plus(o kindTotals) kindTotals {
	sum := kindTotals{}
	for _, of := range []kindTotals{t, o} {
		for kind, n := range of {
			sum[kind] = [2]int64{sum[kind][0] + n[0], sum[kind][1] + n[1]}
		}
	}
	return sum
}

// saveMilestones finds out when the entries, and all before them, were written, and what all these come to. rows are in the order of each account's entries.
func saveMilestones(ctx context.Context, tx sqlx.ExtContext, site int64, rows []milestone) error {
	if len(rows) == 0 {
		return nil
	}
	accounts, seqs := column(rows, func(m milestone) int64 { return m.AccountID }), column(rows, func(m milestone) int64 { return m.Seq })
	var found []milestone
	err := sqlx.SelectContext(ctx, tx, &found, `
		select u.account_id, u.seq, greatest(x.at, b.at) as at, x.step, case when u.seq = $4 then '{}' else b.before end as before
		from unnest($2::bigint[], $3::bigint[]) with ordinality as u (account_id, seq, o)
		cross join lateral (
			select max(k.at) as at, jsonb_object_agg(k.kind, jsonb_build_array(k.entries, k.points)) as step
			from (
				select t.kind, max(t.recorded_at) as at, count(*) as entries, sum(e.amount) as points
				from (select * from loyalty.entry e where e.site_id = $1 and e.account_id = u.account_id and e.seq > u.seq - $4 and e.seq <= u.seq offset 0) e
				cross join lateral (select * from loyalty.txn t where t.site_id = $1 and t.id = e.txn_id offset 0) t
				group by t.kind) k) x
		left join lateral (
			select m.at, case when m.seq = u.seq - $4 then m.totals end as before
			from loyalty.milestone m where m.site_id = $1 and m.account_id = u.account_id order by m.at desc, m.seq desc limit 1) b on true
		order by u.o`, site, pq.Array(accounts), pq.Array(seqs), milestoneStep)
	if err != nil {
		return fmt.Errorf("find milestones: %w", err)
	}
	latest := map[int64]milestone{} // several of one account may be among them
	at, totals := make([]string, len(found)), make([]string, len(found))
	for i, m := range found {
		if last, ok := latest[m.AccountID]; ok {
			m.Before = last.Before
			if last.At.After(m.At) {
				m.At = last.At
			}
		}
		if m.Before != nil {
			sum := m.Before.plus(m.Step)
			m.Before, totals[i] = &sum, text(sum)
		}
		latest[m.AccountID] = m
		at[i] = stamp(m.At)
	}
	_, err = tx.ExecContext(ctx, `
		insert into loyalty.milestone (site_id, account_id, at, seq, totals)
		select $1, account_id, at::timestamptz, seq, nullif(totals, '')::jsonb from unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[]) as u (account_id, at, seq, totals)`,
		site, pq.Array(accounts), pq.Array(at), pq.Array(seqs), pq.Array(totals))
	return wrapped("save milestones", err)
}

// addUp adds up the entries of an account behind one number and up to another, by kind: many of them by what two milestones say, and what is between those
// and the bounds.
func addUp(ctx context.Context, db sqlx.QueryerContext, site, account, behind, upto int64) ([]loyaltyapi.StatementTotal, error) {
	if upto-behind <= 2*milestoneStep {
		return totalsBetween(ctx, db, site, account, behind, upto)
	}
	rows := []loyaltyapi.StatementTotal{}
	err := sqlx.SelectContext(ctx, db, &rows, totalsByMilestones, site, account, behind, upto)
	return rows, wrapped("add up entries", err)
}

const totalsByMilestones = `
		select x.kind, sum(b.sign * x.entries)::bigint as entries, sum(b.sign * x.points)::bigint as points
		from (values ($3::bigint, -1), ($4::bigint, 1)) b (upto, sign)
		left join lateral (select m.seq, m.totals from loyalty.milestone m
			where m.site_id = $1 and m.account_id = $2 and m.seq <= b.upto and m.totals is not null order by m.at desc, m.seq desc limit 1) m on true
		cross join lateral (
			select k.key as kind, (k.value ->> 0)::bigint as entries, (k.value ->> 1)::bigint as points from jsonb_each(m.totals) k
			union all
			select t.kind, 1, e.amount
			from (select * from loyalty.entry e where e.site_id = $1 and e.account_id = $2 and e.seq > coalesce(m.seq, 0) and e.seq <= b.upto offset 0) e
			cross join lateral (select * from loyalty.txn t where t.site_id = $1 and t.id = e.txn_id offset 0) t) x
		group by x.kind
		having sum(b.sign * x.entries) <> 0
		order by x.kind`
