package referral

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/timeline"
)

func TestStory_a_friend_opens_the_link_and_buys(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	w := p.visitLink(o.ClaimURL, "")
	if w.Code != http.StatusFound {
		t.Fatalf("visit: %d %s", w.Code, w.Body)
	}
	to, _ := url.Parse(w.Header().Get("Location"))
	visitor := to.Query().Get("tkbl_cvuuid")
	if to.Host != "one.example" || visitor == "" || to.Query().Get("talkable_visitor_offer_id") == "" || to.Query().Get("utm_content") != "Invite & win" {
		t.Errorf("Location %s", to)
	}
	p.clock.Move(time.Hour)
	buy := p.purchase(p.one, 77, 20, 10_044, visitor)
	p.tell(buy)
	p.tell(buy) // told again
	r, _, err := p.SetStatus(t.Context(), p.one, 77, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != "approved" || r.TrackMethod != "cookie" || r.AdvocateID != 10 || r.FriendID != 20 || len(r.AdvocateRewards) != 2 || len(r.FriendRewards) != 1 {
		t.Errorf("referral %+v", r)
	}
	if got := string(r.AdvocateRewards[1].Amount); got != "10.04" || r.AdvocateRewards[1].Status != rewardUnpaid {
		t.Errorf("commission %+v", r.AdvocateRewards[1])
	}
	want := []string{"offer_created offer:" + itoa(o.ID), "reward_issued reward:1", "links_visited visits:" + itoa(o.ID),
		"referral_created referral:1", "referral_approved referral:1", "reward_issued referral:1", "reward_issued referral:1", "reward_issued referral:1",
		"commission_earned account:10"}
	if got := p.told(); !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
	n, err := p.Counts(t.Context(), 1, 10)
	if err != nil || n.Referrals["approved"] != 1 || n.Rewards["total"] != 2 || n.Rewards["unpaid"] != 1 {
		t.Errorf("counts %+v %v", n, err)
	}
	if n, _ := p.Counts(t.Context(), 1, 20); n.ReferredBy != 10 {
		t.Errorf("friend's counts %+v", n)
	}
	if n, _ := p.Counts(t.Context(), 2, 10); n.Referrals["total"] != 0 {
		t.Errorf("the twin site's counts %+v", n)
	}
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 77, Subtotal: 10_044, RefundedTotal: 10_044, Full: true})
	r, _ = p.Referral(t.Context(), 1, 77)
	if r.AdvocateGot || r.FriendRewards[0].Status != rewardVoided {
		t.Errorf("after the refund %+v", r)
	}
	all, err := p.Timeline(t.Context(), 1, 20, timeline.Place{}, 50)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range all {
		types = append(types, e.Type)
	}
	if want := []string{"reward_issued", "reward_clawed_back", "referral_approved", "visited"}; !slices.Equal(types, want) {
		t.Errorf("timeline %q, want %q", types, want)
	}
	_ = c
}
