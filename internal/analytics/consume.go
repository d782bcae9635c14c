package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const leisure = 100 * time.Millisecond // a report may lag so far behind

// Consumer says what the module hears: what each event counts is in facts.go.
func (m *Module) Consumer() *bus.Consumer {
	c := bus.NewConsumer("analytics", m.Outbox, m.Log, m.Reg).Leisurely(leisure)
	bus.On(c, m.onSite)
	bus.On(c, m.onVisits)
	count(m, c, originFacts)
	count(m, c, refundFacts)
	count(m, c, offerFacts)
	count(m, c, movedOffers)
	count(m, c, movedReferrals)
	count(m, c, sharedFacts)
	count(m, c, createdFacts)
	count(m, c, claimedFacts)
	count(m, c, approvedFacts)
	count(m, c, voidedFacts)
	count(m, c, rewardFacts)
	count(m, c, rewardBackFacts)
	count(m, c, couponFacts)
	count(m, c, advocateFacts)
	count(m, c, memberFacts)
	count(m, c, earnedFacts)
	count(m, c, pointsBackFacts)
	count(m, c, expiredFacts)
	count(m, c, reinstatedFacts)
	count(m, c, tierFacts)
	count(m, c, sentFacts)
	count(m, c, failedFacts)
	count(m, c, suppressedFacts)
	return c
}

// count hears events of one type, each of which is some facts.
func count[T bus.Payload](m *Module, c *bus.Consumer, facts func(T) []fact) {
	bus.On(c, func(ctx context.Context, u *bus.Unit, batch []bus.Event[T]) error {
		var all []fact
		for _, e := range batch {
			all = append(all, facts(e.Body)...)
		}
		return m.countAll(ctx, u, all)
	})
}

// countAll counts facts.
func (m *Module) countAll(ctx context.Context, u *bus.Unit, all []fact) error {
	sites, err := m.places(ctx, u, all)
	if err != nil {
		return err
	}
	if err := m.bound(ctx, u, all); err != nil {
		return err
	}
	return m.add(ctx, u, fold(all, sites))
}

func (m *Module) onSite(ctx context.Context, u *bus.Unit, batch []bus.Event[gatewayevent.SiteChanged]) error {
	last := map[int64]gatewayevent.SiteChanged{}
	for _, e := range batch {
		if _, err := m.zone(e.Body.TimeZone); err != nil {
			return bus.Poison(err)
		}
		last[e.Body.SiteID] = e.Body
	}
	return saveSites(ctx, u, last)
}

// onVisits counts visits, and visitors once a day.
func (m *Module) onVisits(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.LinksVisited]) error {
	var all []fact
	for _, e := range batch {
		for _, v := range e.Body.Visits {
			all = append(all, visitFacts(e.Body.SiteID, v)...)
		}
	}
	sites, err := m.places(ctx, u, all)
	if err != nil {
		return err
	}
	if err := m.bound(ctx, u, all); err != nil {
		return err
	}
	seen := map[visitorDay]fact{}
	for _, f := range all {
		who := visitorDay{site: f.site, day: sites[f.site].dayOf(f.at), campaign: f.campaign, visitor: f.visitor}
		if _, again := seen[who]; f.visitor != "" && !again {
			seen[who] = f
		}
	}
	unique, err := insertVisitors(ctx, u, seen)
	if err != nil {
		return err
	}
	return m.add(ctx, u, merge(fold(all, sites), unique))
}

// places are the sites of facts. One that isn't known yet comes with the gateway's log.
func (m *Module) places(ctx context.Context, u *bus.Unit, facts []fact) (map[int64]place, error) {
	wanted := map[int64]bool{}
	for _, f := range facts {
		wanted[f.site] = true
	}
	known, err := sitesByID(ctx, u, wanted)
	if err != nil {
		return nil, err
	}
	places := make(map[int64]place, len(known))
	for _, s := range known {
		zone, err := m.zone(s.TimeZone)
		if err != nil {
			return nil, err
		}
		places[s.ID] = place{zone: zone, currency: s.Currency}
	}
	for id := range wanted {
		if _, ok := places[id]; !ok {
			return nil, bus.Later(fmt.Errorf("site %d isn't known yet", id))
		}
	}
	return places, nil
}

func (m *Module) zone(name string) (*time.Location, error) {
	if z, ok := m.zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	if name == "" || name == "Local" { // Go would take the machine's
		return nil, fmt.Errorf("%q is no time zone", name)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone of a site: %w", err)
	}
	m.zones.Store(name, z)
	return z, nil
}

// add writes rows: one statement for the batch.
func (m *Module) add(ctx context.Context, u *bus.Unit, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := addRows(ctx, u, rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.count > 0 { // what is taken back was counted before
			m.rows.WithLabelValues(r.key).Add(float64(r.count))
		}
	}
	return nil
}
