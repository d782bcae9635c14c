package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRewardCatalogue goes from points to what they buy, through all modules: a coupon that is made, a mug that the shop's program sends, part of
// an order, and what can't be had back.
func TestRewardCatalogue(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "catalogue")})
	const ann = "/api/v2/loyalty/members/ann@shop.example"
	warehouse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"email":"ann@shop.example"`) || r.Header.Get("webhook-signature") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"status":"fulfilled","note":"Parcel 1"}`)
	}))
	t.Cleanup(warehouse.Close)
	asked := 0
	check := func(method, path, body string, status int, want ...string) string {
		t.Helper()
		asked++
		a := later(func() reply { return ask(t, shop, method, path, body, "Idempotency-Key", fmt.Sprint("reward-", asked)) })
		if a.status != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, status)
		}
		for _, w := range want {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s %s %s: %s\nlacks %s", method, path, body, a.body, w)
			}
		}
		return a.body
	}
	number := func(body, name string) (id int64) {
		t.Helper()
		_, after, _ := strings.Cut(body, `"`+name+`":`)
		if _, err := fmt.Sscan(strings.TrimRight(strings.FieldsFunc(after, func(r rune) bool { return r == ',' || r == '}' })[0], "}"), &id); err != nil {
			t.Fatal(body, err)
		}
		return id
	}
	if err := seedProgramme(t.Context(), shop.client); err != nil {
		t.Fatal(err)
	}
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "ann@shop.example", "order_number": "1", "subtotal": 1000}}, nil)
	eventually(t, "Ann is a member", func() bool { return shop.call(t.Context(), "GET", ann, nil, nil) == nil })
	check("POST", ann+"/manual_adjustment_actions", `{"data":{"points":1000}}`, 200)
	batches := fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", number(check("GET", "/api/v2/loyalty/programs", "", 200), "id"))
	list := number(check("POST", "/api/v2/coupon_lists", `{"name":"Five","kind":"single-use","amount":500}`, 201), "id")
	made := number(check("POST", batches, fmt.Sprintf(`{"description":"$5 off","points_cost":10,"kind":"generated_coupon","coupon_list_id":%d,"terms":{"code_template":"P-########"}}`, list), 201, `"kind":"generated_coupon"`), "id")
	mug := number(check("POST", batches, `{"description":"A mug","points_cost":10,"kind":"product","terms":{"sku":"MUG","fulfilment":"hook","stock":2}}`, 201, `"stock_left":2`), "id")
	pay := number(check("POST", batches, `{"description":"Pay","points_cost":100,"kind":"payment","terms":{"amount":100,"currency":"USD"}}`, 201), "id")
	check("POST", batches, `{"description":"","points_cost":1,"kind":"car","terms":{"stock":-1}}`, 400, "/description", "/kind")
	check("PUT", "/api/v2/loyalty/fulfilment_hook", `{"url":"`+warehouse.URL+`"}`, 200, `"secret":"whsec_`)
	check("GET", "/api/v2/loyalty/fulfilment_hook", "", 200, `"secret":null`)

	check("GET", ann+"/redemption_batches", "", 200, `"available_coupons_count":null,"coupon_list":{"name":"Five"`) // Talkable's, which knows no payments
	check("GET", ann+"/rewards", "", 200, `"redeemable":true`, `"kind":"payment"`, `"stock_left":2`)
	check("GET", "/api/v2/loyalty/members/nobody@shop.example/rewards", "", 404, `"code":"member_not_found"`)
	redeem := func(path string, batch int64, more string, status int, want ...string) string {
		return check("POST", ann+path, fmt.Sprintf(`{"redemption_batch_id":%d%s}`, batch, more), status, want...)
	}
	before := number(check("GET", ann, "", 200), "points_balance")
	redeem("/redemptions?dry_run=true", made, "", 201, `"status":"waiting"`)
	redeem("/redemptions", 987654321, "", 404, `"code":"redemption_batch_not_found"`)
	redeem("/redemptions", pay, `,"points":150`, 400, `"code":"invalid_redemption"`)
	redeem("/redemptions", pay, `,"points":300,"reference":"order-9"`, 201, `"status":"fulfilled"`, `"amount":300`, `"reference":"order-9"`)

	// The coupon is made, and is hers; once she has used it, it can't be cancelled.
	coupon := number(redeem("/redemptions", made, "", 201), "id")
	code := ""
	eventually(t, "the coupon is made", func() bool {
		_, code, _ = strings.Cut(ask(t, shop, "GET", fmt.Sprintf("/api/v2/loyalty/redemptions/%d", coupon), "").body, `"coupon_code":"`)
		code, _, _ = strings.Cut(code, `"`)
		return code != ""
	})
	check("GET", "/api/v2/coupons/"+code+"/permission/ann@shop.example", "", 200, `"allowed":true`)
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "ann@shop.example", "order_number": "2", "subtotal": 1, "coupon_code": code}}, nil)
	eventually(t, "the coupon is used", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/coupons/"+code+"/permission/ann@shop.example", "").body, `"allowed":false`)
	})
	check("POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", coupon), `{"reason":"Too late"}`, 409, `"code":"redemption_used"`)

	// The mug is sent by the shop's program; the last one can be given back.
	sent := number(redeem("/redemptions", mug, "", 201, `"status":"waiting"`), "id")
	eventually(t, "the mug is sent", func() bool {
		return strings.Contains(ask(t, shop, "GET", fmt.Sprintf("/api/v2/loyalty/redemptions/%d", sent), "").body, `"note":"Parcel 1"`)
	})
	check("GET", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/explain", sent), "", 200, `"state":"answered"`, `"history":[{"status":"waiting"`, `"rule":{"rule":"redemption"`)
	redeem("/redemptions", mug, "", 201)
	redeem("/redemptions", mug, "", 400, `"code":"reward_out_of_stock"`)
	check("POST", ann+"/redeem_actions", fmt.Sprintf(`{"data":{"redemption_batch_id":%d}}`, mug), 400, `"code":"reward_out_of_stock"`)
	check("POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", sent), `{"reason":"Broken"}`, 200, `"status":"cancelled"`)
	check("GET", batches, "", 200, `"stock_left":1`)
	check("GET", "/api/v2/loyalty/redemptions?status=cancelled&redemption_batch_id="+fmt.Sprint(mug), "", 200, fmt.Sprintf(`"id":%d`, sent))
	eventually(t, "the order has earned", func() bool { // 1 point; 300 paid, 10 for the coupon, 10 for a mug
		return number(check("GET", ann, "", 200), "points_balance") == before+1-320
	})
}
