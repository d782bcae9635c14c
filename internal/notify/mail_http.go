package notify

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) mailRoutes(api huma.API) {
	tags := []string{"Messages"}
	huma.Register(api, huma.Operation{OperationID: "listMails", Method: http.MethodGet, Path: "/api/v2/mails", Tags: tags,
		Summary: "List the mails that the site can send", Description: "What each of them is, whether it is sent, after how long, and in which words."}, m.getMails)
	huma.Register(api, huma.Operation{OperationID: "replaceMail", Method: http.MethodPut, Path: "/api/v2/mails/{template}", Tags: tags,
		Summary: "Say whether and how a mail is sent", Description: "Switches a mail on or off, delays it, and gives it words of the merchant's, in which {{site_name}}, {{first_name}}, {{advocate}}, " +
			"{{reward}}, {{code}}, {{link}}, {{tier}}, {{achievement}} and {{date}} are filled in. Holds for what happens from now on (in other processes within five seconds); what waits when a mail is switched off is not sent. " +
			"Where `when` isn't met as the mail is to leave, it is suppressed (`condition`). Each mail goes out once for its occasion, never to who has unsubscribed, and offers to. Takes an Idempotency-Key. 400 with a pointer to what is wrong, 404 if there is no such mail."}, m.putMail)
}

// mailJSON is a mail as the API shows it.
type mailJSON struct {
	Template     string     `json:"template" example:"friend_reward"`
	About        string     `json:"about" doc:"To whom it goes, and when"`
	Enabled      bool       `json:"enabled"`
	DelayMinutes int        `json:"delay_minutes"`
	Subject      *string    `json:"subject" doc:"The merchant's; null: the usual one"`
	Message      *string    `json:"message" doc:"The merchant's; null: the usual one"`
	PlainText    bool       `json:"plain_text" doc:"It goes out without HTML"`
	When         *string    `json:"when" doc:"The condition on which it goes out; null: none"`
	UsualSubject *string    `json:"usual_subject" doc:"null: the mail has words that aren't changed here"`
	UsualMessage *string    `json:"usual_message" doc:"likewise"`
	ChangedAt    *time.Time `json:"changed_at" doc:"null: never"`
}

func showMail(k mailKind, s mailSetting) mailJSON {
	orNull := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	out := mailJSON{Template: k.template, About: k.about, Enabled: s.Enabled, DelayMinutes: s.DelayMinutes, Subject: orNull(s.Subject), Message: orNull(s.Message), PlainText: s.Plain, When: orNull(s.When),
		UsualSubject: orNull(k.notice.subject), UsualMessage: orNull(k.notice.message)}
	if !s.ChangedAt.IsZero() {
		at := s.ChangedAt.UTC()
		out.ChangedAt = &at
	}
	return out
}

type mailsResult struct {
	Mails []mailJSON `json:"mails"`
}

func (m *Module) getMails(ctx context.Context, _ *struct{}) (*web.OK[mailsResult], error) {
	siteID := web.From(ctx).Site.ID
	all, err := mailSettingsOf(ctx, m.DB, siteID)
	if err != nil {
		return nil, err
	}
	out := mailsResult{}
	for _, k := range mailKinds {
		out.Mails = append(out.Mails, showMail(k, settingOf(all, siteID, k)))
	}
	return web.Answer(out), nil
}

// MailInput is what a merchant says of a mail.
type MailInput struct {
	web.SiteBody
	Enabled      bool    `json:"enabled"`
	DelayMinutes int     `json:"delay_minutes,omitempty" minimum:"0" maximum:"43200" doc:"How long it waits after its occasion: at most 30 days"`
	Subject      *string `json:"subject,omitempty" nullable:"true" maxLength:"150" doc:"Null or left out: the usual one"`
	PlainText    bool    `json:"plain_text,omitempty" doc:"Sends text without HTML"`
	When         string  `json:"when,omitempty" maxLength:"2000" doc:"A condition, see docs/criteria.md, asked when the mail is to leave: person is who gets it, mail what it is about" example:"mail.subtotal >= 5000 && !person.email_domain.endsWith('.test')"`
	Message      *string `json:"message,omitempty" nullable:"true" maxLength:"2000" doc:"Plain text. Null or left out: the usual one"`
}

// setting is the input as it is kept, or what is wrong with it.
func (in MailInput) setting(k mailKind) (mailSetting, error) {
	s := mailSetting{Template: k.template, Enabled: in.Enabled, DelayMinutes: in.DelayMinutes, Plain: in.PlainText, When: in.When}
	if why := wrongCondition(in.When); why != "" {
		return s, fault.New(fault.Invalid, "invalid_mail", "The mail can't be like this.").At("/when", why).Pointed()
	}
	for _, one := range []struct {
		at    string
		said  *string
		to    *string
		most  int
		lines bool
	}{{"/subject", in.Subject, &s.Subject, mostSubject, false}, {"/message", in.Message, &s.Message, mostMessage, true}} {
		if one.said == nil || *one.said == "" {
			continue
		}
		wrong := wrongWords(*one.said, one.most, one.lines)
		if k.notice == (notice{}) {
			wrong = "can't be changed of this mail"
		}
		if wrong != "" {
			return s, fault.New(fault.Invalid, "invalid_mail", "The mail can't be like this.").At(one.at, wrong).Pointed()
		}
		*one.to = *one.said
	}
	return s, nil
}

type mailResult struct {
	Mail mailJSON `json:"mail"`
}

func (m *Module) putMail(ctx context.Context, in *struct {
	Template string `path:"template" maxLength:"50"`
	Body     MailInput
}) (*web.OK[mailResult], error) {
	req := web.From(ctx)
	k, ok := kindOf(in.Template)
	if !ok {
		return nil, fault.New(fault.NotFound, "mail_not_found", "There is no such mail.")
	}
	s, err := in.Body.setting(k)
	if err != nil {
		return nil, err
	}
	s.SiteID = req.Site.ID
	out, replayed, err := m.saveMail(ctx, k, s, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(mailResult{out}), nil
}

const (
	aboutMail   = "mail" // subject of the audit log
	mailChanged = "mail.changed"
)

func (m *Module) saveMail(ctx context.Context, k mailKind, s mailSetting, keyID int64, key idempotency.Key) (out mailJSON, replayed bool, err error) {
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, s.SiteID, key, &out, func() error {
			all, err := mailSettingsOf(ctx, u, s.SiteID)
			if err != nil {
				return err
			}
			s.ChangedAt = u.Now
			if err := saveMailSetting(ctx, u, s); err != nil {
				return err
			}
			out = showMail(k, s)
			return audit.Write(ctx, u.Tx, "notify", u.Now, s.SiteID, audit.Change{KeyID: keyID, Action: mailChanged, Subject: aboutMail,
				Before: showMail(k, settingOf(all, s.SiteID, k)), After: out})
		})
		return err
	})
	m.mails.changed()
	return out, replayed, err
}
