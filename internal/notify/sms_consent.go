package notify

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// consent is what a person said of SMS.
type consent struct {
	PersonID   int64      `db:"person_id" json:"person_id"`
	OptedInAt  *time.Time `db:"opted_in_at" json:"opted_in_at"`
	OptedOutAt *time.Time `db:"opted_out_at" json:"opted_out_at" doc:"By this API, or by answering STOP"`
}

type consentResult struct {
	Consent consent `json:"sms_consent"`
}

func (m *Module) smsRoutes(api huma.API) {
	tags := []string{"Messages"}
	huma.Register(api, huma.Operation{OperationID: "getSMSConsent", Method: http.MethodGet, Path: "/api/v2/sms_consents/{person_id}", Tags: tags,
		Summary: "Read whether a person agreed to SMS", Description: "Both moments are null for who was never asked. 404 if the site has no such person."}, m.getConsent)
	huma.Register(api, huma.Operation{OperationID: "replaceSMSConsent", Method: http.MethodPut, Path: "/api/v2/sms_consents/{person_id}", Tags: tags,
		Summary: "Say whether a person agreed to SMS", Description: "Who agreed, has a phone number and no e-mail address, gets SMS instead of mail. Whoever unsubscribed gets neither. " +
			"Takes an Idempotency-Key. 404 if the site has no such person."}, m.putConsent)
}

// PersonID names a person in a path.
type PersonID struct {
	ID int64 `path:"person_id" minimum:"1"`
}

func (m *Module) getConsent(ctx context.Context, in *PersonID) (*web.OK[consentResult], error) {
	c, err := consentOf(ctx, m.DB, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(consentResult{c}), nil
}

func (m *Module) putConsent(ctx context.Context, in *struct {
	PersonID
	Body struct {
		web.SiteBody
		OptedIn bool `json:"opted_in"`
	}
}) (*web.OK[consentResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.consent(ctx, req.Site.ID, in.ID, in.Body.OptedIn, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(consentResult{c}), nil
}

func (m *Module) consent(ctx context.Context, siteID, personID int64, in bool, k idempotency.Key) (c consent, replayed bool, err error) {
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, &c, func() error {
			c, err = saveConsent(ctx, u, siteID, personID, in, u.Now)
			return err
		})
		return err
	})
	return c, replayed, err
}
