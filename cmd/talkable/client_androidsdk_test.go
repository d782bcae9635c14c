package main

import (
	"encoding/base64"
	"regexp"
	"testing"
)

func basicOf(key string) string { return base64.StdEncoding.EncodeToString([]byte(key + ":")) }

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestClientAndroid sends what the Android SDK sends, with a public key: site_slug in the query of every verb, JSON bodies in which nulls are left
// out, no Content-Type with an empty body.
func TestClientAndroid(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	p := published{t: t, address: s.address, key: s.demo.PublicKey,
		head: "User-Agent: API Talkable Android SDK v0.5.12\r\nAuthorization: Bearer KEY\r\n"}
	const isJSON, uuid, other = "Content-Type: application/json; charset=utf-8", "1f0ec5a1-9d37-4f8a-8bd0-1b6d2f0d9f31", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	var code string

	t.Run("17 visitor", func(t *testing.T) {
		p.t = t
		a := p.send("POST /api/v2/visitors?site_slug=demo", `{"data":{}}`, isJSON).fine(200)
		if id := want[string](a, "uuid"); !uuid4.MatchString(id) {
			t.Errorf("%s is no UUID", id)
		}
		p.send("POST /api/v2/visitors?site_slug=demo", `{"data":{"uuid":"`+uuid+`"}}`, isJSON).fine(200).is("uuid", uuid)
		if id := want[string](p.send("POST /api/v2/visitors?site_slug=demo", "").fine(200), "uuid"); !uuid4.MatchString(id) { // replayed without its body
			t.Errorf("%s is no UUID", id)
		}
		p.send("POST /api/v2/visitors?site_slug=elsewhere", `{"data":{}}`, isJSON).refused(400, "No site found by ``site_slug``.")
	})
	t.Run("10 20 37 47 affiliate member", func(t *testing.T) {
		p.t = t
		a := p.send("POST /api/v2/origins?site_slug=demo", `{"type":"AffiliateMember","data":{"customer_id":"a-1","first_name":"An","last_name":"Droid","email":"android@shop.example",`+
			`"traffic_source":"android","uuid":"`+uuid+`","alternative_visitor_uuid":"`+other+`","ip_address":"current","custom_properties":{"theme":"dark"},"campaign_tags":["invite"]}}`, isJSON).fine(201)
		a.is("origin.type", "AffiliateMember", "origin.email", "android@shop.example", "origin.ip_address", "127.0.0.1")
		a.shape(offerShape("offer"))
		code = want[string](a, "offer.short_url_code")
		a = p.send("POST /api/v2/origins?site_slug=demo", `{"type":"AffiliateMember","data":{"email":"android@shop.example","traffic_source":"android","uuid":"`+uuid+`","ip_address":"current","campaign_tags":["android-invite"]}}`, isJSON).fine(201)
		a.is("origin.type", "AffiliateMember", "offer", nil)
	})
	t.Run("31 32 nobody", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/origins?site_slug=demo", `{"type":"AffiliateMember","data":{"traffic_source":"android","uuid":"`+uuid+`","campaign_tags":["invite"]}}`, isJSON).fine(201).is("origin.type", "AffiliateMember")
		p.send("POST /api/v2/origins?site_slug=demo", `{"type":"Event","data":{"traffic_source":"android","uuid":"`+uuid+`","event_category":"test","event_number":"n-1","subtotal":2.5,"coupon_code":[],"campaign_tags":[]}}`, isJSON).
			fine(201).is("origin.type", "Event", "origin.email", nil)
		for name, body := range map[string]string{
			"a purchase of nobody":     `{"type":"Purchase","data":{"traffic_source":"android","uuid":"` + uuid + `","campaign_tags":[],"subtotal":5.0,"order_number":"n-2","coupon_code":[],"items":[]}}`,
			"an event of no category":  `{"type":"Event","data":{"email":"android@shop.example","traffic_source":"android","uuid":"` + uuid + `","campaign_tags":[],"event_number":"n-3","coupon_code":[]}}`,
			"an event without numbers": `{"type":"Event","data":{"email":"android@shop.example","traffic_source":"android","uuid":"` + uuid + `","campaign_tags":[],"event_category":"test","coupon_code":[]}}`,
		} {
			if a := p.send("POST /api/v2/origins?site_slug=demo", body, isJSON); a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
		}
	})
	t.Run("25 purchase", func(t *testing.T) {
		p.t = t
		a := p.send("POST /api/v2/origins?site_slug=demo", `{"type":"Purchase","data":{"email":"android@shop.example","traffic_source":"android","uuid":"`+uuid+`","alternative_visitor_uuid":"`+other+`",`+
			`"ip_address":"current","campaign_tags":["android-post-purchase"],"subtotal":10.1,"order_number":"A-1","coupon_code":["A","B"],"items":[{"price":5.05,"quantity":2,"product_id":"p-1"}]}}`, isJSON).fine(201)
		a.is("origin.type", "Purchase", "origin.order_number", "A-1", "origin.subtotal", 10.1, "origin.coupon_code", "A,B", "offer", nil)
		p.send("POST /api/v2/origins?site_slug=demo", `{"type":"Purchase","data":{"email":"android@shop.example","traffic_source":"android","uuid":"`+uuid+`","campaign_tags":[],"subtotal":0.0,"order_number":"A-2","coupon_code":[],"items":[]}}`, isJSON).
			fine(201).is("origin.coupon_code", "", "origin.subtotal", 0.0)
	})
	t.Run("26 the event of an installation, repeated", func(t *testing.T) {
		p.t = t
		for range 2 { // what was not answered is sent again when the app starts
			a := p.send("POST /api/v2/origins?site_slug=demo", `{"type":"Event","data":{"traffic_source":"android","uuid":"`+uuid+`","alternative_visitor_uuid":"`+other+`","ip_address":"current",`+
				`"campaign_tags":[],"event_number":"9774d56d682e549c","event_category":"android_app_installed","coupon_code":[]}}`, isJSON).fine(201)
			a.is("origin.type", "Event", "origin.subtotal", 0.0, "origin.event_category", "android_app_installed", "origin.coupon_code", "")
			if _, there := a.at("offer"); !there {
				t.Error("no member offer: the client crashes")
			}
		}
	})
	t.Run("49 offer", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/offers/"+code+"?site_slug=demo", "-").fine(200).shape(offerShape("offer"))
	})
	t.Run("73 rewards", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/rewards?site_slug=demo&visitor_uuid="+uuid, "-").fine(200).shape(map[string]string{"rewards": "list"})
		shop := newShop(t, s.demo)
		var offer struct {
			Offer struct {
				ClaimURL string `json:"claim_url"`
			} `json:"offer"`
		}
		shop.must("GET", "/api/v2/offers/"+code, nil, &offer)
		visitor := shop.opens(offer.Offer.ClaimURL)
		eventually(t, "the visitor has a reward", func() bool {
			_, has := p.send("GET /api/v2/rewards?site_slug=demo&visitor_uuid="+visitor, "-").fine(200).at("rewards.0")
			return has
		})
		a := p.send("GET /api/v2/rewards?site_slug=demo&visitor_uuid="+visitor, "-").fine(200)
		a.shape(rewardShape("rewards.0"))
		if status := want[string](a, "rewards.0.status"); status != "Paid" && status != "Unpaid" && status != "Voided" {
			t.Errorf("%s is none of the client's", status)
		}
	})
}
