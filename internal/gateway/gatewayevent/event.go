// Package gatewayevent is what the gateway tells: the sites and what modules need to know of them.
package gatewayevent

import "time"

// Types lists every event of this package, for the catalogue and the golden files.
var Types = []interface{ EventType() string }{SiteChanged{}}

// SiteChanged says that a site is new or that its settings changed; it carries them as they are now. Key: "site:ID".
type SiteChanged struct {
	SiteID    int64     `json:"site_id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	Currency  string    `json:"currency"`  // ISO 4217
	TimeZone  string    `json:"time_zone"` // IANA name
	URL       string    `json:"url"`       // the shop
	EmailFrom string    `json:"email_from,omitempty"`
	ChangedAt time.Time `json:"changed_at"`
}

func (SiteChanged) EventType() string { return "gateway.site_changed.v1" }
