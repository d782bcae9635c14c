package loyalty

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// lastMove is when a member moved between tiers last; nil: never.
func lastMove(ctx context.Context, db sqlx.QueryerContext, site, member int64) (*time.Time, error) {
	var at time.Time
	err := sqlx.GetContext(ctx, db, &at, `select changed_at from loyalty.tier_change where site_id = $1 and member_id = $2 order by id desc limit 1`, site, member)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the last change of tier: %w", err)
	}
	return &at, nil
}

// tierChangesOf reads a member's moves between tiers behind a place, the latest first.
func tierChangesOf(ctx context.Context, db sqlx.QueryerContext, site, member int64, after loyaltyapi.AfterTierChange, limit int) ([]loyaltyapi.TierChange, error) {
	if after.At.IsZero() {
		after.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var rows []struct {
		changeRow
		TxnID   *int64     `db:"txn_id"`
		Source  *string    `db:"source"`
		Seen    *string    `db:"seen"`
		Version int        `db:"program_version"`
		Until   *time.Time `db:"until"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, from_tier, to_tier, earned, cause, changed_at, txn_id, source, seen::text as seen, program_version, until
		from loyalty.tier_change
		where site_id = $1 and member_id = $2 and (changed_at, id) < ($3, $4)
		order by changed_at desc, id desc
		limit $5`, site, member, after.At, after.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes of tier: %w", err)
	}
	out := make([]loyaltyapi.TierChange, len(rows))
	for i, r := range rows {
		out[i] = loyaltyapi.TierChange{ID: r.ID, From: named(r.From), To: named(r.To), Cause: r.Cause, TransactionID: r.TxnID, Source: r.Source,
			PointsEarned: r.Earned, Version: r.Version, Until: r.Until, ChangedAt: r.ChangedAt}
		if r.Seen != nil {
			if err := json.Unmarshal([]byte(*r.Seen), &out[i].Counters); err != nil {
				return nil, fmt.Errorf("what counted for change of tier %d: %w", r.ID, err)
			}
		}
	}
	return out, nil
}
