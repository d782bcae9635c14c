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

// about are what no other claim may be about at the same time.
func (c *claimed) about() []claimedKey {
	keys := []claimedKey{c.key()}
	if c.page != nil {
		keys = append(keys, claimedKey{site: c.told.SiteID, offer: c.told.OfferID, visitor: c.page.Landing.Visitor})
	}
	return keys
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
	for _, apart := range rounds(list, (*claimed).about) {
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
