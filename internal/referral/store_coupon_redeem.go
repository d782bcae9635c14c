package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// redemptionsKnown says which redemptions have a coupon, wait for one, or need none any more.
func redemptionsKnown(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64) (map[key]bool, error) {
	rows, err := keysIn(ctx, q, `
		select u.s as site_id, u.r as id
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		where exists (select from referral.coupon c where c.site_id = u.s and c.redemption_id = u.r)
			or exists (select from referral.coupon_wait w where w.site_id = u.s and w.redemption_id = u.r)
			or exists (select from referral.redemption_cancelled x where x.site_id = u.s and x.redemption_id = u.r)`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("known redemptions: %w", err)
	}
	return setOf(rows), nil
}

func noteCancelled(ctx context.Context, tx *sqlx.Tx, now time.Time, sites, ids []int64) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.redemption_cancelled (site_id, redemption_id, cancelled_at)
		select distinct u.s, u.r, $3::timestamptz from unnest($1::bigint[], $2::bigint[]) u (s, r) order by 1, 2
		on conflict do nothing`, pq.Array(sites), pq.Array(ids), now)
	if err != nil {
		return fmt.Errorf("note cancelled redemptions: %w", err)
	}
	return nil
}

// lockWaitingRedemptions locks the waits of redemptions, in the order in which they are served.
func lockWaitingRedemptions(ctx context.Context, tx *sqlx.Tx, sites, ids []int64) ([]waitRow, error) {
	var out []waitRow
	err := tx.SelectContext(ctx, &out, `
		select `+waitColumns+`
		from (select distinct s, r from unnest($1::bigint[], $2::bigint[]) u (s, r)) u
		join referral.coupon_wait w on w.site_id = u.s and w.redemption_id = u.r
		order by w.site_id, w.list_id, w.id
		for update of w`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock waiting redemptions: %w", err)
	}
	return out, nil
}

// withdrawCoupons takes back what redemptions got. The coupons stay theirs, so that they go to nobody else.
func withdrawCoupons(ctx context.Context, tx *sqlx.Tx, now time.Time, sites, ids []int64) error {
	_, err := tx.ExecContext(ctx, `
		update referral.coupon c set withdrawn_at = $3
		from (select distinct s, r from unnest($1::bigint[], $2::bigint[]) u (s, r)) u
		where c.site_id = u.s and c.redemption_id = u.r and c.withdrawn_at is null`, pq.Array(sites), pq.Array(ids), now)
	if err != nil {
		return fmt.Errorf("withdraw coupons: %w", err)
	}
	return nil
}
