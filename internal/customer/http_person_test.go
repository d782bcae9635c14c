package customer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// get asks the module as the edge would.
func (b *bundle) get(s site.Site, path string) (int, string) {
	b.t.Helper()
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(w, req.WithContext(web.With(req.Context(), &web.Request{ID: "req", Site: s})))
		})
	})
	b.Routes(web.NewAPI(r, "talkable", "1", ""))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestGetPersonalData(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	b.a.Zone = time.FixedZone("", -7*3600)
	in := purchase("1001", "ann@example.com", 10044)
	in.Person.FirstName, in.Person.CustomProperties, in.Person.Phone = "Ann", map[string]string{"colour": "red"}, "+12025551111"
	in.IP, in.UserAgent, in.ShippingAddress, in.ShippingZip, in.TrafficSource, in.CouponCodes = "192.0.2.1", "Firefox", "1 Main St", "10001", "api", []string{"A"}
	in.Visitors = []string{visitor1}
	b.must(in)
	b.clock.Move(time.Hour)
	b.must(customerapi.Origin{Type: customerevent.AffiliateMember, Verified: true, Person: customerapi.Identity{Email: "ann@example.com"}})
	b.must(customerapi.Origin{Type: customerevent.Event, Category: "poll", Number: "7", OccurredAt: noon.Add(-time.Hour), Person: customerapi.Identity{Email: "ann@example.com"}})
	b.must(purchase("1002", "bob@example.com", 100)) // nobody else's
	b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Username: ptr("ann"), CustomerID: ptr("c1"), LastName: ptr("Lee"), IdentifierHash: ptr("9f86"), Subscribed: ptr(true), Unsubscribed: ptr(true)})
	const none = `"event_category":null,"event_number":null,"user_agent":null,"shipping_address":null,"shipping_zip":null,"traffic_source":null,"coupon_codes":[],"visitor_uuids":[]`
	want := `{"ok":true,"result":{"person":{"email":"ann@example.com","first_name":"Ann","last_name":"Lee","username":"ann","customer_id":"c1",` +
		`"created_at":"2026-03-01T05:00:00.000-07:00","opted_in_at":"2026-03-01T06:00:00.000-07:00","phone_opted_in_at":null,"unsubscribed_at":"2026-03-01T06:00:00.000-07:00","origins":[` +
		`{"type":"AffiliateMember","created_at":"2026-03-01T06:00:00.000-07:00","ip_address":null,"order_number":null,"subtotal":null,"id":2,"currency_iso_code":null,` + none + `,"verified":true},` +
		`{"type":"Purchase","created_at":"2026-03-01T05:00:00.000-07:00","ip_address":"192.0.2.1","order_number":"1001","subtotal":100.44,"id":1,"currency_iso_code":"USD","event_category":null,` +
		`"event_number":null,"user_agent":"Firefox","shipping_address":"1 Main St","shipping_zip":"10001","traffic_source":"api","coupon_codes":["A"],"visitor_uuids":["` + visitor1 + `"],"verified":true},` +
		`{"type":"Event","created_at":"2026-03-01T04:00:00.000-07:00","ip_address":null,"order_number":null,"subtotal":0.00,"id":3,"currency_iso_code":"USD",` +
		strings.Replace(none, `"event_category":null,"event_number":null`, `"event_category":"poll","event_number":"7"`, 1) + `,"verified":false}],` +
		`"id":1,"phone_number":"+12025551111","identifier_hash":"9f86","custom_properties":{"colour":"red"}}}}`
	for _, slug := range []string{"ann@example.com", "ANN", "c1", "+12025551111"} {
		if status, body := b.get(b.a, "/api/v2/people/"+slug+"/personal_data"); status != 200 || body != want {
			t.Errorf("%s: %d %s\nwant %s", slug, status, body, want)
		}
	}
	_, foreign := b.get(b.b, "/api/v2/people/c1/personal_data")
	status, unknown := b.get(b.b, "/api/v2/people/nope/personal_data")
	if foreign != unknown || status != 400 || !strings.Contains(unknown, "\"error_message\":\"No person found by `person_slug`.\"") {
		t.Errorf("got %s and %s", foreign, unknown)
	}
	if _, _, err := b.Anonymize(t.Context(), 1, "c1", idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if status, body := b.get(b.a, "/api/v2/people/ann@example.com/personal_data"); status != 400 {
		t.Errorf("anonymized: %d %s", status, body)
	}
}

func TestGetTrafficSources(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	if status, body := b.get(b.a, "/api/v2/traffic_sources"); status != 200 || body != `{"ok":true,"result":[]}` {
		t.Errorf("%d %s", status, body)
	}
	in := purchase("1", "ann@example.com", 1)
	in.TrafficSource = "talkable-gem"
	b.must(in)
	status, body := b.get(b.a, "/api/v2/traffic_sources")
	var got struct{ Result []trafficSource }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got.Result) != 1 || got.Result[0].Identifier != "talkable-gem" {
		t.Errorf("%d %s", status, body)
	}
	if _, body := b.get(b.b, "/api/v2/traffic_sources"); body != `{"ok":true,"result":[]}` {
		t.Errorf("the twin: %s", body)
	}
}
