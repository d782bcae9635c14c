package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

func addBatch(ctx context.Context, tx sqlx.QueryerContext, b redemptionBatch) (redemptionBatch, error) {
	err := sqlx.GetContext(ctx, tx, &b.ID, `
		insert into loyalty.redemption_batch (site_id, program_id, status, description, points_cost, position, coupon_list_id, kind, terms, created_at, updated_at, wallet)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
		returning id`, b.SiteID, b.ProgramID, b.Status, b.Description, b.PointsCost, b.Position, b.CouponListID, b.Kind, b.Terms, b.CreatedAt, b.Wallet)
	if err != nil {
		return b, fmt.Errorf("add redemption batch: %w", err)
	}
	return b, nil
}

// lockBatch locks a programme's batch.
func lockBatch(ctx context.Context, tx sqlx.QueryerContext, site, program, id int64) (redemptionBatch, error) {
	var b redemptionBatch
	err := sqlx.GetContext(ctx, tx, &b, `
		select `+batchColumns+` from loyalty.redemption_batch b where b.site_id = $1 and b.id = $3 and b.program_id = $2 for update`, site, program, id)
	if errors.Is(err, sql.ErrNoRows) {
		return b, fault.New(fault.NotFound, "redemption_batch_not_found", "No such redemption batch.")
	}
	if err != nil {
		return b, fmt.Errorf("lock redemption batch: %w", err)
	}
	return b, nil
}

func saveBatch(ctx context.Context, tx sqlx.ExecerContext, b redemptionBatch) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.redemption_batch set status = $3, description = $4, points_cost = $5, position = $6, coupon_list_id = $7, kind = $8, terms = $9, updated_at = $10, wallet = $11
		where site_id = $1 and id = $2`, b.SiteID, b.ID, b.Status, b.Description, b.PointsCost, b.Position, b.CouponListID, b.Kind, b.Terms, b.UpdatedAt, b.Wallet)
	if err != nil {
		return fmt.Errorf("save redemption batch: %w", err)
	}
	return nil
}

// batchesOf reads a programme's batches (0: the site's) as they are shown; archived ones only when asked for.
func batchesOf(ctx context.Context, db sqlx.QueryerContext, site, program int64, all bool) ([]redemptionBatch, error) {
	var rows []redemptionBatch
	err := sqlx.SelectContext(ctx, db, &rows, `
		select `+batchColumns+` from loyalty.redemption_batch b
		where b.site_id = $1 and ($2 = 0 or b.program_id = $2) and ($3 or b.status = 'active')
		order by b.position, b.id`, site, program, all)
	if err != nil {
		return nil, fmt.Errorf("read redemption batches: %w", err)
	}
	return rows, nil
}
