package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
)

// arrival is a friend's first coming by an offer, for which there may be rewards.
type arrival struct {
	campaign *campaign
	offer    friendOffer
	advocate int64
	channel  string
	friend   int64 // who claimed it; 0 for a browser
	from     provenance
}

// rewardClicks gives friends what their campaigns promise for coming.
func (m *Module) rewardClicks(ctx context.Context, u *bus.Unit, clicks []arrival) error {
	rewarding := clicks[:0]
	for _, k := range clicks {
		if len(k.campaign.active(actionClick)) > 0 {
			rewarding = append(rewarding, k)
		}
	}
	rewarding, err := m.askAboutClicks(ctx, u, rewarding)
	if err != nil || len(rewarding) == 0 {
		return err
	}
	a, err := m.decideClicks(ctx, u, rewarding)
	if err != nil {
		return err
	}
	return m.issue(ctx, u, a)
}

// decideClicks decides what clicks earn. Who the browser's owner is, as far as it is known, is looked up only where a condition asks.
func (m *Module) decideClicks(ctx context.Context, u *bus.Unit, clicks []arrival) (*awards, error) {
	a := &awards{campaigns: map[key]*campaign{}}
	var browsers []seen
	var wanted []key
	for i := range clicks {
		k := &clicks[i]
		a.campaigns[key{k.campaign.SiteID, k.campaign.ID}] = k.campaign
		if k.campaign.asks(actionClick) {
			browsers = append(browsers, seen{k.offer.SiteID, k.offer.VisitorID, 0})
			wanted = append(wanted, key{k.offer.SiteID, k.advocate}, key{k.offer.SiteID, k.friend})
		}
	}
	owners, err := ownersOf(ctx, u, browsers)
	if err != nil {
		return nil, err
	}
	for b, person := range owners {
		wanted = append(wanted, key{b.site, person})
	}
	known, err := m.peopleOfSites(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for _, k := range clicks {
		given, refused, err := clickRewards(ctx, k.campaign, k.offer, k.situation(known, owners, u), k.friend, u.Now)
		if err != nil {
			return nil, err
		}
		a.add(given, refused)
	}
	return a, nil
}

// situation is what conditions may ask of a click. Of a friend whom nobody knows it is taken that he bought nothing before.
func (k *arrival) situation(known acquaintances, owners map[seen]int64, u *bus.Unit) situation {
	friend := k.friend
	if friend == 0 {
		friend = owners[seen{k.offer.SiteID, k.offer.VisitorID, 0}]
	}
	f := criteria.Facts{Now: u.Now, Campaign: k.campaign.facts(), Advocate: known.person(k.offer.SiteID, k.advocate, u.Now),
		Friend: known.person(k.offer.SiteID, friend, u.Now), Click: criteria.Click{Channel: k.channel, Self: friend != 0 && friend == k.advocate}}
	if friend == 0 {
		f.Friend.NewCustomer = true
	}
	return situation{facts: f, from: k.from}
}
