package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestSpendingPoints goes through Talkable's operations of adjusting and redeeming, as their clients call them.
func TestSpendingPoints(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	db := open(t, l["TALKABLE_DATABASE_URL"])
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "points")})
	const ann = "/api/v2/loyalty/members/ann@shop.example"
	asked := 0
	check := func(method, path, body string, status int, want ...string) string {
		t.Helper()
		asked++
		a := later(func() reply { return ask(t, shop, method, path, body, "Idempotency-Key", fmt.Sprint("check-", asked)) })
		got, text := a.status, a.body
		if got != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, got, text, status)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s %s %s: %s\nlacks %s", method, path, body, text, w)
			}
		}
		return text
	}
	if err := seedProgramme(t.Context(), shop.client); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"manual_adjustment_actions", "redeem_actions", "redemption_batches"} {
		check("GET", ann+"/"+op, "", 400, `"ok":false`, `"error_message":"Loyalty member not found"`)
	}
	check("POST", ann+"/manual_adjustment_actions", `{"data":{"points":1}}`, 400, `"error_message":"Loyalty member not found"`)
	for _, op := range []string{"entries", "balance", "expirations", "holds"} { // ours, not Talkable's
		check("GET", ann+"/"+op, "", 404, `"code":"member_not_found"`)
	}
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "ann@shop.example", "order_number": "1", "subtotal": 100}}, nil)
	eventually(t, "Ann is a member", func() bool { return shop.call(t.Context(), "GET", ann, nil, nil) == nil })

	check("POST", ann+"/manual_adjustment_actions", `{"data":{"points":-101}}`, 422, `"error_message":"Validation failed: Points adjustment must result in `+
		`member points balance between 0 and available points limit"`)
	for _, bad := range []string{`{"data":{}}`, `{"data":{"points":1.5}}`, `{"data":{"points":"many"}}`, `{"data":{"points":99999999999999999999}}`, `{"data":{"points":null}}`, `{}`} {
		check("POST", ann+"/manual_adjustment_actions", bad, 400)
	}
	check("POST", ann+"/manual_adjustment_actions", `{"data":{"points":50,"description":"Sorry"}}`, 200, `"type":"manual_adjustment"`, `"points":50`,
		`"action_config":null,"coupon":null,"event":null,"user":null`, `"points_balance":150`, `"description":"Sorry"`)
	check("GET", ann+"/manual_adjustment_actions", "", 200, `"actions":[{"type":"manual_adjustment","points":50`, `"next_cursor":null`)
	check("GET", ann+"/entries", "", 200, `"kind":"adjust"`, `"description":"Sorry"`)

	var programs struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	shop.must("GET", "/api/v2/loyalty/programs", nil, &programs)
	batches := fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programs.Programs[0].ID)
	check("POST", batches, `{"description":"A mug","points_cost":0,"position":-1}`, 400, `"code":"invalid_redemption_batch"`, `/points_cost`, `/position`)
	check("POST", batches, `{"description":"A mug","points_cost":60,"position":2}`, 201, `"status":"active"`)
	var list struct {
		List struct {
			ID int64 `json:"id"`
		} `json:"coupon_list"`
	}
	shop.must("POST", "/api/v2/coupon_lists", object{"name": "Five", "kind": "single-use", "amount": 500}, &list)
	check("POST", batches, `{"description":"$5 off","points_cost":30,"position":1,"coupon_list_id":987654}`, 400, "/coupon_list_id")
	check("POST", batches, fmt.Sprintf(`{"description":"$5 off","points_cost":30,"position":1,"coupon_list_id":%d}`, list.List.ID), 201)
	check("GET", batches, "", 200, `"next_cursor":null`)
	check("GET", ann+"/redemption_batches", "", 200, `{"redemption_batches":[{"id":2,"description":"$5 off","points_cost":30,"position":1,`+
		`"available_coupons_count":0,"coupon_list":{"name":"Five","amount":5.00,"localized_amount":"$5","percentage_discount":false,"expires_at":null}},{"id":1,"description":"A mug","points_cost":60,"position":2,"available_coupons_count":null,"coupon_list":null}]}`)

	for _, bad := range []string{`{"data":{}}`, `{"data":{"redemption_batch_id":0}}`, `{"data":{"redemption_batch_id":"x"}}`, `{"data":{"redemption_batch_id":77}}`} {
		check("POST", ann+"/redeem_actions", bad, 400)
	}
	check("POST", ann+"/redeem_actions", `{"data":{"redemption_batch_id":2}}`, 200, `"type":"redeem"`, `"points":-30`, `"coupon":null`, `"status":"waiting"`, `"points_balance":120`)
	waits := check("GET", "/api/v2/loyalty/redemptions", "", 200, `"status":"waiting"`)
	var id int64
	if _, err := fmt.Sscanf(waits[strings.Index(waits, `"id":`):], `"id":%d`, &id); err != nil {
		t.Fatal(err)
	}
	check("POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", id), `{"reason":""}`, 400, `"code":"invalid_reason"`)
	for range 2 {
		check("POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", id), `{"reason":"No coupons"}`, 200, `"status":"cancelled"`, `"cancel_reason":"No coupons"`)
	}
	check("GET", ann, "", 200, `"points_balance":150`)

	settled(t, s, db) // the cancelled one doesn't wait any more
	shop.must("POST", fmt.Sprintf("/api/v2/coupon_lists/%d/generate", list.List.ID), object{"template": "FIVE-########", "count": 2}, nil)
	check("PUT", batches+"/2", `{"description":"$5 off","points_cost":30,"position":1,"coupon_list_id":987654}`, 400)
	check("POST", ann+"/manual_adjustment_actions", `{"data":{"points":30}}`, 200)
	got := check("POST", ann+"/redeem_actions", `{"data":{"redemption_batch_id":2}}`, 200, `"points_balance":150`)
	if strings.Contains(got, `"status":"waiting"`) { // the answer waits for the coupon, but not for ever: this machine is busy
		eventually(t, "the coupon is handed out", func() bool {
			got = ask(t, shop, "GET", ann+"/redeem_actions?limit=1", "").body
			return strings.Contains(got, `"status":"fulfilled"`)
		})
	}
	if !strings.Contains(got, `"code":"FIVE-`) {
		t.Fatalf("no coupon: %s", got)
	}
	code := got[strings.Index(got, "FIVE-"):][:len("FIVE-########")]
	check("GET", fmt.Sprintf("/api/v2/coupon_lists/%d", list.List.ID), "", 200, `"total":2`, `"issued":1`, `"waiting":0`) // the cancelled one got none
	check("GET", "/api/v2/coupons/"+code+"/permission/ann@shop.example", "", 200, `"allowed":true`)
	eventually(t, "the redemption is fulfilled", func() bool {
		return strings.Contains(ask(t, shop, "GET", ann+"/redeem_actions", "").body, `"code":"FIVE-`)
	})

	var won atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			switch a := ask(t, shop, "POST", ann+"/redeem_actions", `{"data":{"redemption_batch_id":1}}`); {
			case a.status == 200:
				won.Add(1)
			case a.status != 400 || !strings.Contains(a.body, `"error_message":"not enough points"`):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 2 {
		t.Errorf("%d redemptions of 60 out of 150 points", won.Load())
	}
	check("GET", ann, "", 200, `"points_balance":30`)
	check("GET", ann+"/redeem_actions?limit=2", "", 200, `"status":"fulfilled"`, `"points":-60`, `"next_cursor":"`)
	check("GET", "/api/v2/people/ann@shop.example/timeline", "", 200, `"points_redeemed"`, `"redemption_cancelled"`, `"points_adjusted"`)

	// A coupon goes back with its points: nobody may use it.
	if _, err := fmt.Sscanf(got[strings.Index(got, `"redemption_id":`):], `"redemption_id":%d`, &id); err != nil {
		t.Fatal(err)
	}
	check("POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", id), `{"reason":"Changed her mind"}`, 200, `"status":"cancelled"`)
	eventually(t, "the coupon is withdrawn", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/coupons/"+code+"/permission/ann@shop.example", "").body, `"coupon_expired":true`)
	})
	check("GET", "/api/v2/coupons/"+code, "", 200, `"active":false`)
	check("GET", fmt.Sprintf("/api/v2/coupon_lists/%d", list.List.ID), "", 200, `"issued":1`, `"available":1`)
	check("GET", ann, "", 200, `"points_balance":60`)
}
