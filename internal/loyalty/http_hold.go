package loyalty

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// holdRoutes adds what a checkout does with a hold that it has. It gets one through the edge, which knows how requests name people.
func (m *Module) holdRoutes(api huma.API) {
	const hold = "/api/v2/loyalty/holds/{id}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "getHold", Method: http.MethodGet, Path: hold, Tags: tags,
		Summary: "Read a hold", Description: "Answers 404 `hold_not_found` when the site has no such hold."}, m.getHold)
	huma.Register(api, huma.Operation{OperationID: "commitHold", Method: http.MethodPost, Path: hold + "/commit", Tags: tags,
		Summary: "Spend the points that a hold keeps",
		Description: "When the order is placed. To commit again changes nothing. Takes `Idempotency-Key`. Errors: 404 `hold_not_found`; 409 `hold_over` when it was released " +
			"or its time is over."}, m.commitHold)
	huma.Register(api, huma.Operation{OperationID: "releaseHold", Method: http.MethodPost, Path: hold + "/release", Tags: tags,
		Summary: "Give back the points that a hold keeps",
		Description: "To the same lots and dates, as happens by itself when its time is over. To release again changes nothing. Takes `Idempotency-Key`. Errors: 404 `hold_not_found`; " +
			"409 `hold_committed`."}, m.releaseHold)
	huma.Register(api, huma.Operation{OperationID: "restoreHold", Method: http.MethodPost, Path: hold + "/restore", Tags: tags,
		Summary: "Give back points that were spent by a hold",
		Description: "When an order that was paid with points is returned, whole or in parts: to the same lots and dates, first what lives longest, so that any split of it has the " +
			"same end. What has lapsed meanwhile gets the programme's `restore_grace_days`. Takes `Idempotency-Key`. Errors: 404 `hold_not_found`; 409 `hold_not_committed`; 400 `too_many_points`."}, m.restoreHold)
}

type holdAnswer struct {
	Hold    loyaltyapi.Hold `json:"hold"`
	Balance int64           `json:"balance" doc:"The member's, after it"`
}

type heldAnswer struct {
	Hold loyaltyapi.Hold `json:"hold"`
}

type holdInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct{ web.SiteBody }
}

func (m *Module) getHold(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[heldAnswer], error) {
	k, err := holdOf(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(heldAnswer{k}), nil
}

func (m *Module) commitHold(ctx context.Context, in *holdInput) (*web.OK[holdAnswer], error) {
	return m.postHold(ctx, in.ID, kindCommit, 0)
}

func (m *Module) releaseHold(ctx context.Context, in *holdInput) (*web.OK[holdAnswer], error) {
	return m.postHold(ctx, in.ID, kindRelease, 0)
}

func (m *Module) restoreHold(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		web.SiteBody
		Points int64 `json:"points" minimum:"1" maximum:"1000000000000" doc:"How many, beside those that were restored before" example:"10"`
	}
}) (*web.OK[holdAnswer], error) {
	return m.postHold(ctx, in.ID, kindRestore, in.Body.Points)
}

func (m *Module) postHold(ctx context.Context, id int64, kind string, points int64) (*web.OK[holdAnswer], error) {
	req := web.From(ctx)
	done, err := m.endHold(ctx, req.Site.ID, id, kind, points, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(done.Replayed)
	return web.Answer(holdAnswer{*done.Hold, done.Balance}), nil
}
