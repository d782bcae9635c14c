package referral

import (
	"context"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// CampaignIDs are the site's campaigns that have one of the tags, if any are named, and the status, if one is ("live", in any case).
func (m *Module) CampaignIDs(ctx context.Context, siteID int64, tags []string, status string) ([]int64, error) {
	ids := []int64{}
	err := m.db.SelectContext(ctx, &ids, `
		select id from referral.campaign
		where site_id = $1 and (cardinality($2::text[]) = 0 or tags && $2) and ($3 = '' or lower(status) = $3)
		order by id`, siteID, pq.Array(append([]string{}, tags...)), strings.ToLower(status))
	if err != nil {
		return nil, fmt.Errorf("find campaigns: %w", err)
	}
	return ids, nil
}

// CampaignLabels are the tags of the site's campaigns, and the categories of origins that they are joined by.
func (m *Module) CampaignLabels(ctx context.Context, siteID int64) (map[int64]referralapi.CampaignLabels, error) {
	var rows []struct {
		ID    int64          `db:"id"`
		Tags  pq.StringArray `db:"tags"`
		Types pq.StringArray `db:"categories"`
	}
	if err := m.db.SelectContext(ctx, &rows, `select id, tags, categories from referral.campaign where site_id = $1`, siteID); err != nil {
		return nil, fmt.Errorf("read campaigns' labels: %w", err)
	}
	out := make(map[int64]referralapi.CampaignLabels, len(rows))
	for _, r := range rows {
		out[r.ID] = referralapi.CampaignLabels{Tags: r.Tags, Types: r.Types}
	}
	return out, nil
}
