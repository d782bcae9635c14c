package referral

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/singleflight"

	"github.com/talkable/talkable/internal/clock"
)

const (
	catalogAge      = 5 * time.Second // how long another replica's change may go unseen
	catalogPatience = 3 * time.Second // with the database, before what was read last is served
)

// shelf is what a site offers, as it was at a moment: it is never changed, only replaced.
type shelf struct {
	at        time.Time
	shop      shop
	campaigns []*campaign
	byID      map[int64]*campaign
	home      *landing           // the shop's; nil if friends can't be sent there
	landings  map[int64]*landing // of the campaigns that name a place themselves; nil likewise
	hosts     []string           // that destinations may name beside the shop's; none: any
}

// leads is where a claim link of the campaign leads; nil: nowhere.
func (s *shelf) leads(campaignID int64) *landing {
	if l, own := s.landings[campaignID]; own {
		return l
	}
	return s.home
}

// settle reads where a campaign's links lead. A host that isn't allowed any more is passed over.
func (s *shelf) settle(c *campaign) {
	if c.Destination != "" && hostAllowed(c.Destination, s.hosts) {
		s.landings[c.ID] = landAt(c.Destination)
	}
	if t := c.terms; t != nil {
		t.expired, t.advocate = s.place(t.ExpiredURL), s.place(t.AdvocateURL)
	}
}

// place reads an address that the site allows; nil: none.
func (s *shelf) place(address string) *landing {
	if address == "" || !hostAllowed(address, s.hosts) {
		return nil
	}
	return landAt(address)
}

// landAt reads a destination, unless friends must not be sent there.
func landAt(destination string) *landing {
	if checkDestination(destination) != nil {
		return nil
	}
	l, err := landingOf(destination)
	if err != nil {
		return nil // the check has read it as well
	}
	return l
}

// catalog keeps the campaigns of the sites in memory. Changes made by this process show at once, those of others within
// catalogAge; when the database is away, what was read last serves on.
type catalog struct {
	db    *sqlx.DB
	now   clock.Clock
	reads singleflight.Group

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
	// One read for all who ask at once; those who ask after a change don't get one that began before it.
	got, err, _ := c.reads.Do(fmt.Sprintf("%d %d", siteID, change), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), catalogPatience)
		defer cancel()
		return c.read(ctx, siteID, now, change)
	})
	if err != nil {
		return known, err
	}
	return got.(*shelf), nil
}

func (c *catalog) read(ctx context.Context, siteID int64, now time.Time, change int) (*shelf, error) {
	fresh := &shelf{at: now, byID: map[int64]*campaign{}, landings: map[int64]*landing{}}
	var err error
	if fresh.campaigns, err = campaignsOf(ctx, c.db, siteID); err != nil {
		return nil, err
	}
	if fresh.shop, _, err = shopOf(ctx, c.db, siteID); err != nil {
		return nil, err
	}
	fresh.home = landAt(fresh.shop.URL)
	if fresh.hosts, err = hostsOf(ctx, c.db, siteID, fresh.shop.URL); err != nil {
		return nil, err
	}
	for _, one := range fresh.campaigns {
		fresh.byID[one.ID] = one
		fresh.settle(one)
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
