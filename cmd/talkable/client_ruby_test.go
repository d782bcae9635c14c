package main

import (
	"strings"
	"testing"
	"time"
)

// TestClientRuby sends what the gem sends: its four headers with every verb, site_slug last, JSON in bodies, paths as they are given.
func TestClientRuby(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	p := published{t: t, address: s.address, key: s.demo.APIKey,
		head: "User-Agent: Talkable Gem/1.3.0\r\nContent-Type: application/json\r\nAccept: application/json\r\nAuthorization: Bearer KEY\r\n"}
	const uuid = "8fdf75ac-92b4-479d-9974-2f9c64eb2e09"
	var code string

	t.Run("1 campaigns", func(t *testing.T) {
		p.t = t
		a := p.send("GET /api/v2/campaigns?site_slug=demo", "-").fine(200)
		a.shape(map[string]string{"campaigns": "list", "campaigns.0.id": "number", "campaigns.0.name": "text", "campaigns.0.is_active": "truth", "campaigns.0.slug": "number",
			"campaigns.0.status": "text", "campaigns.0.tag_names": "list", "campaigns.0.joinable_category_names": "list"})
	})
	t.Run("2 no key", func(t *testing.T) {
		none := published{t: t, address: s.address, head: "User-Agent: Talkable Gem/1.3.0\r\nContent-Type: application/json\r\nAccept: application/json\r\n"}
		a := none.send("GET /api/v2/campaigns?site_slug=demo", "-")
		if a.status != 401 || a.all["ok"] != false || a.all["error_message"] == "" {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	t.Run("4 5 the key by HTTP Basic, as a parameter and in a body", func(t *testing.T) {
		for _, one := range []struct{ head, line, body string }{
			{"Authorization: Basic " + basicOf(s.demo.APIKey) + "\r\n", "GET /api/v2/campaigns?site_slug=demo", "-"},
			{"", "GET /api/v2/campaigns?site_slug=demo&api_key=" + s.demo.APIKey, "-"},
			{"Content-Type: application/json\r\n", "POST /api/v2/visitors", `{"data":{},"api_key":"` + s.demo.APIKey + `","site_slug":"demo"}`},
			{"Content-Type: application/x-www-form-urlencoded\r\n", "POST /api/v2/visitors", "site_slug=demo&api_key=" + s.demo.APIKey},
		} {
			published{t: t, address: s.address, head: one.head}.send(one.line, one.body).fine(200)
		}
	})
	t.Run("16 visitor", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/visitors", `{"data":{"uuid":"`+uuid+`"},"site_slug":"demo"}`).fine(200).is("uuid", uuid)
		p.send("POST /api/v2/visitors", `{"data":{"uuid":"`+uuid+`"},"site_slug":"demo"}`).fine(200).is("uuid", uuid)
	})
	t.Run("20 38 46 affiliate member", func(t *testing.T) {
		p.t = t
		body := `{"type":"AffiliateMember","data":{"uuid":null,"traffic_source":"talkable-gem","r":"http://shop.example/invite?a=1","campaign_tags":"invite",` +
			`"email":"ruby@shop.example","first_name":"Ruby","last_name":null,"sharing_channels":["facebook","sms"]},"site_slug":"demo"}`
		a := p.send("POST /api/v2/origins", body).fine(201)
		a.is("origin.type", "AffiliateMember", "origin.email", "ruby@shop.example", "offer.email", "ruby@shop.example")
		a.shape(offerShape("offer"))
		a.shape(map[string]string{"origin.id": "number", "offer.claim_links.facebook": "text", "claim_links.facebook": "text", "claim_links.sms": "text"})
		code = want[string](a, "offer.short_url_code")
		again := p.send("POST /api/v2/origins", body).fine(201)
		again.is("origin.id", want[float64](a, "origin.id"), "offer.short_url_code", code)
	})
	t.Run("22 28 29 47 refusals", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/origins", `{"type":"AffiliateMember","data":{"email":"ruby@shop.example","sharing_channels":["email"]},"site_slug":"demo"}`).
			refused(400, "Wrong sharing channel: email")
		p.send("POST /api/v2/origins", `{"type":"Foo","data":{"uuid":null},"site_slug":"demo"}`).refused(400, "`type` must be within [\"AffiliateMember\", \"Purchase\", \"Event\"]")
		p.send("POST /api/v2/origins", `{"type":"Purchase","data":{"email":"abc","order_number":"r-0","subtotal":1},"site_slug":"demo"}`).refused(400, "Email isn't valid")
		p.send("POST /api/v2/origins", `{"type":"Purchase","data":{"email":"a@b.co","order_number":"r-0","subtotal":1},"site_slug":"elsewhere"}`).refused(400, "No site found by ``site_slug``.")
	})
	t.Run("23 34 47 purchase", func(t *testing.T) {
		p.t = t
		body := `{"type":"Purchase","data":{"uuid":"` + uuid + `","traffic_source":"talkable-gem","r":null,"campaign_tags":"post-purchase","email":"buyer@shop.example",` +
			`"order_number":12,"subtotal":100,"items":[{"price":50.0,"quantity":2,"product_id":"SKU1"}]},"site_slug":"demo"}`
		for range 2 {
			a := p.send("POST /api/v2/origins", body).fine(201)
			a.is("offer", nil, "origin.type", "Purchase", "origin.order_number", "12", "origin.subtotal", 100.0, "origin.coupon_code", "")
			if _, err := time.Parse("2006-01-02T15:04:05.000-07:00", want[string](a, "origin.order_date")); err != nil {
				t.Errorf("the gem parses order_date: %v", err)
			}
		}
		a := p.send("POST /api/v2/origins", strings.Replace(body, `"subtotal":100`, `"subtotal":99`, 1))
		if a.status != 400 || strings.TrimSpace(a.all["error_message"].(string)) != "Duplicate entity: Talkable already has existing Purchase with the same order_number but different data" {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	t.Run("44 a check of the integration", func(t *testing.T) {
		p.t = t
		for _, total := range []string{"5", "6"} { // it is no order: another subtotal is no duplicate
			p.send("POST /api/v2/origins", `{"type":"Purchase","data":{"uuid":null,"email":"Integration@Talkable.com","order_number":"check","subtotal":`+total+`},"site_slug":"demo"}`).
				fine(201).is("origin.type", "Purchase", "origin.order_number", "check", "offer", nil)
		}
		p.send("GET /api/v2/people/integration@talkable.com?site_slug=demo", "-").refused(400, "No person found by `person_slug`.")
	})
	t.Run("26 35 41 event", func(t *testing.T) {
		p.t = t
		body := `{"type":"Event","data":{"uuid":null,"traffic_source":"talkable-gem","r":null,"campaign_tags":null,"email":"buyer@shop.example","event_number":"42",` +
			`"event_category":"newsletter_subscription","segment1":"gold","utm_source":"mail"},"site_slug":"demo"}`
		p.send("POST /api/v2/origins", body).fine(201).is("origin.subtotal", 0.0, "origin.event_number", "42", "origin.event_category", "newsletter_subscription",
			"origin.segment1", "gold", "origin.utm_source", "mail", "origin.segment2", nil)
		a := p.send("POST /api/v2/origins", strings.Replace(body, "buyer@", "other@", 1))
		if a.status != 400 || strings.TrimSpace(a.all["error_message"].(string)) != "Duplicate entity: Talkable already has existing Event with the same event_number but different data" {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	t.Run("49 50 52 offer", func(t *testing.T) {
		p.t = t
		a := p.send("GET /api/v2/offers/"+code+"?site_slug=demo", "-").fine(200)
		a.shape(offerShape("offer"))
		id := strings.TrimSuffix(dig(a.result, "offer.id"), ".")
		p.send("GET /api/v2/offers/"+id+"?site_slug=demo", "-").fine(200).is("offer.short_url_code", code)
		for _, spelling := range []string{"sharing_channels[]=facebook&sharing_channels[]=sms", "sharing_channels%5B%5D=facebook&sharing_channels%5B%5D=sms", "sharing_channels=facebook,sms", "sharing_channels=facebook&sharing_channels=sms"} {
			p.send("GET /api/v2/offers/"+code+"?"+spelling+"&site_slug=demo", "-").fine(200).shape(map[string]string{"claim_links.facebook": "text", "claim_links.sms": "text"})
		}
		p.send("GET /api/v2/offers/UNKNOWN?site_slug=demo", "-").refused(400, "No offer found by id.")
		p.send("GET /api/v2/offers/"+code+"?sharing_channels[]=email&site_slug=demo", "-").refused(400, "Wrong sharing channel: email")
	})
	t.Run("73 74 97 100 101 103 a friend, the reward and the referral", func(t *testing.T) {
		p.t = t
		shop := newShop(t, s.demo)
		var offer struct {
			Offer struct {
				ClaimURL string `json:"claim_url"`
			} `json:"offer"`
		}
		shop.must("GET", "/api/v2/offers/"+code, nil, &offer)
		visitor := shop.opens(offer.Offer.ClaimURL)
		eventually(t, "the visitor has a reward", func() bool {
			_, has := p.send("GET /api/v2/rewards?visitor_uuid="+visitor+"&site_slug=demo", "-").fine(200).at("rewards.0")
			return has
		})
		p.send("GET /api/v2/rewards?visitor_uuid="+visitor+"&site_slug=demo", "-").fine(200).shape(rewardShape("rewards.0"))
		p.send("GET /api/v2/rewards?visitor_uuid="+visitor+"&status=All&site_slug=demo", "-").fine(200).shape(rewardShape("rewards.0"))
		p.send("GET /api/v2/rewards?visitor_uuid="+uuid+"&site_slug=demo", "-").fine(200).shape(map[string]string{"rewards": "list"})
		p.send("POST /api/v2/origins", `{"type":"Purchase","data":{"uuid":"`+visitor+`","email":"friend@shop.example","order_number":"R-100","subtotal":"80.00"},"site_slug":"demo"}`).fine(201)
		a := p.send("PUT /api/v2/origins/R-100/referral", `{"data":{"status":"approved"},"site_slug":"demo"}`).fine(200)
		a.is("referral.status", "approved", "referral.referred_subtotal", 80.0, "referral.ad_rewarded", true, "referral.qa_generated", false,
			"referral.advocate_person.email", "ruby@shop.example", "referral.friend_person.email", "friend@shop.example")
		a.shape(map[string]string{"referral.id": "number", "referral.campaign_id": "number", "referral.offer_id": "number", "referral.referred_origin_id": "number",
			"referral.track_method": "text", "referral.fraud_details": "text?", "referral.fraud_policies_status.blocked": "list", "referral.fraud_policies_status.flagged": "list",
			"referral.fraud_policies_status.skipped": "list", "referral.fraud_policies_status.passed": "list", "referral.created_at": "text", "referral.updated_at": "text",
			"referral.advocate_rewards": "list", "referral.friend_rewards": "list"})
		a.shape(rewardShape("referral.advocate_rewards.0"))
		if a = p.send("PUT /api/v2/origins/R-100/referral", `{"data":{"status":"voided"},"site_slug":"demo"}`); a.status/100 != 4 || a.all["ok"] != false {
			t.Errorf("%d %s", a.status, a.text)
		}
		p.send("PUT /api/v2/origins/NONE/referral", `{"data":{"status":"approved"},"site_slug":"demo"}`).refused(400, "No origin found by `origin_slug`.")
		if a = p.send("PUT /api/v2/origins/newsletter_subscription:42/referral", `{"data":{"status":"unblocked"},"site_slug":"demo"}`); a.status != 200 || a.all["ok"] != true {
			t.Errorf("%d %s", a.status, a.text)
		}
		a = p.send("POST /api/v2/origins/R-100/refund", `{"site_slug":"demo"}`).fine(200)
		a.is("origin.partially_refunded", false, "origin.refund_subtotal", 80.0)
		a.shape(map[string]string{"origin.refunded_at": "text"})
	})
	t.Run("76 77 80 coupons", func(t *testing.T) {
		p.t = t
		a := p.send("GET /api/v2/coupons/WELCOME10?site_slug=demo", "-").fine(200)
		a.is("talkable_coupon", true, "coupon.code", "WELCOME10")
		a.shape(map[string]string{"coupon.amount": "number?", "coupon.active": "truth", "coupon.usages": "number", "associated_reward": "object?"})
		if a = p.send("GET /api/v2/coupons/UNKNOWN?site_slug=demo", "-").fine(200); len(a.result) != 1 || a.result["talkable_coupon"] != false {
			t.Error(a.text)
		}
		p.send("GET /api/v2/coupons/UNKNOWN/permission/ruby@shop.example?site_slug=demo", "-").fine(200).is("allowed", true, "talkable_coupon", false)
		p.send("GET /api/v2/coupons/WELCOME10/permission/ruby@shop.example?site_slug=demo", "-").fine(200).
			shape(map[string]string{"allowed": "truth", "error_message": "text?", "checks.coupon_unissued": "truth", "checks.coupon_expired": "truth",
				"checks.friend_offer_expired": "truth", "checks.different_owner": "truth", "checks.coupon_used": "truth"})
	})
	t.Run("83 85 person", func(t *testing.T) {
		p.t = t
		a := p.send("GET /api/v2/people/ruby@shop.example?site_slug=demo", "-").fine(200)
		a.is("person.email", "ruby@shop.example", "person.first_name", "Ruby")
		a.shape(map[string]string{"person.username": "text?", "person.last_name": "text?", "person.custom_properties": "object", "person.unsubscribed_at": "text?",
			"person.events_count": "number", "person.referral_counts.total": "number", "person.reward_counts.total": "number"})
		p.send("GET /api/v2/people/nobody@shop.example?site_slug=demo", "-").refused(400, "No person found by `person_slug`.")
	})
	t.Run("106 107 109 110 112 metrics", func(t *testing.T) {
		p.t = t
		days := "site_slug=demo&start_date=2014-09-01&end_date=2099-10-01"
		a := p.send("GET /api/v2/metrics/offers?api_key="+s.demo.APIKey+"&"+days, "-").fine(200)
		a.is("result_type", "number")
		a.shape(map[string]string{"plain": "number", "formatted": "text"})
		p.send("GET /api/v2/metrics/offers?campaign_ids=35944,12345&campaign_tags=invite,test&campaign_status=live&"+days, "-").fine(200).is("plain", 0.0)
		p.send("GET /api/v2/metrics/offers?campaign_tags=invite,test&campaign_status=live&"+days, "-").fine(200).is("result_type", "number")
		p.send("GET /api/v2/metrics/average_order_value?"+days, "-").fine(200).is("result_type", "money")
		p.send("GET /api/v2/metrics/nonsense?"+days, "-").refused(400, "No metric found.")
		p.send("GET /api/v2/metrics/clicks/segmentize/?campaign_ids=1&segment_by[period]=day&start_date=2024-01-01&end_date=2024-01-10", "-").fine(200).
			is("segmented.0.period", "1/1/24 - 1/1/24", "segmented.9.period", "1/10/24 - 1/10/24", "segmented.0.result_type", "number")
		if _, more := p.send("GET /api/v2/metrics/clicks/segmentize/?campaign_ids=1&segment_by[period]=day&start_date=2024-01-01&end_date=2024-01-10", "-").fine(200).at("segmented.10"); more {
			t.Error("ten days have more than ten rows")
		}
		if _, more := p.send("GET /api/v2/metrics/clicks/segmentize/?campaign_ids=1&segment_by[period]=day&start_date=2024-01-01&end_date=2024-01-01", "-").fine(200).at("segmented.1"); more {
			t.Error("a day has more than one row")
		}
	})
}
