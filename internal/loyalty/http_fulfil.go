package loyalty

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

const aboutFulfilment = "Redemptions of batches whose `fulfilment` is hook are sent to it: a POST with the redemption and its member, signed as the Standard Webhooks have it, under one id however often it is " +
	"tried. It answers 200 with {\"status\":\"fulfilled\",\"note\":\"…\"}: fulfilled; refused cancels the redemption, which gives the points back; later leaves it to POST /loyalty/redemptions/{id}/fulfil. " +
	"What isn't such an answer is tried again, with growing pauses, until `deadline_minutes` after the redemption; then `on_failure` counts: wait leaves it to the merchant, cancel gives the points back. " +
	"GET /loyalty/redemptions/{id}/explain says what was asked and answered."

// fulfilRoutes adds what has redemptions fulfilled by the merchant's own program, and how that went.
func (m *Module) fulfilRoutes(api huma.API) {
	const hook = "/api/v2/loyalty/fulfilment_hook"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "getFulfilmentHook", Method: http.MethodGet, Path: hook, Tags: tags, Summary: "Read the fulfilment hook", Description: aboutFulfilment}, m.getFulfilHook)
	huma.Register(api, huma.Operation{OperationID: "replaceFulfilmentHook", Method: http.MethodPut, Path: hook, Tags: tags, Summary: "Set the fulfilment hook",
		Description: aboutFulfilment + " The address must be https and public. The answer has the secret when it is new. Takes `Idempotency-Key`, which keeps no secret: repeated, it is null. Errors: 400 " +
			"`invalid_fulfilment_hook` with a finding for each place, 503 `no_calls` where this server calls nobody."}, m.putFulfilHook)
	huma.Register(api, huma.Operation{OperationID: "explainRedemption", Method: http.MethodGet, Path: "/api/v2/loyalty/redemptions/{id}/explain", Tags: tags,
		Summary:     "Explain a redemption",
		Description: "Its statuses with their times, the rule that let it be redeemed with the values that it saw, and what the fulfilment hook was asked. Answers 404 `redemption_not_found` when the site has no such redemption."}, m.explainRedemption)
}

type fulfilHookAnswer struct {
	Hook loyaltyapi.FulfilmentHook `json:"fulfilment_hook"`
}

func (m *Module) getFulfilHook(ctx context.Context, _ *struct{}) (*web.OK[fulfilHookAnswer], error) {
	h, err := fulfilHookOf(ctx, m.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(fulfilHookAnswer{h.show()}), nil
}

func (m *Module) putFulfilHook(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		URL       string `json:"url" example:"https://shop.example/talkable/fulfil"`
		TimeoutMS int    `json:"timeout_ms,omitempty" default:"5000" doc:"How long an answer may take: 100 to 10000" example:"5000"`
		Deadline  int    `json:"deadline_minutes,omitempty" default:"1440" doc:"After the redemption, at most 10080: until then it is asked again" example:"1440"`
		OnFailure string `json:"on_failure,omitempty" default:"wait" doc:"wait or cancel" example:"wait"`
		Enabled   *bool  `json:"enabled,omitempty" nullable:"true" doc:"false: nobody is asked, and redemptions wait for the merchant. true when left out"`
		Rotate    bool   `json:"rotate_secret,omitempty" doc:"Make a new secret"`
	}
}) (*web.OK[fulfilHookAnswer], error) {
	req, body := web.From(ctx), in.Body
	if m.calls == nil {
		return nil, fault.New(fault.Unavailable, "no_calls", "This server calls nobody.")
	}
	h := fulfilHook{SiteID: req.Site.ID, URL: body.URL, TimeoutMS: body.TimeoutMS, Deadline: body.Deadline, OnFailure: body.OnFailure,
		Enabled: body.Enabled == nil || *body.Enabled, KeyID: req.KeyID}
	if err := h.check(m.calls); err != nil {
		return nil, err
	}
	var out loyaltyapi.FulfilmentHook
	fresh := "" // a secret that was just made: the answer that is kept holds none
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed, err := idempotency.Once(ctx, u.Tx, module, u.Now, req.Site.ID, req.Idempotency, &out, func() (err error) {
			out, fresh, err = m.setFulfilHook(ctx, u, &h, body.Rotate)
			return err
		})
		req.MarkReplayed(replayed)
		return err
	})
	if err != nil {
		return nil, err
	}
	if fresh != "" {
		out.Secret = &fresh
	}
	return web.Answer(fulfilHookAnswer{out}), nil
}

// setFulfilHook writes a hook over what was set before; fresh is its secret, if that is new.
func (m *Module) setFulfilHook(ctx context.Context, u *bus.Unit, h *fulfilHook, rotate bool) (out loyaltyapi.FulfilmentHook, fresh string, err error) {
	was, err := fulfilHookOf(ctx, u, h.SiteID)
	if err != nil {
		return out, "", err
	}
	if was == nil || rotate {
		fresh = outcall.NewSecret()
		if h.Secret, err = m.calls.Seal(h.SiteID, fresh); err != nil {
			return out, "", err
		}
	} else {
		h.Secret = was.Secret
	}
	h.At = u.Now
	if err := saveFulfilHook(ctx, u, *h); err != nil {
		return out, "", err
	}
	var before any
	if was != nil {
		before = was.show()
	}
	out = h.show()
	return out, fresh, note(ctx, u, h.SiteID, h.KeyID, "set", aboutFulfilHook, 0, before, out)
}

type storyAnswer struct {
	Redemption loyaltyapi.RedemptionStory `json:"redemption"`
}

func (m *Module) explainRedemption(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[storyAnswer], error) {
	site := web.From(ctx).Site.ID
	r, err := redemptionOf(ctx, m.db, site, in.ID)
	if err != nil {
		return nil, err
	}
	rule, err := ruleOf(ctx, m.db, site, in.ID)
	if err != nil {
		return nil, err
	}
	ask, err := fulfilAskOf(ctx, m.db, site, in.ID)
	if err != nil {
		return nil, err
	}
	out := loyaltyapi.RedemptionStory{Redemption: r.view(), History: r.history(), Rule: loyaltyapi.Rule(rule)}
	if ask != nil {
		out.Hook = ask.view()
	}
	return web.Answer(storyAnswer{out}), nil
}

// history are the statuses of a redemption, as its times tell them.
func (r *redemption) history() []loyaltyapi.RedemptionStep {
	began := loyaltyapi.RedemptionStep{Status: waiting, At: r.CreatedAt.UTC(), TransactionID: &r.ID}
	var out []loyaltyapi.RedemptionStep
	if r.FulfilledAt != nil && !r.FulfilledAt.After(r.CreatedAt) { // it never waited
		began.Status = fulfilled
	}
	out = append(out, began)
	if r.FulfilledAt != nil && began.Status == waiting {
		out = append(out, loyaltyapi.RedemptionStep{Status: fulfilled, At: r.FulfilledAt.UTC(), Note: r.Note})
	}
	if r.CancelledAt != nil {
		out = append(out, loyaltyapi.RedemptionStep{Status: cancelled, At: r.CancelledAt.UTC(), TransactionID: r.CancelTxnID, Note: r.CancelReason})
	}
	return out
}

func (a *fulfilAsk) view() *loyaltyapi.FulfilmentAsk {
	out := &loyaltyapi.FulfilmentAsk{ID: a.id(), State: a.State, Answer: a.Answer, Tries: a.Tries, Attempts: loyaltyapi.Attempts(a.Attempts)}
	if a.State == askWaiting {
		out.NextAt = &a.NextAt
	}
	return out
}
