package referral

import (
	"context"
	"fmt"
	"strings"

	"github.com/lib/pq"
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
