package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// chooseCampaign is the campaign that an origin joins: the newest one that is open to it, unless a placement rotates that one with others. nil if
// none is.
func (m *Module) chooseCampaign(ctx context.Context, shelf *shelf, w want, in referralapi.Join) (*campaign, error) {
	now := m.now()
	list := joinable(shelf.campaigns, categoryOf(in.Type, in.Category), in.CampaignTags, now)
	if in.CampaignID != 0 {
		list = led(shelf.campaigns, in.CampaignID, now)
	}
	who := newcomer{in: in, now: now, people: m.people, siteID: w.s.ID}
	rotates := in.CampaignID == 0 && len(shelf.placements) > 0
	var open []*campaign
	for _, c := range list {
		ok, err := who.meets(ctx, c)
		if err != nil {
			return nil, err
		}
		if ok && !rotates {
			return c, nil
		}
		if ok {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	p, among, none := rotation(shelf.placements, named(in.Placements), open[0], open)
	switch {
	case none:
		return nil, nil
	case p == nil:
		return open[0], nil
	case len(among) == 1:
		return among[0], nil
	}
	if had, err := m.had(ctx, w, among); had != nil || err != nil {
		return had, err
	}
	return p.turn(w.s.ID, w.subject(), among), nil
}

// had is the campaign of the first offer that somebody has among these: who was shown one stays with it.
func (m *Module) had(ctx context.Context, w want, among []*campaign) (*campaign, error) {
	wants := make([]want, len(among))
	for i, c := range among {
		wants[i] = w
		wants[i].campaign = c
	}
	o := newOffers()
	if err := o.find(ctx, m.db, wants); err != nil {
		return nil, err
	}
	var first *offer
	var at *campaign
	for _, one := range wants {
		if got, _ := o.resolve(one); got != nil && (first == nil || cmp.Less(got.ID, first.ID)) {
			first, at = got, one.campaign
		}
	}
	return at, nil
}

// named leaves out the 0 that a page sends when it matched no placement but says so.
func named(ids []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id == 0 })
}

// signedUp is the campaign, as it promises things to who signed up, that a sign-up joins; nil if none. It is told of it by an event, maybe before
// the offer is there: then it draws what the offer will have.
func (m *Module) signedUp(ctx context.Context, u *bus.Unit, campaigns []*campaign, o customerevent.OriginRecorded) (*campaign, error) {
	category := categoryOf(o.Type, o.Category)
	who := newcomer{now: o.RecordedAt, people: m.people, siteID: o.SiteID, in: referralapi.Join{OriginID: o.OriginID, Type: o.Type, Category: o.Category,
		PersonID: o.PersonID, CampaignTags: o.CampaignTags, TrafficSource: o.TrafficSource, Verified: o.Verified, OccurredAt: o.OccurredAt}}
	for _, c := range joinable(campaigns, category, o.CampaignTags, o.RecordedAt) {
		ok, err := who.meets(ctx, c)
		if err != nil {
			return nil, err
		}
		if ok {
			return m.drawn(ctx, u, want{s: site.Site{ID: o.SiteID}, campaign: c, person: o.PersonID, visitors: visitorsOf(o.VisitorIDs)})
		}
	}
	return nil, nil
}

// drawn is the campaign as somebody's offer of it has it, or will have it; nil for who is held out.
func (m *Module) drawn(ctx context.Context, u *bus.Unit, w want) (*campaign, error) {
	c := w.campaign
	if !c.experiments() {
		return c, nil
	}
	has := newOffers()
	if err := has.find(ctx, u, []want{w}); err != nil {
		return nil, err
	}
	switch one, _ := has.resolve(w); {
	case one != nil:
		return m.under(ctx, u, c, one.Version, one.Variant)
	case c.holds(w.subject()):
		return nil, nil
	default:
		return c.promised(c, c.variantFor(w.subject())), nil
	}
}
