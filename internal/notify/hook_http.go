package notify

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) hookRoutes(api huma.API) {
	tags := []string{"Webhooks"}
	huma.Register(api, huma.Operation{OperationID: "listWebhookTypes", Method: http.MethodGet, Path: "/api/v2/webhook_types", Tags: tags,
		Summary: "List what webhooks can be told", Description: "The types of each style, with a sample of the facts that a message carries."}, m.getHookTypes)
	huma.Register(api, huma.Operation{OperationID: "listWebhooks", Method: http.MethodGet, Path: "/api/v2/webhooks", Tags: tags,
		Summary: "List webhooks", Description: "Newest first. 400 for a cursor that isn't of this list."}, m.getEndpoints)
	huma.Register(api, huma.Operation{OperationID: "createWebhook", Method: http.MethodPost, Path: "/api/v2/webhooks", Tags: tags,
		Summary: "Create a webhook", DefaultStatus: http.StatusCreated,
		Description: "From now on the address is told what happens, at least once each, in no promised order; a receiver knows what it has by the header webhook-id. " +
			"Style `standard` sends JSON, signed as the Standard Webhooks specification says; style `talkable` sends Talkable's form of five fields, and each of its " +
			"types has one webhook at most. Anything but a 2xx within 15 seconds is tried again, eleven times over three days; 410 disables the webhook, as five days of nothing but failures do. " +
			"Redirects are not followed. Takes an Idempotency-Key. 400 with a pointer to what is wrong, 409 when another webhook has one of Talkable's types or the site has " +
			"20 webhooks. Read the secret by getWebhookSecret."}, m.postEndpoint)
	huma.Register(api, huma.Operation{OperationID: "getWebhook", Method: http.MethodGet, Path: "/api/v2/webhooks/{id}", Tags: tags,
		Summary: "Read a webhook", Description: "404 if the site has no such webhook."}, m.getEndpoint)
	huma.Register(api, huma.Operation{OperationID: "replaceWebhook", Method: http.MethodPut, Path: "/api/v2/webhooks/{id}", Tags: tags,
		Summary: "Change a webhook", Description: "Replaces the settings; style and secret stay. What waits while a webhook is disabled fails and can be sent again later. " +
			"Takes an Idempotency-Key. 404 if the site has no such webhook; else as createWebhook."}, m.putEndpoint)
	huma.Register(api, huma.Operation{OperationID: "deleteWebhook", Method: http.MethodPost, Path: "/api/v2/webhooks/{id}/delete", Tags: tags,
		Summary: "Delete a webhook", Description: "Its deliveries can be read for 30 days. Deleted again, nothing changes. Takes an Idempotency-Key. 404 if the site has no such webhook."}, m.dropEndpoint)
	huma.Register(api, huma.Operation{OperationID: "getWebhookSecret", Method: http.MethodGet, Path: "/api/v2/webhooks/{id}/secret", Tags: tags,
		Summary: "Read a webhook's secrets", Description: "Those that sign now, the newest first. 404 if the site has no such webhook."}, m.getSecrets)
	huma.Register(api, huma.Operation{OperationID: "rotateWebhookSecret", Method: http.MethodPost, Path: "/api/v2/webhooks/{id}/secret/rotate", Tags: tags,
		Summary: "Give a webhook a new secret", Description: "The secret before signs beside the new one for some hours, so that the receiver can change over. Takes an Idempotency-Key. " +
			"400 for a secret of another form, 404 if the site has no such webhook."}, m.postRotate)
	huma.Register(api, huma.Operation{OperationID: "sendWebhookSample", Method: http.MethodPost, Path: "/api/v2/webhooks/{id}/sample", Tags: tags,
		Summary: "Send a sample", Description: "Queues a message of made-up facts, which is tried once; its delivery says what came of it. Takes an Idempotency-Key. 400 for a type of another style, " +
			"404 if the site has no such webhook, 409 if it is disabled."}, m.postSample)
	huma.Register(api, huma.Operation{OperationID: "resendWebhookDeliveries", Method: http.MethodPost, Path: "/api/v2/webhooks/{id}/resend", Tags: tags,
		Summary: "Send again what failed", Description: "Queues all deliveries of the webhook again that were made since a moment and have failed, in the background; the webhook shows " +
			"`resending_since` until that is done. Takes an Idempotency-Key. 422 for a moment to come, 404 if the site has no such webhook, 409 if it is disabled."}, m.postResendSince)
	huma.Register(api, huma.Operation{OperationID: "listWebhookDeliveries", Method: http.MethodGet, Path: "/api/v2/webhook_deliveries", Tags: tags,
		Summary: "List deliveries", Description: "Newest first; kept for 30 days. 400 for a cursor that isn't of this list."}, m.getDeliveries)
	huma.Register(api, huma.Operation{OperationID: "getWebhookDelivery", Method: http.MethodGet, Path: "/api/v2/webhook_deliveries/{id}", Tags: tags,
		Summary: "Read a delivery", Description: "With what is sent and what every attempt came to. 404 if there is none."}, m.getDelivery)
	huma.Register(api, huma.Operation{OperationID: "resendWebhookDelivery", Method: http.MethodPost, Path: "/api/v2/webhook_deliveries/{id}/resend", Tags: tags,
		Summary: "Send a delivery again", Description: "With the same body and the same webhook-id; one that waits is tried at once. Takes an Idempotency-Key. 404 if there is " +
			"none, 409 if its webhook is disabled."}, m.postResend)
}

type hookType struct {
	Type   string `json:"type" example:"referral.approved"`
	Style  string `json:"style" enum:"standard,talkable"`
	Sample any    `json:"sample" doc:"Facts as a message carries them"`
}

type hookTypesResult struct {
	Types []hookType `json:"types"`
}

func (m *Module) getHookTypes(context.Context, *struct{}) (*web.OK[hookTypesResult], error) {
	out := hookTypesResult{}
	for _, style := range []string{standard, talkable} {
		for _, kind := range hookTypes[style] {
			out.Types = append(out.Types, hookType{Type: kind, Style: style, Sample: samples[kind]})
		}
	}
	return web.Answer(out), nil
}

type endpointResult struct {
	Webhook endpoint `json:"webhook"`
}

type endpointsResult struct {
	Webhooks   []endpoint `json:"webhooks"`
	NextCursor *string    `json:"next_cursor" doc:"Null at the end"`
}

func (m *Module) getEndpoints(ctx context.Context, in *struct{ web.Page }) (*web.OK[endpointsResult], error) {
	siteID := web.From(ctx).Site.ID
	var after place
	if _, err := m.Cursors.Decode(siteID, "webhooks", in.Cursor, &after); err != nil {
		return nil, err
	}
	found, err := endpointsOf(ctx, m.DB, siteID, after.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := endpointsResult{Webhooks: append([]endpoint{}, found[:min(len(found), in.Limit)]...)}
	if len(found) > in.Limit {
		next := m.Cursors.Encode(siteID, "webhooks", place{ID: found[in.Limit-1].ID})
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

type postEndpointBody struct {
	Body struct {
		web.SiteBody
		EndpointInput
		Style  string `json:"style,omitempty" enum:"standard,talkable" default:"standard"`
		Secret string `json:"secret,omitempty" maxLength:"200" doc:"Of your own: whsec_… for the standard style, 8 to 200 characters for Talkable's; else one is made"`
	}
}

func (m *Module) postEndpoint(ctx context.Context, in *postEndpointBody) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.createEndpoint(ctx, req.Site.ID, in.Body.Style, in.Body.Secret, in.Body.EndpointInput, req.KeyID, req.Idempotency)
	return endpointAnswer(req, out, replayed, err)
}

func endpointAnswer(req *web.Request, out endpoint, replayed bool, err error) (*web.OK[endpointResult], error) {
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(endpointResult{out}), nil
}

// HookID names a webhook or a delivery in a path.
type HookID struct {
	ID int64 `path:"id" minimum:"1"`
}

func (m *Module) getEndpoint(ctx context.Context, in *HookID) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, err := endpointByID(ctx, m.DB, req.Site.ID, in.ID)
	return endpointAnswer(req, out, false, err)
}

func (m *Module) putEndpoint(ctx context.Context, in *struct {
	HookID
	Body struct {
		web.SiteBody
		EndpointInput
	}
}) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.replaceEndpoint(ctx, req.Site.ID, in.ID, in.Body.EndpointInput, req.KeyID, req.Idempotency)
	return endpointAnswer(req, out, replayed, err)
}

// bare is the input of what needs to be told nothing more.
type bare struct {
	HookID
	Body *web.SiteBody `required:"false"`
}

func (m *Module) dropEndpoint(ctx context.Context, in *bare) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.deleteEndpoint(ctx, req.Site.ID, in.ID, req.KeyID, req.Idempotency)
	return endpointAnswer(req, out, replayed, err)
}

type secretsResult struct {
	Secrets []string `json:"secrets"`
}

func (m *Module) getSecrets(ctx context.Context, in *HookID) (*web.OK[secretsResult], error) {
	out, err := m.secrets(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(secretsResult{out}), nil
}

func (m *Module) postRotate(ctx context.Context, in *struct {
	HookID
	Body struct {
		web.SiteBody
		KeepHours int    `json:"keep_hours,omitempty" minimum:"0" maximum:"168" default:"24" doc:"How long the secret before signs, too"`
		Secret    string `json:"secret,omitempty" maxLength:"200" doc:"Of your own; else one is made"`
	}
}) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.rotateSecret(ctx, req.Site.ID, in.ID, in.Body.Secret, in.Body.KeepHours, req.KeyID, req.Idempotency)
	return endpointAnswer(req, out, replayed, err)
}

type deliveryResult struct {
	Delivery Delivery `json:"delivery"`
}

func deliveryAnswer(req *web.Request, out Delivery, replayed bool, err error) (*web.OK[deliveryResult], error) {
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(deliveryResult{out}), nil
}

func (m *Module) postSample(ctx context.Context, in *struct {
	HookID
	Body struct {
		web.SiteBody
		Type string `json:"type" maxLength:"100" example:"referral.approved"`
	}
}) (*web.OK[deliveryResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.sendSample(ctx, req.Site.ID, in.ID, in.Body.Type, req.Idempotency)
	return deliveryAnswer(req, out, replayed, err)
}

func (m *Module) postResendSince(ctx context.Context, in *struct {
	HookID
	Body struct {
		web.SiteBody
		Since time.Time `json:"since"`
	}
}) (*web.OK[endpointResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.resendSince(ctx, req.Site.ID, in.ID, in.Body.Since, req.Idempotency)
	return endpointAnswer(req, out, replayed, err)
}

type deliveriesResult struct {
	Deliveries []Delivery `json:"deliveries"`
	NextCursor *string    `json:"next_cursor" doc:"Null at the end"`
}

func (m *Module) getDeliveries(ctx context.Context, in *struct {
	WebhookID int64  `query:"webhook_id" minimum:"0"`
	State     string `query:"state" enum:"waiting,sending,delivered,failed"`
	Type      string `query:"type" maxLength:"100"`
	web.Page
}) (*web.OK[deliveriesResult], error) {
	siteID := web.From(ctx).Site.ID
	var after place
	if _, err := m.Cursors.Decode(siteID, "webhook deliveries", in.Cursor, &after); err != nil {
		return nil, err
	}
	f := hookFilter{endpointID: in.WebhookID, state: in.State, kind: strings.TrimSpace(in.Type), before: after.ID}
	found, err := deliveries(ctx, m.DB, siteID, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := deliveriesResult{Deliveries: []Delivery{}}
	for _, d := range found[:min(len(found), in.Limit)] {
		out.Deliveries = append(out.Deliveries, d.shown())
	}
	if len(found) > in.Limit {
		next := m.Cursors.Encode(siteID, "webhook deliveries", place{ID: found[in.Limit-1].ID})
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

type wholeDeliveryResult struct {
	Delivery wholeDelivery `json:"delivery"`
}

func (m *Module) getDelivery(ctx context.Context, in *HookID) (*web.OK[wholeDeliveryResult], error) {
	found, err := deliveryByID(ctx, m.DB, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	found.Delivery = found.shown()
	return web.Answer(wholeDeliveryResult{found}), nil
}

func (m *Module) postResend(ctx context.Context, in *bare) (*web.OK[deliveryResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.resendDelivery(ctx, req.Site.ID, in.ID, req.Idempotency)
	return deliveryAnswer(req, out, replayed, err)
}
