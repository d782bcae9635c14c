package loyalty

import (
	"context"
	"math"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const (
	poolDates   = 12
	poolHistory = 25
)

// poolSummaries selects pools p, with what their active members have.
const poolSummaries = `
	select p.id, p.name, case when p.closed_at is null then 'open' else 'closed' end as status, p.spending, p.owner_id, p.created_at, p.closed_at,
		coalesce(b.size, 0) as size, coalesce(b.balance, 0) as balance
	from loyalty.pool p
	left join lateral (
		select count(*) as size, sum(greatest(a.balance, 0)) filter (where m.status = 'active') as balance
		from loyalty.pool_member x
		cross join lateral (select * from loyalty.member m where m.site_id = x.site_id and m.id = x.member_id offset 0) m
		cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' offset 0) a
		where x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null) b on true`

// placesOf are the members of a pool with their accounts.
const placesOf = `
	(select * from loyalty.pool_member where site_id = $1 and pool_id = $2 and left_at is null) x
	cross join lateral (select * from loyalty.member m where m.site_id = x.site_id and m.id = x.member_id offset 0) m
	cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' offset 0) a`

// poolAnswer is a pool with all that is shown of it.
func poolAnswer(ctx context.Context, db sqlx.QueryerContext, p pool) (out loyaltyapi.Pool, err error) {
	out.Members, out.Expirations, out.History = []loyaltyapi.PoolMember{}, []loyaltyapi.PoolExpiration{}, []loyaltyapi.PoolMovement{}
	if err := sqlx.GetContext(ctx, db, &out.PoolSummary, poolSummaries+` where p.site_id = $1 and p.id = $2`, p.SiteID, p.ID); err != nil {
		return out, wrapped("read pool", err)
	}
	if err := sqlx.SelectContext(ctx, db, &out.Members, `
		select x.member_id, m.person_id, x.member_id = $3 as owner, m.status = 'active' as active, a.balance, x.joined_at
		from `+placesOf+` order by x.id`, p.SiteID, p.ID, p.OwnerID); err != nil {
		return out, wrapped("read a pool's members", err)
	}
	if err := sqlx.SelectContext(ctx, db, &out.Expirations, `
		select sum(l.remaining)::bigint as points, l.ends as expires_at
		from `+placesOf+`
		cross join lateral (select l.remaining, case when l.by_activity then m.lapses_at else l.expires_at end as ends
			from loyalty.lot l where l.site_id = a.site_id and l.account_id = a.id and l.remaining > 0 offset 0) l
		where m.status = 'active' group by 2 order by 2 nulls last limit $3`, p.SiteID, p.ID, poolDates); err != nil {
		return out, wrapped("read when a pool's points end", err)
	}
	err = sqlx.SelectContext(ctx, db, &out.History, `
		select t.id, t.member_id, t.kind, e.amount as points, t.effective_at
		from `+placesOf+`
		cross join lateral (select * from loyalty.entry e where e.site_id = a.site_id and e.account_id = a.id order by e.seq desc limit $3 * 2) e
		cross join lateral (select * from loyalty.txn t where t.site_id = e.site_id and t.id = e.txn_id offset 0) t
		where t.kind not in ('pool_out', 'pool_in') and t.recorded_at >= x.joined_at order by t.id desc limit $3`, p.SiteID, p.ID, poolHistory)
	return out, wrapped("read a pool's history", err)
}

// Pool reads a pool.
func (m *Module) Pool(ctx context.Context, siteID, id int64) (loyaltyapi.Pool, error) {
	p, err := poolAs(ctx, m.db, siteID, id, "")
	if err != nil {
		return loyaltyapi.Pool{}, err
	}
	return poolAnswer(ctx, m.db, p)
}

// PoolOf reads the pool that a person is in.
func (m *Module) PoolOf(ctx context.Context, siteID, personID int64) (loyaltyapi.Pool, error) {
	if _, err := memberOf(ctx, m.db, siteID, personID); err != nil {
		return loyaltyapi.Pool{}, err
	}
	ids, err := poolsOf(ctx, m.db, []person{{siteID, personID}}, "")
	if err != nil {
		return loyaltyapi.Pool{}, err
	}
	if len(ids) == 0 {
		return loyaltyapi.Pool{}, errInNoPool
	}
	return m.Pool(ctx, siteID, ids[0].id)
}

// Pools lists a site's pools of a status ("": all), newest first, and says whether older ones follow.
func (m *Module) Pools(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.PoolSummary, bool, error) {
	below := after.ID
	if below <= 0 {
		below = math.MaxInt64
	}
	rows := []loyaltyapi.PoolSummary{}
	err := sqlx.SelectContext(ctx, m.db, &rows, poolSummaries+`
		where p.site_id = $1 and p.id < $2 and ($3 = '' or (p.closed_at is null) = ($3 = 'open'))
		order by p.id desc limit $4`, siteID, below, status, limit+1)
	if err != nil {
		return nil, false, wrapped("list pools", err)
	}
	return rows[:min(limit, len(rows))], len(rows) > limit, nil
}

// poolOfMember is what a member's answer says of its pool, and what it and the others have; nil: it is in none.
func poolOfMember(ctx context.Context, db sqlx.QueryerContext, site, personID int64) (*loyaltyapi.PoolSummary, error) {
	ids, err := poolsOf(ctx, db, []person{{site, personID}}, "")
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var s loyaltyapi.PoolSummary
	err = sqlx.GetContext(ctx, db, &s, poolSummaries+` where p.site_id = $1 and p.id = $2`, site, ids[0].id)
	return &s, wrapped("read a member's pool", err)
}

// spendableOf is what a member may spend, as holder.spendable says under locks.
func spendableOf(ctx context.Context, db sqlx.QueryerContext, p program, r memberRow) (int64, error) {
	if p.PoolSize == 0 || r.Balance < 0 {
		return r.Balance, nil
	}
	pool, err := poolOfMember(ctx, db, p.SiteID, r.PersonID)
	if err != nil || pool == nil || pool.Spending == spendOwner && pool.OwnerID != r.ID {
		return r.Balance, err
	}
	return pool.Balance, nil
}
