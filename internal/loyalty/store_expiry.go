package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// openLots are what a member ($2: the account) has left, and when it ends.
const openLots = `
	select l.site_id, l.id, l.remaining, l.granted, coalesce(l.by_activity, false) as by_activity,
		case when l.by_activity then ` + lapsing + ` else l.expires_at end as expires_at
	from loyalty.lot l
	join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
	join loyalty.member m on m.site_id = a.site_id and m.id = a.owner_id
	where l.site_id = $1 and l.account_id = $2 and l.remaining > 0`

// expirationsQuery looks up the earnings of those that are shown only.
const expirationsQuery = `
		select l.id as lot_id, l.remaining as points, l.granted, l.expires_at, l.by_activity, l.sorts_at, t.reason, t.effective_at as earned_at
		from (
			select * from (select *, coalesce(expires_at, '9999-01-01') as sorts_at from (` + openLots + `) l) l
			where (l.sorts_at, l.id) > ($3, $4)
			order by l.sorts_at, l.id
			limit $5) l
		cross join lateral (select * from loyalty.txn t where t.site_id = $1 and t.id = l.id offset 0) t
		order by l.sorts_at, l.id`

// expirationsOf reads them, the next to end first.
func expirationsOf(ctx context.Context, db sqlx.QueryerContext, site, account int64, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Expiration, error) {
	rows := []loyaltyapi.Expiration{}
	err := sqlx.SelectContext(ctx, db, &rows, expirationsQuery, site, account, after.At, after.LotID, limit)
	if err != nil {
		return nil, fmt.Errorf("read what expires: %w", err)
	}
	return rows, nil
}

// expiringNext is what of a member's points ends next; nil: nothing.
func expiringNext(ctx context.Context, db sqlx.QueryerContext, site, account int64) (*loyaltyapi.Expiring, error) {
	var next loyaltyapi.Expiring
	err := sqlx.GetContext(ctx, db, &next, `
		select expires_at as at, sum(remaining)::bigint as points from (`+openLots+`) l where expires_at is not null group by expires_at order by expires_at limit 1`, site, account)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what expires next: %w", err)
	}
	return &next, nil
}
