package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

const (
	claimBatch = 200
	claimCrowd = 16
)

// claiming is a request to claim an offer: by the API, which names an advocate, or by the form of a link's page.
type claiming struct {
	s        site.Site
	shelf    *shelf // the API's: what may be claimed
	told     referralapi.Claim
	page     *referralapi.LinkClaim
	campaign *campaign // of the page
}

// keptClaim is what a claim is answered with, as it is kept for its Idempotency-Key.
type keptClaim struct {
	Answer        referralapi.Claimed `json:"answer"`
	FriendOfferID int64               `json:"friend_offer_id,omitempty"` // that this claim made; 0: refused, or claimed before
}

// claimed is a claim on its way through its transaction.
type claimed struct {
	at       int // in its batch
	offer    *offer
	campaign *campaign
	phone    string // fingerprint of the friend's number
	by       claimant
	told     referralevent.OfferClaimed
	page     *referralapi.LinkClaim
	rewards  []reward
	fresh    bool // nobody had claimed it in this friend's name
}

// claimedKey is what is claimed once: an offer by a friend; and an offer by a browser, which the form of a page keeps.
type claimedKey struct {
	site, offer, friend int64
	visitor             string
}

func (c *claimed) key() claimedKey {
	return claimedKey{site: c.told.SiteID, offer: c.told.OfferID, friend: c.told.FriendID}
}

// pageClaim is what a browser did, and the friend offer that it got.
type pageClaim struct {
	*referralapi.LinkClaim
	friendOffer int64
}

// carryOutClaims serves a batch of claims in one transaction.
func (m *Module) carryOutClaims(ctx context.Context, in []claiming) (out []answered[keptClaim], err error) {
	claims := make([]idempotency.Claim, len(in))
	for i, c := range in {
		claims[i] = idempotency.Claim{SiteID: c.s.ID, Key: c.told.Idempotency}
	}
	run := func() error {
		return m.outbox.InTx(ctx, func(u *bus.Unit) error {
			done, err := idempotency.Batch(ctx, u.Tx, schema, u.Now, claims, func(fresh []int, out []idempotency.Done[keptClaim]) error {
				return m.claimTx(ctx, u, in, fresh, out)
			})
			out = answers(done)
			return err
		})
	}
	err = run()
	for try := 1; err != nil && try < 3 && raced(err); try++ {
		err = run()
	}
	return out, err
}

// claimTx carries out those of the claims that are new.
func (m *Module) claimTx(ctx context.Context, u *bus.Unit, in []claiming, fresh []int, out []idempotency.Done[keptClaim]) error {
	list, err := m.findClaimed(ctx, u, in, fresh, out)
	if err != nil {
		return err
	}
	for _, apart := range claimRounds(list) {
		if err := m.carryOut(ctx, u, apart); err != nil {
			return err
		}
	}
	for _, c := range list {
		kept := &out[c.at].Value
		if c.fresh {
			kept.FriendOfferID = c.told.FriendOfferID
		}
		if c.page == nil {
			kept.Answer = claimedAs(c.told.Reason, c.rewards, u.Now, in[c.at].s.Zone)
		}
	}
	return nil
}

// findClaimed finds what is claimed. Where there is nothing, the request is refused.
func (m *Module) findClaimed(ctx context.Context, u *bus.Unit, in []claiming, fresh []int, out []idempotency.Done[keptClaim]) ([]*claimed, error) {
	var list []*claimed
	var named []naming
	for _, i := range fresh {
		c := &in[i]
		if c.page != nil {
			list = append(list, c.byPage(i))
			continue
		}
		n := naming{at: i}
		for _, one := range claimable(c.shelf.campaigns, c.told.CampaignTag, u.Now) {
			n.wants = append(n.wants, want{s: c.s, campaign: one, person: c.told.AdvocateID})
		}
		switch {
		case len(n.wants) == 0:
			out[i].Err = errNoCampaignFound
		case c.told.AdvocateID == 0 || c.told.FriendID == 0: // the key was known when the edge asked, and is no longer
			out[i].Err = errNobodyClaims
		default:
			named = append(named, n)
		}
	}
	offers, err := m.offersNamed(ctx, u, named)
	if err != nil {
		return nil, err
	}
	for n, o := range offers {
		i := named[n].at
		if o == nil { // the advocate is held out
			out[i].Err = errNoCampaignFound
			continue
		}
		list = append(list, in[i].byAPI(i, o, named[n].chosen.campaign))
	}
	slices.SortFunc(list, func(a, b *claimed) int { return cmp.Compare(a.at, b.at) })
	for _, c := range list {
		c.told.ClaimedAt, c.told.QA = u.Now, c.campaign.tried()
	}
	return list, nil
}

// naming is a request that names an advocate.
type naming struct {
	at     int    // in its batch
	wants  []want // the offers that the advocate may have, those of the newest campaign first
	chosen want
}

// offersNamed finds the newest offer that each advocate has, or makes one of the newest campaign.
func (m *Module) offersNamed(ctx context.Context, u *bus.Unit, named []naming) ([]*offer, error) {
	if len(named) == 0 {
		return nil, nil
	}
	var all, chosen []want
	for _, n := range named {
		all = append(all, n.wants...)
	}
	has := newOffers()
	if err := has.find(ctx, u, all); err != nil {
		return nil, err
	}
	for i := range named {
		n := &named[i]
		had := slices.IndexFunc(n.wants, func(w want) bool { o, _ := has.resolve(w); return o != nil })
		n.chosen = n.wants[max(had, 0)]
		chosen = append(chosen, n.chosen)
	}
	return m.makeOffers(ctx, u, chosen)
}

func (c *claiming) byAPI(at int, o *offer, chosen *campaign) *claimed {
	in := c.told
	return &claimed{at: at, offer: o, campaign: chosen, phone: in.FriendPhone, by: claimant{ip: in.IP, device: in.Device},
		told: referralevent.OfferClaimed{SiteID: c.s.ID, OfferID: o.ID, CampaignID: o.CampaignID, AdvocateID: in.AdvocateID, FriendID: in.FriendID}}
}

func (c *claiming) byPage(at int) *claimed {
	in, l := c.page, c.page.Landing
	return &claimed{at: at, offer: &offer{SiteID: l.SiteID, ID: l.OfferID, CampaignID: l.CampaignID}, campaign: c.campaign, phone: in.FriendPhone,
		by: claimant{in.IP, in.Device, []string{l.Visitor}}, page: in,
		told: referralevent.OfferClaimed{SiteID: l.SiteID, OfferID: l.OfferID, CampaignID: l.CampaignID, AdvocateID: l.AdvocateID, FriendID: in.FriendID,
			ByPage: true, OptedIn: in.OptedIn, Stranger: in.Stranger, Channel: l.Channel}}
}

// claimRounds parts claims so that in no part two are of one friend and offer, or of one browser and offer: who comes later finds what
// the earlier one left, as if each had a transaction of its own.
func claimRounds(list []*claimed) (out [][]*claimed) {
	next := map[claimedKey]int{} // the round in which a key may come again
	for _, c := range list {
		keys := []claimedKey{c.key()}
		if c.page != nil {
			keys = append(keys, claimedKey{site: c.told.SiteID, offer: c.told.OfferID, visitor: c.page.Landing.Visitor})
		}
		round := 0
		for _, k := range keys {
			round = max(round, next[k])
		}
		for _, k := range keys {
			next[k] = round + 1
		}
		if round == len(out) {
			out = append(out, nil)
		}
		out[round] = append(out[round], c)
	}
	return out
}

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
