package referral

import (
	"net/http"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// facetsTold are what each event says that reports take numbers apart by.
func (p *place) facetsTold(kind string) (out []string) {
	p.t.Helper()
	err := p.root.SelectContext(p.t.Context(), &out, `
		select concat_ws(' ', payload ->> 'channel', payload ->> 'traffic_source', payload ->> 'device_type', payload ->> 'event_category', payload ->> 'variant',
			case when (payload ->> 'qa_generated')::bool then 'qa' end, payload ->> 'replaced_channel', payload ->> 'replaced_variant',
			payload ->> 'utm_source', payload ->> 'utm_medium', payload ->> 'utm_campaign')
		from (
			select id, i, payload from referral.waiting where type = 'referral.' || $1 || '.v1' and $1 <> 'links_visited'
			union all
			select w.id, w.i, v from referral.waiting w cross join lateral jsonb_array_elements(w.payload -> 'visits') v where w.type = 'referral.links_visited.v1' and $1 = 'links_visited'
		) e order by id, i`, kind)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"

// Where an offer's origin came from goes with the offer and its shares; how the friend came, and where the order came from, with the referral,
// to its end and when another takes its place.
func TestEvents_say_what_numbers_are_taken_apart_by(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(in *campaignInput) {
		in.Variants = []variantInput{{Name: "a"}, {Name: "b", Weight: new(int64)}}
	})
	o, err := p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, TrafficSource: "ios", DeviceType: "tablet", Channels: []string{"facebook"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.ShareSocial(t.Context(), p.one, itoa(o.ID), "twitter", true, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.visitLink(o.ClaimLinks["facebook"], uuidOf(1), func(r *http.Request) { r.Header.Set("User-Agent", phone) })
	p.visitLink(o.ClaimURL, uuidOf(1)) // again, by another link: how the friend first came counts
	buy := p.purchase(p.one, 5, 20, 1000, uuidOf(1))
	buy.TrafficSource, buy.DeviceType = "web", "desktop"
	buy.UTMSource, buy.UTMMedium, buy.UTMCampaign = "letter", "paper", "spring"
	p.bought(buy)
	if code, _, why := p.reattributed(p.one, p.referral(5).ID, 11, false); code != 200 {
		t.Fatal(code, why)
	}
	for kind, want := range map[string]string{
		"offer_created":     "ios tablet affiliate_member a;", // the second is made by hand: of no origin, and in no experiment
		"offer_shared":      "twitter ios tablet affiliate_member a",
		"links_visited":     "facebook mobile a; desktop a",
		"referral_created":  "facebook web desktop purchase a letter paper spring; web desktop purchase facebook a letter paper spring",
		"referral_approved": "facebook web desktop purchase a letter paper spring; web desktop purchase letter paper spring",
		"referral_voided":   "facebook web desktop purchase a letter paper spring",
		// the friend's for the click; both sides' and the commission for the referral, and again for whom it was given to
		"reward_issued":      "facebook mobile a; " + strings.Repeat("facebook web desktop purchase a letter paper spring; ", 3) + strings.TrimSuffix(strings.Repeat("web desktop purchase letter paper spring; ", 3), "; "),
		"reward_clawed_back": strings.TrimSuffix(strings.Repeat("facebook web desktop purchase a letter paper spring; ", 3), "; "),
	} {
		if got := strings.Join(p.facetsTold(kind), "; "); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}
