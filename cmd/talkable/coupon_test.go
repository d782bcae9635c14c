package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// changing is what differs from run to run.
var changing = regexp.MustCompile(`"(id|slug|created_at)":("[^"]*"|[0-9]+)`)

const (
	wireCoupon = `"talkable_coupon":true,"coupon":{"id":X,"code":"FRIEND-OF-THE-HOUSE/00000%","active":true,"valid_until":null,"expires_at":null,` +
		`"single_use":true,"used":false,"usages":0,"amount":5.00,"percentage_discount":false,"description":"$5"},"associated_reward":`
	wireReward = `{"created_at":X,"person":{"email":"cora@shop.example","first_name":null,"last_name":null,"phone_number":null,"username":null,` +
		`"customer_id":null},"campaign":{"id":X,"slug":X,"name":"Coupons","status":"Live","is_active":true,"appearance":"inline",` +
		`"joinable_category_names":["affiliate_member"],"tag_names":["coupons"],"new_customer":null,"origin_min_age":null,"origin_max_age":null,` +
		`"live_period":{"starts_at":null,"ends_at":null}},"incentive":{"identifier":"advocate","action_type":"referrer",` +
		`"incentive_type":"discount_coupon","amount":5.00,"description":"$5","percentage":false,"for_advocate":true,"for_friend":false,` +
		`"highest_amount":false,"coupon_expires_at":null,"criteria_config":{"friend_event_category":null,"has_liquid_criteria":false,` +
		`"new_customer":null,"new_optin":null,"referrals_divisible_by":null,"referrals_max":null,"referrals_min":null,` +
		`"referrals_not_divisible_by":null,"reward_uniqueness":"once_per_friend","subtotal_max":null,"subtotal_min":null}}}`
)

var wireCoupons = map[string]string{
	"000000": `{"ok":true,"result":{` + strings.Replace(wireCoupon, "%", "0", 1) + wireReward + `}}`,
	"000001": `{"ok":true,"result":{` + strings.Replace(wireCoupon, "%", "1", 1) + `null}}`,
	"000000/permission/finn@shop.example": `{"ok":true,"result":{"allowed":false,` + strings.Replace(wireCoupon, "%", "0", 1) + wireReward +
		`,"error_message":"This coupon code has been issued to another email address","checks":{"coupon_unissued":false,"coupon_expired":false,` +
		`"friend_offer_expired":false,"different_owner":true,"coupon_used":false}}}`,
}

// TestCoupons goes from a delivery of codes, larger than any other body may be, to the shop's question whether a coupon is the friend's.
func TestCoupons(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, s.demo)
	var made struct {
		List struct {
			ID        int64 `json:"id"`
			Available int64 `json:"available"`
			Waiting   int64 `json:"waiting"`
		} `json:"coupon_list"`
	}
	shop.must("POST", "/api/v2/coupon_lists", object{"name": "Five", "kind": "single-use", "amount": 500}, &made)
	list := fmt.Sprintf("/api/v2/coupon_lists/%d", made.List.ID)
	shop.must("POST", "/api/v2/campaigns", object{"name": "Coupons", "tags": []string{"coupons"}, "incentives": []object{
		{"identifier": "advocate", "action_type": "referrer", "kind": "coupon", "coupon_list_id": made.List.ID}}}, nil)

	var offer struct {
		Offer struct {
			ClaimURL string `json:"claim_url"`
		} `json:"offer"`
	}
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "cora@shop.example", "campaign_tags": "coupons"}}, &offer)
	visitor := shop.opens(offer.Offer.ClaimURL)
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "finn@shop.example", "uuid": visitor, "order_number": "c-1", "subtotal": "50.00"}}, nil)
	eventually(t, "the reward waits for a coupon", func() bool {
		shop.must("GET", list, nil, &made)
		return made.List.Waiting == 1
	})

	// A body of 2 MB, sent in pieces.
	const n = 60_000
	in, out := io.Pipe()
	go func() {
		pieces := bufio.NewWriterSize(out, 16<<10)
		_, _ = pieces.WriteString("code;batch\r\n")
		for i := range n {
			fmt.Fprintf(pieces, "\"friend-of-the-house/%06d\";7\r\n", i)
		}
		_, _ = pieces.WriteString("a\r\n")
		_ = pieces.Flush()
		out.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.demo.Server+list+"/codes", in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.demo.APIKey)
	req.Header.Set("Content-Type", "text/csv; charset=utf-8")
	res, err := shop.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	var delivered struct {
		Result struct{ Added, Refused int } `json:"result"`
	}
	if err != nil || json.Unmarshal(text, &delivered) != nil || res.StatusCode != 200 || delivered.Result.Added != n || delivered.Result.Refused != 1 {
		t.Fatalf("%d %s %v", res.StatusCode, text, err)
	}
	eventually(t, "the reward has its coupon", func() bool {
		shop.must("GET", list, nil, &made)
		return made.List.Waiting == 0 && made.List.Available == n-1
	})
	for path, want := range map[string]string{
		"/api/v2/coupons/friend-of-the-house%2F000000":                              `"active":true`,
		"/api/v2/coupons/friend-of-the-house%2f000001":                              `"associated_reward":null`,
		"/api/v2/coupons/UNKNOWN":                                                   `{"ok":true,"result":{"talkable_coupon":false}}`,
		"/api/v2/coupons/friend-of-the-house%2F000000/permission/cora@shop.example": `"allowed":true,"talkable_coupon":true`,
		"/api/v2/coupons/friend-of-the-house%2F000000/permission/finn@shop.example": `"error_message":"This coupon code has been issued to another email address"`,
		"/api/v2/coupons/friend-of-the-house%2F000000/permission/new@shop.example":  `"different_owner":true`,
		"/api/v2/coupons/friend-of-the-house%2F000001/permission/cora@shop.example": `"error_message":"This coupon code has not been issued yet"`,
		"/api/v2/coupons/UNKNOWN/permission/cora@shop.example":                      `{"ok":true,"result":{"allowed":true,"talkable_coupon":false}}`,
	} {
		if a := ask(t, shop, "GET", path, ""); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", path, a.status, a.body, want)
		}
	}
	if a := ask(t, shop, "GET", "/api/v2/coupons/friend-of-the-house%2F000000", ""); !strings.Contains(a.body, `"person":{"email":"cora@shop.example"`) {
		t.Errorf("%s", a.body)
	}

	// To the letter, but for ids and moments.
	for path, want := range wireCoupons {
		a := ask(t, shop, "GET", "/api/v2/coupons/friend-of-the-house%2F"+path, "")
		if got := strings.ReplaceAll(changing.ReplaceAllString(a.body, `"$1":X`), `\u0026`, "&"); strings.TrimSpace(got) != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
	}

	codes := []string{"50%OFF", "50%2FOFF", "A/B", "//A", "#1-FAN", "A+B&C@D:E*F", "...", "%20%", "-1+1", "@SUM.", "%%%"}
	if a := ask(t, shop, "POST", list+"/codes", strings.Join(codes, "\n"), "Content-Type", "text/plain"); a.status != 200 || !strings.Contains(a.body, fmt.Sprintf(`"added":%d`, len(codes))) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, code := range codes {
		want, err := json.Marshal(code)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{"", "/permission/ann@shop.example"} {
			a := ask(t, shop, "GET", "/api/v2/coupons/"+url.PathEscape(strings.ToLower(code))+at, "")
			if a.status != 200 || !strings.Contains(strings.ReplaceAll(a.body, `\u0026`, "&"), `"code":`+strings.ReplaceAll(string(want), `\u0026`, "&")) {
				t.Errorf("%s%s: %d %s", code, at, a.status, a.body)
			}
		}
	}
	for name, c := range map[string]struct {
		status  int
		path    string
		headers []string
	}{
		"no key":          {401, list + "/codes", []string{"Authorization", "", "Content-Type", "text/plain"}},
		"a public key":    {403, list + "/codes", []string{"Authorization", "Bearer " + s.demo.PublicKey, "Content-Type", "text/plain"}},
		"JSON":            {415, list + "/codes", nil},
		"gzip":            {415, list + "/codes", []string{"Content-Type", "text/plain", "Content-Encoding", "gzip"}},
		"another site":    {400, list + "/codes?site_slug=other", []string{"Content-Type", "text/plain"}},
		"an unknown list": {404, "/api/v2/coupon_lists/987654321/codes", []string{"Content-Type", "text/plain"}},
	} {
		if a := ask(t, shop, "POST", c.path, "NEVER-1", c.headers...); a.status != c.status || !a.problem() {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := ask(t, shop, "GET", "/api/v2/coupons/NEVER-1", ""); !strings.Contains(a.body, `"talkable_coupon":false`) {
		t.Errorf("%s", a.body)
	}
}
