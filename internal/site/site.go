// Package site names the tenant. A Site travels as an argument from the edge into every use case; nothing else identifies one.
package site

import "time"

// Site is what modules may know of a site while they serve a request of it.
type Site struct {
	ID       int64
	Slug     string
	Name     string
	Currency string         // ISO 4217, the default for amounts that name none
	Zone     *time.Location // the site's days begin here
	URL      string         // the shop, https://shop.example; destinations default to it
}
