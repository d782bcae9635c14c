package loyalty

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// redemptionRoutes adds what a merchant does with redemptions. Members spend through the edge, which knows how requests name people.
func (m *Module) redemptionRoutes(api huma.API) {
	const batches, redemptions = "/api/v2/loyalty/programs/{id}/redemption_batches", "/api/v2/loyalty/redemptions"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createRedemptionBatch", Method: http.MethodPost, Path: batches, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Add something that members can spend points on",
		Description: "With a coupon list each redemption gets one of its coupons; without one the merchant hands out what was bought. Takes " +
			"`Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_redemption_batch` with a finding for each place, 409 `too_many_redemption_batches`."}, m.postBatch)
	huma.Register(api, huma.Operation{OperationID: "listProgramRedemptionBatches", Method: http.MethodGet, Path: batches, Tags: tags,
		Summary: "List what members of a programme can spend points on", Description: "Active and archived ones by position, at most 200. Errors: 404 `program_not_found`."}, m.listBatches)
	huma.Register(api, huma.Operation{OperationID: "replaceRedemptionBatch", Method: http.MethodPut, Path: batches + "/{batch_id}", Tags: tags,
		Summary:     "Change or archive a redemption batch",
		Description: "Replaces all settings. Redemptions keep the cost, description and coupon list that they were made with. Takes `Idempotency-Key`. Errors: 404 `redemption_batch_not_found`, 400 `invalid_redemption_batch`."}, m.putBatch)
	huma.Register(api, huma.Operation{OperationID: "listWaitingRedemptions", Method: http.MethodGet, Path: redemptions, Tags: tags,
		Summary:     "List the redemptions that wait for their coupon",
		Description: "Newest first. A redemption waits for a moment only, unless its coupon list is empty or unknown: add coupons, or cancel it."}, m.listWaiting)
	huma.Register(api, huma.Operation{OperationID: "getRedemption", Method: http.MethodGet, Path: redemptions + "/{id}", Tags: tags,
		Summary: "Read a redemption", Description: "Answers 404 `redemption_not_found` when the site has no such redemption."}, m.getRedemption)
	huma.Register(api, huma.Operation{OperationID: "cancelRedemption", Method: http.MethodPost, Path: redemptions + "/{id}/cancel", Tags: tags,
		Summary: "Cancel a redemption",
		Description: "Gives the points back to the lots that they were taken from: they expire when they would have expired, at once if that is past. " +
			"A debt made since is repaid out of them. A coupon that was handed out already is withdrawn a moment later: nobody else " +
			"gets it, and GET /coupons shows it as expired. To cancel again changes nothing. Takes `Idempotency-Key`. Errors: 404 `redemption_not_found`, 400 `invalid_reason`."}, m.cancelRedemption)
}

type batchBody struct {
	web.SiteBody
	Status       string `json:"status,omitempty" default:"active" doc:"active or archived" example:"active"`
	Description  string `json:"description" doc:"1 to 200 characters" example:"$5 off"`
	PointsCost   int64  `json:"points_cost" doc:"1 to 1,000,000,000,000" example:"500"`
	Position     int    `json:"position,omitempty" default:"0" doc:"Batches are shown by rising position" example:"1"`
	CouponListID *int64 `json:"coupon_list_id,omitempty" nullable:"true" doc:"Whose coupons are handed out; null: the merchant hands out what was bought" example:"7"`
}

func (b batchBody) settings() batchSettings {
	return batchSettings{Status: b.Status, Description: b.Description, PointsCost: b.PointsCost, Position: b.Position, CouponListID: b.CouponListID}
}

type batchAnswer struct {
	Batch loyaltyapi.RedemptionBatch `json:"redemption_batch"`
}

type batchesAnswer struct {
	Batches    []loyaltyapi.RedemptionBatch `json:"redemption_batches"`
	NextCursor *string                      `json:"next_cursor" doc:"Always null: all are on this page"`
}

type redemptionAnswer struct {
	Redemption loyaltyapi.Redemption `json:"redemption"`
}

type redemptionsAnswer struct {
	Redemptions []loyaltyapi.Redemption `json:"redemptions"`
	NextCursor  *string                 `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) postBatch(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body batchBody
}) (*web.OK[batchAnswer], error) {
	req := web.From(ctx)
	view, replayed, err := m.createBatch(ctx, req.Site.ID, in.ID, in.Body.settings(), req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(batchAnswer{view}), nil
}

func (m *Module) listBatches(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[batchesAnswer], error) {
	site := web.From(ctx).Site.ID
	if _, err := findProgram(ctx, m.db, site, in.ID); err != nil {
		return nil, err
	}
	batches, err := batchesOf(ctx, m.db, site, in.ID, true)
	if err != nil {
		return nil, err
	}
	return web.Answer(batchesAnswer{Batches: views(batches)}), nil
}

func (m *Module) putBatch(ctx context.Context, in *struct {
	ID      int64 `path:"id" minimum:"1"`
	BatchID int64 `path:"batch_id" minimum:"1"`
	Body    batchBody
}) (*web.OK[batchAnswer], error) {
	req := web.From(ctx)
	view, replayed, err := m.replaceBatch(ctx, req.Site.ID, in.ID, in.BatchID, in.Body.settings(), req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(batchAnswer{view}), nil
}

func (m *Module) listWaiting(ctx context.Context, in *struct{ web.Page }) (*web.OK[redemptionsAnswer], error) {
	site := web.From(ctx).Site.ID
	var after loyaltyapi.AfterID
	const list = "waiting redemptions"
	if _, err := m.cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	page, more, err := m.redemptions(ctx, site, 0, after, in.Limit)
	if err != nil {
		return nil, err
	}
	answer := redemptionsAnswer{Redemptions: page}
	if more {
		next := m.cursors.Encode(site, list, loyaltyapi.AfterID{ID: page[len(page)-1].ID})
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (m *Module) getRedemption(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[redemptionAnswer], error) {
	r, err := redemptionOf(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(redemptionAnswer{r.view()}), nil
}

func (m *Module) cancelRedemption(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		web.SiteBody
		Reason string `json:"reason" doc:"1 to 500 characters: why" example:"Ordered by mistake"`
	}
}) (*web.OK[redemptionAnswer], error) {
	req := web.From(ctx)
	if n := utf8.RuneCountInString(in.Body.Reason); n < 1 || n > 500 || !printable(in.Body.Reason) {
		return nil, fault.New(fault.Invalid, "invalid_reason", "The reason is not valid.").At("/reason", "must have 1 to 500 printable characters").Pointed()
	}
	done, err := m.Cancel(ctx, req.Site.ID, in.ID, in.Body.Reason, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(done.Replayed)
	return web.Answer(redemptionAnswer{*done.Redemption}), nil
}
