package referral

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) payoutRoutes(api huma.API) {
	tags := []string{"Payouts"}
	huma.Register(api, huma.Operation{OperationID: "previewPayout", Method: http.MethodGet, Path: "/api/v2/payout_preview", Tags: tags,
		Summary: "What a payout batch would be now", Description: "Whom it would pay and how much, who has earned too little, who owes, what is on hold. Changes nothing."}, m.getPreview)
	huma.Register(api, huma.Operation{OperationID: "createPayoutBatch", Method: http.MethodPost, Path: "/api/v2/payout_batches", Tags: tags,
		Summary: "Create a payout batch", DefaultStatus: http.StatusCreated,
		Description: "Freezes what people have earned in a currency, if it is at least the minimum: each entry of an account is in one batch at most. What was taken back of earlier payouts " +
			"is taken off. At most 10000 people; who is left comes in the next batch. It is a draft until it is approved. Takes an Idempotency-Key. 409 if there is nothing to pay."}, m.postBatch)
	huma.Register(api, huma.Operation{OperationID: "listPayoutBatches", Method: http.MethodGet, Path: "/api/v2/payout_batches", Tags: tags,
		Summary: "List payout batches", Description: "Newest first."}, m.getBatches)
	huma.Register(api, huma.Operation{OperationID: "getPayoutBatch", Method: http.MethodGet, Path: "/api/v2/payout_batches/{id}", Tags: tags,
		Summary: "Read a payout batch", Description: "404 if the site has no such batch."}, m.getBatch)
	huma.Register(api, huma.Operation{OperationID: "listPayoutLines", Method: http.MethodGet, Path: "/api/v2/payout_batches/{id}/lines", Tags: tags,
		Summary: "List the people of a payout batch", Description: "In the order of their lines, with what became of each. 404 if the site has no such batch."}, m.getLines)
	huma.Register(api, huma.Operation{OperationID: "exportPayoutBatch", Method: http.MethodGet, Path: "/api/v2/payout_batches/{id}/csv", Tags: tags,
		Summary: "Download a payout batch", Description: "CSV with names and addresses as they are now. Texts that a spreadsheet would take for a formula begin with an apostrophe. " +
			"404 if the site has no such batch.",
		Responses: map[string]*huma.Response{"200": {Description: "The list", Content: map[string]*huma.MediaType{csvText: {Schema: &huma.Schema{Type: huma.TypeString}}}}}}, m.getCSV)
	huma.Register(api, huma.Operation{OperationID: "approvePayoutBatch", Method: http.MethodPost, Path: "/api/v2/payout_batches/{id}/approve", Tags: tags,
		Summary: "Approve a payout batch", Description: "It may be paid now: by hand, or by its provider, who is called soon after. Takes an Idempotency-Key. 404 if the site has no such " +
			"batch, 409 if it was cancelled."}, m.postApproval)
	huma.Register(api, huma.Operation{OperationID: "cancelPayoutBatch", Method: http.MethodPost, Path: "/api/v2/payout_batches/{id}/cancel", Tags: tags,
		Summary: "Cancel a payout batch", Description: "Who wasn't paid yet has the money in their account again. Takes an Idempotency-Key. 404 if the site has no such batch, 409 if a provider " +
			"has it or it is at an end."}, m.postCancellation)
	huma.Register(api, huma.Operation{OperationID: "settlePayoutBatch", Method: http.MethodPost, Path: "/api/v2/payout_batches/{id}/settle", Tags: tags,
		Summary: "Tell what became of a payout batch", Description: "Which lines of an approved batch were paid by hand, and which failed: what failed goes into the next batch. Rewards that were " +
			"paid become Paid. Takes an Idempotency-Key. 404 if the site has no such batch or the batch no such line, 409 if a line can't become that or a provider pays."}, m.postSettlement)
}

func (m *Module) getPreview(ctx context.Context, in *struct {
	Currency string `query:"currency" required:"true" example:"USD"`
	Minimum  int64  `query:"minimum" minimum:"1" maximum:"1000000000000" default:"1" doc:"Minor units"`
}) (*web.OK[previewJSON], error) {
	out, err := m.preview(ctx, web.From(ctx).Site.ID, in.Currency, in.Minimum)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}

type batchResult struct {
	Batch payoutBatchJSON `json:"payout_batch"`
}

func (m *Module) postBatch(ctx context.Context, in *struct{ Body payoutBatchInput }) (*web.OK[batchResult], error) {
	req := web.From(ctx)
	b, replayed, err := m.createBatch(ctx, req.Site, req.KeyID, in.Body, req.Idempotency)
	return replay(ctx, batchResult{b}, replayed, err)
}

type batchesResult struct {
	Batches    []payoutBatchJSON `json:"payout_batches"`
	NextCursor *string           `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getBatches(ctx context.Context, in *struct{ web.Page }) (*web.OK[batchesResult], error) {
	siteID := web.From(ctx).Site.ID
	list, next, err := listPage(m, siteID, "payout batches", in.Page, func(before int64, limit int) ([]payoutBatch, error) {
		return batchesBefore(ctx, m.db, siteID, before, limit)
	}, func(b *payoutBatch) (int64, payoutBatchJSON) { return b.ID, b.json() })
	if err != nil {
		return nil, err
	}
	return web.Answer(batchesResult{list, next}), nil
}

type batchPath struct {
	ID int64 `path:"id"`
}

func (m *Module) getBatch(ctx context.Context, in *batchPath) (*web.OK[batchResult], error) {
	b, err := batchByID(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(batchResult{b.json()}), nil
}

type linesResult struct {
	Lines      []payoutLineJSON `json:"payout_lines"`
	NextCursor *string          `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getLines(ctx context.Context, in *struct {
	ID int64 `path:"id"`
	web.Page
}) (*web.OK[linesResult], error) {
	siteID, name := web.From(ctx).Site.ID, "lines of payout batch "+itoa(in.ID)
	list, next, err := listPage(m, siteID, name, in.Page, func(after int64, limit int) ([]payoutLine, error) {
		if _, err := batchByID(ctx, m.db, siteID, in.ID); err != nil {
			return nil, err
		}
		return linesAfter(ctx, m.db, siteID, in.ID, after, limit)
	}, func(l *payoutLine) (int64, payoutLineJSON) { return l.ID, l.json() })
	if err != nil {
		return nil, err
	}
	return web.Answer(linesResult{list, next}), nil
}

func (m *Module) getCSV(ctx context.Context, in *batchPath) (*huma.StreamResponse, error) {
	b, err := batchByID(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) { //nolint:contextcheck // its context is the request's
		out.SetHeader("Content-Type", csvText+"; charset=utf-8")
		out.SetHeader("Content-Disposition", `attachment; filename="payout-`+itoa(b.ID)+`.csv"`)
		out.SetHeader("X-Payout-Lines", strconv.Itoa(b.Lines)) // by which a list that broke off is known
		if err := m.writeCSV(out.Context(), b, out.BodyWriter()); err != nil {
			web.Log(out.Context()).Warn().Err(err).Int64("payout_batch_id", b.ID).Msg("a payout's list broke off")
		}
	}}, nil
}

func (m *Module) postApproval(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body web.SiteBody
}) (*web.OK[batchResult], error) {
	req := web.From(ctx)
	b, replayed, err := m.approveBatch(ctx, req.Site, req.KeyID, in.ID, req.Idempotency)
	return replay(ctx, batchResult{b}, replayed, err)
}

func (m *Module) postCancellation(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body web.SiteBody
}) (*web.OK[batchResult], error) {
	req := web.From(ctx)
	b, replayed, err := m.cancelBatch(ctx, req.Site, in.ID, req.Idempotency)
	return replay(ctx, batchResult{b}, replayed, err)
}

func (m *Module) postSettlement(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body settleInput
}) (*web.OK[batchResult], error) {
	req := web.From(ctx)
	b, replayed, err := m.settleBatch(ctx, req.Site, in.ID, in.Body, req.Idempotency)
	return replay(ctx, batchResult{b}, replayed, err)
}
