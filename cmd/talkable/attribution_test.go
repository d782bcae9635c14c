package main

import (
	"fmt"
	"strings"
	"testing"
)

// decision is why an order made a referral, or none, once that is decided.
func (s shop) decision(t *testing.T, order any) object {
	t.Helper()
	origin := s.say("GET", fmt.Sprintf("/api/v2/origins/%v/attribution", order), "", 200)
	return origin["attribution"].(map[string]any)
}

// buys tells of a purchase and returns its id.
func (s shop) buys(number, email, more string) string {
	got := s.say("POST", "/api/v2/origins", `{"type":"Purchase","data":{"email":"`+email+`","order_number":"`+number+`","subtotal":"50"`+more+`}}`, 201)
	return fmt.Sprintf("%.0f", got["origin"].(map[string]any)["id"])
}

// TestAttribution goes by every way in which an order finds its advocate, and asks each order why.
func TestAttribution(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, s.demo)
	list := shop.say("POST", "/api/v2/coupon_lists", `{"name":"Advocates' own","kind":"multi-use","percent":10}`, 201)["coupon_list"].(map[string]any)["id"]
	shop.say("POST", "/api/v2/campaigns", fmt.Sprintf(`{"name":"All ways","tags":["ways"],"attribution":{"methods":["sticky_advocate","coupon","cookie","web_cookie","email",
		"phone_number","share_email","ip_address"],"personal_coupons":{"coupon_list_id":%v}},"incentives":[{"identifier":"p","action_type":"referrer","kind":"points","points":5}]}`, list), 201)
	join := func(who, name string) map[string]any {
		return shop.say("POST", "/api/v2/origins", `{"type":"AffiliateMember","data":{"email":"`+who+`@shop.example","first_name":"`+name+`","campaign_tags":["ways"]}}`, 201)["offer"].(map[string]any)
	}
	josé, ann, mia := join("ways-jose", "José"), join("ways-ann", "Ann"), join("ways-mia", "Mia")
	code, _ := josé["coupon_code"].(string)
	if !strings.HasPrefix(code, "JOSE-") {
		t.Fatalf("the offer comes with the code %q", josé["coupon_code"])
	}
	decided := func(order, outcome, reason, method, advocate string) {
		t.Helper()
		var d object
		eventually(t, "order "+order+" is decided", func() bool {
			a := ask(t, shop, "GET", "/api/v2/origins/"+order+"/attribution", "")
			if a.status == 200 {
				d = shop.decision(t, order)
			}
			return a.status == 200
		})
		if d["outcome"] != outcome || d["reason"] != reason || fmt.Sprint(d["track_method"]) != method || d["explanation"] == "" {
			t.Errorf("order %s: %v", order, d)
		}
		if advocate == "" {
			return
		}
		explained := shop.say("GET", fmt.Sprintf("/api/v2/referrals/%.0f/explain", d["referral_id"]), "", 200)
		if a := explained["attribution"].(map[string]any); a["reason"] != reason {
			t.Errorf("explained otherwise: %v", a)
		}
	}
	visitor := shop.opens(ann["claim_url"].(string))

	byCode := shop.buys("ways-1", "ways-f1@shop.example", `,"uuid":"`+visitor+`","coupon_codes":["`+strings.ToLower(code)+`"]`)
	decided(byCode, "referred", "code_used", "coupon", "ways-jose")
	if d := shop.decision(t, "ways-1"); fmt.Sprintf("%.0f", d["origin_id"]) != byCode { // support asks by the order's number
		t.Errorf("by the order's number: %v", d)
	}
	app := shop.buys("ways-2", "ways-f2@shop.example", `,"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a99","alternative_visitor_uuid":"`+visitor+`"`)
	decided(app, "referred", "last_touch", "web_cookie", "ways-ann")

	shop.say("POST", "/api/v2/offer_claims", `{"advocate_email":"ways-ann@shop.example","friend_email":"ways-f3@shop.example","friend_phone":"+12025550003","campaign_tag":"ways"}`, 200)
	decided(shop.buys("ways-3", "ways-f3@shop.example", ""), "referred", "last_touch", "email", "ways-ann")
	decided(shop.buys("ways-4", "ways-f4@shop.example", `,"phone_number":"+12025550003"`), "referred", "last_touch", "phone_number", "ways-ann")
	shop.refuses("POST", "/api/v2/offer_claims", `{"advocate_email":"ways-ann@shop.example","friend_email":"ways-f3@shop.example","friend_phone":"555"}`, 400, "Invalid `friend_phone`.")

	shop.say("POST", "/api/v2/offers/"+mia["short_url_code"].(string)+"/shares/email", `{"recipients":"ways-f5@shop.example"}`, 200)
	decided(shop.buys("ways-5", "ways-f5@shop.example", ""), "referred", "last_touch", "share_email", "ways-mia")
	decided(shop.buys("ways-6", "ways-f6@shop.example", ""), "none", "no_touch", "<nil>", "")

	// Permission, and the end of a code.
	may := shop.say("GET", "/api/v2/coupons/"+code+"/permission/ways-f6@shop.example", "", 200)
	if may["allowed"] != true || may["talkable_coupon"] != true || may["associated_reward"] != nil {
		t.Errorf("a friend may use the code: %v", may)
	}
	own := shop.say("POST", "/api/v2/offers/"+josé["short_url_code"].(string)+"/personal_coupons", `{"code":"pepe10"}`, 201)["personal_coupon"].(map[string]any)
	if again := join("ways-jose", "José"); own["code"] != "PEPE10" || again["coupon_code"] != "PEPE10" {
		t.Errorf("%v, and the offer shows %v", own, again["coupon_code"])
	}
	shop.say("POST", "/api/v2/coupons/"+code+"/expire", `{}`, 200)
	may = shop.say("GET", "/api/v2/coupons/"+code+"/permission/ways-f6@shop.example", "", 200)
	if may["allowed"] != false || may["error_message"] != "This coupon code has expired" {
		t.Errorf("it has ended: %v", may)
	}
	decided(shop.buys("ways-7", "ways-f7@shop.example", `,"coupon_codes":["`+code+`"]`), "none", "code_ended", "<nil>", "")
	decided(shop.buys("ways-8", "ways-f8@shop.example", `,"coupon_codes":["Pepe10"]`), "referred", "code_used", "coupon", "ways-jose")
}
