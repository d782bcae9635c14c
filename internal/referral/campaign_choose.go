package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// choose is the campaign that an origin joins: the newest one that is open to it, unless a placement rotates that one with others. nil if
// none is.
func (m *Module) choose(ctx context.Context, shelf *shelf, w want, in referralapi.Join) (*campaign, error) {
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
