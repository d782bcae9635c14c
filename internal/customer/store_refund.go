package customer

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

func refundsOf(ctx context.Context, u *bus.Unit, siteID, originID int64) ([]refund, error) {
	var out []refund
	err := u.SelectContext(ctx, &out, `select id, key, amount from customer.refund where site_id = $1 and origin_id = $2`, siteID, originID)
	return out, wrap("read refunds", err)
}

func insertRefund(ctx context.Context, u *bus.Unit, o origin, key string, amount int64, at time.Time) (int64, error) {
	var id int64
	err := u.GetContext(ctx, &id, `
		insert into customer.refund (site_id, origin_id, key, amount, refunded_at, recorded_at) values ($1, $2, $3, $4, $5, $6)
		returning id`, o.SiteID, o.ID, key, amount, at, u.Now)
	return id, wrap("insert refund", err)
}

func saveRefunded(ctx context.Context, u *bus.Unit, o origin) error {
	_, err := u.ExecContext(ctx, `
		update customer.origin set refunded_total = $3, refunded_at = $4 where site_id = $1 and id = $2`,
		o.SiteID, o.ID, o.RefundedTotal, o.RefundedAt)
	return wrap("refund origin", err)
}
