package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// followMerged has the persons of merged members lead to the members that they were merged into, and reads or locks these. It is asked only
// where there is one.
func followMerged(ctx context.Context, tx sqlx.QueryerContext, holders map[person]*holder, how string) error {
	byID := map[siteID]*holder{}
	for _, h := range holders {
		byID[siteID{h.SiteID, h.MemberID}] = h
	}
	var missing []siteID
	for _, h := range holders {
		if into := (siteID{h.SiteID, h.MergedInto}); h.MergedInto != 0 && byID[into] == nil {
			missing = append(missing, into)
		}
	}
	survivors, err := holdersByID(ctx, tx, missing, how)
	if err != nil {
		return err
	}
	for _, h := range survivors {
		byID[siteID{h.SiteID, h.MemberID}], holders[person{h.SiteID, h.PersonID}] = h, h
	}
	for who, h := range holders {
		if h.MergedInto != 0 {
			holders[who] = byID[siteID{h.SiteID, h.MergedInto}]
		}
	}
	return nil
}

// holdersByID reads or locks members by their ids, in their order.
func holdersByID(ctx context.Context, tx sqlx.QueryerContext, ids []siteID, how string) (rows []*holder, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	slices.SortFunc(ids, func(x, y siteID) int { return slices.Compare([]int64{x.site, x.id}, []int64{y.site, y.id}) })
	sites, members := pairs(slices.Compact(ids))
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select `+holderColumns+`
		from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, id, o) order by o) u
		cross join lateral (select * from loyalty.member m where m.site_id = u.site_id and m.id = u.id `+how+`) m
		cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' `+how+`) a`, pq.Array(sites), pq.Array(members))
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	return rows, nil
}

// oneself selects the ids under which a member of site $1 did things: its own, and those of who was merged into it.
func oneself(member string) string {
	return `(select unnest(array_append(m.duplicates, m.id)) as id from loyalty.member m where m.site_id = $1 and m.id = ` + member + `) who`
}

// aliasesOf says whom persons were merged into.
func aliasesOf(ctx context.Context, tx sqlx.QueryerContext, people []person) (map[person]person, error) {
	sites, ids := column(people, func(p person) int64 { return p.site }), column(people, func(p person) int64 { return p.id })
	var rows []struct {
		SiteID     int64 `db:"site_id"`
		PersonID   int64 `db:"person_id"`
		SurvivorID int64 `db:"survivor_id"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select x.site_id, x.person_id, x.survivor_id from unnest($1::bigint[], $2::bigint[]) as u (site_id, person_id)
		cross join lateral (select * from loyalty.person_alias x where x.site_id = u.site_id and x.person_id = u.person_id offset 0) x`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read who was merged: %w", err)
	}
	out := make(map[person]person, len(rows))
	for _, r := range rows {
		out[person{r.SiteID, r.PersonID}] = person{r.SiteID, r.SurvivorID}
	}
	return out, nil
}

// addAlias notes that a person was merged, once.
func addAlias(ctx context.Context, tx sqlx.ExecerContext, site, duplicate, survivor, mergeID int64) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.person_alias (site_id, person_id, survivor_id, merge_id) values ($1, $2, $3, $4) on conflict (site_id, person_id) do nothing`,
		site, duplicate, survivor, mergeID)
	return wrapped("note who was merged", err)
}

// dropAlias notes that a merge doesn't hold any more; false: it is known.
func dropAlias(ctx context.Context, tx sqlx.ExecerContext, site, duplicate, mergeID int64) (bool, error) {
	done, err := tx.ExecContext(ctx, `delete from loyalty.person_alias where site_id = $1 and person_id = $2 and merge_id = $3`, site, duplicate, mergeID)
	if err != nil {
		return false, fmt.Errorf("forget who was merged: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// moveLots puts all lots of a duplicate's wallet on the survivor's accounts, with a note of whose they were.
func moveLots(ctx context.Context, tx sqlx.ExecerContext, s, d *holder) error {
	waits, into := int64(0), int64(0) // where nothing ever waited there are no such accounts
	if d.pending != nil {
		waits, into = d.pending.ID, s.pending.ID
	}
	_, err := tx.ExecContext(ctx, `
		update loyalty.lot set home = $2, account_id = case account_id when $3::bigint then $4::bigint else $6::bigint end
		where site_id = $1 and account_id in ($3::bigint, $5::bigint)`, s.SiteID, d.MemberID, d.ID, s.ID, waits, into)
	return wrapped("move lots", err)
}

// closeMember closes a member, and adds what it counts to the survivor: its days, and what was earned in all.
func closeMember(ctx context.Context, tx sqlx.ExecerContext, s, d *holder) error {
	for _, step := range []struct {
		what, sql string
		args      []any
	}{
		{"add up days", `
			with moved as (
				select day, earned, spend, orders, referrals, custom from loyalty.merit_day where site_id = $1 and member_id = $3
			), emptied as (
				update loyalty.merit_day set earned = 0, spend = 0, orders = 0, referrals = 0, custom = 0 where site_id = $1 and member_id = $3
			)
			insert into loyalty.merit_day as q (site_id, member_id, day, earned, spend, orders, referrals, custom)
			select $1::bigint, $2::bigint, day, earned, spend, orders, referrals, custom from moved
			on conflict on constraint merit_day_pkey do update set earned = q.earned + excluded.earned, spend = q.spend + excluded.spend,
				orders = q.orders + excluded.orders, referrals = q.referrals + excluded.referrals, custom = q.custom + excluded.custom`,
			[]any{s.SiteID, s.MemberID, d.MemberID}},
		{"close a member", `
			update loyalty.member set status = 'merged', merged_into = $2, earned = 0 where site_id = $1 and id = $3`, []any{s.SiteID, s.MemberID, d.MemberID}},
		{"let a member stand for another", `
			update loyalty.member set duplicates = array_append(duplicates, $3::bigint), earned = earned + $4::bigint where site_id = $1 and id = $2`,
			[]any{s.SiteID, s.MemberID, d.MemberID, d.Earned}},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// earnedSelf is what a member ($2 of site $1) has earned by itself, by the days ($3: the zone) for which: see fromLedger.
const earnedSelf = `
	select (t.effective_at at time zone $3::text)::date as day, sum(case t.kind when 'earn' then l.granted - l.clawed else t.points end)::bigint as earned
	from loyalty.txn t
	left join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
	where t.site_id = $1::bigint and t.member_id = $2::bigint
		and (t.kind = 'earn' and l.pending is null and l.tierless is null or t.kind = 'adjust' and (t.rule::jsonb ->> 'counts_for_tier')::boolean)
	group by 1`

// reopenMember gives a duplicate back its lots, and what counts of it by now, out of what counts of the survivor.
func reopenMember(ctx context.Context, tx sqlx.ExecerContext, s, d *holder, p program) error {
	theirs, own := []int64{s.ID}, []int64{d.ID} // accounts
	for _, w := range s.wallets {
		theirs, own = append(theirs, w.ID), append(own, d.in(w.Wallet).ID)
	}
	for _, w := range slices.Concat([]*holder{s}, s.wallets) {
		if w.pending != nil {
			theirs, own = append(theirs, w.pending.ID), append(own, d.in(w.Wallet).pending.ID)
		}
	}
	steps := []struct {
		what, sql string
		args      []any
	}{
		{"give back lots", `
			update loyalty.lot l set home = null, account_id = u.own from unnest($3::bigint[], $4::bigint[]) as u (theirs, own)
			where site_id = $1 and home = $2 and u.theirs = l.account_id`,
			[]any{s.SiteID, d.MemberID, pq.Array(theirs), pq.Array(own)}},
		{"give back what was earned", `
			with own as (select coalesce(sum(earned), 0)::bigint as n from (` + earnedSelf + `) e), less as (
				update loyalty.member set earned = earned - (select n from own), duplicates = nullif(array_remove(duplicates, $2::bigint), '{}') where site_id = $1 and id = $4)
			update loyalty.member set earned = (select n from own) where site_id = $1 and id = $2`, []any{s.SiteID, d.MemberID, p.TierPlan.zone().String(), s.MemberID}},
	}
	if p.TierPlan.Counted {
		steps = append(steps, struct {
			what, sql string
			args      []any
		}{"give back days", `
			with own as (
				select day, sum(earned)::bigint as earned, sum(spend)::bigint as spend, sum(orders)::bigint as orders, sum(referrals)::bigint as referrals, sum(custom)::bigint as custom
				from (
					select day, earned, 0 as spend, 0 as orders, 0 as referrals, 0 as custom from (` + earnedSelf + `) e
					union all
					select day, 0, case when kind = 'order' and not gone then greatest(amount - refunded, 0) else 0 end, (kind = 'order' and not gone)::int,
						(kind = 'referral' and not gone)::int, case kind when 'custom' then amount else 0 end
					from loyalty.merit where site_id = $1 and member_id = $2
				) n group by day
			), less as (
				update loyalty.merit_day q set earned = q.earned - own.earned, spend = q.spend - own.spend, orders = q.orders - own.orders,
					referrals = q.referrals - own.referrals, custom = q.custom - own.custom
				from own where q.site_id = $1 and q.member_id = $4 and q.day = own.day
			)
			insert into loyalty.merit_day (site_id, member_id, day, earned, spend, orders, referrals, custom)
			select $1::bigint, $2::bigint, day, earned, spend, orders, referrals, custom from own
			on conflict on constraint merit_day_pkey do update set earned = excluded.earned, spend = excluded.spend, orders = excluded.orders,
				referrals = excluded.referrals, custom = excluded.custom`, []any{s.SiteID, d.MemberID, p.TierPlan.zone().String(), s.MemberID}})
	}
	for _, step := range steps {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// freeMember opens a member again, before anything is given back.
func freeMember(ctx context.Context, tx sqlx.ExecerContext, m memberMerge) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.member set status = $3, merged_into = null where site_id = $1 and id = $2`, m.SiteID, m.DuplicateID, m.Status)
	return wrapped("open a member again", err)
}

// keepMerge notes what a merge moved.
func keepMerge(ctx context.Context, tx sqlx.ExecerContext, m memberMerge, at any) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.member_merge (site_id, id, survivor_id, duplicate_id, status, points, txn_id, merged_at, survivor_was, survivor_made) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		m.SiteID, m.ID, m.SurvivorID, m.DuplicateID, m.Status, m.Points, m.TxnID, at, m.SurvivorWas, m.SurvivorMade)
	return wrapped("note what a merge moved", err)
}

// mergeOf reads what a merge moved and that wasn't undone; false: nothing.
func mergeOf(ctx context.Context, tx sqlx.ExtContext, site, id int64, undoneAt any) (m memberMerge, found bool, err error) {
	err = sqlx.GetContext(ctx, tx, &m, `
		update loyalty.member_merge set undone_at = $3 where site_id = $1 and id = $2 and undone_at is null
		returning site_id, id, survivor_id, duplicate_id, status, points, txn_id, survivor_was, survivor_made`, site, id, undoneAt)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, wrapped("read what a merge moved", err)
}

// homeOf are the lots that are a merged member's own, and how many of its points that can't be spent yet are left in each wallet.
func homeOf(ctx context.Context, tx sqlx.QueryerContext, m memberMerge) (home map[int64]bool, waiting map[string]int64, err error) {
	var rows []struct {
		ID      int64  `db:"id"`
		Pending int64  `db:"pending"`
		Wallet  string `db:"wallet"`
	}
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select l.id, case when l.pending then l.remaining else 0 end as pending, `+walletColumn+`
		from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id where l.site_id = $1 and l.home = $2`, m.SiteID, m.DuplicateID)
	home, waiting = make(map[int64]bool, len(rows)), map[string]int64{}
	for _, r := range rows {
		home[r.ID] = true
		waiting[r.Wallet] += r.Pending
	}
	return home, waiting, wrapped("read a member's own lots", err)
}
