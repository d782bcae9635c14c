package referral

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares JSON with a file; what is random in it has been blanked.
func golden(t *testing.T, name string, got any, blank ...string) {
	t.Helper()
	b, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b) + "\n"
	for _, s := range blank {
		text = strings.ReplaceAll(text, s, "BLANK")
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs:\n%s", file, text)
	}
}

const campaignBody = `{"site_slug":"one","name":"Invite a friend","tags":["invite"],"joinable_category_names":["affiliate_member","purchase"],
	"destination_url":"https://shop.example/welcome","attribution_days":14,"approval":{"mode":"automatic","delay_seconds":60},
	"live_period":{"starts_at":"2026-01-01T01:00:00+01:00","ends_at":null},
	"incentives":[{"identifier":"p","action_type":"referrer","kind":"points","points":500,"subtotal_min":1000},
	{"identifier":"c","action_type":"referrer","kind":"commission","percent":12.5},
	{"identifier":"f","action_type":"referrer","kind":"commission","amount":500,"currency":"EUR"},
	{"identifier":"w","action_type":"click","kind":"coupon","coupon_code":"welcome-10","coupon_percent":"10"}]}`

func TestCampaigns_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	code, created, _ := p.call(p.one, "POST", "/api/v2/campaigns", campaignBody, "k1")
	if code != 201 {
		t.Fatalf("%d %v", code, created)
	}
	golden(t, "campaign_created", created)
	if code, again, replayed := p.call(p.one, "POST", "/api/v2/campaigns", campaignBody, "k1"); code != 201 || !replayed || fmt.Sprint(again) != fmt.Sprint(created) {
		t.Errorf("replay: %d %v", code, again)
	}
	if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", strings.Replace(campaignBody, "Invite", "Other", 1), "k1"); code != 422 {
		t.Errorf("the key with another body: %d %v", code, out)
	}
	_, list, _ := p.call(p.one, "GET", "/api/v2/campaigns", nil, "")
	golden(t, "campaigns", list)
	code, changed, _ := p.call(p.one, "PUT", "/api/v2/campaigns/1", `{"name":"Changed","incentives":[
		{"identifier":"w","action_type":"click","kind":"coupon","coupon_code":"WELCOME-20","coupon_amount":2000},
		{"identifier":"n","action_type":"referred","kind":"points","points":5}]}`, "")
	if code != 200 {
		t.Fatalf("%d %v", code, changed)
	}
	golden(t, "campaign_changed", changed)
	if _, read, _ := p.call(p.one, "GET", "/api/v2/campaigns/1", nil, ""); fmt.Sprint(read) != fmt.Sprint(changed) {
		t.Errorf("reads as %v", read)
	}
	for _, method := range []string{"GET", "PUT"} { // another site's is as unknown as any
		for _, path := range []string{"/api/v2/campaigns/1", "/api/v2/campaigns/999"} {
			if code, out, _ := p.call(p.two, method, path, map[string]any{"name": "x"}, ""); code != 404 || out["code"] != "campaign_not_found" {
				t.Errorf("%s %s: %d %v", method, path, code, out)
			}
		}
	}
	code, bad, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"x","destination_url":"//evil","incentives":[{"identifier":"a","action_type":"referrer","kind":"points","points":-1}]}`, "")
	if code != 400 {
		t.Errorf("%d", code)
	}
	golden(t, "campaign_refused", bad)
	for _, body := range []string{`{"name":"x","surprise":1}`, `{"name":"x","name":"y"}`, `{"Name":"x"}`, `{}`, `[]`, `{"name":1}`,
		`{"name":"x","incentives":[{"identifier":"a","action_type":"referrer","kind":"points","points":1e400}]}`,
		`{"name":"x","incentives":[{"identifier":"a","action_type":"referrer","kind":"points","points":9223372036854775808}]}`,
		`{"name":"x\u0000"}`, `{"name":"x","approval":{"mode":"automatic","delay_seconds":7776001}}`} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", body, ""); code != 400 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	if n := p.count(`select count(*) from referral.campaign`); n != 1 {
		t.Errorf("%d campaigns", n)
	}
}

func TestOffer_and_referral_in_Talkables_shape(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	golden(t, "offer", o, o.ShortURLCode, strings.TrimPrefix(o.ClaimURL, "https://go.example/x/"), strings.TrimPrefix(o.ShowURL, "https://go.example/x/"))
	p.visitLink(o.ClaimURL, uuidOf(1))
	p.clock.Move(time.Minute)
	p.tell(p.purchase(p.one, 1, 20, 10_044, uuidOf(1)))
	r, err := p.Referral(t.Context(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "referral", r)
	_, attribution, _ := p.call(p.one, "GET", "/api/v2/origins/1/attribution", nil, "")
	golden(t, "attribution", attribution)
	if code, out, _ := p.call(p.two, "GET", "/api/v2/origins/1/attribution", nil, ""); code != 404 {
		t.Errorf("the other site: %d %v", code, out)
	}
	_, rewards, _ := p.call(p.one, "GET", "/api/v2/rewards?status=All&visitor_uuid="+uuidOf(1), nil, "")
	golden(t, "rewards", rewards)
	if code, _, _ := p.call(p.one, "GET", "/api/v2/rewards?status=all&visitor_uuid="+uuidOf(1), nil, ""); code != 400 {
		t.Errorf("a status that is none: %d", code)
	}
	if _, none, _ := p.call(p.one, "GET", "/api/v2/rewards?visitor_uuid=%27%20or%201=1", nil, ""); len(none["result"].(map[string]any)["rewards"].([]any)) != 0 {
		t.Errorf("a visitor that is none: %v", none)
	}
}
