package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// rewardShares gives advocates what campaigns promise for sharing, and returns it, act by act. All shares of one act are one: the first
// stands for them. What a browser says of itself earns nothing; that is kept as a refusal.
func (m *Module) rewardShares(ctx context.Context, u *bus.Unit, acts []sharing) ([][]referralapi.Reward, error) {
	out := make([][]referralapi.Reward, len(acts))
	var promising []int
	var wanted []key
	for i, a := range acts {
		if len(a.made) == 0 || len(a.campaign.active(actionSharing)) == 0 {
			continue
		}
		promising = append(promising, i)
		if a.campaign.asks(actionSharing) {
			wanted = append(wanted, key{a.offer.SiteID, deref(a.offer.PersonID)})
		}
	}
	if len(promising) == 0 {
		return out, nil
	}
	known, err := m.peopleOfSites(ctx, wanted)
	if err != nil {
		return nil, err
	}
	all := &awards{campaigns: map[key]*campaign{}}
	at := map[key]int{} // the act of a share
	var shares []key
	for _, i := range promising {
		a := &acts[i]
		if err := a.decide(ctx, u.Now, known, all); err != nil {
			return nil, err
		}
		k := key{a.offer.SiteID, a.made[0].ID}
		at[k], shares = i, append(shares, k)
	}
	if err := m.issue(ctx, u, all); err != nil {
		return nil, err
	}
	list, err := rewardsOfShares(ctx, u, shares)
	for j := range list {
		i := at[key{list[j].SiteID, *list[j].ShareID}]
		out[i] = append(out[i], list[j].present(u.Now, acts[i].s.Zone))
	}
	return out, err
}

// decide adds to all what an act of sharing earns, and what it doesn't.
func (a *sharing) decide(ctx context.Context, now time.Time, known acquaintances, all *awards) error {
	o, c, h := a.offer, a.campaign, &a.made[0]
	advocate := known.person(o.SiteID, deref(o.PersonID), now)
	in := situation{share: h, facts: criteria.Facts{Now: now, Campaign: c.facts(), Advocate: advocate, Share: criteria.Share{Channel: h.Channel}},
		from: provenance{Channel: h.Channel, Source: o.TrafficSource, Device: o.DeviceType, Category: o.EventCategory, Variant: o.Variant, QA: c.tried()}}
	if h.Kind == referralevent.Email {
		in.facts.Share.Emails = int64(len(a.made))
	}
	given, refused, err := consider(ctx, c, in, func(w *reward) {
		w.ShareID, w.PersonID, w.OccurredAt, w.channel = &h.ID, o.PersonID, now, h.Channel
		if o.PersonID == nil {
			w.VisitorID = o.VisitorID
		}
	}, actionSharing)
	if err != nil {
		return err
	}
	one := awards{given: given, refused: refused}
	if !a.verified {
		one.refuse(func(*reward) string { return refusedUnverified })
	}
	all.campaigns[key{c.SiteID, c.ID}] = c
	all.add(one.given, one.refused)
	return nil
}
