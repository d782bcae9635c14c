package loyalty

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

const batchColumns = `b.site_id, b.id, b.program_id, b.status, b.description, b.points_cost, b.position, b.coupon_list_id, b.kind, b.terms, b.wallet,
	b.created_at, b.updated_at`

const redemptionColumns = `r.site_id, r.id, r.member_id, r.batch_id, r.status, r.description, r.points, r.traffic_source, r.coupon_list_id,
	r.coupon_id, r.coupon_code, r.kind, r.terms, r.note, r.cancel_reason, r.cancel_txn_id, r.created_at, r.fulfilled_at, r.cancelled_at, r.wallet`

var errNoRedemption = fault.New(fault.NotFound, "redemption_not_found", "No such redemption.")

// pairs are things in the order of locks, each once, as two arrays.
func pairs(ids []siteID) (sites, own []int64) {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b siteID) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	for _, id := range slices.Compact(ids) {
		sites, own = append(sites, id.site), append(own, id.id)
	}
	return sites, own
}

// shareBatches reads batches and keeps them from changing until the transaction ends.
func shareBatches(ctx context.Context, tx sqlx.QueryerContext, ids []siteID) (map[siteID]*redemptionBatch, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*redemptionBatch
	sites, own := pairs(ids)
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+batchColumns+`
		from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, id, o) order by o) u
		cross join lateral (select * from loyalty.redemption_batch b where b.site_id = u.site_id and b.id = u.id for share) b`,
		pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, fmt.Errorf("share redemption batches: %w", err)
	}
	out := make(map[siteID]*redemptionBatch, len(rows))
	for _, b := range rows {
		out[siteID{b.SiteID, b.ID}] = b
	}
	return out, nil
}

// ownersOf are the persons whose redemptions these are, and to which others of a pool paid a part; that never changes.
func ownersOf(ctx context.Context, tx sqlx.QueryerContext, ids []siteID) (owners map[siteID]int64, pooled []siteID, err error) {
	if len(ids) == 0 {
		return map[siteID]int64{}, nil, nil
	}
	var rows []struct {
		SiteID   int64 `db:"site_id"`
		ID       int64 `db:"id"`
		PersonID int64 `db:"person_id"`
		Pooled   bool  `db:"pooled"`
	}
	sites, own := pairs(ids)
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select u.site_id, u.id, m.person_id, coalesce(r.pooled, false) as pooled
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.redemption r where r.site_id = u.site_id and r.id = u.id offset 0) r
		cross join lateral (select * from loyalty.member m where m.site_id = r.site_id and m.id = r.member_id offset 0) m`, pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, nil, fmt.Errorf("find redemptions' members: %w", err)
	}
	owners = make(map[siteID]int64, len(rows))
	for _, r := range rows {
		owners[siteID{r.SiteID, r.ID}] = r.PersonID
		if r.Pooled {
			pooled = append(pooled, siteID{r.SiteID, r.ID})
		}
	}
	return owners, pooled, nil
}

// lockRedemptions locks redemptions, whose members are locked already, and reads from which lots they took their points.
func lockRedemptions(ctx context.Context, tx sqlx.QueryerContext, ids []siteID) (map[siteID]*redemption, map[siteID][]allocation, error) {
	if len(ids) == 0 {
		return nil, map[siteID][]allocation{}, nil
	}
	sites, own := pairs(ids)
	var rows []*redemption
	err := sqlx.SelectContext(ctx, tx, &rows, lockedRedemptions, pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, nil, fmt.Errorf("lock redemptions: %w", err)
	}
	out := make(map[siteID]*redemption, len(rows))
	for _, r := range rows {
		out[siteID{r.SiteID, r.ID}] = r
	}
	used := map[siteID][]allocation{}
	return out, used, allocationsOf(ctx, tx, keys(out), used)
}

// allocationsOf reads from which lots transactions took their points. They are of locked members: an id that only looks like one of
// theirs would bring lots that nobody has locked.
func allocationsOf(ctx context.Context, tx sqlx.QueryerContext, of []siteID, used map[siteID][]allocation) error {
	sites, own := pairs(of)
	var uses []allocation
	err := sqlx.SelectContext(ctx, tx, &uses, `
		select a.site_id, a.lot_id, a.txn_id, a.amount
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.allocation a where a.site_id = u.site_id and a.txn_id = u.id offset 0) a
		order by a.site_id, a.txn_id, a.lot_id`, pq.Array(sites), pq.Array(own))
	if err != nil {
		return fmt.Errorf("read allocations: %w", err)
	}
	for _, a := range uses {
		of := siteID{a.SiteID, a.TxnID}
		used[of] = append(used[of], a)
	}
	return nil
}

const lockedRedemptions = `
	select ` + redemptionColumns + `
	from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, id, o) order by o) u
	cross join lateral (select * from loyalty.redemption r where r.site_id = u.site_id and r.id = u.id for update) r`

// madeBy reads the transactions that made lots.
func madeBy(ctx context.Context, tx sqlx.QueryerContext, lots []siteID) (map[siteID]txn, error) {
	if len(lots) == 0 {
		return nil, nil
	}
	sites, own := pairs(lots)
	var rows []earned
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+earnedColumns+`
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.txn t where t.site_id = u.site_id and t.id = u.id offset 0) t`, pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, fmt.Errorf("read what made lots: %w", err)
	}
	out := make(map[siteID]txn, len(rows))
	for _, r := range rows {
		out[siteID{r.SiteID, r.ID}] = r.txn()
	}
	return out, nil
}

// giveCoupons writes down which coupons redemptions got, and returns the redemptions as they were before. One that was cancelled meanwhile
// stays cancelled, and shows what it got.
func giveCoupons(ctx context.Context, tx sqlx.ExtContext, got []coupon) (map[siteID]*redemption, error) {
	ids := make([]siteID, len(got))
	for i, c := range got {
		ids[i] = siteID{c.site, c.redemption}
	}
	sites, own := pairs(ids)
	var rows []*redemption
	if err := sqlx.SelectContext(ctx, tx, &rows, lockedRedemptions, pq.Array(sites), pq.Array(own)); err != nil {
		return nil, fmt.Errorf("lock redemptions: %w", err)
	}
	before := make(map[siteID]*redemption, len(rows))
	for _, r := range rows {
		before[siteID{r.SiteID, r.ID}] = r
	}
	var coupons []int64
	var codes, at []string
	sites, own = nil, nil
	for _, c := range got {
		sites, own, coupons = append(sites, c.site), append(own, c.redemption), append(coupons, c.id)
		codes, at = append(codes, c.code), append(at, stamp(c.at))
	}
	_, err := tx.ExecContext(ctx, `
		update loyalty.redemption r set coupon_id = u.coupon_id, coupon_code = u.code,
			status = case r.status when 'waiting' then 'fulfilled' else r.status end, fulfilled_at = coalesce(r.fulfilled_at, u.at::timestamptz)
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) as u (site_id, id, coupon_id, code, at)
		where r.site_id = u.site_id and r.id = u.id and r.coupon_id is null`,
		pq.Array(sites), pq.Array(own), pq.Array(coupons), pq.Array(codes), pq.Array(at))
	if err != nil {
		return nil, fmt.Errorf("save redemptions' coupons: %w", err)
	}
	return before, nil
}

func redemptionOf(ctx context.Context, db sqlx.QueryerContext, site, id int64) (redemption, error) {
	var r redemption
	err := sqlx.GetContext(ctx, db, &r, `select `+redemptionColumns+` from loyalty.redemption r where r.site_id = $1 and r.id = $2`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errNoRedemption
	}
	if err != nil {
		return r, fmt.Errorf("read redemption: %w", err)
	}
	return r, nil
}

// redemptionsOf reads a member's redemptions below after (0: from the newest on).
func redemptionsOf(ctx context.Context, db sqlx.QueryerContext, site, member, after int64, limit int) ([]redemption, error) {
	if after <= 0 {
		after = math.MaxInt64
	}
	var rows []redemption
	err := sqlx.SelectContext(ctx, db, &rows, `
		select `+redemptionColumns+` from `+oneself("$4")+` cross join lateral (
			select * from loyalty.redemption r where r.site_id = $1 and r.member_id = who.id and r.id < $2 order by r.id desc limit $3) r
		order by r.id desc limit $3`, site, after, limit, member)
	if err != nil {
		return nil, fmt.Errorf("read redemptions: %w", err)
	}
	return rows, nil
}

// byHand reads a member's adjustments below after (0: from the newest on).
func byHand(ctx context.Context, db sqlx.QueryerContext, site, member, after int64, limit int) ([]txnRow, error) {
	if after <= 0 {
		after = math.MaxInt64
	}
	var rows []txnRow
	err := sqlx.SelectContext(ctx, db, &rows, `
		select t.id, t.kind, t.reason, t.points, t.description, t.effective_at, coalesce(t.wallet, '') as wallet
		from `+oneself("$2")+` cross join lateral (
			select * from loyalty.txn where site_id = $1 and member_id = who.id and kind = 'adjust' and id < $3 order by id desc limit $4) t
		order by t.id desc
		limit $4`, site, member, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read adjustments: %w", err)
	}
	return rows, nil
}

func orZero(p *int64) int64 { return deref(p) }

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
