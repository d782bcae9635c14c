package referral

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	hosts := []string{"shop.example", "*.brand.example"}
	for destination, want := range map[string]bool{
		"https://shop.example/": true, "https://SHOP.example:8443/x": true, "http://shop.example?{{coupon_code}}": true,
		"https://a.brand.example/": true, "https://a.b.brand.example/": true, "https://brand.example/": false,
		"https://evilbrand.example/": false, "https://shop.example.evil.example/": false, "https://www.shop.example/": false, "https://evil.example/shop.example": false,
	} {
		if got := hostAllowed(destination, hosts); got != want {
			t.Errorf("%s: %v", destination, got)
		}
	}
	if !hostAllowed("https://anywhere.example/", nil) {
		t.Error("without a list every host is allowed")
	}
}

func TestLinkSettings_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	fingerprint := strings.Repeat("AB:", 31) + "CD"
	body := `{"allowed_hosts":["shop.example"],"ios_apps":["ABCDE12345.com.shop.app"],"android_apps":[{"package_name":"com.shop.app","sha256_cert_fingerprints":["` + fingerprint + `"]}]}`
	for _, again := range []bool{false, true} {
		if status, got, replayed := p.call(p.one, "PUT", "/api/v2/link_settings", body, "once"); status != 200 || replayed != again {
			t.Errorf("%d %v %v", status, got, replayed)
		}
	}
	_, got, _ := p.call(p.two, "GET", "/api/v2/link_settings", nil, "")
	if set := got["result"].(map[string]any)["link_settings"].(map[string]any); len(set["allowed_hosts"].([]any)) != 0 {
		t.Errorf("the twin has them, too: %v", set)
	}
	for bad, pointer := range map[string]string{
		`{"allowed_hosts":["https://shop.example"]}`:                                                        "/allowed_hosts/0",
		`{"allowed_hosts":["shop.example","*"]}`:                                                            "/allowed_hosts/1",
		`{"allowed_hosts":["SHOP.example"]}`:                                                                "/allowed_hosts/0",
		`{"ios_apps":["com.shop.app"]}`:                                                                     "/ios_apps/0",
		`{"android_apps":[{"package_name":"app","sha256_cert_fingerprints":["x"]}]}`:                        "/android_apps/0/package_name",
		`{"android_apps":[{"package_name":"a.b","sha256_cert_fingerprints":[]}]}`:                           "/android_apps/0/sha256",
		`{"allowed_hosts":["` + strings.Join(strings.Split(strings.Repeat("a.b,", 51), ","), `","`) + `"]}`: "/allowed_hosts",
	} {
		status, got, _ := p.call(p.one, "PUT", "/api/v2/link_settings", bad, "")
		if status != 400 || !strings.Contains(got["detail"].(string), pointer) {
			t.Errorf("%.60s: %d %v", bad, status, got)
		}
	}
	t.Run("campaigns keep to the hosts", func(t *testing.T) {
		status, got, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"A","destination_url":"https://evil.example/"}`, "")
		if status != 400 || !strings.Contains(got["detail"].(string), "/destination_url") {
			t.Errorf("%d %v", status, got)
		}
		for _, to := range []string{"https://shop.example/x", "https://one.example/x"} { // the second is the shop
			if status, got, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"A","destination_url":"`+to+`"}`, ""); status != 201 && status != 200 {
				t.Errorf("%s: %d %v", to, status, got)
			}
		}
	})
	t.Run("a host that is taken off the list leads to the shop", func(t *testing.T) {
		to := "https://far.example/x"
		p.campaign(p.two, func(in *campaignInput) { in.DestinationURL = &to })
		link := p.join(p.two, 10).ClaimURL
		if u := location(t, p.visitLink(link, uuidOf(1))); u.Host != "far.example" {
			t.Errorf("leads to %s", u)
		}
		if status, _, _ := p.call(p.two, "PUT", "/api/v2/link_settings", `{"allowed_hosts":["near.example"]}`, ""); status != 200 {
			t.Fatal(status)
		}
		if u := location(t, p.visitLink(link, uuidOf(1))); u.Host != "two.example" {
			t.Errorf("leads to %s", u)
		}
	})
	t.Run("apps get the visitor as their SDKs read it", func(t *testing.T) {
		for _, s := range []site.Site{p.one, p.two} { // the second has no apps
			p.campaign(s, func(in *campaignInput) { in.Tags = []string{"app"} })
			o, err := p.Join(t.Context(), s, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 30, CampaignTags: []string{"app"}})
			if err != nil {
				t.Fatal(err)
			}
			want := map[int64]string{1: uuidOf(7)}[s.ID]
			if q := location(t, p.visitLink(o.ClaimURL, uuidOf(7))).Query(); q.Get("talkable_visitor_uuid") != want || q.Get("tkbl_cvuuid") != uuidOf(7) || q.Get("talkable_visitor_offer_id") == "" {
				t.Errorf("site %d: %v", s.ID, q)
			}
		}
	})
	t.Run("phones learn of the apps", func(t *testing.T) {
		apple, android := p.Apps()
		w := httptest.NewRecorder()
		apple.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/apple-app-site-association", nil))
		if !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), `"appIDs":["ABCDE12345.com.shop.app"]`) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v %s", w.Header(), w.Body)
		}
		w = httptest.NewRecorder()
		android.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/assetlinks.json", nil))
		var list []map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 1 || !strings.Contains(w.Body.String(), fingerprint) {
			t.Errorf("%v %s", err, w.Body)
		}
	})
}
