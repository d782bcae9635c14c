package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestConformance plays the cases that the clients' own tests leave out, as any client would send them.
func TestConformance(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	p := published{t: t, address: s.address, key: s.demo.APIKey, head: "Content-Type: application/json\r\nAuthorization: Bearer KEY\r\n"}
	const members = "/api/v2/loyalty/members/"

	t.Run("7: the key names the site, so site_slug may be left out", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/campaigns", "-").fine(200)
		p.send("GET /api/v2/campaigns?site_slug=elsewhere", "-").refused(400, "No site found by ``site_slug``.")
	})
	t.Run("8: error_message is what every client shows", func(t *testing.T) {
		p.t = t
		for _, line := range []string{"GET /api/v2/nothing", "GET /api/v2/offers/UNKNOWN", "DELETE /api/v2/campaigns", "GET /api/v2/referrals/99/explain"} {
			if a := p.send(line, "-"); a.status < 400 || a.all["ok"] != false || a.all["error_message"] == "" || a.all["error_message"] != a.all["detail"] {
				t.Errorf("%s: %d %s", line, a.status, a.text)
			}
		}
	})
	t.Run("55: a link that leads nowhere", func(t *testing.T) {
		res, err := http.Get(s.demo.Server + "/x/UNKNOWN")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%d", res.StatusCode)
		}
	})
	t.Run("addresses in base64, opting in, lists in every spelling, an earlier date", func(t *testing.T) {
		p.t = t
		address := base64.StdEncoding.EncodeToString([]byte("base@shop.example")) + `\n`
		for _, tags := range []string{`["invite","x"]`, `"invite,x"`, `"invite"`} {
			p.send("POST /api/v2/origins", `{"site_slug":"demo","type":"AffiliateMember","data":{"email":"`+address+`","campaign_tags":`+tags+`,"email_optin":"true","phone_optin":1}}`).
				fine(201).is("origin.email", "base@shop.example", "offer.email", "base@shop.example", "offer.campaign_tags.0", "invite")
		}
		a := p.send("GET /api/v2/people/base@shop.example/?site_slug=demo", "-").fine(200) // with a slash at the end
		a.is("person.sub_choice", true)
		a.shape(map[string]string{"person.opted_in_at": "text", "person.phone_opted_in_at": "text", "person.subscribed_at": "text"})
		p.send("GET /api/v2/people/base@shop.example/personal_data", "-").fine(200).shape(map[string]string{"person.opted_in_at": "text", "person.phone_opted_in_at": "text"})
		body := `{"type":"Purchase","data":{"email":"base@shop.example","order_number":"early","subtotal":"10","traffic_source":"ios","created_at":"2020-02-03T10:00:00Z","coupon_code":["A","B"]}}`
		p.send("POST /api/v2/origins?site_slug=demo", body).fine(201).is("origin.order_date", "2020-02-03T10:00:00.000+00:00", "origin.coupon_code", "A,B")
		eventually(t, "the sale of 2020 is counted there", func() bool {
			return p.send("GET /api/v2/metrics/total_sales_count?start_date=2/3/2020&end_date=2/3/2020", "-").fine(200).result["plain"] == 1.0
		})
		eventually(t, "its points are of that day", func() bool {
			got := p.send("GET "+members+"base@shop.example/entries", "-")
			at, _ := got.at("entries.0.effective_at")
			return at == "2020-02-03T10:00:00Z"
		})
	})
	t.Run("offers that the API makes are impressions", func(t *testing.T) {
		p.t = t
		for _, name := range []string{"offer_shown", "advocate_impressions", "signup_shown"} {
			eventually(t, name, func() bool {
				n, _ := p.send("GET /api/v2/metrics/"+name+"?start_date=2020-01-01&end_date=2099-01-01", "-").fine(200).result["plain"].(float64)
				return n >= 1
			})
		}
	})
	t.Run("104: a part of an order is refunded", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/origins/purchase", `{"site_slug":"demo","data":{"email":"ann@shop.example","order_number":"part","subtotal":100.44}}`).fine(201).is("origin.subtotal", 100.44)
		p.send("POST /api/v2/origins/part/refund", `{"site_slug":"demo","data":{"refund_subtotal":25.11}}`).fine(200).
			is("origin.partially_refunded", true, "origin.refund_subtotal", 25.11, "origin.subtotal", 100.44)
	})
	t.Run("74: rewards in each of their states", func(t *testing.T) {
		p.t = t
		list := dig(p.send("POST /api/v2/coupon_lists", `{"name":"Empty","kind":"single-use","amount":500}`).fine(201).result, "coupon_list.id")
		p.send("POST /api/v2/campaigns", `{"name":"States","tags":["states"],"incentives":[{"identifier":"hello","action_type":"click","kind":"coupon","coupon_code":"HELLO5","coupon_amount":500},`+
			`{"identifier":"later","action_type":"click","kind":"coupon","coupon_list_id":`+list+`},{"identifier":"thanks","action_type":"referred","kind":"points","points":10}]}`).fine(201)
		claim := want[string](p.send("POST /api/v2/origins", `{"type":"AffiliateMember","data":{"email":"states@shop.example","campaign_tags":"states"}}`).fine(201), "offer.claim_url")
		visitor := shop.opens(claim)
		p.send("POST /api/v2/origins/purchase", `{"data":{"email":"whole@shop.example","uuid":"`+visitor+`","order_number":"whole","subtotal":10}}`).fine(201)
		p.send("PUT /api/v2/origins/whole/referral", `{"data":{"status":"approved"}}`).fine(200).is("referral.friend_rewards.0.status", "Paid")
		p.send("POST /api/v2/origins/whole/refund", `{"site_slug":"demo"}`).fine(200)
		settled(t, s, db)
		for query, states := range map[string][]string{"": {"Paid"}, "&status=Paid": {"Paid"}, "&status=Unpaid": {"Unpaid"}, "&status=Voided": {"Voided"}, "&status=All": {"Paid", "Unpaid", "Voided"}} {
			var got []string
			for _, one := range want[[]any](p.send("GET /api/v2/rewards?visitor_uuid="+visitor+query, "-").fine(200), "rewards") {
				got = append(got, dig(one.(map[string]any), "status"))
			}
			if slices.Sort(got); !slices.Equal(got, states) {
				t.Errorf("%q: %v, want %v", query, got, states)
			}
		}
	})
	t.Run("76 80: a coupon, and one that nobody has yet", func(t *testing.T) {
		p.t = t
		list := dig(p.send("POST /api/v2/coupon_lists", `{"name":"Shelf","kind":"single-use","amount":750}`).fine(201).result, "coupon_list.id")
		if a := ask(t, shop, "POST", "/api/v2/coupon_lists/"+list+"/codes", "ON-THE-SHELF\n", "Content-Type", "text/plain"); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		p.send("GET /api/v2/coupons/ON-THE-SHELF?site_slug=demo", "-").fine(200).is("talkable_coupon", true, "coupon.code", "ON-THE-SHELF", "coupon.amount", 7.5)
		p.send("GET /api/v2/coupons/ON-THE-SHELF/permission/ann@shop.example", "-").fine(200).
			is("allowed", false, "error_message", "This coupon code has not been issued yet", "checks.coupon_unissued", true, "checks.different_owner", false)
	})
	t.Run("101: the referral of an event", func(t *testing.T) {
		p.t = t
		visitor := shop.opens(shop.offerOf("events@shop.example")["claim_url"].(string))
		p.send("POST /api/v2/origins/event", `{"data":{"email":"reader@shop.example","uuid":"`+visitor+`","event_category":"newsletter_subscription","event_number":"43"}}`).fine(201)
		p.send("PUT /api/v2/origins/newsletter_subscription:43/referral", `{"data":{"status":"approved"}}`).fine(200).
			is("referral.status", "approved", "referral.friend_person.email", "reader@shop.example", "referral.advocate_person.email", "events@shop.example")
	})
	t.Run("115 116 118 119: members and what they collect", func(t *testing.T) {
		p.t = t
		for _, path := range []string{"", "/collect_actions", "/redeem_actions", "/redemption_batches", "/manual_adjustment_actions"} {
			p.send("GET "+members+"unknown@x.com"+path+"?site_slug=demo", "-").refused(400, "Loyalty member not found")
		}
		eventually(t, "Ann is a member", func() bool { return shop.call(t.Context(), "GET", members+"ann@shop.example", nil, nil) == nil })
		p.send("PUT "+members+"ann@shop.example", `{"site_slug":"demo","data":{"custom_properties":{"contest":true,"n":123}}}`).fine(200).
			is("loyalty_member.custom_properties.contest", "t", "loyalty_member.custom_properties.n", "123")
		programs := p.send("GET /api/v2/loyalty/programs", "-").fine(200)
		id := dig(programs.result, "programs.0.id")
		p.send("POST /api/v2/loyalty/programs/"+id+"/action_configs", `{"identifier":"review","name":"A review","description":"Of a product","points":50,"member_limit":1}`).fine(201)
		settled(t, s, db)
		balance := want[float64](p.send("GET "+members+"ann@shop.example", "-").fine(200), "loyalty_member.points_balance")
		p.send("POST "+members+"ann@shop.example/collect_actions", `{"site_slug":"demo","data":{"type":"random"}}`).refused(400, "No action configurations found for identifier `random`")
		p.send("POST "+members+"ann@shop.example/collect_actions", `{"site_slug":"demo","data":{}}`).refused(400, "`type` is required")
		p.send("POST "+members+"ann@shop.example/collect_actions", `{"site_slug":"demo","data":{"type":"review"}}`).fine(200).
			is("collected", true, "loyalty_member.points_balance", balance+50, "loyalty_member.email", "ann@shop.example")
		p.send("POST "+members+"ann@shop.example/collect_actions", `{"site_slug":"demo","data":{"type":"review","traffic_source":"app"}}`).fine(200).
			is("collected", false, "loyalty_member.points_balance", balance+50)
		a := p.send("GET "+members+"ann@shop.example/collect_actions?site_slug=demo", "-").fine(200)
		a.is("actions.0.type", "review", "actions.0.points", 50.0, "actions.0.action_config.name", "A review", "actions.0.action_config.description", "Of a product",
			"actions.0.action_config.points", 50.0, "actions.0.coupon", nil, "actions.0.event", nil, "actions.0.user", nil)
		a.shape(map[string]string{"actions.0.created_at": "text"})
	})
	t.Run("79 82 121 122 124: points become a coupon of one's own", func(t *testing.T) {
		p.t = t
		id := dig(p.send("GET /api/v2/loyalty/programs", "-").fine(200).result, "programs.0.id")
		list := dig(p.send("POST /api/v2/coupon_lists", `{"name":"Five","kind":"single-use","amount":500}`).fine(201).result, "coupon_list.id")
		p.send("POST /api/v2/coupon_lists/"+list+"/generate", `{"template":"FIVE-########","count":2}`).fine(201)
		batch := dig(p.send("POST /api/v2/loyalty/programs/"+id+"/redemption_batches", `{"description":"$5 off","points_cost":40,"coupon_list_id":`+list+`}`).fine(201).result, "redemption_batch.id")
		settled(t, s, db)
		balance := want[float64](p.send("GET "+members+"ann@shop.example", "-").fine(200), "loyalty_member.points_balance")
		p.send("POST "+members+"ann@shop.example/manual_adjustment_actions", fmt.Sprintf(`{"data":{"points":%.0f}}`, 50-balance)).fine(200) // enough for one
		a := p.send("GET "+members+"ann@shop.example/redemption_batches?site_slug=demo", "-").fine(200)
		a.is("redemption_batches.0.points_cost", 40.0, "redemption_batches.0.available_coupons_count", 2.0, "redemption_batches.0.coupon_list.localized_amount", "$5")
		var both sync.WaitGroup
		answers := make([]reply, 2)
		for i := range answers {
			both.Go(func() {
				answers[i] = ask(t, shop, "POST", members+"ann@shop.example/redeem_actions", `{"site_slug":"demo","data":{"redemption_batch_id":`+batch+`}}`)
			})
		}
		both.Wait()
		if answers[0].status > answers[1].status {
			answers[0], answers[1] = answers[1], answers[0]
		}
		if answers[0].status != 200 || !strings.Contains(answers[0].body, `"points":-40`) || answers[1].status != 400 || !strings.Contains(answers[1].body, `"error_message":"not enough points"`) {
			t.Fatalf("%d %s\n%d %s", answers[0].status, answers[0].body, answers[1].status, answers[1].body)
		}
		var code string
		eventually(t, "the coupon is there", func() bool {
			code = dig(p.send("GET "+members+"ann@shop.example/redeem_actions", "-").fine(200).result, "actions.0.coupon.code")
			return code != ""
		})
		p.send("GET "+members+"ann@shop.example", "-").fine(200).is("loyalty_member.points_balance", 10.0)
		p.send("GET "+members+"ann@shop.example/redemption_batches", "-").fine(200).is("redemption_batches.0.available_coupons_count", 1.0)
		p.send("GET /api/v2/coupons/"+strings.ToLower(code)+"?site_slug=demo", "-").fine(200).is("talkable_coupon", true, "coupon.code", code)
		p.send("GET /api/v2/coupons/"+code+"/permission/ann@shop.example", "-").fine(200).is("allowed", true, "checks.different_owner", false, "error_message", nil)
		p.send("GET /api/v2/coupons/"+code+"/permission/bob@shop.example", "-").fine(200).
			is("allowed", false, "checks.different_owner", true, "error_message", "This coupon code has been issued to another email address")
	})
	t.Run("94 113: shares and traffic sources", func(t *testing.T) {
		p.t = t
		code := shop.offerOf("sharer@shop.example")["short_url_code"].(string)
		p.send("POST /api/v2/offers/"+code+"/shares/social", `{"channel":"facebook"}`).fine(200)
		p.send("POST /api/v2/offers/"+code+"/shares/email", `{"recipients":"one@x.example,two@x.example","subject":null,"body":null}`).fine(200)
		a := p.send("GET /api/v2/people/sharer@shop.example/shares_by?site_slug=demo", "-").fine(200)
		a.shape(map[string]string{"shares.0.shared_at": "text", "shares.0.channel_identifier": "text", "shares.0.type": "text", "shares.2.type": "text"})
		if !strings.Contains(a.text, `"type":"EmailOfferShare"`) || !strings.Contains(a.text, `"email":"one@x.example"`) || !strings.Contains(a.text, `"type":"SocialOfferShare"`) {
			t.Error(a.text)
		}
		b := p.send("GET /api/v2/traffic_sources?site_slug=demo", "-")
		if all, ok := b.all["result"].([]any); b.status != 200 || !ok || len(all) == 0 {
			t.Errorf("%d %s", b.status, b.text)
		} else if one, ok := all[0].(map[string]any); !ok || one["identifier"] == "" {
			t.Error(b.text)
		}
	})
	t.Run("98: a blocked referral is unblocked", func(t *testing.T) {
		p.t = t
		offer := shop.offerOf("self@shop.example")
		visitor := shop.opens(offer["claim_url"].(string))
		p.send("POST /api/v2/origins", `{"site_slug":"demo","type":"Purchase","data":{"email":"self@shop.example","uuid":"`+visitor+`","order_number":"self","subtotal":10}}`).fine(201)
		p.send("PUT /api/v2/origins/self/referral", `{"site_slug":"demo","data":{"status":"blocked"}}`).fine(200).is("referral.status", "blocked")
		a := p.send("PUT /api/v2/origins/self/referral", `{"site_slug":"demo","data":{"status":"unblocked"}}`).fine(200)
		if got := want[string](a, "referral.status"); got == "blocked" {
			t.Error(a.text)
		}
	})
	t.Run("assets: uploaded once, shown to anybody, and gone", func(t *testing.T) {
		upload := func(target string) reply {
			return ask(t, shop, "POST", target, picture, "Content-Type", "multipart/form-data; boundary=XX")
		}
		a := upload("/api/v2/assets?site_slug=demo")
		if a.status != 201 || !strings.Contains(a.body, `"content_type":"image/png"`) || !strings.Contains(a.body, `"name":"logo.png"`) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		shop.refuses("GET", "/api/v2/assets/987654321", "", 400, "No asset found by `id`.")
		if b := upload("/api/v2/assets"); b.status != 422 || !strings.Contains(b.body, `"error_message":"Validation failed: File name has already been taken"`) {
			t.Errorf("%d %s", b.status, b.body)
		}
		asset := shop.say("GET", "/api/v2/assets?content_type=image&page=1&per_page=1", "", 200)["assets"].([]any)[0].(map[string]any)
		res, err := http.Get(asset["url"].(string))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/png" || res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
		shop.say("DELETE", fmt.Sprintf("/api/v2/assets/%.0f", asset["id"]), "", 200)
		if res, err = http.Get(asset["url"].(string)); err != nil || res.StatusCode != 404 {
			t.Errorf("%v, %v", res, err)
		}
		res.Body.Close()
	})
}
