package customer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// post asks the module as the edge would and returns status, Replayed and body.
func (b *bundle) post(s site.Site, path, key, body string) (int, bool, string) {
	b.t.Helper()
	replayed := false
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(w, req.WithContext(web.With(req.Context(), &web.Request{ID: "req", Site: s, Replayed: &replayed,
				Idempotency: idempotency.Key{Value: key, Fingerprint: path + body}})))
		})
	})
	b.Routes(web.NewAPI(r, "talkable", "1", ""))
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code, replayed, strings.TrimSpace(w.Body.String())
}

func TestPostRefund(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	b.a.Zone = time.FixedZone("", -7*3600)
	in := purchase("a/b%c:d ü", "ann@example.com", 10044)
	in.CouponCodes, in.IP, in.Segments[0], in.UTM.Source = []string{"A", "B"}, "192.0.2.1", "vip", "mail"
	b.must(in)
	path := "/api/v2/origins/" + url.PathEscape(in.Number) + "/refund"
	status, _, body := b.post(b.a, path, "", `{"site_slug":"a","data":{"refund_subtotal":25.11,"refunded_at":"2026-02-28T10:00:00Z"}}`)
	want := `{"ok":true,"result":{"origin":{"id":1,"type":"Purchase","email":"ann@example.com","customer_id":null,"ip_address":"192.0.2.1",` +
		`"segment1":"vip","segment2":null,"segment3":null,"utm_source":"mail","utm_medium":null,"utm_campaign":null,"utm_term":null,"utm_content":null,` +
		`"order_number":"a/b%c:d ü","order_date":"2026-03-01T05:00:00.000-07:00","subtotal":100.44,"coupon_code":"A,B",` +
		`"refunded_at":"2026-02-28T03:00:00.000-07:00","partially_refunded":true,"refund_subtotal":25.11}}}`
	if status != 200 || body != want {
		t.Errorf("got %d %s\nwant %s", status, body, want)
	}
	for _, c := range []struct{ body, code string }{
		{`{"data":{"refund_subtotal":"75.34"}}`, "refund_exceeds"}, {`{"data":{"refund_subtotal":"NaN"}}`, "invalid_request"},
		{`{"data":{"refund_subtotal":"-1"}}`, "invalid_request"}, {`{"data":{"refund_subtotal":0}}`, "invalid_request"},
		{`{"data":{"refund_subtotal":1e400}}`, "invalid_request"}, {`{"data":{"refunded_at":"2999-01-01T00:00:00Z"}}`, "invalid_request"},
		{`{"data":{"refunded_at":"yesterday"}}`, "invalid_request"}, {``, "invalid_request"}, {`null`, "invalid_request"}, {`[]`, "invalid_request"},
	} {
		status, _, body := b.post(b.a, path, "", c.body)
		var p web.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != 400 || p.Code != c.code || p.OK {
			t.Errorf("%s: got %d %s", c.body, status, body)
		}
	}
	for i, wantReplay := range []bool{false, true} {
		status, replayed, body := b.post(b.a, path, "key", `{"site_slug":"a"}`)
		if status != 200 || replayed != wantReplay || !strings.Contains(body, `"partially_refunded":false,"refund_subtotal":100.44`) {
			t.Errorf("%d: got %d %v %s", i, status, replayed, body)
		}
	}
	if status, _, body := b.post(b.a, path, "", `{}`); status != 400 || !strings.Contains(body, `"error_message":"Origin has already been refunded"`) {
		t.Errorf("got %d %s", status, body)
	}
	_, _, foreign := b.post(b.b, path, "", `{}`)
	_, _, unknown := b.post(b.b, "/api/v2/origins/nope/refund", "", `{}`)
	if foreign != unknown || !strings.Contains(unknown, "No origin found by `origin_slug`.") {
		t.Errorf("got %s and %s", foreign, unknown)
	}
}

func TestPostVisitor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	if status, _, body := b.post(b.a, "/api/v2/visitors", "", `{"site_slug":"a","data":{"uuid":"`+visitor1+`"}}`); status != 200 || body != `{"ok":true,"result":{"uuid":"`+visitor1+`"}}` {
		t.Errorf("got %d %s", status, body)
	}
	for _, body := range []string{`{"data":{}}`, `{"data":{"uuid":null}}`, `{}`} {
		status, _, body := b.post(b.a, "/api/v2/visitors", "", body)
		var got web.Envelope[visitorResult]
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got.Result.UUID) != 36 {
			t.Errorf("got %d %s", status, body)
		}
	}
	for _, id := range []string{"{" + visitor1 + "}", visitor1[1:], visitor1 + "0", " ", "00000000-0000-0000-0000-000000000000"} {
		if status, _, body := b.post(b.a, "/api/v2/visitors", "", `{"data":{"uuid":"`+id+`"}}`); status != 400 {
			t.Errorf("%q: got %d %s", id, status, body)
		}
	}
	if n := b.count("visitor"); n != 4 {
		t.Errorf("%d visitors", n)
	}
}

func TestTalkableShapes(t *testing.T) {
	t.Parallel()
	s := site.Site{Currency: "USD"}
	common := `"email":null,"customer_id":null,"ip_address":null,"segment1":null,"segment2":null,"segment3":null,"utm_source":null,` +
		`"utm_medium":null,"utm_campaign":null,"utm_term":null,"utm_content":null`
	for want, r := range map[string]customerapi.Recorded{
		`{"id":1,"type":"AffiliateMember",` + common + `}`: {ID: 1, Type: customerevent.AffiliateMember, Currency: "USD"},
		`{"id":2,"type":"Event",` + common + `,"event_number":"7","event_category":"poll","subtotal":0.00,"coupon_code":"","refunded_at":null,` +
			`"partially_refunded":false,"refund_subtotal":null}`: {ID: 2, Type: customerevent.Event, Number: "7", Category: "poll", Currency: "USD"},
		`{"id":3,"type":"Purchase",` + common + `,"order_number":"9","order_date":"2026-03-01T12:00:00.000+00:00","subtotal":1200,"coupon_code":"A",` +
			`"refunded_at":null,"partially_refunded":false,"refund_subtotal":null}`: {ID: 3, Type: customerevent.Purchase, Number: "9", Subtotal: 1200,
			Currency: "JPY", CouponCodes: []string{"A"}, OccurredAt: noon},
	} {
		got, err := json.Marshal(r.Talkable(s))
		if err != nil || string(got) != want {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}
