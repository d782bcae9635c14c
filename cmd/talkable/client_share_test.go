package main

import (
	"strings"
	"testing"
)

// TestClientShares sends the shares and claims of the three clients.
func TestClientShares(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, s.demo)
	var offer struct {
		Offer struct {
			Code     string `json:"short_url_code"`
			ClaimURL string `json:"claim_url"`
		} `json:"offer"`
	}
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "sharer@shop.example", "campaign_tags": "invite"}}, &offer)
	code := offer.Offer.Code
	ruby := published{t: t, address: s.address, key: s.demo.APIKey,
		head: "User-Agent: Talkable Gem/1.3.0\r\nContent-Type: application/json\r\nAccept: application/json\r\nAuthorization: Bearer KEY\r\n"}
	android := published{t: t, address: s.address, key: s.demo.PublicKey, head: "User-Agent: API Talkable Android SDK v0.5.12\r\nAuthorization: Bearer KEY\r\n"}
	ios := published{t: t, address: s.address, key: s.demo.PublicKey, head: "User-Agent: Talkable iOS SDK v1.5.1 API\r\nAccept: */*\r\nAuthorization: Bearer KEY\r\n"}
	const isJSON, form = "Content-Type: application/json; charset=utf-8", "Content-Type: application/x-www-form-urlencoded"
	social := map[string]string{"share.id": "number", "share.type": "text", "share.short_url": "text", "reward": "object?"}
	mail := map[string]string{"success": "truth", "validation_only": "truth", "stats.currently_sent": "number", "stats.currently_not_sent": "number", "stats.previously_sent": "number",
		"stats.total_sent": "number", "stats.sent_limit_exceeded": "truth", "stats.left_emails": "number", "recipients": "object", "reward": "object?"}
	perFriend := func(a seen, address string) {
		t.Helper()
		all := want[map[string]any](a, "recipients")
		one, _ := all[address].(map[string]any)
		for _, flag := range []string{"currently_sent", "previously_sent", "email_valid", "self_referral", "unsubscribed", "blocklisted", "blacklisted", "meets_criteria", "sharable"} {
			if _, ok := one[flag].(bool); !ok {
				a.t.Errorf("%s: %s of %s is %v", a.line, flag, address, one[flag])
			}
		}
	}

	t.Run("61 62 64 the gem's social shares", func(t *testing.T) {
		ruby.t = t
		a := ruby.send("POST /api/v2/offers/"+code+"/shares/social", `{"channel":"facebook","site_slug":"demo"}`).fine(200)
		a.shape(social)
		a.is("share.type", "SocialOfferShare")
		if !strings.Contains(want[string](a, "share.short_url"), "/x/") {
			t.Error(a.text)
		}
		for _, channel := range []string{"facebook_message", "twitter", "linkedin", "sms", "other", "whatsapp"} {
			ruby.send("POST /api/v2/offers/"+code+"/shares/social", `{"channel":"`+channel+`","site_slug":"demo"}`).fine(200).shape(social)
		}
		if a = ruby.send("POST /api/v2/offers/"+code+"/shares/social", `{"channel":{"channel":"facebook"},"site_slug":"demo"}`); a.status >= 500 {
			t.Errorf("%d %s", a.status, a.text)
		}
		ruby.send("POST /api/v2/offers/"+code+"/shares/social", `{"channel":"nope","site_slug":"demo"}`).refused(400, "`channel` is invalid")
	})
	t.Run("65 67 68 71 the gem's shares by e-mail", func(t *testing.T) {
		ruby.t = t
		a := ruby.send("POST /api/v2/offers/"+code+"/shares/email", `{"recipients":"a@x.example,b@x.example","subject":null,"body":null,"reminder":false,"site_slug":"demo"}`).fine(200)
		a.shape(mail)
		a.is("success", true, "stats.currently_sent", 2.0)
		perFriend(a, "a@x.example")
		ruby.send("POST /api/v2/offers/"+code+"/shares/email", `{"recipients":"c@x.example\nd@x.example","subject":"S","body":"B","reminder":true,"site_slug":"demo"}`).fine(200).is("stats.currently_sent", 2.0)
		perFriend(ruby.send("POST /api/v2/offers/"+code+"/shares/email", `{"recipients":"sharer@shop.example","subject":null,"body":null,"reminder":false,"site_slug":"demo"}`), "sharer@shop.example")
		ruby.send("POST /api/v2/offers/"+code+"/shares/email", `{"recipients":"","subject":null,"body":null,"reminder":false,"site_slug":"demo"}`).refused(400, "`recipients` is required")
	})
	t.Run("10 70 Android's shares", func(t *testing.T) {
		android.t = t
		android.send("POST /api/v2/offers/"+code+"/shares/social?site_slug=demo", `{"channel":"facebook_message","offer":{"short_url_code":"`+code+`","email":"sharer@shop.example"}}`, isJSON).fine(200).shape(social)
		android.send("POST /api/v2/offers/"+code+"/shares/social?site_slug=demo", `{"channel":"direct_email_native","offer":{"short_url_code":"`+code+`"}}`, isJSON).fine(200).shape(social)
		a := android.send("POST /api/v2/offers/"+code+"/shares/email?site_slug=demo", `{"channel":"email","offer":{"short_url_code":"`+code+`"},"recipients":"e@x.example","email":{"subject":"S","body":"B","reminder":true}}`, isJSON).fine(200)
		a.shape(mail)
		perFriend(a, "e@x.example")
	})
	t.Run("11 iOS's shares", func(t *testing.T) {
		ios.t = t
		ios.send("POST /api/v2/offers/"+code+"/shares/social", "channel=other&site_slug=demo", form).fine(200).shape(social)
		a := ios.send("POST /api/v2/offers/"+code+"/shares/email", "recipients=f%40x.example%2Cg%40x.example&reminder=1&site_slug=demo", form).fine(200)
		a.shape(mail)
		perFriend(a, "g@x.example")
	})
	t.Run("13 139 visits that are tracked", func(t *testing.T) {
		ios.t, android.t = t, t
		ios.send("PUT /api/v2/visitor_offers/987654321/track_visit", "site_slug=demo", form).refused(400, "No visitor offer found by id.")
		android.send("PUT /api/v2/visitor_offers/987654321/track_visit?site_slug=demo", "").refused(400, "No visitor offer found by id.")
	})
	t.Run("53 56 58 59 claims", func(t *testing.T) {
		ruby.t = t
		ruby.send("GET /api/v2/offers/"+code+"/claim_url_status?claim_url="+offer.Offer.ClaimURL+"&site_slug=demo", "-").fine(200).is("active", true)
		ruby.send("POST /api/v2/offer_claims?site_slug=demo&advocate_email=sharer@shop.example&friend_email=h@x.example", "").fine(200).
			is("friend_reward.reason", "click", "friend_unredeem_reason", nil, "friend_human_unredeem_reason", nil)
		ruby.send("POST /api/v2/offer_claims", `{"site_slug":"demo","advocate_email":"sharer@shop.example","friend_email":"i@x.example"}`).fine(200).is("friend_reward.reason", "click")
		ruby.send("POST /api/v2/offer_claims?site_slug=demo&advocate_email=abc&friend_email=h@x.example", "").refused(400, "Invalid `advocate_email`.")
		ruby.send("POST /api/v2/offer_claims?site_slug=demo&advocate_email=sharer@shop.example&friend_email=abc", "").refused(400, "Invalid `friend_email`.")
	})
}
