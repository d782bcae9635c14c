package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pointKeepers is what is asked about points beyond what Talkable has.
type pointKeepers interface {
	PreviewRefund(ctx context.Context, siteID, originID, part, whole int64) (loyaltyapi.RefundPreview, error)
}

// pointRoutes lists what is done with points beyond what Talkable has.
func (c Composition) pointRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "previewRefund", Method: http.MethodGet, Path: "/api/v2/origins/{origin_slug}/refund_preview",
		Tags: []string{"Loyalty"}, Summary: "See what a refund would do to points",
		Description: "Tells which points a refund of this amount would take back from the buyer, beside the refunds so far, and changes nothing. The slug is the order " +
			"number, or `category:number` of an event. What the order brought others, as rewards of a referral, is not shown. Errors: 404 `origin_not_found`, " +
			"`nothing_earned`; 400 `refund_exceeds`."}, c.previewRefund)
}

type previewAnswer struct {
	Preview loyaltyapi.RefundPreview `json:"refund_preview"`
}

func (c Composition) previewRefund(ctx context.Context, in *struct {
	Slug   string `path:"origin_slug" doc:"Order number, or category:number of an event" example:"1001"`
	Amount int64  `query:"amount" minimum:"0" maximum:"9000000000000000" doc:"Of the refund, in minor units of the order's currency; 0: all that is left" example:"500"`
}) (*web.OK[previewAnswer], error) {
	site := web.From(ctx).Site.ID
	o, err := c.Customers.Origin(ctx, site, in.Slug)
	if fault.Is(err, fault.Invalid) {
		return nil, fault.New(fault.NotFound, "origin_not_found", "No such origin.")
	}
	if err != nil {
		return nil, err
	}
	left := o.Subtotal - o.RefundedTotal
	switch {
	case in.Amount == 0:
		in.Amount = left
	case in.Amount > left:
		return nil, fault.New(fault.Invalid, "refund_exceeds", "More than is left of the order.").At("query.amount", "is more than is left")
	}
	preview, err := c.Members.PreviewRefund(ctx, site, o.ID, o.RefundedTotal+in.Amount, o.Subtotal)
	if err != nil {
		return nil, err
	}
	return web.Answer(previewAnswer{preview}), nil
}
