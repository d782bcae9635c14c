package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
)

const (
	bookAge   = 5 * time.Second // how long another replica's change may go unseen
	booksKept = 10_000
)

// book holds a site's policies, as they were at a moment: it is never changed, only replaced.
type book struct {
	at        time.Time
	site      *policy
	campaigns map[int64]*policy // those that differ from the site's
	hooks     map[int64]*hook   // whom the site (0) and its campaigns ask
	marks     bool              // any of them compares what people were seen with
}

// of is what holds for a campaign.
func (b *book) of(campaignID int64) *policy {
	if p := b.campaigns[campaignID]; p != nil {
		return p
	}
	return b.site
}

// measures says whether any of the site's policies measures the rule.
func (b *book) measures(rule string) bool {
	if b.site.measures(rule) {
		return true
	}
	for _, p := range b.campaigns {
		if p.measures(rule) {
			return true
		}
	}
	return false
}

// books keeps the policies of the sites in memory, so that what is skipped costs no query. Changes made by this process hold at
// once, those of others within bookAge.
type books struct {
	now clock.Clock

	mu      sync.Mutex
	kept    map[int64]*book
	changes map[int64]int // per site: what was read before a change must not be kept after it
}

func newBooks(now clock.Clock) *books {
	return &books{now: now, kept: map[int64]*book{}, changes: map[int64]int{}}
}

// of returns the site's book, read through q if need be.
func (b *books) of(ctx context.Context, q sqlx.QueryerContext, siteID int64) (*book, error) {
	now := b.now()
	b.mu.Lock()
	known, change := b.kept[siteID], b.changes[siteID]
	b.mu.Unlock()
	if known != nil {
		if age := now.Sub(known.at); age >= 0 && age < bookAge {
			return known, nil
		}
	}
	fresh, err := readBook(ctx, q, siteID)
	if err != nil {
		return nil, err
	}
	fresh.at = now
	b.mu.Lock()
	if b.changes[siteID] == change {
		if len(b.kept) >= booksKept {
			clear(b.kept)
		}
		b.kept[siteID] = fresh
	}
	b.mu.Unlock()
	return fresh, nil
}

// changed makes the next reader look again.
func (b *books) changed(siteID int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes[siteID]++
	delete(b.kept, siteID)
}

func readBook(ctx context.Context, q sqlx.QueryerContext, siteID int64) (*book, error) {
	rows, err := policiesOf(ctx, q, siteID)
	if err != nil {
		return nil, err
	}
	out := &book{site: &basicPolicy, campaigns: map[int64]*policy{}}
	if out.hooks, err = hooksOf(ctx, q, siteID); err != nil {
		return nil, err
	}
	for _, r := range rows { // the site's comes first
		var in policyInput
		if err := json.Unmarshal([]byte(r.Policy), &in); err != nil {
			return nil, fmt.Errorf("read fraud policy %d/%d of site %d: %w", r.CampaignID, r.Version, siteID, err)
		}
		p := in.policy(r.CampaignID, r.Version, out.site.lists)
		switch {
		case r.CampaignID == 0:
			out.site = p
		case in.Profile != profileSite:
			out.campaigns[r.CampaignID] = p
		}
		out.marks = out.marks || p.marks()
	}
	return out, nil
}
