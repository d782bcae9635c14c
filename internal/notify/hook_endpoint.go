package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
)

// endpoint is an address that a merchant is told things at.
type endpoint struct {
	SiteID         int64          `db:"site_id" json:"-"`
	ID             int64          `db:"id" json:"id"`
	URL            string         `db:"url" json:"url"`
	Style          string         `db:"style" json:"style" enum:"standard,talkable"`
	Types          pq.StringArray `db:"types" json:"types"`
	Description    string         `db:"description" json:"description"`
	Enabled        bool           `db:"enabled" json:"enabled"`
	DisabledReason *string        `db:"disabled_reason" json:"disabled_reason" doc:"merchant: by this API; gone: it answered 410; failing: it only failed for five days"`
	DisabledAt     *time.Time     `db:"disabled_at" json:"disabled_at"`
	FailingSince   *time.Time     `db:"failing_since" json:"failing_since" doc:"The first failure since the last success"`
	OldSecretUntil *time.Time     `db:"old_secret_until" json:"old_secret_until" doc:"Until when the secret before the last rotation signs, too"`
	ResendingSince *time.Time     `db:"resend_since" json:"resending_since" doc:"What failed since then is being queued again"`
	CreatedAt      time.Time      `db:"created_at" json:"created_at"`
	ChangedAt      time.Time      `db:"changed_at" json:"changed_at"`
}

const (
	mostEndpoints = 20 // of a site
	leastKey      = 8
	mostKey       = 200
	mostKeepHours = 7 * 24
	longestNote   = 500
)

var errNoEndpoint = fault.New(fault.NotFound, "webhook_not_found", "There is no such webhook.")

// EndpointInput is what a merchant says of an endpoint.
type EndpointInput struct {
	URL         string   `json:"url" maxLength:"2000" example:"https://shop.example/hooks/talkable"`
	Types       []string `json:"types" minItems:"1" maxItems:"50" doc:"What it is told; listWebhookTypes has them all" example:"[\"referral.approved\"]"`
	Description string   `json:"description,omitempty" maxLength:"500"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"true unless it is said"`
}

// checked is the input with each type once, or what is wrong with it.
func (in EndpointInput) checked(style string, calls *outcall.Client) (EndpointInput, error) {
	if wrong := calls.Check(in.URL); wrong != "" {
		return in, invalidEndpoint("/url", wrong)
	}
	kinds := slices.Compact(slices.Sorted(slices.Values(in.Types)))
	for i, kind := range in.Types {
		if !slices.Contains(hookTypes[style], kind) {
			return in, invalidEndpoint(fmt.Sprintf("/types/%d", i), "is no type of this style")
		}
	}
	if in.Description = strings.TrimSpace(in.Description); strings.ContainsFunc(in.Description, unicode.IsControl) || utf8.RuneCountInString(in.Description) > longestNote {
		return in, invalidEndpoint("/description", "must be one line of at most 500 characters")
	}
	in.Types = kinds
	return in, nil
}

func (in EndpointInput) enabled() bool { return in.Enabled == nil || *in.Enabled }

func invalidEndpoint(at, what string) error {
	return fault.New(fault.Invalid, "invalid_webhook", "The webhook can't be taken like this.").At(at, what).Pointed()
}

// checkKey says whether a merchant's own secret can be used. That of the standard style has the specification's form.
func checkKey(style, key string) error {
	switch {
	case style == standard && !outcall.ValidSecret(key):
		return invalidEndpoint("/secret", "must be whsec_ and 24 to 64 bytes in base64")
	case len(key) < leastKey || len(key) > mostKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return invalidEndpoint("/secret", "must have 8 to 200 characters without spaces")
	}
	return nil
}

// createEndpoint makes an endpoint. Without a secret of the merchant's it gets one of ours.
func (m *Module) createEndpoint(ctx context.Context, siteID int64, style, key string, in EndpointInput, keyID int64, k idempotency.Key) (out endpoint, replayed bool, err error) {
	if in, err = in.checked(style, m.Calls); err != nil {
		return out, false, err
	}
	if key == "" {
		key = outcall.NewSecret()
	} else if err := checkKey(style, key); err != nil {
		return out, false, err
	}
	sealed, err := m.Calls.Seal(siteID, key)
	if err != nil {
		return out, false, err
	}
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, &out, func() error {
			n, err := countEndpoints(ctx, u.Tx, siteID)
			if err != nil {
				return err
			}
			if n >= mostEndpoints {
				return fault.New(fault.Conflict, "too_many_webhooks", "A site has at most %d webhooks.", mostEndpoints)
			}
			id, err := insertEndpoint(ctx, u, siteID, style, sealed, in, u.Now)
			if err != nil {
				return err
			}
			if err := subscribe(ctx, u, siteID, id, in.Types); err != nil {
				return err
			}
			if out, err = endpointByID(ctx, u, siteID, id); err != nil {
				return err
			}
			return note(ctx, u, siteID, keyID, hookCreated, id, nil, out)
		})
		return err
	})
	return out, replayed, err
}

// replaceEndpoint gives an endpoint other settings; style and secret stay. One that is enabled again begins with a clean slate.
func (m *Module) replaceEndpoint(ctx context.Context, siteID, id int64, in EndpointInput, keyID int64, k idempotency.Key) (out endpoint, replayed bool, err error) {
	err = m.changeEndpoint(ctx, siteID, id, k, &out, &replayed, keyID, hookChanged, func(u *bus.Unit, old endpoint) error {
		in, err := in.checked(old.Style, m.Calls)
		if err != nil {
			return err
		}
		if err := updateEndpoint(ctx, u, siteID, id, in, u.Now); err != nil {
			return err
		}
		return subscribe(ctx, u, siteID, id, in.Types)
	})
	return out, replayed, err
}

// deleteEndpoint tells no more to an endpoint, and forgets its secrets. Its deliveries stay for a while. Deleted again it stays as it is.
func (m *Module) deleteEndpoint(ctx context.Context, siteID, id, keyID int64, k idempotency.Key) (out endpoint, replayed bool, err error) {
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, &out, func() (err error) {
			old, err := lockEndpoint(ctx, u, siteID, id)
			gone := errors.Is(err, errNoEndpoint) // or never there; burying tells
			if err != nil && !gone {
				return err
			}
			if err := subscribe(ctx, u, siteID, id, []string{}); err != nil {
				return err
			}
			if out, err = buryEndpoint(ctx, u, siteID, id, u.Now); err != nil || gone {
				return err
			}
			return note(ctx, u, siteID, keyID, hookDeleted, id, old, nil)
		})
		return err
	})
	return out, replayed, err
}

// rotateSecret gives an endpoint a new secret; the one before signs beside it for some hours.
func (m *Module) rotateSecret(ctx context.Context, siteID, id int64, key string, keepHours int, keyID int64, k idempotency.Key) (out endpoint, replayed bool, err error) {
	err = m.changeEndpoint(ctx, siteID, id, k, &out, &replayed, keyID, hookRotated, func(u *bus.Unit, old endpoint) error {
		if key == "" {
			key = outcall.NewSecret()
		} else if err := checkKey(old.Style, key); err != nil {
			return err
		}
		sealed, err := m.Calls.Seal(siteID, key)
		if err != nil {
			return err
		}
		return replaceSecret(ctx, u, siteID, id, sealed, u.Now.Add(time.Duration(keepHours)*time.Hour), u.Now)
	})
	return out, replayed, err
}

// resendSince has what failed since a moment queued again, in the background.
func (m *Module) resendSince(ctx context.Context, siteID, id int64, since time.Time, k idempotency.Key) (out endpoint, replayed bool, err error) {
	err = m.changeEndpoint(ctx, siteID, id, k, &out, &replayed, 0, "", func(u *bus.Unit, old endpoint) error {
		switch {
		case since.After(u.Now):
			return errNotYet
		case !old.Enabled:
			return errDisabled
		}
		if kept := u.Now.Add(-deliveryStays); since.Before(kept) { // nothing older is there
			since = kept
		}
		return askResend(ctx, u, siteID, id, since, u.Now)
	})
	if err == nil && !replayed {
		select {
		case m.resending <- struct{}{}:
		default:
		}
	}
	return out, replayed, err
}

var (
	errNotYet   = fault.New(fault.Unprocessable, "since_in_future", "Nothing has failed since a moment to come.").At("/since", "lies in the future")
	errDisabled = fault.New(fault.Conflict, "webhook_disabled", "The webhook is disabled; enable it first.")
)

// changeEndpoint locks an endpoint, changes it, and reads how it is then. An answer that was kept comes again. A change with a name is
// kept in the audit log.
func (m *Module) changeEndpoint(ctx context.Context, siteID, id int64, k idempotency.Key, out *endpoint, replayed *bool, keyID int64, name string, change func(*bus.Unit, endpoint) error) error {
	return m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		*replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, out, func() error {
			old, err := lockEndpoint(ctx, u, siteID, id)
			if err != nil {
				return err
			}
			if err := change(u, old); err != nil {
				return err
			}
			if *out, err = endpointByID(ctx, u, siteID, id); err != nil || name == "" {
				return err
			}
			return note(ctx, u, siteID, keyID, name, id, old, *out)
		})
		return err
	})
}

// secrets are those that sign now, the newest first.
func (m *Module) secrets(ctx context.Context, siteID, id int64) ([]string, error) {
	sealed, err := sealedSecrets(ctx, m.DB, siteID, id, m.Now())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range sealed {
		secret, err := m.Calls.Open(siteID, s)
		if err != nil {
			return nil, err
		}
		out = append(out, secret)
	}
	return out, nil
}
