package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

var errNoAttribution = fault.New(fault.NotFound, "attribution_not_found", "Nothing has been decided about this origin. A number is read as the id that we gave it: of an order whose own number it is ask with ?by=slug.")

func (m *Module) attributionRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getAttribution", Method: http.MethodGet, Path: "/api/v2/origins/{id}/attribution",
		Tags: []string{"Referrals"}, Summary: "Why an origin made a referral, or none",
		Description: "The decision about a verified purchase or event: outcome (referred, blocked, none), the reason, and the trace: every link, code, claim and " +
			"e-mail that could have led to it, kept or dropped, each with its cause in words, and the rules of the campaigns as they were. Decisions without a " +
			"referral are kept for 400 days. 404 while there is no decision, and for sign-ups and what only a browser told of."}, m.getAttribution)
}

type attributionResult struct {
	Attribution attributionJSON `json:"attribution"`
}

func (m *Module) getAttribution(ctx context.Context, in *originPath) (*web.OK[attributionResult], error) {
	siteID := web.From(ctx).Site.ID
	id, err := m.origin(ctx, siteID, *in)
	if err != nil {
		return nil, err
	}
	a, err := attributionOf(ctx, m.db, siteID, id)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errNoAttribution
	}
	return web.Answer(attributionResult{a.json()}), nil
}
