package referral

import (
	"context"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
)

const catalogAge = 5 * time.Second // how long another replica's change may go unseen

// shelf is what a site offers, as it was at a moment: it is never changed, only replaced.
type shelf struct {
	at        time.Time
	shop      shop
	campaigns []*campaign
	byID      map[int64]*campaign
}

// catalog keeps the campaigns of the sites in memory. Changes made by this process show at once, those of others within
// catalogAge; when the database is away, what was read last serves on.
type catalog struct {
	db  *sqlx.DB
	now clock.Clock

	mu      sync.Mutex
	shelves map[int64]*shelf
	changes map[int64]int // per site: what was read before a change must not be kept after it
}

func newCatalog(db *sqlx.DB, now clock.Clock) *catalog {
	return &catalog{db: db, now: now, shelves: map[int64]*shelf{}, changes: map[int64]int{}}
}

// of returns the site's shelf. The error comes with the last known shelf, if there is one.
func (c *catalog) of(ctx context.Context, siteID int64) (*shelf, error) {
	now := c.now()
	c.mu.Lock()
	known, change := c.shelves[siteID], c.changes[siteID]
	c.mu.Unlock()
	if known != nil {
		if age := now.Sub(known.at); age >= 0 && age < catalogAge {
			return known, nil
		}
	}
	fresh := &shelf{at: now, byID: map[int64]*campaign{}}
	var err error
	if fresh.campaigns, err = campaignsOf(ctx, c.db, siteID); err != nil {
		return known, err
	}
	if fresh.shop, _, err = shopOf(ctx, c.db, siteID); err != nil {
		return known, err
	}
	for _, one := range fresh.campaigns {
		fresh.byID[one.ID] = one
	}
	c.mu.Lock()
	if c.changes[siteID] == change {
		c.shelves[siteID] = fresh
	}
	c.mu.Unlock()
	return fresh, nil
}

// changed makes the next reader look again; what is there keeps serving if the database is away by then.
func (c *catalog) changed(siteID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes[siteID]++
	if s := c.shelves[siteID]; s != nil {
		stale := *s
		stale.at = time.Time{}
		c.shelves[siteID] = &stale
	}
}

// key is a thing of a site.
type key struct{ site, id int64 }
