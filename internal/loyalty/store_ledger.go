package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// The lookups below are lateral, behind "offset 0" where a lock is not barrier enough: each row of the batch is one probe of an
// index, whatever the planner believes of tables that were empty a moment ago and that nobody has analysed. Left to itself it
// joined the tables with each other first, which took seconds a batch.

// decidedAlready returns which sources have earned, or were refused, before: a decision stands.
func decidedAlready(ctx context.Context, tx sqlx.QueryerContext, sites []int64, sources []string) (map[siteSource]bool, error) {
	var rows []siteSource
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select u.site_id, u.source from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		where (select true from loyalty.txn t where t.site_id = u.site_id and t.kind = 'earn' and t.source = u.source)
			or (select true from loyalty.refusal r where r.site_id = u.site_id and r.source = u.source)`, pq.Array(sites), pq.Array(sources))
	if err != nil {
		return nil, fmt.Errorf("find decided sources: %w", err)
	}
	known := make(map[siteSource]bool, len(rows))
	for _, r := range rows {
		known[r] = true
	}
	return known, nil
}

type siteSource struct {
	SiteID int64  `db:"site_id"`
	Source string `db:"source"`
}

// takeIDs takes ids for n transactions.
func takeIDs(ctx context.Context, tx sqlx.QueryerContext, n int) ([]int64, error) {
	ids := make([]int64, 0, n)
	err := sqlx.SelectContext(ctx, tx, &ids, `select nextval('loyalty.txn_id_seq') from generate_series(1, $1::int)`, n)
	if err != nil {
		return nil, fmt.Errorf("take ids of transactions: %w", err)
	}
	return ids, nil
}

// lockOwn locks some of the sites' own accounts. They are locked last: everything of a site waits for them.
func lockOwn(ctx context.Context, tx sqlx.QueryerContext, sites []int64, names ...string) (map[siteAccount]*account, error) {
	var rows []*account
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select site_id, id as account_id, name, balance, seq from loyalty.account
		where site_id = any($1) and owner_id is null and name = any($2) and asset = 'points'
		order by site_id, name
		for update`, pq.Array(sites), pq.Array(names))
	if err != nil {
		return nil, fmt.Errorf("lock the site's accounts: %w", err)
	}
	own := make(map[siteAccount]*account, len(rows))
	for _, a := range rows {
		own[siteAccount{a.SiteID, a.Name}] = a
	}
	return own, nil
}

// earned is an earning as later steps need it.
type earned struct {
	SiteID     int64  `db:"site_id"`
	ID         int64  `db:"id"`
	Source     string `db:"source"`
	MemberID   int64  `db:"member_id"`
	PersonID   int64  `db:"person_id"`
	Reason     string `db:"reason"`
	OriginID   int64  `db:"origin_id"`
	ReferralID int64  `db:"referral_id"`
	RewardID   int64  `db:"reward_id"`
}

func (e earned) txn() txn {
	return txn{SiteID: e.SiteID, ID: e.ID, MemberID: e.MemberID, Reason: e.Reason, OriginID: e.OriginID, ReferralID: e.ReferralID, RewardID: e.RewardID}
}

const earnedColumns = `t.site_id, t.id, t.source, t.member_id, t.reason, coalesce(t.origin_id, 0) as origin_id,
	coalesce(t.referral_id, 0) as referral_id, coalesce(t.reward_id, 0) as reward_id`

// earnedBy finds what the sources earned; it never changes.
func earnedBy(ctx context.Context, tx sqlx.QueryerContext, sites []int64, sources []string) (map[siteSource]earned, error) {
	var rows []earned
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+earnedColumns+`, m.person_id
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.txn t where t.site_id = u.site_id and t.kind = 'earn' and t.source = u.source offset 0) t
		cross join lateral (select * from loyalty.member m where m.site_id = t.site_id and m.id = t.member_id offset 0) m`, pq.Array(sites), pq.Array(sources))
	if err != nil {
		return nil, fmt.Errorf("find earnings: %w", err)
	}
	out := make(map[siteSource]earned, len(rows))
	for _, r := range rows {
		out[siteSource{r.SiteID, r.Source}] = r
	}
	return out, nil
}

// lotsOf reads the lots of locked accounts that have points left, and those of the given earnings whether or not.
func lotsOf(ctx context.Context, tx sqlx.QueryerContext, holders map[person]*holder, of map[siteSource]earned) ([]*lot, error) {
	var sites, accounts, earnSites, earns []int64
	for _, h := range holders {
		sites, accounts = append(sites, h.SiteID), append(accounts, h.ID)
	}
	for _, e := range of {
		earnSites, earns = append(earnSites, e.SiteID), append(earns, e.ID)
	}
	var rows []*lot
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select l.site_id, l.id, l.account_id, l.granted, l.remaining, l.clawed, l.expired, l.forgiven, l.expires_at
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, account_id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0 offset 0) l
		union all
		select l.site_id, l.id, l.account_id, l.granted, l.remaining, l.clawed, l.expired, l.forgiven, l.expires_at
		from unnest($3::bigint[], $4::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.id = u.id and l.remaining = 0 offset 0) l`,
		pq.Array(sites), pq.Array(accounts), pq.Array(earnSites), pq.Array(earns))
	if err != nil {
		return nil, fmt.Errorf("read lots: %w", err)
	}
	return rows, nil
}

// dueLot is a lot that is due, with its earning.
type dueLot struct {
	lot
	MemberID   int64  `db:"member_id"`
	Reason     string `db:"reason"`
	OriginID   int64  `db:"origin_id"`
	ReferralID int64  `db:"referral_id"`
	RewardID   int64  `db:"reward_id"`
}

// dueLots reads up to limit due lots of locked accounts.
func dueLots(ctx context.Context, tx sqlx.QueryerContext, holders []*holder, now time.Time, limit int) ([]*dueLot, error) {
	sites, accounts := make([]int64, len(holders)), make([]int64, len(holders))
	for i, h := range holders {
		sites[i], accounts[i] = h.SiteID, h.ID
	}
	var rows []*dueLot
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select l.site_id, l.id, l.account_id, l.granted, l.remaining, l.clawed, l.expired, l.forgiven, l.expires_at, t.member_id, t.reason,
			coalesce(t.origin_id, 0) as origin_id, coalesce(t.referral_id, 0) as referral_id, coalesce(t.reward_id, 0) as reward_id
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, account_id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0
			and l.expires_at <= $3 offset 0) l
		cross join lateral (select * from loyalty.txn t where t.site_id = l.site_id and t.id = l.id offset 0) t
		order by l.expires_at, l.site_id, l.id
		limit $4`, pq.Array(sites), pq.Array(accounts), now, limit)
	if err != nil {
		return nil, fmt.Errorf("read due lots: %w", err)
	}
	return rows, nil
}
