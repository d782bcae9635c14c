package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

const deliveryColumns = `id, endpoint_id, message_id, type, starts_with(occasion, 'sample:') as sample, state, reason, attempts, occurred_at,
	created_at, next_at, delivered_at, failed_at, last_status, last_error`

// hookFilter says which deliveries of a site are asked for.
type hookFilter struct {
	endpointID  int64
	state, kind string
	before      int64 // id; 0: from the newest
}

func deliveries(ctx context.Context, db sqlx.QueryerContext, siteID int64, f hookFilter, n int) ([]Delivery, error) {
	var out []Delivery
	err := sqlx.SelectContext(ctx, db, &out, `
		select `+deliveryColumns+`
		from notify.delivery
		where site_id = $1 and ($2::bigint = 0 or id < $2) and ($3::bigint = 0 or endpoint_id = $3) and ($4 = '' or state = $4) and ($5 = '' or type = $5)
		order by id desc
		limit $6`, siteID, f.before, f.endpointID, f.state, f.kind, n)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return out, nil
}

func deliveryByID(ctx context.Context, db sqlx.QueryerContext, siteID, id int64) (out wholeDelivery, err error) {
	var row struct {
		Delivery
		Body *string `db:"body"`
	}
	err = sqlx.GetContext(ctx, db, &row, `select `+deliveryColumns+`, body from notify.delivery where site_id = $1 and id = $2`, siteID, id)
	if err != nil {
		return out, noDelivery(err)
	}
	out.Delivery, out.Body, out.Made = row.Delivery, row.Body, []deliveryAttempt{}
	err = sqlx.SelectContext(ctx, db, &out.Made, `
		select number, started_at, milliseconds, status, error, answer from notify.attempt
		where site_id = $1 and delivery_id = $2 order by number desc limit 50`, siteID, id)
	if err != nil {
		return out, fmt.Errorf("list attempts: %w", err)
	}
	return out, nil
}

func lockDelivery(ctx context.Context, tx sqlx.QueryerContext, siteID, id int64) (d Delivery, err error) {
	err = sqlx.GetContext(ctx, tx, &d, `select `+deliveryColumns+` from notify.delivery where site_id = $1 and id = $2 for update`, siteID, id)
	return d, noDelivery(err)
}

// requeueDelivery begins anew with a delivery that has ended, or waits.
func requeueDelivery(ctx context.Context, tx sqlx.QueryerContext, siteID, id int64, now time.Time) (d Delivery, err error) {
	err = sqlx.GetContext(ctx, tx, &d, `
		update notify.delivery
		set state = 'waiting', reason = null, attempts = 0, next_at = $3, queued_at = $3, delivered_at = null, failed_at = null
		where site_id = $1 and id = $2
		returning `+deliveryColumns, siteID, id, now)
	return d, noDelivery(err)
}

func insertSample(ctx context.Context, tx sqlx.QueryerContext, siteID int64, p parcel, now time.Time) (d Delivery, err error) {
	err = sqlx.GetContext(ctx, tx, &d, `
		insert into notify.delivery (site_id, endpoint_id, type, occasion, message_id, person_id, friend_id, data, state, next_at, occurred_at, created_at, queued_at)
		values ($1, $2, $3, $4, $5, 0, 0, $6, 'waiting', $7, $7, $7, $7)
		returning `+deliveryColumns, siteID, p.endpointID, p.kind, p.key, p.messageID, p.data, now)
	if err != nil {
		return d, fmt.Errorf("queue a sample: %w", err)
	}
	return d, nil
}

func noDelivery(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, "delivery_not_found", "There is no such delivery.")
	}
	return fmt.Errorf("read a delivery: %w", err)
}
