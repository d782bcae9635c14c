package gateway

import (
	"crypto/rand"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a site's zone is known on machines without zone files too
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// Site is a tenant: one shop.
type Site struct {
	ID         int64     `db:"site_id" json:"id"`
	Slug       string    `db:"slug" json:"slug"` // never changes: clients send it
	Name       string    `db:"name" json:"name"`
	Currency   string    `db:"currency" json:"currency"`   // ISO 4217
	TimeZone   string    `db:"time_zone" json:"time_zone"` // IANA name
	URL        string    `db:"url" json:"url"`             // the shop
	EmailFrom  string    `db:"email_from" json:"email_from,omitempty"`
	WebhookKey string    `db:"webhook_key" json:"webhook_key"` // what the site's webhooks carry and are signed with
	CreatedAt  time.Time `db:"created_at" json:"created_at"`
	ChangedAt  time.Time `db:"changed_at" json:"changed_at"`
}

// NewSite is what a site is made of.
type NewSite struct {
	Slug      string
	Name      string // the slug if empty
	Currency  string
	TimeZone  string
	URL       string
	EmailFrom string // may be empty
}

// SiteChange holds the settings to change; nil leaves one as it is.
type SiteChange struct {
	Name, Currency, TimeZone, URL, EmailFrom *string
}

var slugForm = regexp.MustCompile(`^[a-z0-9-]{1,60}$`)

// site makes a site of it, or says all that is wrong with it.
func (n NewSite) site(now time.Time) (Site, error) {
	s := Site{Slug: n.Slug, Name: n.Name, Currency: n.Currency, TimeZone: n.TimeZone, URL: n.URL, EmailFrom: n.EmailFrom, WebhookKey: rand.Text(), CreatedAt: now, ChangedAt: now}
	either(&s.Name, s.Slug)
	return s, s.check()
}

// with applies a change; changed says whether it makes a difference.
func (s Site) with(c SiteChange, now time.Time) (after Site, changed bool, err error) {
	after = s
	for _, f := range []struct{ is, to *string }{
		{&after.Name, c.Name}, {&after.Currency, c.Currency}, {&after.TimeZone, c.TimeZone}, {&after.URL, c.URL}, {&after.EmailFrom, c.EmailFrom},
	} {
		if f.to != nil {
			*f.is = *f.to
		}
	}
	if after == s {
		return s, false, nil
	}
	after.ChangedAt = now
	return after, true, after.check()
}

func (s Site) check() error {
	bad := fault.New(fault.Invalid, "invalid_site", "These settings make no site.")
	found := bad
	if !slugForm.MatchString(s.Slug) {
		found = found.At("/slug", "1 to 60 of a-z, 0-9 and -")
	}
	if n := utf8.RuneCountInString(s.Name); n == 0 || n > 200 || !clean(s.Name) {
		found = found.At("/name", "1 to 200 characters")
	}
	if _, ok := money.Digits(s.Currency); !ok {
		found = found.At("/currency", "not an ISO 4217 code like USD")
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "" || s.TimeZone == "Local" {
		found = found.At("/time_zone", "not an IANA time zone like America/New_York")
	}
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil ||
		u.Opaque != "" || len(s.URL) > 2000 || !clean(s.URL) || strings.ContainsAny(s.URL, " \\") {
		found = found.At("/url", "not an absolute http(s) address")
	}
	if a, err := mail.ParseAddress(s.EmailFrom); s.EmailFrom != "" && (err != nil || a.Address != s.EmailFrom || len(s.EmailFrom) > 254 || !clean(s.EmailFrom)) {
		found = found.At("/email_from", "not a plain e-mail address")
	}
	if found == bad {
		return nil
	}
	return found
}

// clean says that PostgreSQL can keep the text and that no line of a log or a header is broken by it.
func clean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Tenant is the site as modules know it.
func (s Site) Tenant() (site.Site, error) {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return site.Site{}, fmt.Errorf("zone of site %d: %w", s.ID, err)
	}
	return site.Site{ID: s.ID, Slug: s.Slug, Name: s.Name, Currency: s.Currency, Zone: zone, URL: s.URL}, nil
}

func (s Site) key() string { return "site:" + strconv.FormatInt(s.ID, 10) }

func (s Site) event() gatewayevent.SiteChanged {
	return gatewayevent.SiteChanged{SiteID: s.ID, Slug: s.Slug, Name: s.Name, Currency: s.Currency, TimeZone: s.TimeZone, URL: s.URL,
		EmailFrom: s.EmailFrom, ChangedAt: s.ChangedAt}
}
