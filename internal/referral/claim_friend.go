package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// carryOut judges claims, makes the friends' offers, keeps and tells what is new.
func (m *Module) carryOut(ctx context.Context, u *bus.Unit, list []*claimed) error {
	var others, welcome []*claimed
	for _, c := range list {
		if c.told.FriendID == c.told.AdvocateID {
			c.told.Reason = claimOfSelf
		} else {
			others = append(others, c)
		}
	}
	if err := m.suspectClaims(ctx, u, others); err != nil {
		return err
	}
	for _, c := range others {
		if c.told.Reason == "" {
			welcome = append(welcome, c)
		}
	}
	if err := m.befriend(ctx, u, welcome); err != nil {
		return err
	}
	told := make([]referralevent.OfferClaimed, len(list))
	for i, c := range list {
		told[i] = c.told
	}
	fresh, err := insertClaims(ctx, u.Tx, told)
	if err != nil {
		return err
	}
	var pages []pageClaim
	for _, c := range list {
		if c.fresh = fresh[c.key()]; c.fresh {
			u.Tell(c.told.SiteID, "offer:"+itoa(c.told.OfferID), c.told)
		}
		if c.page != nil {
			p := pageClaim{LinkClaim: c.page}
			if c.fresh {
				p.friendOffer = c.told.FriendOfferID
			}
			pages = append(pages, p)
		}
	}
	return insertPageClaims(ctx, u.Tx, u.Now, pages)
}

// befriend makes the friends' offers, which a browser of each one's would have got, and finds what they earned. Attribution finds them by
// the friends' addresses, like those of browsers that the friends were seen with.
func (m *Module) befriend(ctx context.Context, u *bus.Unit, list []*claimed) error {
	if len(list) == 0 {
		return nil
	}
	var people []seen
	var offers []friendOffer
	var phones []touch
	of := map[claimedKey]*claimed{}
	for _, c := range list {
		o, visitor := c.offer, visitorOfPerson(c.offer.SiteID, c.told.FriendID)
		people = append(people, seen{o.SiteID, visitor, c.told.FriendID})
		offers = append(offers, friendOffer{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, VisitorID: visitor})
		of[claimedKey{site: o.SiteID, offer: o.ID, visitor: visitor}] = c
		if value := uuidForm(c.phone); value != "" {
			phones = append(phones, touch{site: o.SiteID, offer: o.ID, kind: byPhone, value: value, person: c.told.FriendID})
		}
	}
	if _, err := learn(ctx, u.Tx, u.Now, people); err != nil {
		return err
	}
	made, err := claimFriendOffers(ctx, u.Tx, u.Now, offers)
	if err != nil {
		return err
	}
	for _, f := range made {
		of[claimedKey{site: f.SiteID, offer: f.OfferID, visitor: f.VisitorID}].told.FriendOfferID = f.ID
	}
	if err := insertTouches(ctx, u.Tx, u.Now, lastTouches(phones)); err != nil {
		return err
	}
	return m.welcome(ctx, u, list)
}

// lastTouches are touches in the order of their keys; of those of one key the last stays.
func lastTouches(list []touch) []touch {
	at := map[touch]int{}
	var out []touch
	for _, t := range list {
		k := t
		k.person = 0
		if i, ok := at[k]; ok {
			out[i] = t
			continue
		}
		at[k] = len(out)
		out = append(out, t)
	}
	slices.SortFunc(out, touch.compare)
	return out
}

// welcome gives friends what their campaigns promise for coming, unless they had it before.
func (m *Module) welcome(ctx context.Context, u *bus.Unit, list []*claimed) error {
	if err := m.findRewards(ctx, u, list); err != nil {
		return err
	}
	var older []versionKey
	for _, c := range list {
		if o := c.offer; o.Version != 0 && o.Version != c.campaign.Version {
			older = append(older, versionKey{o.SiteID, o.CampaignID, o.Version})
		}
	}
	promised, err := m.promisesOf(ctx, u, older)
	if err != nil {
		return err
	}
	var promising []*claimed
	var arrivals []arrival
	for _, c := range list {
		if len(c.rewards) > 0 {
			continue
		}
		p := promised.of(c.campaign, c.offer.Version, c.offer.Variant)
		if len(p.active(actionClick)) == 0 {
			continue
		}
		promising = append(promising, c)
		arrivals = append(arrivals, arrival{campaign: p, advocate: c.told.AdvocateID, friend: c.told.FriendID, from: provenance{Variant: c.offer.Variant, QA: c.campaign.tried()},
			offer: friendOffer{SiteID: c.offer.SiteID, ID: c.told.FriendOfferID, OfferID: c.offer.ID, CampaignID: c.offer.CampaignID,
				VisitorID: visitorOfPerson(c.offer.SiteID, c.told.FriendID)}})
	}
	if len(arrivals) == 0 {
		return nil
	}
	if err := m.rewardClicks(ctx, u, arrivals); err != nil {
		return err
	}
	return m.findRewards(ctx, u, promising)
}

// findRewards reads what the friend offers of claims have earned.
func (m *Module) findRewards(ctx context.Context, u *bus.Unit, list []*claimed) error {
	keys := make([]key, len(list))
	for i, c := range list {
		keys[i] = key{c.offer.SiteID, c.told.FriendOfferID}
	}
	rewards, err := rewardsOfFriendOffers(ctx, u, keys)
	for i, c := range list {
		c.rewards = rewards[keys[i]]
	}
	return err
}
