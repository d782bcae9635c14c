package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) claimRoutes(api huma.API) {
	public := map[string]any{"public": true}
	huma.Register(api, huma.Operation{OperationID: "getClaimURLStatus", Method: http.MethodGet, Path: "/api/v2/offers/{code}/claim_url_status",
		Tags: []string{"Offers"}, Metadata: public, Summary: "Can a friend claim the offer by this link?",
		Description: "True for a claim link of the offer, or of a share of it, while its campaign is live. 400 for an unknown offer, and without a link."}, m.getClaimURLStatus)
	huma.Register(api, huma.Operation{OperationID: "trackVisit", Method: http.MethodPut, Path: "/api/v2/visitor_offers/{id}/track_visit",
		Tags: []string{"Offers"}, Metadata: map[string]any{"public": true, "talkable": true}, Summary: "Tell that a friend has arrived",
		Description: "An app that was opened by a claim link names the friend offer that the link made (`talkable_visitor_offer_id`). When it last said so is kept; " +
			"nothing else changes. 400 for an unknown friend offer."}, m.putTrackVisit)
}

type claimURLStatus struct {
	Active bool `json:"active"`
}

func (m *Module) getClaimURLStatus(ctx context.Context, in *struct {
	SiteSlug string `query:"site_slug"`
	Code     string `path:"code" doc:"short_url_code or id of the offer"`
	ClaimURL string `query:"claim_url" doc:"The link"`
}) (*web.OK[claimURLStatus], error) {
	if in.ClaimURL == "" {
		return nil, fault.New(fault.Invalid, "claim_url_required", "`claim_url` is required").At("query.claim_url", "must be a link")
	}
	active, err := m.ClaimURLActive(ctx, web.From(ctx).Site, in.Code, in.ClaimURL)
	if err != nil {
		return nil, err
	}
	return web.Answer(claimURLStatus{active}), nil
}

type okOutput struct {
	Body struct {
		OK bool `json:"ok"`
	}
}

func (m *Module) putTrackVisit(ctx context.Context, in *struct {
	SiteSlug string `query:"site_slug"`
	ID       string `path:"id" doc:"Of the friend offer"`
}) (*okOutput, error) {
	if err := m.TrackVisit(ctx, web.From(ctx).Site.ID, in.ID); err != nil {
		return nil, err
	}
	out := &okOutput{}
	out.Body.OK = true
	return out, nil
}
