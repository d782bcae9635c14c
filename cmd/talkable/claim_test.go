package main

import (
	"fmt"
	"net/url"
	"testing"
)

// TestClaims plays the conformance cases of claims against a running server.
func TestClaims(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	public := newShop(t, demoFile{Server: s.demo.Server, APIKey: first(makeKey(t, s, "demo", "--public"))})
	offer := shop.offerOf("claim-ann@shop.example")
	at := "/api/v2/offers/" + offer["short_url_code"].(string)

	t.Run("53: the status of a claim link", func(t *testing.T) {
		for link, want := range map[string]bool{offer["claim_url"].(string): true, offer["show_url"].(string): false, s.demo.Server + "/x/zzzzzzzzzz": false} {
			if got := public.say("GET", at+"/claim_url_status?site_slug=demo&claim_url="+url.QueryEscape(link), "", 200); got["active"] != want {
				t.Errorf("%s: %v", link, got)
			}
		}
		shop.refuses("GET", "/api/v2/offers/unknown/claim_url_status?claim_url=x", "", 400, "No offer found by id.")
	})
	t.Run("139: a friend arrives", func(t *testing.T) {
		_, friendOffer := shop.arrives(offer["claim_url"].(string))
		if a := ask(t, public, "PUT", "/api/v2/visitor_offers/"+friendOffer+"/track_visit?site_slug=demo", ""); a.status != 200 || a.body != "{\"ok\":true}" && a.body != "{\"ok\":true}\n" {
			t.Errorf("%d %q", a.status, a.body)
		}
		if a := ask(t, shop, "PUT", "/api/v2/visitor_offers/"+friendOffer+"/track_visit", `{"site_slug":"demo"}`); a.status != 200 {
			t.Errorf("%d %q", a.status, a.body)
		}
		for _, id := range []string{"987654321", "0", "x"} {
			shop.refuses("PUT", "/api/v2/visitor_offers/"+id+"/track_visit", "", 400, "No visitor offer found by id.")
		}
	})
	t.Run("56, 57: a claim by the API", func(t *testing.T) {
		for _, ask := range []struct{ query, body string }{
			{"?site_slug=demo&advocate_email=claim-ann@shop.example&friend_email=claim-bob@shop.example", ""},
			{"", `{"site_slug":"demo","advocate_email":"Claim-Ann@shop.example","friend_email":"claim-bob@shop.example","campaign_tag":"invite"}`},
		} {
			got := shop.say("POST", "/api/v2/offer_claims"+ask.query, ask.body, 200)
			reward := got["friend_reward"].(map[string]any)
			if reward["reason"] != "click" || reward["coupon_code"] == nil || got["friend_unredeem_reason"] != nil || got["friend_human_unredeem_reason"] != nil || len(got) != 3 {
				t.Errorf("%v", got)
			}
		}
		got := shop.say("POST", "/api/v2/offer_claims", `{"advocate_email":"claim-ann@shop.example","friend_email":"claim-ANN@shop.example"}`, 200)
		if got["friend_reward"] != nil || got["friend_unredeem_reason"] != "SELF_REFERRAL" || got["friend_human_unredeem_reason"] == nil {
			t.Errorf("%v", got)
		}
		shop.say("POST", "/api/v2/origins", `{"type":"Purchase","data":{"email":"claim-bob@shop.example","order_number":"claim-1","subtotal":"50"}}`, 201)
		referral := shop.say("PUT", "/api/v2/origins/claim-1/referral", `{"data":{"status":"approved"}}`, 200)["referral"].(map[string]any)
		if who := referral["advocate_person"].(map[string]any)["email"]; who != "claim-ann@shop.example" || referral["track_method"] != "email" {
			t.Errorf("%v", referral)
		}
	})
	t.Run("58, 59: what is refused makes nobody", func(t *testing.T) {
		settled(t, s, db)
		before := census(t, db)
		for body, message := range map[string]string{
			`{"advocate_email":"abc","friend_email":"new@shop.example"}`:                                            "Invalid `advocate_email`.",
			`{"friend_email":"new@shop.example"}`:                                                                   "Invalid `advocate_email`.",
			`{"advocate_email":"new@shop.example","friend_email":"abc"}`:                                            "Invalid `friend_email`.",
			`{"advocate_email":"new@shop.example"}`:                                                                 "Invalid `friend_email`.",
			`{"advocate_email":"new@shop.example","friend_email":"newer@shop.example","campaign_tag":"none"}`:       "No campaign found.",
			fmt.Sprintf(`{"advocate_email":"n@s.example","friend_email":"o@s.example","campaign_tag":"%0200d"}`, 1): "No campaign found.",
		} {
			shop.refuses("POST", "/api/v2/offer_claims", body, 400, message)
		}
		public.refuses("POST", "/api/v2/offer_claims", `{}`, 403, "This operation needs a secret key.")
		before.same(t, census(t, db))
	})
}
