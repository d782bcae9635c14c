package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// undecided are those of the deeds that weren't decided before, as deeds of who their people are by now, and marked where these were
// advocates already. Who is an advocate stands in the same database as the decision, so no event can come too late for it.
func (m *Module) undecided(ctx context.Context, u *bus.Unit, deeds []deed) ([]deed, error) {
	k, err := m.asOne(ctx, u, deeds)
	if err != nil {
		return nil, err
	}
	known, err := pastOf(ctx, u, deeds, k)
	if err != nil {
		return nil, err
	}
	out := deeds[:0]
	for _, d := range deeds {
		p := known[key{d.body.SiteID, d.body.OriginID}]
		if p.decided {
			continue
		}
		if d.advocate, err = m.ofAny(ctx, d.body.SiteID, p.campaigns); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// ofAny says that one of the campaigns, of which somebody has an offer, isn't in Test: so that person is an advocate.
func (m *Module) ofAny(ctx context.Context, siteID int64, campaigns []int64) (bool, error) {
	if len(campaigns) == 0 {
		return false, nil
	}
	shelf, err := m.catalog.of(ctx, siteID)
	if err != nil {
		return false, err
	}
	for _, id := range campaigns {
		if !shelf.byID[id].tried() {
			return true, nil
		}
	}
	return false, nil
}

// advocatePurchased tells of an advocate's order. Its own referral, if it made one, is somebody else's merit as well.
func (d deed) advocatePurchased(r *referral) referralevent.AdvocatePurchased {
	return referralevent.AdvocatePurchased{SiteID: d.body.SiteID, OriginID: d.body.OriginID, PersonID: d.body.PersonID, Subtotal: d.body.Subtotal,
		Currency: d.body.Currency, FirstPurchase: d.body.FirstPurchase, Referred: r != nil && r.Status != referralevent.Blocked,
		TrafficSource: d.body.TrafficSource, DeviceType: d.body.DeviceType, EventCategory: categoryOf(customerevent.Purchase, ""), OccurredAt: d.body.OccurredAt,
		UTMSource: d.body.UTMSource, UTMMedium: d.body.UTMMedium, UTMCampaign: d.body.UTMCampaign}
}
