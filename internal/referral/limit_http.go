package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) limitRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getCampaignLimits", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}/limits",
		Tags: []string{"Rewards"}, Summary: "Read a campaign's limits and budget",
		Description: "How many rewards the campaign gives to one advocate or for one offer, its budget, and how much of it is spent in the present period. " +
			"404 if the site has no such campaign."}, m.getLimits)
	huma.Register(api, huma.Operation{OperationID: "replaceCampaignLimits", Method: http.MethodPut, Path: "/api/v2/campaigns/{id}/limits",
		Tags: []string{"Rewards"}, Summary: "Set a campaign's limits and budget",
		Description: "Replaces all limits; those left out are none. They hold at once, also for offers that were made before. A reward that a limit or the budget has no " +
			"room for is refused, and the refusal is kept: see listRefusedRewards. What was given before stays. At 80 and at 100 percent of the budget an event is told. " +
			"Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.putLimits)
}

// Limits is embedded under a name that the description of the API can see.
type Limits = limits

// limitsJSON are a campaign's limits as the API shows them.
type limitsJSON struct {
	Limits
	Spent *spentJSON `json:"spent" doc:"Of the budget; null without one"`
}

type spentJSON struct {
	Amount int64   `json:"amount" doc:"Minor units; what was taken back of rewards is back"`
	Left   int64   `json:"left"`
	Since  *string `json:"since" format:"date" doc:"The day on which the present period began, UTC; null of a budget without periods"`
}

type limitsResult struct {
	Limits limitsJSON `json:"limits"`
}

func (m *Module) getLimits(ctx context.Context, in *campaignPath) (*web.OK[limitsResult], error) {
	l, err := m.readLimits(ctx, m.db, web.From(ctx).Site.ID, in.ID, m.now())
	if err != nil {
		return nil, err
	}
	return web.Answer(limitsResult{l}), nil
}

type putLimitsInput struct {
	ID   int64 `path:"id"`
	Body struct {
		web.SiteBody
		Limits limits `json:"limits"`
	}
}

func (m *Module) putLimits(ctx context.Context, in *putLimitsInput) (*web.OK[limitsResult], error) {
	req := web.From(ctx)
	l, replayed, err := m.setLimits(ctx, req.Site, in.ID, req.KeyID, in.Body.Limits, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(limitsResult{l}), nil
}
