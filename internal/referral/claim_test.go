package referral

import (
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func (p *place) claim(s site.Site, advocate, friend int64, tag string) referralapi.Claimed {
	p.t.Helper()
	out, _, err := p.ClaimOffer(p.t.Context(), s, referralapi.Claim{AdvocateID: advocate, FriendID: friend, CampaignTag: tag})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func TestClaimURLStatus_53_is_active_while_the_campaign_is_live(t *testing.T) {
	t.Parallel()
	p := setup(t)
	end := epoch.Add(time.Hour)
	p.campaign(p.one, func(c *campaignInput) { c.LivePeriod = &periodInput{EndsAt: &end} })
	p.campaign(p.two, nil)
	o, other, twin := p.join(p.one, 10), p.join(p.one, 11), p.join(p.two, 10)
	h := p.shareBy(p.one, o.ShortURLCode, "sms")
	withLinks, err := p.Offer(t.Context(), p.one, o.ShortURLCode, []string{"facebook"})
	if err != nil {
		t.Fatal(err)
	}
	active := func(s site.Site, code, link string) (int, any) {
		status, out, _ := p.call(s, "GET", "/api/v2/offers/"+code+"/claim_url_status?claim_url="+url.QueryEscape(link), nil, "")
		if result, ok := out["result"].(map[string]any); ok {
			return status, result["active"]
		}
		return status, out["error_message"]
	}
	for link, want := range map[string]bool{o.ClaimURL: true, o.ClaimURL + "?utm_source=x": true, h.Share.ShortURL: true, withLinks.ClaimLinks["facebook"]: true,
		o.ShowURL: false, other.ClaimURL: false, twin.ClaimURL: false, "https://evil.example/x/" + o.ClaimURL[len(o.ClaimURL)-10:]: false,
		"https://go.example/x/zzzzzzzzzz": false, "https://go.example/x/": false, "x": false, o.ClaimURL + "/": false} {
		if status, got := active(p.one, o.ShortURLCode, link); status != 200 || got != want {
			t.Errorf("%s: %d %v", link, status, got)
		}
	}
	for code, link := range map[string]string{"unknown": o.ClaimURL, twin.ShortURLCode: twin.ClaimURL} {
		if status, got := active(p.one, code, link); status != 400 || got != "No offer found by id." {
			t.Errorf("%s: %d %v", code, status, got)
		}
	}
	if status, got := active(p.one, o.ShortURLCode, ""); status != 400 || got != "`claim_url` is required" {
		t.Errorf("%d %v", status, got)
	}
	p.clock.Move(2 * time.Hour)
	if status, got := active(p.one, o.ShortURLCode, o.ClaimURL); status != 200 || got != false {
		t.Errorf("expired: %d %v", status, got)
	}
}

func TestTrackVisit_139(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	for _, s := range []site.Site{p.one, p.two} {
		p.visitLink(p.join(s, 10).ClaimURL, uuidOf(1))
	}
	id := p.count(`select id from referral.friend_offer where site_id = 1`)
	for range 2 {
		if code, out, _ := p.call(p.one, "PUT", fmt.Sprintf("/api/v2/visitor_offers/%d/track_visit?site_slug=one", id), nil, ""); code != 200 || fmt.Sprint(out) != "map[ok:true]" {
			t.Errorf("%d %v", code, out)
		}
	}
	if n := p.count(`select count(*) from referral.friend_offer where site_id = 1 and tracked_at is not null and visits = 1`); n != 1 {
		t.Errorf("%d were tracked", n)
	}
	theirs := fmt.Sprint(p.count(`select id from referral.friend_offer where site_id = 2`))
	for _, bad := range []string{"0", "-1", "999999", "99999999999999999999", "x", "1.0", theirs} {
		if code, out, _ := p.call(p.one, "PUT", "/api/v2/visitor_offers/"+bad+"/track_visit", nil, ""); code != 400 || out["error_message"] != "No visitor offer found by id." {
			t.Errorf("%s: %d %v", bad, code, out)
		}
	}
	if n := p.count(`select count(*) from referral.friend_offer where site_id = 2 and tracked_at is not null`); n != 0 {
		t.Error("the twin's was tracked")
	}
}

func TestClaimOffer_56_rewards_the_friend_once_and_leads_to_a_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 8)
	list := p.list(p.one, "ONE-1", "ONE-2", "ONE-3")
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = append([]incentiveInput{{Identifier: "click", ActionType: "click", Kind: "coupon", CouponListID: &list}}, usual[:2]...)
	})
	p.told()
	var mu sync.Mutex
	answers := map[string]int{}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range 8 {
		at := []*place{p, other}[n%2]
		done.Go(func() {
			gate.Wait()
			out, _, err := at.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || out.FriendReward == nil || out.FriendReward.CouponCode == nil {
				t.Errorf("%+v %v", out, err)
				return
			}
			answers[fmt.Sprint(*out.FriendReward.CouponCode, out.FriendReward.Reason, out.FriendReward.Status, out.FriendUnredeemReason, out.FriendHumanUnredeemReason)]++
		})
	}
	gate.Done()
	done.Wait()
	if len(answers) != 1 || answers["ONE-1clickPaid<nil> <nil>"] != 8 {
		t.Errorf("%v", answers)
	}
	told := p.told()
	if fmt.Sprint(told) != "[offer_created offer:1 reward_issued reward:1 coupon_issued reward:1 offer_claimed offer:1]" {
		t.Error(told)
	}
	if books := p.books(); books != "" {
		t.Error(books)
	}
	for what, n := range map[string]int64{"offer": 1, "friend_offer": 1, "offer_claim": 1, "reward": 1} {
		if got := p.count(`select count(*) from referral.` + what); got != n {
			t.Errorf("%d rows of %s", got, what)
		}
	}
	p.clock.Move(time.Hour)
	p.tell(p.purchase(p.one, 1, 20, 10_000, uuidOf(5))) // another browser: found by the friend's address
	if n := p.count(`select count(*) from referral.referral where advocate_id = 10 and friend_id = 20 and track_method = 'email' and status = 'approved'`); n != 1 {
		t.Errorf("%d referrals", n)
	}
}

func TestClaimOffer_says_why_there_is_no_reward(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Tags = []string{"invite"} })
	for range 2 {
		out := p.claim(p.one, 10, 10, "invite")
		if out.FriendReward != nil || *out.FriendUnredeemReason != "SELF_REFERRAL" || *out.FriendHumanUnredeemReason == "" {
			t.Errorf("%+v", out)
		}
	}
	if p.count(`select count(*) from referral.offer_claim where reason = 'SELF_REFERRAL' and friend_offer_id is null`) != 1 || p.count(`select count(*) from referral.friend_offer`) != 0 {
		t.Error("a claim of oneself is kept with its reason, and makes nothing")
	}
	_, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20, CampaignTag: "other"})
	wantFault(t, err, fault.Invalid, "No campaign found.") // 59
	_, _, err = p.ClaimOffer(t.Context(), p.two, referralapi.Claim{AdvocateID: 10, FriendID: 20, CampaignTag: "invite"})
	wantFault(t, err, fault.Invalid, "No campaign found.")
	if _, err = p.Claimable(t.Context(), p.two, "", idempotency.Key{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, _, err = p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10}); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	first := p.join(p.one, 10)
	newer := p.campaign(p.one, func(c *campaignInput) { c.Tags, c.Incentives = []string{"invite"}, nil })
	if out := p.claim(p.one, 10, 20, "invite"); out.FriendReward == nil || p.count(`select offer_id from referral.offer_claim where friend_id = 20`) != first.ID {
		t.Errorf("of the offer that the advocate has: %+v", out)
	}
	if out := p.claim(p.one, 11, 20, "invite"); out.FriendReward != nil || out.FriendUnredeemReason != nil || p.count(`select campaign_id from referral.offer_claim where advocate_id = 11`) != newer.ID {
		t.Errorf("a campaign that gives nothing for it: %+v", out)
	}
}

func TestClaimOffer_keeps_the_answer_of_a_key(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	in := referralapi.Claim{AdvocateID: 10, FriendID: 20, Idempotency: idempotency.Key{Value: "k", Fingerprint: "f"}}
	first, _, err := p.ClaimOffer(t.Context(), p.one, in)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "claimed", first)
	in.FriendID = 0 // as the edge asks when the key is known
	if known, err := p.Claimable(t.Context(), p.one, "", in.Idempotency); !known || err != nil {
		t.Errorf("%v %v", known, err)
	}
	again, replayed, err := p.ClaimOffer(t.Context(), p.one, in)
	if err != nil || !replayed || *again.FriendReward.CouponCode != *first.FriendReward.CouponCode {
		t.Errorf("%+v %v", again, err)
	}
	in.Idempotency.Fingerprint = "g"
	if _, _, err := p.ClaimOffer(t.Context(), p.one, in); !fault.Is(err, fault.Unprocessable) {
		t.Error(err)
	}
}

func TestClaimOffer_is_not_overtaken_by_a_browser_that_calls_itself_the_friend(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.claim(p.one, 10, 20, "")
	p.clock.Move(time.Minute)
	p.visitLink(p.join(p.one, 66).ClaimURL, visitorOfPerson(1, 20))
	p.visitLink(p.join(p.one, 66).ClaimURL+"?"+paramVisitor+"="+visitorOfPerson(1, 20), "")
	p.clock.Move(time.Minute)
	p.tell(p.purchase(p.one, 1, 20, 10_000))
	if n := p.count(`select advocate_id from referral.referral where friend_id = 20`); n != 10 {
		t.Errorf("the advocate is %d", n)
	}
}
