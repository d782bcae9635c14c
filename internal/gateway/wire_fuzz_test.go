package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	strict "github.com/go-json-experiment/json"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// FuzzOriginData reads the data of an origin as the API does: what passes has amounts and quantities within their bounds, a known currency
// and a certain moment.
func FuzzOriginData(f *testing.F) {
	for _, s := range []string{`{"email":"a@b.co","order_number":1001,"subtotal":"10.00"}`, `{"subtotal":1e400}`, `{"subtotal":-0,"items":[{"price":-1,"quantity":"5"}]}`,
		`{"campaign_tags":"a,b","coupon_code":["x",5,null],"sharing_channels":[]}`, `{"custom_properties":{"a":true,"b":1.50,"c":null}}`, `{"custom_properties":{"a":{"b":1}}}`,
		`{"created_at":"2026-01-02 10:00:00 XQT"}`, `{"created_at":"0001-01-01"}`, `{"ip_address":"::1%eth0"}`, `{"currency_iso_code":"xqz"}`, `{"uuid":"X","alternative_visitor_uuid":5}`, `null`, `[]`} {
		f.Add([]byte(s))
	}
	req := &web.Request{Site: site.Site{ID: 1, Slug: "a", Currency: "EUR", Zone: time.UTC}, ClientIP: "192.0.2.1"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var data originData
		if strict.Unmarshal(raw, &data) != nil {
			return
		}
		for _, kind := range []string{customerevent.AffiliateMember, customerevent.Purchase, customerevent.Event} {
			in, err := data.origin(kind, req)
			if err != nil {
				continue
			}
			if _, known := money.Digits(in.Currency); !known && kind != customerevent.AffiliateMember {
				t.Errorf("%q was taken for a currency", in.Currency)
			}
			if in.Subtotal > money.Max || in.Subtotal < -money.Max {
				t.Errorf("%s: subtotal %d", raw, in.Subtotal)
			}
			for _, item := range in.Items {
				if item.Quantity < 0 || item.Quantity > 1_000_000 || item.Price > money.Max || item.Price < -money.Max {
					t.Errorf("%s: item %+v", raw, item)
				}
			}
			if in.IP != "" {
				if _, err := netip.ParseAddr(in.IP); err != nil {
					t.Errorf("%q was taken for an IP address", in.IP)
				}
			}
		}
	})
}

// FuzzMoment: a moment that is read is read again as the same from RFC 3339.
func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2026-11-22T10:00:00Z", "2026-03-29T02:30:00", "2026-10-25 02:30:00", "2026-01-02 10:00:00 CET", "2026-01-02 10:00:00 XQT", "9999-12-31T23:59:59.999999999Z", "2026-02-30", "0001-01-01"} {
		f.Add(s)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, zone := range []*time.Location{time.UTC, berlin} {
			s := site.Site{Zone: zone}
			at, err := moment(text, s)
			if err != nil {
				continue
			}
			if at.IsZero() || at.Location() != time.UTC || at.Nanosecond()%1000 != 0 {
				t.Errorf("%q is %v", text, at)
			}
			if at.Year() < 1 || at.Year() > 9999 {
				continue // no RFC 3339; the module refuses them
			}
			if again, err := moment(at.Format(time.RFC3339Nano), s); err != nil || !again.Equal(at) {
				t.Errorf("%q is %v, again %v, %v", text, at, again, err)
			}
		}
	})
}

// FuzzCredential: whatever stands in the header, in the query or in the body, a key is taken only in its exact form.
func FuzzCredential(f *testing.F) {
	key := mint(Secret)
	for _, s := range []string{"Bearer " + key, "bearer " + key, "Bearer  " + key, "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":")), "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":x")), "Basic !", "", key} {
		f.Add(s, "", "")
		f.Add("", s, `{"api_key":"`+key+`"}`)
	}
	f.Fuzz(func(t *testing.T, header, query, text string) {
		r := httptest.NewRequest("POST", "/api/v2/site", strings.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		r.URL.RawQuery = url.Values{"api_key": {query}}.Encode()
		if header != "" {
			r.Header["Authorization"] = []string{header}
		} else if query == "" {
			r.URL.RawQuery = ""
		}
		got := credential(r, &body{w: httptest.NewRecorder(), r: r, limit: 1 << 20})
		if !wellFormed(got) {
			return
		}
		if hashOf(got) != hashOf(key) {
			return // the fuzzer found another key of our form: no database knows it
		}
		if header != "" && !strings.Contains(header, key) && !strings.HasPrefix(strings.ToLower(header), "basic ") {
			t.Errorf("the key came from elsewhere than the header %q", header)
		}
	})
}

// FuzzIdempotencyKey: a key that is taken is visible ASCII of 1 to 255 characters, and a quoted one is the bare one.
func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{"a", `"a"`, `""`, `"`, "clé", "a b", strings.Repeat("k", 256), "a\"b", `""a""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		take := func(sent string) (string, bool) {
			r := httptest.NewRequest("POST", "/api/v2/origins", nil)
			r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, chi.NewRouteContext()))
			r.Header["Idempotency-Key"] = []string{sent}
			k, err := idempotencyKey(r, []byte(`{}`), caller{})
			return k.Value, err == nil
		}
		bare, ok := take(sent)
		if !ok {
			return
		}
		if len(bare) == 0 || len(bare) > 255 || strings.ContainsFunc(bare, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) {
			t.Errorf("%q was taken as %q", sent, bare)
		}
		if quoted, ok := take(`"` + bare + `"`); !ok || quoted != bare {
			t.Errorf("quoted it is %q", quoted)
		}
	})
}

// FuzzPath: a path that is let through means the same to whoever reads it next, escaped or not.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/api/v2/site", "/x/..", "/a/%2e%2e/b", "/a%2f..%2fb", "/a\\..\\b", "//x", "/a%00", "/%ff", "/a/./b", "/é", "/%", "/a%5c..%5cb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !plainPath(p) {
			return
		}
		decoded, err := url.PathUnescape(p)
		if err != nil {
			decoded = p
		}
		for _, way := range []string{p, decoded, strings.ReplaceAll(decoded, "\\", "/")} {
			clean := path.Clean(way)
			for segment := range strings.SplitSeq(way, "/") {
				if segment == ".." || segment == "." {
					t.Errorf("%q goes up or stays: %q", p, clean)
				}
			}
		}
	})
}

// FuzzForwarded: whatever a client says of where it comes from, its address is one, and it is the connection's where no proxy is trusted.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"192.0.2.9", "192.0.2.9, 10.0.0.1", "unknown", "' or 1=1", "[::1]:80", "::ffff:192.0.2.9", "fe80::1%eth0", ",,,", "999.1.1.1"} {
		f.Add(s)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	f.Fuzz(func(t *testing.T, sent string) {
		for _, trusted := range [][]netip.Prefix{nil, proxies} {
			r := httptest.NewRequest("GET", "/", nil) // from 192.0.2.1
			r.Header["X-Forwarded-For"] = []string{sent}
			var got string
			clientIP(trusted)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = middleware.GetClientIP(r.Context()) })).ServeHTTP(httptest.NewRecorder(), r)
			if _, err := netip.ParseAddr(got); err != nil || trusted == nil && got != "192.0.2.1" {
				t.Errorf("%q makes the client %q", sent, got)
			}
		}
	})
}
