package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const (
	mostRecipients = 250    // of one call; an offer is mailed to 25 at most
	mostAddresses  = 20_000 // bytes of recipients
	mostSubject    = 250    // runes
	mostMessage    = 5_000
)

var errNoRecipients = fault.New(fault.Invalid, "recipients_required", "`recipients` is required").At("/recipients", "must name at least one e-mail address")

type addressBook interface {
	Addressees(ctx context.Context, siteID int64, emails []string) ([]customerapi.Addressee, error)
	Introduce(ctx context.Context, s site.Site, emails []string) ([]int64, error)
}

// EmailWords are an advocate's words. Android wraps them into a member "email"; the others have them at the top.
type EmailWords struct {
	Subject  optional `json:"subject,omitempty" doc:"The advocate's; ours when left out"`
	Body     optional `json:"body,omitempty" doc:"The advocate's message; links in it are left out"`
	Reminder *truth   `json:"reminder,omitempty" doc:"The friend may be reminded; true when left out"`
}

type nestedWords struct {
	_ struct{} `json:"-" additionalProperties:"true"`
	EmailWords
}

type shareByEmailInput struct {
	Code string `path:"code" doc:"short_url_code or id of the offer"`
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Recipients     list   `json:"recipients,omitempty" doc:"E-mail addresses, with commas or line breaks between them; at most 250" example:"\"bob@shop.example, carl@shop.example\""`
		ValidationOnly *truth `json:"validation_only,omitempty" doc:"Only says what would be sent"`
		EmailWords
		Email nestedWords `json:"email,omitempty" doc:"Where some clients put subject, body and reminder"`
	}
}

type emailShareAnswer struct {
	Success        bool                           `json:"success" doc:"Something was sent, or would be"`
	ValidationOnly bool                           `json:"validation_only"`
	Stats          referralapi.EmailStats         `json:"stats"`
	Recipients     map[string]referralapi.Verdict `json:"recipients" doc:"By address"`
	Reward         *referralapi.Reward            `json:"reward" doc:"The first of rewards"`
	Rewards        []referralapi.Reward           `json:"rewards" doc:"What the advocate earned by it"`
}

// shareByEmail lets referral decide who is written to. Whom nobody knows becomes a person of customer's first: addresses are kept there
// and nowhere else, and notify writes to persons.
func (c Composition) shareByEmail(ctx context.Context, in *shareByEmailInput) (*web.OK[emailShareAnswer], error) {
	req := web.From(ctx)
	to, err := in.addresses()
	if err != nil {
		return nil, err
	}
	ask := referralapi.EmailShare{Code: in.Code, ValidationOnly: in.Body.ValidationOnly.or(false), Verified: !req.Public, Idempotency: req.Idempotency}
	if err := in.words(&ask); err != nil {
		return nil, err
	}
	people, shared, replayed, err := c.MailOffer(ctx, req.Site, to, ask)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	answer := emailShareAnswer{ValidationOnly: shared.ValidationOnly, Stats: shared.Stats, Rewards: orEmpty(shared.Rewards), Recipients: map[string]referralapi.Verdict{}}
	for i, v := range shared.Verdicts {
		answer.Recipients[people[i].Email] = v
		answer.Success = answer.Success || v.CurrentlySent || shared.ValidationOnly && v.Sharable
	}
	if len(answer.Rewards) > 0 {
		answer.Reward = &answer.Rewards[0]
	}
	return web.Answer(answer), nil
}

// MailOffer mails an offer to addresses, those that are the same once, and says in their order what became of each.
func (c Composition) MailOffer(ctx context.Context, s site.Site, to []string, ask referralapi.EmailShare) (people []customerapi.Addressee, out referralapi.EmailShared, replayed bool, err error) {
	if people, err = c.Customers.Addressees(ctx, s.ID, to); err != nil {
		return nil, out, false, err
	}
	people = once(people)
	for _, p := range people {
		ask.Recipients = append(ask.Recipients, referralapi.Recipient{PersonID: p.PersonID, Valid: p.Valid, Unsubscribed: p.Unsubscribed})
	}
	if !ask.ValidationOnly {
		if err := c.introduce(ctx, s, people, ask); err != nil {
			return nil, out, false, err
		}
	}
	out, replayed, err = c.Referrals.ShareByEmail(ctx, s, ask)
	return people, out, replayed, err
}

// introduce makes persons of those whom nobody knows and who are to be written to, and notes them in ask.
func (c Composition) introduce(ctx context.Context, s site.Site, people []customerapi.Addressee, ask referralapi.EmailShare) error {
	plan, known, err := c.Referrals.PreviewEmails(ctx, s, ask)
	if err != nil || known {
		return err
	}
	var emails []string
	var at []int
	left := plan.Stats.LeftEmails
	for i, v := range plan.Verdicts {
		if !v.Sharable || left == 0 {
			continue
		}
		if left--; ask.Recipients[i].PersonID == 0 {
			emails, at = append(emails, people[i].Email), append(at, i)
		}
	}
	ids, err := c.Customers.Introduce(ctx, s, emails)
	for n, id := range ids {
		ask.Recipients[at[n]].PersonID = id
	}
	return err
}

// addresses are the recipients as they are written, without spaces around them.
func (in *shareByEmailInput) addresses() ([]string, error) {
	var out []string
	size := 0
	for _, part := range in.Body.Recipients {
		size += len(part)
		for _, a := range strings.FieldsFunc(part, func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' }) {
			if a = strings.TrimSpace(a); a != "" {
				out = append(out, a)
			}
		}
	}
	switch {
	case size > mostAddresses || len(out) > mostRecipients:
		return nil, fault.New(fault.Invalid, "too_many_recipients", "At most %d recipients can be named at once.", mostRecipients).At("/recipients", "are too many, or too long")
	case len(out) == 0:
		return nil, errNoRecipients
	}
	return out, nil
}

// words puts the advocate's into ask: each from the one place, else from the other.
func (in *shareByEmailInput) words(ask *referralapi.EmailShare) error {
	top, inner := in.Body.EmailWords, in.Body.Email.EmailWords
	if err := errors.Join(top.check("/"), inner.check("/email/")); err != nil {
		return err
	}
	either(&top.Subject, inner.Subject)
	either(&top.Body, inner.Body)
	either(&top.Reminder, inner.Reminder)
	ask.Subject, ask.Message, ask.Reminder = string(top.Subject), string(top.Body), top.Reminder.or(true)
	return nil
}

// check says which of the words are too many.
func (w EmailWords) check(at string) error {
	invalid := fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.")
	if utf8.RuneCountInString(string(w.Subject)) > mostSubject {
		return invalid.At(at+"subject", fmt.Sprintf("must have at most %d characters", mostSubject))
	}
	if utf8.RuneCountInString(string(w.Body)) > mostMessage {
		return invalid.At(at+"body", fmt.Sprintf("must have at most %d characters", mostMessage))
	}
	return nil
}

// once keeps the first of addresses that are the same.
func once(people []customerapi.Addressee) []customerapi.Addressee {
	var out []customerapi.Addressee
	seen := map[string]bool{}
	for _, p := range people {
		id := p.Mark
		if !p.Valid {
			id = p.Email
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, p)
		}
	}
	return out
}
