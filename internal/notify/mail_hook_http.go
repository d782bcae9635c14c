package notify

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

const aboutMailHook = "Before a message to a person leaves, the shop is asked: a POST with its `mail` (whom it goes to and which template), signed as the Standard Webhooks have it. " +
	"It answers 200 with {\"send\":true} or {\"send\":false,\"reason\":\"…\"}; Talkable's {\"result\":{\"unsubscribed\":true}} is taken, too. Three tries, then `on_failure`. " +
	"The message waits (`asking`), and no other does. Messages about what somebody has paid for with points are sent without asking. "

func (m *Module) mailHookRoutes(api huma.API) {
	tags := []string{"Messages"}
	const path = "/api/v2/mail_hook"
	huma.Register(api, huma.Operation{OperationID: "getMailHook", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Read who is asked before a mail is sent",
		Description: aboutMailHook + "`mail_hook` is null where nobody is asked."}, m.getMailHook)
	huma.Register(api, huma.Operation{OperationID: "replaceMailHook", Method: http.MethodPut, Path: path, Tags: tags, Summary: "Have the shop asked before a mail is sent",
		Description: aboutMailHook + "Takes an Idempotency-Key. Holds for what leaves from now on (in other processes within five seconds). The address must be https and public. " +
			"400 with a pointer to each place that is wrong."}, m.putMailHook)
	huma.Register(api, huma.Operation{OperationID: "deleteMailHook", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Ask nobody before a mail",
		Description: "What waits for an answer is sent. Nothing set is nothing changed. Takes an Idempotency-Key."}, m.dropMailHook)
}

type mailHookResult struct {
	Hook *mailHookJSON `json:"mail_hook" doc:"null: nobody is asked"`
}

func (m *Module) getMailHook(ctx context.Context, _ *struct{}) (*web.OK[mailHookResult], error) {
	h, err := mailHookOf(ctx, m.DB, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(mailHookResult{h.show()}), nil
}

func (m *Module) putMailHook(ctx context.Context, in *struct{ Body MailHookInput }) (*web.OK[mailHookResult], error) {
	h, err := in.Body.hook(m.Calls)
	if err != nil {
		return nil, err
	}
	return m.changeMailHook(ctx, &h, in.Body.Rotate)
}

func (m *Module) dropMailHook(ctx context.Context, _ *struct{}) (*web.OK[mailHookResult], error) {
	return m.changeMailHook(ctx, nil, false)
}

// changeMailHook sets the site's hook, or takes it away if h is nil.
func (m *Module) changeMailHook(ctx context.Context, h *mailHook, rotate bool) (*web.OK[mailHookResult], error) {
	req := web.From(ctx)
	var out *mailHookJSON
	var replayed bool
	var fresh string // a secret that was just made: the answer that is kept says only that there was one
	err := m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, req.Site.ID, req.Idempotency, &out, func() error {
			was, err := mailHookOf(ctx, u, req.Site.ID)
			if err != nil {
				return err
			}
			out, fresh, err = m.setMailHook(ctx, u, req, h, was, rotate)
			return err
		})
		return err
	})
	m.mails.changed()
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	if out == nil || out.Secret == nil {
		return web.Answer(mailHookResult{out}), nil
	}
	if out.Secret = &fresh; replayed {
		out.Secret, err = m.mailHookSecret(ctx, req.Site.ID, out.ChangedAt)
	}
	if err != nil {
		return nil, err
	}
	return web.Answer(mailHookResult{out}), nil
}

func (m *Module) setMailHook(ctx context.Context, u *bus.Unit, req *web.Request, h, was *mailHook, rotate bool) (out *mailHookJSON, fresh string, err error) {
	siteID := req.Site.ID
	a := audit.Change{KeyID: req.KeyID, Action: "mail_hook.deleted", Subject: "mail_hook"}
	if was != nil {
		a.Before = was.show()
	}
	if h == nil {
		if err := deleteMailHook(ctx, u, siteID); err != nil || was == nil {
			return nil, "", err
		}
		return nil, "", audit.Write(ctx, u.Tx, "notify", u.Now, siteID, a)
	}
	set := *h
	if set.SiteID, set.KeyID, set.At = siteID, req.KeyID, u.Now; was == nil || rotate {
		fresh = outcall.NewSecret()
		if set.Secret, err = m.Calls.Seal(siteID, fresh); err != nil {
			return nil, "", err
		}
	} else {
		set.Secret = was.Secret
	}
	if err := saveMailHook(ctx, u, set); err != nil {
		return nil, "", err
	}
	out = set.show()
	a.Action, a.After = "mail_hook.set", *out
	if fresh != "" {
		out.Secret = new(string)
	}
	return out, fresh, audit.Write(ctx, u.Tx, "notify", u.Now, siteID, a)
}

// mailHookSecret is the secret of the hook that was set at a moment; nil: it has been changed since.
func (m *Module) mailHookSecret(ctx context.Context, siteID int64, at time.Time) (*string, error) {
	h, err := mailHookOf(ctx, m.DB, siteID)
	if err != nil || h == nil || !h.At.Equal(at) {
		return nil, err
	}
	secret, err := m.Calls.Open(siteID, h.Secret)
	return &secret, err
}
