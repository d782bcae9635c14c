package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	keyShown  = regexp.MustCompile(`tk_secret_[0-9A-Za-z]+`)
	parameter = regexp.MustCompile(`\{([a-z_]+)\}`)
)

// TestAnotherSitesThingsAreUnknown goes through every operation of the API description that names a thing in its path: with the
// key of another site the answer is that for a thing that doesn't exist, to the letter.
func TestAnotherSitesThingsAreUnknown(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	a := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "twin-a")})
	b := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "twin-b")})
	for _, one := range []shop{a, b} {
		if err := seedCampaign(t.Context(), one.client); err != nil {
			t.Fatal(err)
		}
		if err := seedProgramme(t.Context(), one.client); err != nil {
			t.Fatal(err)
		}
	}
	told := tale{advocate: "only-a@shop.example", friend: "friend-a@shop.example", order: "only-a-1"}
	told.tell(a)
	told.ends(a)
	things := thingsOf(t, a, told)

	for path, methods := range description(t, s.demo.Server) {
		names := parameter.FindAllStringSubmatch(path, -1)
		if len(names) == 0 {
			continue
		}
		theirs, unknown := path, path
		for _, n := range names {
			pair, ok := things[path+" "+n[1]]
			if !ok {
				pair, ok = things[n[1]]
			}
			if !ok {
				t.Errorf("%s: this test doesn't know a {%s}: add it to thingsOf", path, n[1])
			}
			theirs, unknown = strings.Replace(theirs, n[0], pair[0], 1), strings.Replace(unknown, n[0], pair[1], 1)
		}
		for _, method := range methods {
			t.Run(method+" "+path, func(t *testing.T) {
				body := bodies[method+" "+path]
				if (method == "POST" || method == "PUT") && body == "" {
					body = `{}`
				}
				gotStatus, got := raw(t, b, method, theirs, body)
				wantStatus, want := raw(t, b, method, unknown, body)
				for _, pair := range things { // the answer may repeat what was asked for
					if len(pair[0]) < 4 { // a small id, which is part of every status
						continue
					}
					got, want = strings.ReplaceAll(got, pair[0], "X"), strings.ReplaceAll(want, pair[1], "X")
				}
				if gotStatus != wantStatus || got != want {
					t.Errorf("another site's thing: %d %s\nan unknown thing: %d %s", gotStatus, got, wantStatus, want)
				}
				if gotStatus < 300 && !strings.Contains(path, "claim") && !strings.Contains(got, `"talkable_coupon":false`) {
					t.Errorf("another site's thing was answered with %d: %s", gotStatus, got)
				}
			})
		}
	}
	told.ends(a) // and nothing of site a was changed by all that
	var site struct {
		Site struct {
			Slug string `json:"slug"`
		} `json:"site"`
	}
	if err := b.call(t.Context(), "GET", "/api/v2/site?site_slug=twin-a", nil, &site); err == nil || !strings.Contains(err.Error(), "No site found by") {
		t.Errorf("the key of twin-b asked for twin-a: %v", err)
	}
}

// bodies are requests that would work on a thing of one's own.
var bodies = map[string]string{
	"PUT /api/v2/origins/{origin_slug}/referral": `{"data":{"status":"voided"}}`,
	"POST /api/v2/origins/{slug}/refund":         `{"data":{"refund_subtotal":1}}`,
	"PUT /api/v2/campaigns/{id}":                 `{"name":"taken over","status":"Live","incentives":[]}`,
	"PUT /api/v2/coupon_lists/{id}":              `{"name":"taken over","kind":"single-use","percent":1}`,
	"POST /api/v2/coupon_lists/{id}/codes":       "TAKEN-OVER",
	"POST /api/v2/coupon_lists/{id}/generate":    `{"template":"TAKEN-########","count":1}`,
	"PUT /api/v2/loyalty/programs/{id}":          `{"name":"taken over","points_per_unit":9}`,

	"POST /api/v2/loyalty/members/{email}/manual_adjustment_actions":  `{"data":{"points":5}}`,
	"POST /api/v2/loyalty/members/{email}/redeem_actions":             `{"data":{"redemption_batch_id":1}}`,
	"POST /api/v2/loyalty/programs/{id}/redemption_batches":           `{"description":"taken over","points_cost":1}`,
	"PUT /api/v2/loyalty/programs/{id}/redemption_batches/{batch_id}": `{"description":"taken over","points_cost":1}`,
	"POST /api/v2/loyalty/redemptions/{id}/cancel":                    `{"reason":"taken over"}`,
}

// thingsOf names, for each path parameter, a thing of site a and one that nobody has.
func thingsOf(t *testing.T, a shop, told tale) map[string][2]string {
	var offer struct {
		Origin struct {
			ID int64 `json:"id"`
		} `json:"origin"`
		Offer struct {
			Code string `json:"short_url_code"`
		} `json:"offer"`
	}
	a.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": told.advocate, "campaign_tags": "invite"}}, &offer)
	var campaigns struct {
		Campaigns []struct {
			ID int64 `json:"id"`
		} `json:"campaigns"`
	}
	a.must("GET", "/api/v2/campaigns", nil, &campaigns)
	var programs struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	a.must("GET", "/api/v2/loyalty/programs", nil, &programs)
	member := "/api/v2/loyalty/members/" + told.advocate
	var batch struct {
		Batch struct {
			ID int64 `json:"id"`
		} `json:"redemption_batch"`
	}
	batches := fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programs.Programs[0].ID)
	a.must("POST", batches, object{"description": "A mug", "points_cost": 10}, &batch)
	a.must("POST", member+"/manual_adjustment_actions", object{"data": object{"points": 10}}, nil) // the story's points stay
	var redeemed struct {
		Action struct {
			ID int64 `json:"redemption_id"`
		} `json:"action"`
	}
	a.must("POST", member+"/redeem_actions", object{"data": object{"redemption_batch_id": batch.Batch.ID}}, &redeemed)
	var messages struct {
		Messages []struct {
			ID int64 `json:"id"`
		} `json:"messages"`
	}
	a.must("GET", "/api/v2/messages?email="+told.advocate, nil, &messages)
	var coupons struct {
		List struct {
			ID int64 `json:"id"`
		} `json:"coupon_list"`
	}
	a.must("POST", "/api/v2/coupon_lists", object{"name": "Ten", "kind": "multi-use", "percent": 10}, &coupons)
	if r := ask(t, a, "POST", fmt.Sprintf("/api/v2/coupon_lists/%d/codes", coupons.List.ID), "ONLY-A", "Content-Type", "text/plain"); r.status != 200 {
		t.Fatal(r)
	}
	id := func(n int64) [2]string { return [2]string{fmt.Sprint(n), "987654321"} }
	return map[string][2]string{
		"code": {offer.Offer.Code, "zzzzzzzzzz"}, "person_slug": {told.advocate, "nobody@shop.example"}, "email": {told.advocate, "nobody@shop.example"},
		"origin_slug": {told.order, "no-such-order"}, "slug": {told.order, "no-such-order"},
		"metric":                           {"no-such-metric-a", "no-such-metric-b"},
		"origin_id":                        id(offer.Origin.ID + 1), // the purchase
		"/api/v2/campaigns/{id} id":        id(campaigns.Campaigns[0].ID),
		"/api/v2/loyalty/programs/{id} id": id(programs.Programs[0].ID),
		"/api/v2/coupons/{code} code":      {"ONLY-A", "NO-SUCH"},
		"/api/v2/coupons/{code}/permission/{person_slug} code":           {"ONLY-A", "NO-SUCH"},
		"/api/v2/coupon_lists/{id} id":                                   id(coupons.List.ID),
		"/api/v2/coupon_lists/{id}/log id":                               id(coupons.List.ID),
		"/api/v2/coupon_lists/{id}/codes id":                             id(coupons.List.ID),
		"/api/v2/coupon_lists/{id}/generate id":                          id(coupons.List.ID),
		"/api/v2/messages/{id} id":                                       id(messages.Messages[0].ID),
		"/api/v2/messages/{id}/resend id":                                id(messages.Messages[0].ID),
		"/api/v2/loyalty/programs/{id}/redemption_batches id":            id(programs.Programs[0].ID),
		"/api/v2/loyalty/programs/{id}/redemption_batches/{batch_id} id": id(programs.Programs[0].ID),
		"batch_id":                                   id(batch.Batch.ID),
		"/api/v2/loyalty/redemptions/{id} id":        id(redeemed.Action.ID),
		"/api/v2/loyalty/redemptions/{id}/cancel id": id(redeemed.Action.ID),
	}
}

func makeSite(t *testing.T, s *served, slug string) (key string) {
	t.Helper()
	out, err := talkable(t, s.environ, "site", "create", slug, "--url", "https://"+slug+".example")
	if err != nil {
		t.Fatal(err)
	}
	return keyShown.FindString(out)
}

// description is every path of the API with its methods, from the server's own description.
func description(t *testing.T, server string) map[string][]string {
	t.Helper()
	res, err := http.Get(server + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for path, item := range doc.Paths {
		for method := range item {
			if m := strings.ToUpper(method); m == "GET" || m == "PUT" || m == "POST" || m == "DELETE" || m == "PATCH" {
				out[path] = append(out[path], m)
			}
		}
	}
	if len(out) < 20 {
		t.Fatalf("the description has only %d paths", len(out))
	}
	return out
}

var instance = regexp.MustCompile(`"instance":"[^"]*"`)

func raw(t *testing.T, s shop, method, path, body string) (int, string) {
	t.Helper()
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.server+path+query(path), sent)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/codes") {
		req.Header.Set("Content-Type", "text/plain")
	}
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, instance.ReplaceAllString(string(text), "")
}

// query gives operations the parameters without which they refuse before they look.
func query(path string) string {
	if strings.Contains(path, "/metrics/") {
		return "?start_date=2026-01-01&end_date=2026-12-31"
	}
	return ""
}
