package referral

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// sharings are acts of sharing offers by a channel, as requests bring them to their group.
func (p *place) sharings(s site.Site, o *referralapi.Offer, n int, change func(i int, a *sharing)) []sharing {
	p.t.Helper()
	stored, c, err := p.offerOf(p.t.Context(), s, o.ShortURLCode)
	if err != nil {
		p.t.Fatal(err)
	}
	out := make([]sharing, n)
	for i := range out {
		out[i] = sharing{s: s, offer: stored, campaign: c, verified: true,
			made: []share{{SiteID: s.ID, OfferID: o.ID, CampaignID: stored.CampaignID, Kind: "social", Channel: "sms"}}}
		if change != nil {
			change(i, &out[i])
		}
	}
	return out
}

// Each of many gets its own answer, whatever becomes of the others.
func TestShares_together(t *testing.T) {
	t.Parallel()
	p := setup(t)
	shared := incentiveInput{Identifier: "shared", ActionType: "sharing", Kind: "points", Points: 5, Terms: &terms{Uniqueness: oncePerChannel}}
	p.promising(p.one, shared)
	p.promising(p.two, shared)
	first, twin := p.join(p.one, 10), p.join(p.two, 10)
	end := epoch.Add(time.Hour)
	p.campaign(p.one, func(c *campaignInput) {
		c.LivePeriod, c.Tags = &periodInput{EndsAt: &end}, []string{"short"}
	})
	over := p.join(p.one, 12)
	p.clock.Move(2 * time.Hour)
	p.told()
	channels := []string{"sms", "sms", "facebook", "sms"}
	batch := slices.Concat(
		p.sharings(p.one, first, 4, func(i int, a *sharing) {
			a.made[0].Channel, a.verified = channels[i], i != 0
			if i == 2 {
				a.key = idempotency.Key{Value: "k", Fingerprint: "f"}
			}
		}),
		p.sharings(p.one, over, 1, nil),
		p.sharings(p.two, twin, 1, nil),
		p.sharings(p.one, first, 2, func(i int, a *sharing) { a.key = idempotency.Key{Value: "k", Fingerprint: []string{"f", "g"}[i]} }),
	)
	out, err := p.share(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range out {
		earned := int64(0)
		if w := a.Value.Value.Shared.Reward; w != nil {
			earned = *w.Points
		}
		got = append(got, fmt.Sprint(a.Value.Value.Shared.Share.ChannelIdentifier, " ", earned, " ", a.Value.Replayed, " ", a.Err))
	}
	live := over.CampaignID != first.CampaignID
	want := []string{"sms 0 false <nil>", "sms 5 false <nil>", "facebook 5 false <nil>", "sms 0 false <nil>",
		" 0 false " + errNotShared.Error(), "sms 5 false <nil>", "facebook 5 true <nil>", " 0 false " + out[7].Err.Error()}
	if !live || !slices.Equal(got, want) || !fault.Is(out[7].Err, fault.Unprocessable) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if a, b := out[2].Value.Value, out[6].Value.Value; a.shared().Share.Offer.AdvocateID != 10 || a.Shared.Share.ID != b.Shared.Share.ID {
		t.Errorf("%+v, and again %+v", a, b)
	}
	for what, n := range map[string]int64{
		`select count(*) from referral.share`:                                                                                                5,
		`select count(distinct code) from referral.link where kind = 'shared'`:                                                               5,
		`select count(*) from referral.waiting where type = 'referral.offer_shared.v1' and payload ->> 'first' = 'true'`:                     2,
		`select count(*) from referral.waiting where type = 'referral.offer_shared.v1' and payload ->> 'second' = 'true'`:                    1,
		`select count(*) from referral.waiting where type = 'referral.offer_shared.v1'`:                                                      5,
		`select count(*) from referral.reward w join referral.share s on (s.site_id, s.id) = (w.site_id, w.share_id) where w.person_id = 10`: 3,
	} {
		if got := p.count(what); got != n {
			t.Errorf("%s: %d, want %d", what, got, n)
		}
	}
	if given, refused := p.ledger(1); len(given) != 2 || !slices.Equal(refused, []string{"shared share unverified", "shared share uniqueness"}) {
		t.Errorf("%q %q", given, refused)
	}
}

// Many at once by two replicas: the first share of an offer is one, and what is rehearsed leaves nothing and is in nobody's batch.
func TestShares_race(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 8)
	p.campaign(p.one, nil)
	offers := []*referralapi.Offer{p.join(p.one, 10), p.join(p.one, 11), p.join(p.one, 12)}
	p.told()
	race(60, func(i int) {
		at, ctx := []*place{p, other}[i%2], t.Context()
		if i%5 == 0 {
			ctx = postgres.Rehearsal(ctx)
		}
		if out, _, err := at.ShareSocial(ctx, p.one, offers[i%3].ShortURLCode, "sms", true, idempotency.Key{}); err != nil || out.Share.ID == 0 {
			t.Errorf("%+v %v", out, err)
		}
	})
	for what, n := range map[string]int64{
		`select count(*) from referral.share`:                                       48,
		`select count(*) from referral.waiting where payload ->> 'first' = 'true'`:  3,
		`select count(*) from referral.waiting where payload ->> 'second' = 'true'`: 3,
	} {
		if got := p.count(what); got != n {
			t.Errorf("%s: %d, want %d", what, got, n)
		}
	}
}
