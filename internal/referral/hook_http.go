package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

const aboutHooks = "Before a referral is approved the hook is asked: a POST with the referral and the verdict of each fraud rule, signed as the Standard Webhooks have it. " +
	"It answers 200 with {\"decision\":\"approve\",\"reason\":\"…\"}: approve lets it go on as the campaign says, hold flags it for a person, void ends it. Three tries, then `on_failure`. " +
	"With `clicks` it is asked in the same way before a friend gets something for coming: what a campaign promises for a click waits for the answer, and nothing but approve gives it. " +
	"What was asked and answered is in the referral's explain."

func (m *Module) hookRoutes(api huma.API) {
	tags := []string{"Decision hook"}
	const path, ofCampaign = "/api/v2/decision_hook", "/api/v2/campaigns/{id}/decision_hook"
	huma.Register(api, huma.Operation{OperationID: "getDecisionHook", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Read the site's decision hook",
		Description: aboutHooks + " `decision_hook` is null where none is set: nobody is asked."}, m.getSiteHook)
	huma.Register(api, huma.Operation{OperationID: "replaceDecisionHook", Method: http.MethodPut, Path: path, Tags: tags, Summary: "Set the site's decision hook",
		Description: aboutHooks + " Takes an Idempotency-Key. It holds for referrals from now on (in other processes within five seconds). The address must be https and public. " +
			"400 with a pointer to each place that is wrong."}, m.putSiteHook)
	huma.Register(api, huma.Operation{OperationID: "deleteDecisionHook", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Ask nobody any more",
		Description: "What waits for an answer goes on as if it were approve. Nothing set is nothing changed. Takes an Idempotency-Key."}, m.deleteSiteHook)
	huma.Register(api, huma.Operation{OperationID: "getCampaignDecisionHook", Method: http.MethodGet, Path: ofCampaign, Tags: tags, Summary: "Read a campaign's decision hook",
		Description: "`decision_hook` is null where the campaign has none of its own: the site's holds. 404 if the site has no such campaign."}, m.getCampaignHook)
	huma.Register(api, huma.Operation{OperationID: "replaceCampaignDecisionHook", Method: http.MethodPut, Path: ofCampaign, Tags: tags, Summary: "Set a campaign's decision hook",
		Description: "As for the site; with `enabled: false` nobody is asked about this campaign. Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.putCampaignHook)
	huma.Register(api, huma.Operation{OperationID: "deleteCampaignDecisionHook", Method: http.MethodDelete, Path: ofCampaign, Tags: tags, Summary: "Let the site's decision hook hold",
		Description: "Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.deleteCampaignHook)
}

type hookResult struct {
	Hook *hookJSON `json:"decision_hook" doc:"null: none is set here"`
}

// readHook reads the hook of a site, or of a campaign of it; nil if none was set.
func readHook(ctx context.Context, u *bus.Unit, siteID, campaignID int64) (*hook, error) {
	if campaignID != 0 {
		if _, err := campaignOf(ctx, u, siteID, campaignID); err != nil {
			return nil, err
		}
	}
	all, err := hooksOf(ctx, u, siteID)
	return all[campaignID], err
}

// changeHook sets a hook, or takes it away if in is nil.
func (m *Module) changeHook(ctx context.Context, campaignID int64, in *hookInput) (*web.OK[hookResult], error) {
	req := web.From(ctx)
	if in != nil {
		if m.calls == nil {
			return nil, fault.New(fault.Unavailable, "no_calls", "This server calls nobody.")
		}
		if err := in.check(m.calls); err != nil {
			return nil, err
		}
	}
	var out *hookJSON
	var replayed bool
	var fresh string // a secret that was just made: the answer that is kept says only that there was one
	err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, req.Site.ID, req.Idempotency, &out, func() error {
			was, err := readHook(ctx, u, req.Site.ID, campaignID)
			if err != nil {
				return err
			}
			out, fresh, err = m.setHook(ctx, u, campaignID, req, in, was)
			return err
		})
		return err
	})
	m.books.changed(req.Site.ID)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	if out == nil || out.Secret == nil {
		return web.Answer(hookResult{out}), nil
	}
	if out.Secret = &fresh; replayed {
		all, err := hooksOf(ctx, m.db, req.Site.ID)
		if err != nil {
			return nil, err
		}
		out.Secret = nil
		if h := all[campaignID]; h != nil && h.At.Equal(*out.ChangedAt) {
			if out.Secret, err = m.opened(req.Site.ID, h.Secret); err != nil {
				return nil, err
			}
		}
	}
	return web.Answer(hookResult{out}), nil
}

// opened is a sealed secret, as an answer shows it to whom it was made for.
func (m *Module) opened(siteID int64, sealed []byte) (*string, error) {
	secret, err := m.calls.Open(siteID, sealed)
	return &secret, err
}

func (m *Module) setHook(ctx context.Context, u *bus.Unit, campaignID int64, req *web.Request, in *hookInput, was *hook) (out *hookJSON, secret string, err error) {
	a := audit.Change{KeyID: req.KeyID, Action: "decision_hook.deleted", Subject: aboutHook, SubjectID: campaignID}
	if was != nil {
		a.Before = was.show()
	}
	if in == nil {
		if err := deleteHook(ctx, u.Tx, req.Site.ID, campaignID); err != nil || was == nil {
			return nil, "", err
		}
	} else {
		h, fresh := in.hook(was)
		h.SiteID, h.CampaignID, h.KeyID, h.At = req.Site.ID, campaignID, req.KeyID, u.Now
		if fresh {
			secret = outcall.NewSecret()
			if h.Secret, err = m.calls.Seal(h.SiteID, secret); err != nil {
				return nil, "", err
			}
		}
		if err := saveHook(ctx, u.Tx, h); err != nil {
			return nil, "", err
		}
		out = h.show()
		if a.Action, a.After = "decision_hook.set", *out; fresh {
			out.Secret = new(string)
		}
	}
	return out, secret, writeAudit(ctx, u.Tx, u.Now, req.Site.ID, a)
}

func (m *Module) showHook(ctx context.Context, campaignID int64) (*web.OK[hookResult], error) {
	siteID := web.From(ctx).Site.ID
	var h *hook
	err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		h, err = readHook(ctx, u, siteID, campaignID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(hookResult{h.show()}), nil
}

func (m *Module) getSiteHook(ctx context.Context, _ *struct{}) (*web.OK[hookResult], error) {
	return m.showHook(ctx, 0)
}

func (m *Module) putSiteHook(ctx context.Context, in *struct{ Body hookInput }) (*web.OK[hookResult], error) {
	return m.changeHook(ctx, 0, &in.Body)
}

func (m *Module) deleteSiteHook(ctx context.Context, _ *struct{}) (*web.OK[hookResult], error) {
	return m.changeHook(ctx, 0, nil)
}

func (m *Module) getCampaignHook(ctx context.Context, in *campaignPath) (*web.OK[hookResult], error) {
	if in.ID <= 0 {
		return nil, errNoCampaign
	}
	return m.showHook(ctx, in.ID)
}

func (m *Module) putCampaignHook(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body hookInput
}) (*web.OK[hookResult], error) {
	if in.ID <= 0 {
		return nil, errNoCampaign
	}
	return m.changeHook(ctx, in.ID, &in.Body)
}

func (m *Module) deleteCampaignHook(ctx context.Context, in *campaignPath) (*web.OK[hookResult], error) {
	if in.ID <= 0 {
		return nil, errNoCampaign
	}
	return m.changeHook(ctx, in.ID, nil)
}
