package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestMemberToken: a widget reads what its member has and spends it, and gets nowhere else.
func TestMemberToken(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "widgets")})
	if err := seedProgramme(t.Context(), shop.client); err != nil {
		t.Fatal(err)
	}
	const members, ann, me = "/api/v2/loyalty/members/", "/api/v2/loyalty/members/ann@shop.example", "/api/v2/loyalty/members/me"
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "ann@shop.example", "order_number": "1", "subtotal": 100}}, nil)
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "bob@shop.example", "order_number": "2", "subtotal": 100}}, nil)
	for _, who := range []string{"ann", "bob"} {
		eventually(t, who+" is a member", func() bool { return shop.call(t.Context(), "GET", members+who+"@shop.example", nil, nil) == nil })
	}
	var mug struct {
		Batch struct {
			ID int64 `json:"id"`
		} `json:"redemption_batch"`
	}
	var club struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	shop.must("GET", "/api/v2/loyalty/programs", nil, &club)
	shop.must("POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", club.Programs[0].ID), object{"description": "A mug", "points_cost": 60}, &mug)

	spend := fmt.Sprintf(`{"data":{"redemption_batch_id":%d}}`, mug.Batch.ID)
	token := func(may string) shopOf {
		t.Helper()
		var made struct {
			Token string `json:"token"`
		}
		shop.must("POST", ann+"/tokens", object{"may": may}, &made)
		return shopOf{t, newShop(t, demoFile{Server: s.demo.Server, APIKey: made.Token})}
	}
	widget := token("read")
	widget.says("GET", me, "", 200, `"email":"ann@shop.example"`, `"points_balance":100`)
	for _, list := range []string{"entries", "expirations", "pending_points", "tier", "tier_changes", "balance", "statements", "redemption_batches", "redeem_actions", "collect_actions"} {
		widget.says("GET", me+"/"+list, "", 200)
	}
	widget.says("GET", ann, "", 403, "only_me")
	widget.says("GET", members+"bob@shop.example", "", 403, "only_me")
	for _, no := range [][3]string{{"POST", me + "/redeem_actions", spend}, {"POST", me + "/manual_adjustment_actions", `{"data":{"points":5}}`},
		{"POST", me + "/tokens", `{}`}, {"POST", me + "/transfers", `{"to":"bob@shop.example","points":1}`}, {"GET", "/api/v2/people/ann@shop.example", ""}, {"GET", "/api/v2/loyalty/programs", ""},
		{"POST", "/api/v2/origins", `{"type":"Purchase","data":{"email":"ann@shop.example","order_number":"3","subtotal":9}}`}} {
		widget.says(no[0], no[1], no[2], 403, "secret_key_needed")
	}
	spender := token("redeem")
	for range 2 {
		spender.says("POST", me+"/redeem_actions", spend, 200, `"points_balance":40`)
	}
	spender.says("GET", me, "", 200, `"points_balance":40`)
	shop.must("POST", "/api/v2/people/ann@shop.example/anonymize", nil, nil)
	eventually(t, "the token of who was erased opens nothing", func() bool {
		a := ask(t, spender.shop, "GET", me, "")
		return a.status == 400 && strings.Contains(a.body, "member")
	})
}

// shopOf asks with one key, and says what it did not expect.
type shopOf struct {
	t *testing.T
	shop
}

func (s shopOf) says(method, path, body string, status int, want ...string) {
	s.t.Helper()
	a := later(func() reply { return ask(s.t, s.shop, method, path, body, "Idempotency-Key", path) })
	if a.status != status || !json.Valid([]byte(a.body)) {
		s.t.Errorf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	for _, w := range want {
		if !strings.Contains(a.body, w) {
			s.t.Errorf("%s %s: %s\nlacks %s", method, path, a.body, w)
		}
	}
}
