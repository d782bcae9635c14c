package loyalty

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pendingRoutes adds what a merchant says of points that can't be spent yet.
func (m *Module) pendingRoutes(api huma.API) {
	const txn = "/api/v2/loyalty/transactions/{id}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "activatePoints", Method: http.MethodPost, Path: txn + "/activate", Tags: tags,
		Summary: "Let a member spend pending points now",
		Description: "What is left of an earning becomes the member's, before its date or without one: as when the order was delivered. To activate again changes nothing. " +
			"Takes `Idempotency-Key`. Errors: 404 `transaction_not_found`, also for what earned nothing; 409 `points_cancelled` when all of it was taken back; 400 `invalid_note`."}, m.activatePoints)
	huma.Register(api, huma.Operation{OperationID: "cancelPoints", Method: http.MethodPost, Path: txn + "/cancel", Tags: tags,
		Summary: "Take pending points back",
		Description: "All that is left of an earning goes back to the site, as by a refund of the whole order; a refund that comes later takes nothing more. To cancel again changes " +
			"nothing. Takes `Idempotency-Key`. Errors: 404 `transaction_not_found`, also for what earned nothing; 409 `not_pending` when the points can be spent already; 400 `invalid_note`."}, m.cancelPoints)
}

type pendingInput struct {
	ID   int64 `path:"id" minimum:"1" doc:"Of the transaction that earned the points"`
	Body struct {
		web.SiteBody
		Note string `json:"note,omitempty" doc:"At most 500 characters: why" example:"Delivered"`
	}
}

type pendingAnswer struct {
	Points loyaltyapi.PendingEnd `json:"pending_points"`
}

func (m *Module) activatePoints(ctx context.Context, in *pendingInput) (*web.OK[pendingAnswer], error) {
	return m.postPending(ctx, in, true)
}

func (m *Module) cancelPoints(ctx context.Context, in *pendingInput) (*web.OK[pendingAnswer], error) {
	return m.postPending(ctx, in, false)
}

func (m *Module) postPending(ctx context.Context, in *pendingInput, activate bool) (*web.OK[pendingAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.endPending(ctx, req.Site.ID, in.ID, activate, in.Body.Note, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(pendingAnswer{out}), nil
}
