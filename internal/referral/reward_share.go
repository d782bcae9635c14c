package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// rewardShare gives an advocate what the campaign promises for sharing, and returns it. All shares of one call are one act: the first
// stands for them. What a browser says of itself earns nothing; that is kept as a refusal.
func (m *Module) rewardShare(ctx context.Context, u *bus.Unit, s site.Site, o *offer, c *campaign, made []share, verified bool) ([]referralapi.Reward, error) {
	if len(made) == 0 || len(c.active(actionSharing)) == 0 {
		return nil, nil
	}
	h := &made[0]
	var wanted []key
	if c.asks(actionSharing) {
		wanted = []key{{o.SiteID, deref(o.PersonID)}}
	}
	known, err := m.peopleOfSites(ctx, wanted)
	if err != nil {
		return nil, err
	}
	advocate := known.person(o.SiteID, deref(o.PersonID), u.Now)
	in := situation{share: h, facts: criteria.Facts{Now: u.Now, Campaign: c.facts(), Advocate: advocate, Share: criteria.Share{Channel: h.Channel}},
		from: provenance{h.Channel, o.TrafficSource, o.DeviceType, o.EventCategory, o.Variant, c.tried()}}
	if h.Kind == referralevent.Email {
		in.facts.Share.Emails = int64(len(made))
	}
	given, refused, err := consider(ctx, c, in, func(w *reward) {
		w.ShareID, w.PersonID, w.OccurredAt, w.channel = &h.ID, o.PersonID, u.Now, h.Channel
		if o.PersonID == nil {
			w.VisitorID = o.VisitorID
		}
	}, actionSharing)
	if err != nil {
		return nil, err
	}
	a := &awards{given: given, refused: refused, campaigns: map[key]*campaign{{c.SiteID, c.ID}: c}}
	if !verified {
		a.refuse(func(*reward) string { return refusedUnverified })
	}
	if err := m.issue(ctx, u, a); err != nil {
		return nil, err
	}
	list, err := rewardsOfShare(ctx, u, o.SiteID, h.ID)
	out := make([]referralapi.Reward, 0, len(list))
	for i := range list {
		out = append(out, list[i].present(u.Now, s.Zone))
	}
	return out, err
}
