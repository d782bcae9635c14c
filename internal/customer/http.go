package customer

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations. Origins and people are composed by the gateway.
func (m *Module) Routes(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "refund-origin", Method: http.MethodPost, Path: "/api/v2/origins/{origin_slug}/refund",
		Summary: "Refund an origin", Tags: []string{"Origins"},
		Description: "Takes back part (`refund_subtotal`) or all that is left of a purchase or event. `origin_slug` is the order " +
			"number, or `category:number` of an event, URL-encoded. Refunds add up; points and rewards that the origin earned go " +
			"back in proportion. An `Idempotency-Key` makes a repeated partial refund count once.\n\n" +
			"Errors: 400 `origin_not_found`, `already_refunded`, `refund_exceeds`, `origin_unverified`; 422 `idempotency_key_reused`.",
	}, m.postRefund)
	huma.Register(api, huma.Operation{
		OperationID: "create-visitor", Method: http.MethodPost, Path: "/api/v2/visitors",
		Summary: "Make a visitor known", Tags: []string{"Visitors"}, Metadata: map[string]any{"public": true},
		Description: "Answers with the visitor's UUID: the one given, or a new one. A visitor that is known already stays as it is.\n\n" +
			"Errors: 400 when `uuid` is none.",
	}, m.postVisitor)
	m.personRoutes(api)
	m.mergeRoutes(api)
}

type refundInput struct {
	OriginSlug string `path:"origin_slug" doc:"Order number, or category:number of an event" example:"100011"`
	Body       struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data refundData `json:"data,omitempty"`
	}
}

type refundData struct {
	_              struct{}      `json:"-" additionalProperties:"true"`
	RefundedAt     *time.Time    `json:"refunded_at,omitempty" doc:"When; now if left out"`
	RefundSubtotal *money.Number `json:"refund_subtotal,omitempty" doc:"How much, in the origin's currency; all that is left if left out"`
}

type originResult struct {
	Origin customerapi.TalkableOrigin `json:"origin"`
}

func (m *Module) postRefund(ctx context.Context, in *refundInput) (*web.OK[originResult], error) {
	req := web.From(ctx)
	args := Refund{Idempotency: req.Idempotency}
	if in.Body.Data.RefundedAt != nil {
		if args.RefundedAt = *in.Body.Data.RefundedAt; args.RefundedAt.IsZero() { // which would be now
			return nil, fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.").At("/data/refunded_at", "is before 1970")
		}
	}
	out, err := m.refund(ctx, req.Site, in.OriginSlug, args, func(currency string) (*int64, error) {
		return amountIn(in.Body.Data.RefundSubtotal, currency)
	})
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(out.Replayed)
	return web.Answer(originResult{out.Talkable(req.Site)}), nil
}

func amountIn(n *money.Number, currency string) (*int64, error) {
	if n == nil {
		return nil, nil
	}
	minor, err := money.Parse(string(*n), currency)
	if err != nil {
		return nil, fault.New(fault.Invalid, "invalid_request", "refund_subtotal: is no amount.").At("/data/refund_subtotal", "is no amount")
	}
	return &minor, nil
}

type visitorInput struct {
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data visitorData `json:"data,omitempty"`
	}
}

type visitorData struct {
	_    struct{} `json:"-" additionalProperties:"true"`
	UUID string   `json:"uuid,omitempty" nullable:"true" doc:"The visitor's UUID; a new one is made if left out"`
}

type visitorResult struct {
	UUID string `json:"uuid" example:"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"`
}

func (m *Module) postVisitor(ctx context.Context, in *visitorInput) (*web.OK[visitorResult], error) {
	req := web.From(ctx)
	id, replayed, err := m.postedVisitor(ctx, req.Site.ID, in.Body.Data.UUID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(visitorResult{id}), nil
}
