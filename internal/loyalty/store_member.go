package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// person is somebody of a site.
type person struct{ site, id int64 }

// enrol makes those people members, with an account, who are none yet, and returns them; who was merged into another becomes none. people are sorted.
func enrol(ctx context.Context, tx sqlx.QueryerContext, people []person, programs map[int64]program, since map[person]joining) ([]*holder, error) {
	sites, ids, versions := make([]int64, len(people)), make([]int64, len(people)), make([]int64, len(people))
	at, as := make([]string, len(people)), make([]string, len(people))
	for i, p := range people {
		sites[i], ids[i], versions[i], at[i], as[i] = p.site, p.id, int64(programs[p.site].TiersVersion), stamp(since[p].at), since[p].as
	}
	var out []*holder
	err := sqlx.SelectContext(ctx, tx, &out, `
		with fresh as (
			insert into loyalty.member (site_id, person_id, tiers_version, joined_at, status)
			select u.site_id, u.person_id, u.version, u.at::timestamptz, u.status
			from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) with ordinality as u (site_id, person_id, version, at, status, o)
			where not exists (select from loyalty.member m where m.site_id = u.site_id and m.person_id = u.person_id offset 0) -- a look-up each
				and not exists (select from loyalty.person_alias x where x.site_id = u.site_id and x.person_id = u.person_id offset 0)
			order by u.o
			on conflict (site_id, person_id) do nothing
			returning site_id, id, person_id, status, earned, tier, tiers_version, lapses_at, idle_days, wake_at, reminded, merged_into, duplicates, forfeit_at, joined_at
		), opened as (
			insert into loyalty.account (site_id, owner_id, name, asset)
			select site_id, id, 'member', 'points' from fresh order by id
			returning site_id, owner_id, id, name, balance, seq
		)
		select `+holderColumns+` from fresh m join opened a on a.site_id = m.site_id and a.owner_id = m.id order by m.site_id, m.id`,
		pq.Array(sites), pq.Array(ids), pq.Array(versions), pq.Array(at), pq.Array(as))
	if err != nil {
		return nil, fmt.Errorf("enrol members: %w", err)
	}
	return out, nil
}

const holderColumns = memberColumns + `, m.lapses_at, coalesce(m.idle_days, 0) as idle_days, m.wake_at, coalesce(m.reminded, false) as reminded`

// purseColumns are those of an account in whatever wallet, as a holder of its own: see apart.
const purseColumns = memberColumns + `, ` + walletColumn + `, ` + lapsing + ` as lapses_at, coalesce(case when a.asset <> 'points' then a.idle_days else m.idle_days end, 0) as idle_days,
	case when a.asset <> 'points' then a.wake_at else m.wake_at end as wake_at, coalesce(case when a.asset <> 'points' then a.reminded else m.reminded end, false) as reminded`

// lapsing is when what lives by activity on an account a of a member m ends: a member says so of the main wallet, and each other one for itself.
const lapsing = `case when a.asset <> 'points' then a.lapses_at else m.lapses_at end`

const memberColumns = `m.site_id, m.id as member_id, m.person_id, m.status, m.earned, m.tier, m.tiers_version, coalesce(m.merged_into, 0) as merged_into, m.duplicates, m.forfeit_at, m.joined_at, a.id as account_id, a.name, a.balance, a.seq`

// lockHolders locks the members that the people are, with their accounts: both rows, since whoever waited for a lock sees the
// newest version of locked rows only. people are sorted, and the lateral parts are visited in that order. Who was merged into another
// leads to that one's member, which is there under its own person, too.
func lockHolders(ctx context.Context, tx sqlx.QueryerContext, people []person) (map[person]*holder, error) {
	return holdersOf(ctx, tx, people, "for update")
}

// readHolders is lockHolders for who only wants to know what would be.
func readHolders(ctx context.Context, tx sqlx.QueryerContext, people []person) (map[person]*holder, error) {
	return holdersOf(ctx, tx, people, "offset 0")
}

func holdersOf(ctx context.Context, tx sqlx.QueryerContext, people []person, how string) (map[person]*holder, error) {
	sites, ids := make([]int64, len(people)), make([]int64, len(people))
	for i, p := range people {
		sites[i], ids[i] = p.site, p.id
	}
	var rows []*holder
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+holderColumns+`
		from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, person_id, o) order by o) u
		cross join lateral (select * from loyalty.member m where m.site_id = u.site_id and m.person_id = u.person_id `+how+`) m
		cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' `+how+`) a`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read members' accounts: %w", err)
	}
	out := make(map[person]*holder, len(rows))
	merged := false
	for _, h := range rows {
		out[person{h.SiteID, h.PersonID}] = h
		merged = merged || h.MergedInto != 0
	}
	if !merged {
		return out, nil
	}
	return out, followMerged(ctx, tx, out, how)
}

// lockingDue locks the accounts of "due", passing by those that somebody else is at.
const lockingDue = `
		select ` + purseColumns + `
		from due d
		cross join lateral (select * from loyalty.account a where a.site_id = d.site_id and a.id = d.account_id for update skip locked) a
		cross join lateral (select * from loyalty.member m where m.site_id = a.site_id and m.id = a.owner_id for update skip locked) m`

// lockDue locks up to limit members who have points that are due, passing by those that somebody else is at.
func lockDue(ctx context.Context, tx sqlx.QueryerContext, now time.Time, limit int) ([]*holder, error) {
	var rows []*holder
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with due as (
			select site_id, account_id from (
				select site_id, account_id from loyalty.lot where remaining > 0 and expires_at <= $1 order by expires_at limit $2) l
			union
			select a.site_id, a.id from (select site_id, id from loyalty.member where lapses_at <= $1 order by lapses_at limit $2) m
			cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' offset 0) a
			union
			(select site_id, id from loyalty.account where lapses_at <= $1 order by lapses_at limit $2)
		)
		`+lockingDue, now, limit)
	if err != nil {
		return nil, fmt.Errorf("lock members with due points: %w", err)
	}
	apart(rows)
	return rows, nil
}

// memberQuery looks for the account of pending points by itself: joined, it is found by its name, which so many others have.
const memberQuery = `
		select m.id, m.person_id, m.status, m.earned, m.joined_at, m.duplicates, a.id as account_id, a.balance, coalesce(w.balance, 0) as pending
		from loyalty.member m
		cross join lateral (select * from loyalty.account a where a.site_id = $1 and a.owner_id = m.id and a.asset = 'points' offset 0) a
		left join lateral (select * from loyalty.account w where w.site_id = $1 and w.name = 'pending' and w.asset = 'points' and w.pending_of = m.id and w.owner_id is null offset 0) w on true
		where m.site_id = $1 and m.person_id = $2`

// memberOf reads a person's membership for a display.
func memberOf(ctx context.Context, db sqlx.QueryerContext, site, id int64) (memberRow, error) {
	var r memberRow
	err := sqlx.GetContext(ctx, db, &r, memberQuery, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errNoMember
	}
	if err != nil {
		return r, fmt.Errorf("read member: %w", err)
	}
	return r, nil
}

type memberRow struct {
	ID        int64     `db:"id"`
	PersonID  int64     `db:"person_id"`
	Status    string    `db:"status"`
	Earned    int64     `db:"earned"`
	JoinedAt  time.Time `db:"joined_at"`
	AccountID int64     `db:"account_id"`
	Balance   int64     `db:"balance"`
	Pending   int64     `db:"pending"`

	Duplicates pq.Int64Array `db:"duplicates"`
}
