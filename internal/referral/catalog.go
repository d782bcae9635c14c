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
	catalogAge      = 500 * time.Millisecond // how long another replica's change may go unseen
	catalogPatience = 3 * time.Second        // with the database, before what was read last is served
)

// shelf is what a site offers, as it was at a moment: it is never changed, only replaced.
type shelf struct {
	at         time.Time
	until      *time.Time // when a version that waits takes effect
	stale      bool
	shop       shop
	campaigns  []*campaign
	placements []*placement
	shown      map[int64][]string // kinds of the placements on which campaigns take turns
	byID       map[int64]*campaign
	home       *landing           // the shop's; nil if friends can't be sent there
	landings   map[int64]*landing // of the campaigns that name a place themselves; nil likewise
	hosts      []string           // that destinations may name beside the shop's; none: any
	apps       bool               // the site has apps that open links
}

// leads is where a claim link of the campaign leads; nil: nowhere.
func (s *shelf) leads(campaignID int64) *landing {
	if l, own := s.landings[campaignID]; own {
		return l
	}
	return s.home
}

// shownAs says of what kind the placements of a campaign are. It reads nothing, so that it may be asked within a transaction: of a site that
// nobody has asked about yet it knows none.
func (c *catalog) shownAs(siteID, campaignID int64) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.shelves[siteID]; s != nil {
		return s.shown[campaignID]
	}
	return nil
}

// settle reads where a campaign's links lead. A host that isn't allowed any more is passed over.
func (s *shelf) settle(c *campaign) {
	if c.Destination != "" && hostAllowed(c.Destination, s.hosts) {
		s.landings[c.ID] = s.land(c.Destination)
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

// land reads where claim links lead.
func (s *shelf) land(destination string) *landing {
	l := landAt(destination)
	if l != nil {
		l.app = s.apps
	}
	return l
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
// catalogAge: at most that often a number is asked for that every change draws. When the database is away, what was read last serves on.
type catalog struct {
	db    *sqlx.DB
	now   clock.Clock
	real  clock.Clock // the machine's, also where the platform's clock is moved
	reads singleflight.Group

	mu      sync.Mutex
	shelves map[int64]*shelf
	changes map[int64]int // per site: what was read before a change must not be kept after it
	last    int64         // number of the last change that is known
	asked   time.Time
}

func newCatalog(db *sqlx.DB, now clock.Clock) *catalog {
	return &catalog{db: db, now: now, real: clock.System, shelves: map[int64]*shelf{}, changes: map[int64]int{}}
}

// of returns the site's shelf. The error comes with the last known shelf, if there is one.
func (c *catalog) of(ctx context.Context, siteID int64) (*shelf, error) {
	away := c.follow(ctx)
	now := c.now()
	c.mu.Lock()
	known, change := c.shelves[siteID], c.changes[siteID]
	c.mu.Unlock()
	if known != nil && (known.holds(now) || away) {
		return known, nil
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

// holds says whether what the shelf shows is so at a moment, as far as this process knows.
func (s *shelf) holds(now time.Time) bool {
	return !s.stale && !now.Before(s.at) && (s.until == nil || now.Before(*s.until))
}

// follow looks which sites other processes changed, unless that was done a moment ago. After a failure it waits as long; away says that
// there was one.
func (c *catalog) follow(ctx context.Context) (away bool) {
	if _, due := c.due(); !due {
		return false
	}
	_, err, _ := c.reads.Do("changes", func() (any, error) {
		last, due := c.due()
		if !due { // the flight before this one has landed just now
			return nil, nil
		}
		began := c.real()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), catalogPatience)
		defer cancel()
		sites, last, err := changesSince(ctx, c.db, last)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.last, c.asked = last, began; err != nil {
			c.asked = c.real()
		}
		for _, id := range sites {
			c.expire(id)
		}
		return nil, err
	})
	return err != nil
}

// due says whether it is time to look, and from which change on.
func (c *catalog) due() (last int64, due bool) {
	now := c.real()
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.asked)
	return c.last, age < 0 || age >= catalogAge
}

func (c *catalog) read(ctx context.Context, siteID int64, now time.Time, change int) (*shelf, error) {
	fresh := &shelf{at: now, byID: map[int64]*campaign{}, landings: map[int64]*landing{}}
	var err error
	if fresh.until, err = nextEffect(ctx, c.db, siteID, now); err != nil { // first, so that none is missed
		return nil, err
	}
	if fresh.campaigns, err = campaignsOf(ctx, c.db, siteID, now); err != nil {
		return nil, err
	}
	if fresh.placements, err = placementsOf(ctx, c.db, siteID); err != nil {
		return nil, err
	}
	fresh.shown = shownOn(fresh.placements)
	if fresh.shop, _, err = shopOf(ctx, c.db, siteID); err != nil {
		return nil, err
	}
	links, err := siteLinksOf(ctx, c.db, siteID)
	if err != nil {
		return nil, err
	}
	fresh.hosts, fresh.apps = links.hosts(fresh.shop.URL), len(links.IOSApps)+len(links.AndroidApps) > 0
	fresh.home = fresh.land(fresh.shop.URL)
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
	c.expire(siteID)
}

func (c *catalog) expire(siteID int64) {
	c.changes[siteID]++
	if s := c.shelves[siteID]; s != nil && !s.stale {
		stale := *s
		stale.stale = true
		c.shelves[siteID] = &stale
	}
}

// key is a thing of a site.
type key struct{ site, id int64 }
