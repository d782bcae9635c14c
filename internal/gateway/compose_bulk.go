package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// bulkAdjusters is what is asked about many adjustments at once.
type bulkAdjusters interface {
	AdjustAll(ctx context.Context, siteID int64, rows []loyaltyapi.BulkRow, expect string, keyID int64, key idempotency.Key) (loyaltyapi.Bulk, bool, error)
}

func (c Composition) bulkRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "adjustManyPoints", Method: http.MethodPost, Path: "/api/v2/loyalty/adjustments", Tags: []string{"Loyalty"},
		Summary: "Move the points of many members by hand",
		Description: "Takes 1 to 1000 rows and applies them in their order, as single adjustments would be; a row that can't be applied stops no other, and the answer says why. Each has a `reference` that is " +
			"unique in the site for ever: a row that was applied before is `known` and changes nothing, so the same rows may be sent again after whatever went wrong. With `dry_run=true` the answer is a preview: what each row " +
			"would do, with totals. `expect_preview` applies it only if nothing of it differs by then; without it each row is decided anew. `talkable import adjustments` takes files of any size. Takes `Idempotency-Key`. " +
			"Errors: 409 `preview_stale`; 400 `invalid_adjustment`. Of rows: `member_not_found`, `invalid_adjustment`, `reference_repeated`, `reference_used`."}, c.adjustMany)
}

// BulkInput is a row as it is sent.
type BulkInput struct {
	Member    string     `json:"member" minLength:"1" maxLength:"320" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	Points    int64      `json:"points" minimum:"-1000000000000" maximum:"1000000000000" doc:"Below zero: taken" example:"10"`
	Reference string     `json:"reference" minLength:"1" maxLength:"100" doc:"1 to 100 characters" example:"easter-2026-1"`
	Note      string     `json:"note,omitempty" maxLength:"500" doc:"At most 500 characters, for the member's history" example:"Easter"`
	ForTier   bool       `json:"counts_for_tier,omitempty" doc:"Whether tiers count it as earned"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" nullable:"true" doc:"Of points that are given; left out: like points earned today" example:"2199-12-31T00:00:00Z"`
}

type bulkAnswer struct {
	Adjustments loyaltyapi.Bulk `json:"adjustments"`
}

func (c Composition) adjustMany(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Rows   []BulkInput `json:"rows" minItems:"1" maxItems:"1000"`
		Expect string      `json:"expect_preview,omitempty" maxLength:"64" doc:"preview of a dry run of the same rows" example:""`
	}
}) (*web.OK[bulkAnswer], error) {
	req := web.From(ctx)
	who, err := c.membersNamed(ctx, in.Body.Rows)
	if err != nil {
		return nil, err
	}
	rows := make([]loyaltyapi.BulkRow, len(in.Body.Rows))
	for i, r := range in.Body.Rows {
		rows[i] = loyaltyapi.BulkRow{PersonID: who[i], Points: r.Points, Note: r.Note, Reference: r.Reference, ForTier: r.ForTier, ExpiresAt: r.ExpiresAt}
	}
	out, replayed, err := c.Members.AdjustAll(ctx, req.Site.ID, rows, in.Body.Expect, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(bulkAnswer{out}), nil
}

// membersNamed is who rows are about; 0: nobody that is known.
func (c Composition) membersNamed(ctx context.Context, rows []BulkInput) ([]int64, error) {
	site, out := web.From(ctx).Site.ID, make([]int64, len(rows))
	group, inside := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, r := range rows {
		group.Go(func() error {
			p, err := c.Customers.Person(inside, site, r.Member)
			if err == nil {
				out[i] = p.ID
			}
			if fault.Is(err, fault.Invalid) {
				return nil
			}
			return err
		})
	}
	return out, group.Wait()
}
