package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// rewardSignups gives people what their campaign promises for signing up. Only what the merchant confirmed counts.
func (m *Module) rewardSignups(ctx context.Context, u *bus.Unit, signups []customerevent.OriginRecorded) error {
	if len(signups) == 0 {
		return nil
	}
	var sites []int64
	for _, o := range signups {
		sites = append(sites, o.SiteID)
	}
	sites, err := sitesThatReward(ctx, u, actionSignup, sites)
	if err != nil || len(sites) == 0 {
		return err
	}
	a := &awards{campaigns: map[key]*campaign{}}
	campaigns := map[int64][]*campaign{}
	var wanted []key
	for _, site := range sites {
		if campaigns[site], err = campaignsOf(ctx, u, site, u.Now); err != nil {
			return err
		}
	}
	joined := map[int]*campaign{}
	for n, o := range signups {
		c, err := m.signedUp(ctx, u, campaigns[o.SiteID], o)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		joined[n], a.campaigns[key{c.SiteID, c.ID}] = c, c
		if c.asks(actionSignup) {
			wanted = append(wanted, key{o.SiteID, o.PersonID})
		}
	}
	known, err := m.peopleOfSites(ctx, wanted)
	if err != nil {
		return err
	}
	for n, o := range signups {
		if joined[n] == nil {
			continue
		}
		given, refused, err := signupRewards(ctx, joined[n], o, known)
		if err != nil {
			return err
		}
		a.add(given, refused)
	}
	return m.issue(ctx, u, a)
}

// signupRewards are what signing up earns a person, and what it doesn't.
func signupRewards(ctx context.Context, c *campaign, o customerevent.OriginRecorded, known acquaintances) ([]reward, []refusal, error) {
	advocate := known.person(o.SiteID, o.PersonID, o.OccurredAt)
	s := situation{facts: criteria.Facts{Now: o.RecordedAt, Campaign: c.facts(), Advocate: advocate, Friend: advocate,
		Origin: criteria.Origin{ID: o.OriginID, Type: o.Type, Category: categoryOf(o.Type, o.Category), CampaignTags: slices.Clone(o.CampaignTags),
			TrafficSource: o.TrafficSource, OccurredAt: o.OccurredAt}},
		from: provenance{Source: o.TrafficSource, Device: o.DeviceType, Category: categoryOf(o.Type, o.Category), QA: c.tried(), UTM: utmOf(o)}}
	return consider(ctx, c, s, func(w *reward) {
		w.OriginID, w.PersonID, w.OccurredAt = &o.OriginID, &o.PersonID, o.OccurredAt
	}, actionSignup)
}
