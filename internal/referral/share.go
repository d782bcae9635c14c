package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const channelEmail = "email"

var (
	errWrongChannel = fault.New(fault.Invalid, "invalid_channel", "`channel` is invalid").
			At("/channel", "must be a usual sharing channel, or one that the site has added")
	errNotShared = fault.New(fault.Invalid, "offer_inactive", "The offer's campaign isn't live, so it can't be shared.")
)

// usualChannels are those that every site shares by; e-mail has an operation of its own.
var usualChannels = map[string]bool{
	"facebook": true, "facebook_message": true, "twitter": true, "linkedin": true, "whatsapp": true, "sms": true, "other": true,
	"direct_email_native": true, "native_share": true, "copy_link": true, "qr_code": true, "personal_name": true,
}

// words are what an advocate says in an e-mail; "" means ours.
type words struct{ subject, message string }

// ShareSocial records that an offer was shared by a channel, gives the share a link of its own, and the advocate what the campaign promises
// for that, if the merchant himself says so (verified). replayed says that the
// Idempotency-Key had done it before.
func (m *Module) ShareSocial(ctx context.Context, s site.Site, codeOrID, channel string, verified bool, k idempotency.Key) (out referralapi.Shared, replayed bool, err error) {
	o, c, err := m.offerBy(ctx, s, codeOrID, m.offerKnown)
	if err != nil {
		return out, false, err
	}
	if err := m.checkChannel(ctx, s.ID, channel); err != nil {
		return out, false, err
	}
	one := share{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, Kind: referralevent.Social, Channel: channel}
	done, err := m.shares.Do(ctx, sharing{s: s, offer: o, campaign: c, made: []share{one}, verified: verified, key: k})
	return done.Value.shared(), done.Replayed, err
}

// inShare runs work that draws codes, again if one of them was taken.
func (m *Module) inShare(ctx context.Context, work func(u *bus.Unit) error) error {
	err := m.outbox.InTx(ctx, work)
	for try := 1; try < 3 && (postgres.Violates(err, "link_pkey") || postgres.Violates(err, "share_code")); try++ {
		err = m.outbox.InTx(ctx, work)
	}
	return err
}

// saveShares writes what acts of sharing make, whose offers are locked and were shared so often before, and tells of it.
func (m *Module) saveShares(ctx context.Context, u *bus.Unit, acts []sharing, shared map[key]int) error {
	var all []share
	for _, a := range acts {
		all = append(all, a.made...)
	}
	if len(all) == 0 {
		return nil
	}
	if err := insertShares(ctx, u.Tx, u.Now, all); err != nil {
		return err
	}
	for i := range acts {
		a := &acts[i]
		n := len(a.made)
		a.made, all = all[:n:n], all[n:]
		for _, h := range a.made {
			of := key{h.SiteID, h.OfferID}
			u.Tell(h.SiteID, "offer:"+itoa(h.OfferID), a.told(h, shared[of], m.linkURL(h.Code)))
			shared[of]++
			m.metrics.Of(ctx).shares.WithLabelValues(h.Kind).Inc()
		}
	}
	return nil
}

// told is the event of a share, before which its offer was shared so often.
func (a *sharing) told(h share, before int, link string) referralevent.OfferShared {
	o := a.offer
	return referralevent.OfferShared{SiteID: h.SiteID, ShareID: h.ID, OfferID: h.OfferID,
		CampaignID: h.CampaignID, AdvocateID: deref(o.PersonID), Kind: h.Kind, Channel: h.Channel, First: before == 0, Second: before == 1,
		Link: link, FriendID: deref(h.FriendID), Subject: a.words.subject, Message: a.words.message, SharedAt: h.SharedAt,
		TrafficSource: o.TrafficSource, DeviceType: o.DeviceType, EventCategory: o.EventCategory, Variant: o.Variant, QA: a.campaign.tried()}
}

// checkChannel refuses what nobody shares by.
func (m *Module) checkChannel(ctx context.Context, siteID int64, channel string) error {
	if usualChannels[channel] {
		return nil
	}
	if referralapi.CheckChannels([]string{channel}) != nil {
		return errWrongChannel
	}
	own, err := ownChannels(ctx, m.db, siteID, channel)
	if err == nil && len(own) == 0 {
		return errWrongChannel
	}
	return err
}

// Shares lists those of all offers of an advocate, newest first, from below before (0: the newest), and says whether older ones follow.
func (m *Module) Shares(ctx context.Context, s site.Site, advocateID, before int64, limit int) ([]referralapi.Share, bool, error) {
	people, err := m.idsOf(ctx, s.ID, advocateID)
	if err != nil {
		return nil, false, err
	}
	list, err := sharesBy(ctx, m.db, s.ID, people, below(before), limit+1)
	if err != nil {
		return nil, false, err
	}
	more := len(list) > limit
	list = list[:min(len(list), limit)]
	offers, campaigns, err := m.behind(ctx, list)
	if err != nil {
		return nil, false, err
	}
	if _, err := m.catalog.of(ctx, s.ID); err != nil { // where the campaigns are shown
		return nil, false, err
	}
	out := make([]referralapi.Share, 0, len(list))
	for _, h := range list {
		o, c := offers[key{h.SiteID, h.OfferID}], campaigns[key{h.SiteID, h.OfferID}]
		if o != nil && c != nil { // neither is ever deleted
			out = append(out, m.presentShare(s, h, o, c))
		}
	}
	return out, more, nil
}

// behind reads the offers of shares, and the campaigns as these offers have them.
func (m *Module) behind(ctx context.Context, list []share) (map[key]*offer, map[key]*campaign, error) {
	var sites, ids []int64
	for _, h := range list {
		sites, ids = append(sites, h.SiteID), append(ids, h.OfferID)
	}
	offers, err := offersByID(ctx, m.db, sites, ids)
	if err != nil {
		return nil, nil, err
	}
	campaigns, err := m.campaignsOfOffers(ctx, m.db, m.now(), offers)
	return offers, campaigns, err
}

// presentShare is a share in Talkable's shape.
func (m *Module) presentShare(s site.Site, h share, o *offer, c *campaign) referralapi.Share {
	out := referralapi.Share{ID: h.ID, Type: referralapi.SocialOfferShare, ShortURL: m.linkURL(h.Code), ChannelIdentifier: h.Channel,
		Offer: m.present(o, c, nil, want{s: s}), Campaign: m.presentCampaign(c, s.Zone), FriendsCount: h.Friends, FriendClicksCount: h.Clicks,
		SharedAt: web.Talkable(h.SharedAt, s.Zone), FriendID: deref(h.FriendID)}
	if h.Kind == referralevent.Email {
		out.Type = referralapi.EmailOfferShare
	}
	return out
}

// keptShared is the answer to a share as it is kept for its Idempotency-Key: also what isn't for the wire.
type keptShared struct {
	Shared     referralapi.Shared `json:"shared"`
	AdvocateID int64              `json:"advocate_id"`
}

func (k keptShared) shared() referralapi.Shared {
	if k.Shared.Share.Offer != nil {
		k.Shared.Share.Offer.AdvocateID = k.AdvocateID
	}
	return k.Shared
}

// shareCounts are how often a person shared, in all and by channel.
func (m *Module) shareCounts(ctx context.Context, siteID, personID int64) (map[string]int64, error) {
	rows, err := sharesByChannel(ctx, m.db, siteID, personID)
	out := map[string]int64{"total": 0}
	for _, r := range rows {
		out[r.Channel] = r.Count
		out["total"] += r.Count
	}
	return out, err
}
