package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// placementsOf reads the placements of a site, in their order.
func placementsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) ([]*placement, error) {
	var rows []struct {
		ID   int64  `db:"id"`
		Body string `db:"body"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `select id, body from referral.placement where site_id = $1 order by position`, siteID)
	if err != nil {
		return nil, fmt.Errorf("placements: %w", err)
	}
	out := make([]*placement, len(rows))
	for i, r := range rows {
		out[i] = &placement{}
		if err := json.Unmarshal([]byte(r.Body), out[i]); err != nil {
			return nil, fmt.Errorf("placement %d of site %d: %w", r.ID, siteID, err)
		}
		out[i].ID = r.ID
	}
	return out, nil
}

// typesOf reads of which types the campaigns of a site are.
func typesOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (map[int64]string, error) {
	var rows []versionRow
	err := sqlx.SelectContext(ctx, q, &rows, `select id as campaign_id, type from referral.campaign where site_id = $1`, siteID)
	if err != nil {
		return nil, fmt.Errorf("types of campaigns: %w", err)
	}
	out := map[int64]string{}
	for _, r := range rows {
		out[r.CampaignID] = r.Type
	}
	return out, nil
}

// savePlacements makes a site's placements those of the list; one with an id that isn't there is a fault.
func savePlacements(ctx context.Context, tx *sqlx.Tx, siteID int64, list []placement) error {
	kept := []int64{}
	for _, p := range list {
		if p.ID != 0 {
			kept = append(kept, p.ID)
		}
	}
	_, err := tx.ExecContext(ctx, `delete from referral.placement where site_id = $1 and id <> all ($2::bigint[])`, siteID, pq.Array(kept))
	if err != nil {
		return fmt.Errorf("delete placements: %w", err)
	}
	for n, p := range list {
		body, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("placement: %w", err)
		}
		query, args := `insert into referral.placement (site_id, position, body) values ($1, $2, $3)`, []any{siteID, n, string(body)}
		if p.ID != 0 {
			query, args = `update referral.placement set position = $2, body = $3 where site_id = $1 and id = $4`, append(args, p.ID)
		}
		done, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("save placement: %w", err)
		}
		if changed, err := done.RowsAffected(); err != nil || changed == 0 {
			return fault.New(fault.Invalid, "invalid_placements", "There is no placement with such an id.").
				At("/placements/"+strconv.Itoa(n)+"/id", "is no placement of this site").Because(err)
		}
	}
	return nil
}
