package web

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Envelope is how every success looks.
type Envelope[T any] struct {
	OK     bool `json:"ok"`
	DryRun bool `json:"dry_run,omitempty" doc:"True: this is what would be, and nothing of it was kept"`
	Result T    `json:"result"`
}

// asDryRun is the envelope of what would be.
func (e Envelope[T]) asDryRun() any {
	e.DryRun = true
	return e
}

// markDryRun says in each success of a dry run that it is one.
func markDryRun(ctx huma.Context, _ string, v any) (any, error) {
	if !From(ctx.Context()).DryRun {
		return v, nil
	}
	if e, ok := v.(interface{ asDryRun() any }); ok {
		return e.asDryRun(), nil
	}
	return v, nil
}

// OK is the output of an operation that answers with a result.
type OK[T any] struct{ Body Envelope[T] }

// Answer wraps a result.
func Answer[T any](result T) *OK[T] { return &OK[T]{Body: Envelope[T]{OK: true, Result: result}} }

// SiteBody is embedded in request bodies: Talkable's clients name the site there. The edge has compared it with the key's site
// before a handler runs.
type SiteBody struct {
	SiteSlug string `json:"site_slug,omitempty" doc:"The site; may be left out, the key decides it" example:"demo"`
}

// Talkable writes a moment as Talkable's operations do: ISO 8601 with milliseconds in the site's zone.
func Talkable(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02T15:04:05.000-07:00")
}

// TalkablePtr is Talkable for a moment that may not be.
func TalkablePtr(t *time.Time, zone *time.Location) *string {
	if t == nil {
		return nil
	}
	s := Talkable(*t, zone)
	return &s
}
