package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// givenSince is how many points a locked member gave to others since a moment.
func givenSince(ctx context.Context, tx sqlx.QueryerContext, h *holder, since time.Time) (points int64, err error) {
	err = sqlx.GetContext(ctx, tx, &points, `
		select coalesce(sum(points), 0)::bigint from loyalty.txn
		where site_id = $1 and member_id = $2 and kind = 'transfer_out' and effective_at > $3 and coalesce(wallet, '') = $4`, h.SiteID, h.MemberID, since, h.Wallet)
	if err != nil {
		return 0, fmt.Errorf("sum what a member gave: %w", err)
	}
	return points, nil
}
