package referral

import (
	"context"
	"slices"
	"strings"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// CampaignIDs are the site's campaigns that have one of the tags, if any are named, and the status, if one is ("live", in any case).
func (m *Module) CampaignIDs(ctx context.Context, siteID int64, tags []string, status string) ([]int64, error) {
	shelf, err := m.catalog.of(ctx, siteID)
	if err != nil {
		return nil, err
	}
	ids := []int64{}
	for _, c := range shelf.campaigns {
		if (len(tags) == 0 || c.tagged(tags)) && (status == "" || strings.EqualFold(c.Status, status)) {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// CampaignLabels are the tags of the site's campaigns, and the categories of origins that they are joined by.
func (m *Module) CampaignLabels(ctx context.Context, siteID int64) (map[int64]referralapi.CampaignLabels, error) {
	shelf, err := m.catalog.of(ctx, siteID)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]referralapi.CampaignLabels, len(shelf.campaigns))
	for _, c := range shelf.campaigns {
		out[c.ID] = referralapi.CampaignLabels{Tags: c.Tags, Types: c.Categories}
	}
	return out, nil
}
