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

const poolColumns = `p.site_id, p.id, p.name, p.spending, p.owner_id, p.created_at, p.closed_at`

// poolPlace is a member's place in a pool that is open.
type poolPlace struct {
	SiteID   int64  `db:"site_id"`
	PoolID   int64  `db:"pool_id"`
	OwnerID  int64  `db:"owner_id"`
	Spending string `db:"spending"`
	MemberID int64  `db:"member_id"`
	PersonID int64  `db:"person_id"`
}

// sharePools keeps the pools of people from changing until the transaction ends, and reads who is in them. Those are read by a second statement: the
// first may have waited for somebody who changed them.
func sharePools(ctx context.Context, tx sqlx.QueryerContext, people []person) ([]poolPlace, error) {
	ids, err := poolsOf(ctx, tx, people, "for share")
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	sites, pools := pairs(ids)
	var rows []poolPlace
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select p.site_id, p.id as pool_id, p.owner_id, p.spending, x.member_id, m.person_id
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.pool p where p.site_id = u.site_id and p.id = u.id and p.closed_at is null offset 0) p
		cross join lateral (select * from loyalty.pool_member x where x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null offset 0) x
		cross join lateral (select * from loyalty.member m where m.site_id = x.site_id and m.id = x.member_id offset 0) m
		order by p.site_id, p.id, x.id`, pq.Array(sites), pq.Array(pools))
	return rows, wrapped("read who is in pools", err)
}

// poolsOf are the open pools of people, locked or only read.
func poolsOf(ctx context.Context, tx sqlx.QueryerContext, people []person, how string) (ids []siteID, err error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
	}
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select p.site_id, p.id from (
			select distinct x.site_id, x.pool_id from unnest($1::bigint[], $2::bigint[]) as u (site_id, person_id)
			cross join lateral (select coalesce(m.merged_into, m.id) as id from loyalty.member m where m.site_id = u.site_id and m.person_id = u.person_id offset 0) m
			cross join lateral (select * from loyalty.pool_member x where x.site_id = u.site_id and x.member_id = m.id and x.left_at is null offset 0) x
			order by 1, 2) x
		cross join lateral (select * from loyalty.pool p where p.site_id = x.site_id and p.id = x.pool_id `+how+`) p`,
		pq.Array(column(people, func(p person) int64 { return p.site })), pq.Array(column(people, func(p person) int64 { return p.id })))
	for _, r := range rows {
		ids = append(ids, siteID{r.SiteID, r.ID})
	}
	return ids, wrapped("find people's pools", err)
}

// loansOf is what others of pools paid of redemptions and holds; that never changes.
func loansOf(ctx context.Context, tx sqlx.QueryerContext, spent []siteID) (rows []*loan, err error) {
	if len(spent) == 0 {
		return nil, nil
	}
	sites, ids := pairs(spent)
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select o.site_id, u.id as spend_id, o.id as out_id, i.id as lot_id, (o.rule::jsonb ->> 'pool_id')::bigint as pool_id, m.person_id
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.txn o where o.site_id = u.site_id and o.earn_id = u.id and o.kind = 'pool_out' offset 0) o
		cross join lateral (select * from loyalty.txn i where i.site_id = o.site_id and i.earn_id = o.id and i.kind = 'pool_in' offset 0) i
		cross join lateral (select * from loyalty.member m where m.site_id = o.site_id and m.id = o.member_id offset 0) m
		order by o.site_id, o.id`, pq.Array(sites), pq.Array(ids))
	return rows, wrapped("read what others of pools paid", err)
}

func insertPool(ctx context.Context, tx sqlx.QueryerContext, p pool) (id int64, err error) {
	err = sqlx.GetContext(ctx, tx, &id, `
		insert into loyalty.pool (site_id, name, spending, owner_id, created_at) values ($1, $2, $3, $4, $5) returning id`,
		p.SiteID, p.Name, p.Spending, p.OwnerID, p.CreatedAt)
	return id, wrapped("insert pool", err)
}

// lockPool locks a pool and reads who is in it, in the order of joining.
func lockPool(ctx context.Context, tx sqlx.QueryerContext, site, id int64) (pool, error) {
	return poolAs(ctx, tx, site, id, "for update")
}

func poolAs(ctx context.Context, tx sqlx.QueryerContext, site, id int64, how string) (p pool, err error) {
	err = sqlx.GetContext(ctx, tx, &p, `select `+poolColumns+` from loyalty.pool p where p.site_id = $1 and p.id = $2 `+how, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return p, errNoPool
	}
	if err != nil {
		return p, fmt.Errorf("read pool: %w", err)
	}
	err = sqlx.SelectContext(ctx, tx, &p.members, `
		select member_id from loyalty.pool_member where site_id = $1 and pool_id = $2 and left_at is null order by id`, site, id)
	return p, wrapped("read who is in a pool", err)
}

func savePool(ctx context.Context, tx sqlx.ExecerContext, p pool) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.pool set name = $3, spending = $4, owner_id = $5, closed_at = $6 where site_id = $1 and id = $2`,
		p.SiteID, p.ID, p.Name, p.Spending, p.OwnerID, p.ClosedAt)
	return wrapped("save pool", err)
}

// joinPool puts members into a pool, in their order. One who is in a pool already is a fault.
func joinPool(ctx context.Context, tx sqlx.ExecerContext, p pool, members []int64, at time.Time, merge *int64) error {
	done, err := tx.ExecContext(ctx, `
		insert into loyalty.pool_member (site_id, pool_id, member_id, joined_at, merge_id)
		select $1, $2, m, $4, $5 from unnest($3::bigint[]) with ordinality as u (m, o) order by o
		on conflict (site_id, member_id) where left_at is null do nothing`, p.SiteID, p.ID, pq.Array(members), at, merge)
	if err != nil {
		return fmt.Errorf("join a pool: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != int64(len(members)) {
		return errors.Join(err, errPooled)
	}
	return nil
}

// leavePool ends members' places in a pool.
func leavePool(ctx context.Context, tx sqlx.ExecerContext, p pool, members []int64, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.pool_member set left_at = greatest($4::timestamptz, joined_at)
		where site_id = $1 and pool_id = $2 and member_id = any($3) and left_at is null`, p.SiteID, p.ID, pq.Array(members), at)
	return wrapped("leave a pool", err)
}
