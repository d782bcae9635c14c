package loyalty

import (
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// offersShared: advocates earn what rules give for sharing. Sites without rules cost one look at a batch that has shares.
func (m *Module) offersShared(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.OfferShared]) error {
	sites, err := ruledSites(ctx, u, sitesOf(batch, func(e bus.Event[referralevent.OfferShared]) int64 { return e.Site }))
	if err != nil {
		return err
	}
	return earnings(ctx, m, u, batch,
		func(s referralevent.OfferShared) bool {
			return s.AdvocateID != 0 && !s.QA && slices.Contains(sites, s.SiteID)
		}, program.forShare)
}

// forShare leaves a share to the programme's rules. Whoever shares the same thing all day by a channel has shared it once, so that nobody earns by
// pressing a button.
func (p program) forShare(s referralevent.OfferShared) earning {
	zone := time.UTC
	if p.earner != nil {
		zone = p.earner.zone
	}
	e := earning{SiteID: s.SiteID, PersonID: s.AdvocateID, Reason: loyaltyevent.ForShare, EffectiveAt: s.SharedAt,
		Source: sourceOf(onShare, s.AdvocateID) + ":" + s.Channel + ":" + s.SharedAt.In(zone).Format(time.DateOnly)}
	if p.earner == nil {
		return e
	}
	return p.byRules(e, ofShare(s))
}

// ofShare is a share, by its advocate.
func ofShare(s referralevent.OfferShared) *occasion {
	o := &occasion{on: onShare, at: s.SharedAt, facts: criteria.Facts{
		Person:   criteria.Person{ID: s.AdvocateID},
		Advocate: criteria.Person{ID: s.AdvocateID},
		Campaign: criteria.Campaign{ID: s.CampaignID},
		Share:    criteria.Share{Channel: s.Channel}}}
	if s.Kind == referralevent.Email {
		o.facts.Share.Emails = 1
	}
	return o
}
