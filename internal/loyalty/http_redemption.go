package loyalty

import (
	"context"
	"net/http"
	"time"
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
		Description: "`kind` says what it is. coupon, as when there is a coupon list: each redemption gets one of its coupons. generated_coupon: one is made by `code_template`, worth what the " +
			"single-use list says. gift_card: one of `amount` is ordered. product, store_credit, custom: the merchant hands out what was bought, at once or as `fulfilment` says. payment: members pay " +
			"part of an order, in steps of `points_cost` points that are worth `amount`. `terms` also say who may have it, when, and how often. Takes " +
			"`Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_redemption_batch` with a finding for each place, 409 `too_many_redemption_batches`."}, m.postBatch)
	huma.Register(api, huma.Operation{OperationID: "listProgramRedemptionBatches", Method: http.MethodGet, Path: batches, Tags: tags,
		Summary: "List what members of a programme can spend points on", Description: "Active and archived ones by position, at most 200. Errors: 404 `program_not_found`."}, m.listBatches)
	huma.Register(api, huma.Operation{OperationID: "replaceRedemptionBatch", Method: http.MethodPut, Path: batches + "/{batch_id}", Tags: tags,
		Summary:     "Change or archive a redemption batch",
		Description: "Replaces all settings. Redemptions keep the cost, description and coupon list that they were made with. Takes `Idempotency-Key`. Errors: 404 `redemption_batch_not_found`, 400 `invalid_redemption_batch`."}, m.putBatch)
	huma.Register(api, huma.Operation{OperationID: "listWaitingRedemptions", Method: http.MethodGet, Path: redemptions, Tags: tags,
		Summary: "List the redemptions of the site",
		Description: "Newest first: those that wait, or as `status` says. A redemption waits for its coupon for a moment only, unless its coupon list is empty or unknown: add coupons, or cancel it. Products, store " +
			"credit and what else the merchant hands out wait until POST /loyalty/redemptions/{id}/fulfil, or a cancellation."}, m.listWaiting)
	huma.Register(api, huma.Operation{OperationID: "fulfilRedemption", Method: http.MethodPost, Path: redemptions + "/{id}/fulfil", Tags: tags,
		Summary: "Say that a redemption is fulfilled",
		Description: "When what a redemption waits for was handed out. What can't be is cancelled instead, which gives the points back. To fulfil again changes nothing. Takes `Idempotency-Key`. Errors: 404 " +
			"`redemption_not_found`, 400 `invalid_note`, 409 `redemption_cancelled`, `redemption_not_merchants` where talkable itself hands out coupons and gift cards."}, m.fulfilRedemption)
	huma.Register(api, huma.Operation{OperationID: "getRedemption", Method: http.MethodGet, Path: redemptions + "/{id}", Tags: tags,
		Summary: "Read a redemption", Description: "Answers 404 `redemption_not_found` when the site has no such redemption."}, m.getRedemption)
	huma.Register(api, huma.Operation{OperationID: "cancelRedemption", Method: http.MethodPost, Path: redemptions + "/{id}/cancel", Tags: tags,
		Summary: "Cancel a redemption",
		Description: "Gives the points back to the lots that they were taken from: they expire when they would have expired, at once if that is past. " +
			"A debt made since is repaid out of them. Stock and limits get their place back. A coupon that was handed out already is withdrawn before: nobody else " +
			"gets it, and GET /coupons shows it as expired; a gift card is not ordered. What was used, or is on its way, can't be cancelled. To cancel again changes nothing. Takes `Idempotency-Key`. " +
			"Errors: 404 `redemption_not_found`, 400 `invalid_reason`, 409 `redemption_used`, `fulfilment_under_way`."}, m.cancelRedemption)
}

type batchBody struct {
	web.SiteBody
	Status       string `json:"status,omitempty" default:"active" doc:"active or archived" example:"active"`
	Description  string `json:"description" doc:"1 to 200 characters" example:"$5 off"`
	PointsCost   int64  `json:"points_cost" doc:"1 to 1,000,000,000,000" example:"500"`
	Position     int    `json:"position,omitempty" default:"0" doc:"Batches are shown by rising position" example:"1"`
	CouponListID *int64 `json:"coupon_list_id,omitempty" nullable:"true" doc:"Whose coupons are handed out, or what generated ones are worth; null: there are none" example:"7"`

	Wallet string `json:"wallet,omitempty" doc:"Of the programme's, that it costs points of; left out: the main one" example:""`

	Kind  string                  `json:"kind,omitempty" doc:"coupon, generated_coupon, gift_card, product, store_credit, payment or custom; left out: coupon where there is a list, else custom" example:"custom"`
	Terms *loyaltyapi.RewardTerms `json:"terms,omitempty" doc:"What it says beside its cost; null: nothing"`
}

func (b batchBody) settings(zone *time.Location) batchSettings {
	return batchSettings{Kind: b.Kind, Status: b.Status, Description: b.Description, PointsCost: b.PointsCost, Position: b.Position, CouponListID: b.CouponListID,
		Wallet: orNull(walletNamed(b.Wallet)), Terms: planned(b.Terms, zone)}
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
	view, replayed, err := m.createBatch(ctx, req.Site.ID, in.ID, in.Body.settings(req.Site.Zone), req.KeyID, req.Idempotency)
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
	all, err := shown(ctx, m.db, m.now(), batches)
	if err != nil {
		return nil, err
	}
	return web.Answer(batchesAnswer{Batches: all}), nil
}

func (m *Module) putBatch(ctx context.Context, in *struct {
	ID      int64 `path:"id" minimum:"1"`
	BatchID int64 `path:"batch_id" minimum:"1"`
	Body    batchBody
}) (*web.OK[batchAnswer], error) {
	req := web.From(ctx)
	view, replayed, err := m.replaceBatch(ctx, req.Site.ID, in.ID, in.BatchID, in.Body.settings(req.Site.Zone), req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(batchAnswer{view}), nil
}

// redemptionsInput is which redemptions of a site are looked for.
type redemptionsInput struct {
	web.Page
	Status  string    `query:"status" default:"waiting" enum:"waiting,fulfilled,cancelled,all"`
	BatchID int64     `query:"redemption_batch_id" minimum:"1" doc:"Of this batch only"`
	From    time.Time `query:"from" doc:"Redeemed then or later"`
	To      time.Time `query:"to" doc:"Redeemed before"`
}

func (in *redemptionsInput) filter() loyaltyapi.RedemptionFilter {
	f := loyaltyapi.RedemptionFilter{Status: in.Status, BatchID: in.BatchID, From: in.From, To: in.To}
	if f.Status == "all" {
		f.Status = ""
	}
	return f
}

func (m *Module) listWaiting(ctx context.Context, in *redemptionsInput) (*web.OK[redemptionsAnswer], error) {
	site := web.From(ctx).Site.ID
	var after loyaltyapi.AfterRedemption
	list := "redemptions" + text(in.filter())
	if _, err := m.cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	page, more, err := m.SiteRedemptions(ctx, site, in.filter(), after, in.Limit)
	if err != nil {
		return nil, err
	}
	answer := redemptionsAnswer{Redemptions: page}
	if more {
		last := page[len(page)-1]
		next := m.cursors.Encode(site, list, loyaltyapi.AfterRedemption{At: last.CreatedAt, ID: last.ID})
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (m *Module) fulfilRedemption(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		web.SiteBody
		Note string `json:"note,omitempty" doc:"At most 500 characters: the number of a parcel, for example" example:"Parcel 4711"`
	}
}) (*web.OK[redemptionAnswer], error) {
	req := web.From(ctx)
	if note := in.Body.Note; utf8.RuneCountInString(note) > 500 || !printable(note) {
		return nil, fault.New(fault.Invalid, "invalid_note", "The note is not valid.").At("/note", "must have at most 500 printable characters").Pointed()
	}
	done, replayed, err := m.Fulfil(ctx, req.Site.ID, in.ID, in.Body.Note, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(redemptionAnswer{done}), nil
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
