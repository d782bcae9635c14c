package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// subject is whom a want is drawn a bucket for. The browser goes before the person: it is there first. Once drawn, the offer or the row of
// who is held out decides, so a person stays where the browser was put.
func (w want) subject() string {
	if len(w.visitors) > 0 {
		return w.visitors[0]
	}
	return "person " + itoa(w.person)
}

// compare gives those who have no offer yet their variant, or takes the campaign away from those who are held out. Who has an offer keeps
// what it says: who joined before there was an experiment is in none.
func (m *Module) compare(ctx context.Context, u *bus.Unit, wants []want, has *offers) ([]want, error) {
	var fresh []int
	for i, w := range wants {
		if w.campaign == nil || w.byHand || !w.campaign.experiments() {
			continue
		}
		if one, _ := has.resolve(w); one == nil {
			fresh = append(fresh, i)
		}
	}
	if len(fresh) == 0 {
		return wants, nil
	}
	asked := make([]want, len(fresh))
	for n, i := range fresh {
		asked[n] = wants[i]
	}
	kept := newHolders(heldOutTable)
	if err := kept.find(ctx, u, asked); err != nil {
		return nil, err
	}
	out := slices.Clone(wants)
	var held []want
	for _, i := range fresh {
		w := out[i]
		if row, _ := kept.resolve(w); row != nil || w.campaign.holds(w.subject()) {
			held = append(held, w)
			out[i].campaign = nil
			continue
		}
		out[i].variant = w.campaign.variantFor(w.subject())
	}
	created, err := kept.settle(ctx, u, held)
	for _, c := range created {
		u.Tell(c.SiteID, "held_out:"+itoa(c.ID), referralevent.OfferWithheld{SiteID: c.SiteID, HeldOutID: c.ID, CampaignID: c.CampaignID,
			CampaignVersion: int64(c.Version), PersonID: deref(c.PersonID), WithheldAt: u.Now})
		m.metrics.Of(ctx).withheld.Inc()
	}
	return out, err
}
