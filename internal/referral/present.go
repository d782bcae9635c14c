package referral

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// present is an offer in Talkable's shape.
func (m *Module) present(o *offer, c *campaign, codes map[string]string, w want) *referralapi.Offer {
	out := &referralapi.Offer{
		ID: o.ID, ShortURLCode: o.Code, ShowURL: m.linkURL(o.ShareCode), ClaimURL: m.linkURL(o.ClaimCode), CouponCode: orNull(o.CouponCode),
		Incentives: map[string]referralapi.Incentive{}, CampaignTags: append([]string{}, c.Tags...),
		TriggerWidget: slices.Contains(m.catalog.shownAs(o.SiteID, o.CampaignID), placeWidget),
		CampaignID:    o.CampaignID, AdvocateID: deref(o.PersonID), Variant: o.Variant, Texts: c.textsOf(o.Variant),
	}
	for _, i := range c.Incentives {
		if i.Active {
			out.Incentives[i.Identifier] = i.present(w.s.Currency)
		}
	}
	if len(w.channels) > 0 {
		out.ClaimLinks = map[string]string{}
		for _, channel := range w.channels {
			out.ClaimLinks[channel] = m.linkURL(codes[channel])
		}
	}
	return out
}

// presentCampaign is a campaign in Talkable's shape.
func (m *Module) presentCampaign(c *campaign, zone *time.Location) referralapi.Campaign {
	now := m.now()
	out := referralapi.Campaign{ID: c.ID, Slug: c.ID, Name: c.Name, Status: c.state(now), IsActive: c.live(now), Appearance: appearance(m.catalog.shownAs(c.SiteID, c.ID)),
		JoinableCategoryNames: c.Categories, TagNames: c.Tags,
		LivePeriod: referralapi.Period{StartsAt: web.TalkablePtr(c.StartsAt, zone), EndsAt: web.TalkablePtr(c.EndsAt, zone)}}
	if c.Join != nil {
		out.NewCustomer, out.OriginMinAge, out.OriginMaxAge = orNull(c.Join.Customers), c.Join.MinAge, c.Join.MaxAge
	}
	return out
}

func (m *Module) linkURL(code string) string { return m.publicURL + "/x/" + code }

// present is an incentive in Talkable's shape.
func (i incentive) present(currency string) referralapi.Incentive {
	return referralapi.Incentive{
		Identifier: i.Identifier, ActionType: i.Action, IncentiveType: i.wire(), Amount: number(i.value()), Description: i.describe(),
		Percentage: i.BasisPoints > 0, ForAdvocate: i.side() == sideAdvocate, ForFriend: i.side() == sideFriend,
		CriteriaConfig: i.criteriaConfig(currency),
	}
}

// number is a JSON number, or null for "".
func number(s string) json.RawMessage {
	if s == "" {
		s = "null"
	}
	return json.RawMessage(s)
}
