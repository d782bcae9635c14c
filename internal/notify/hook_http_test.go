package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/outcall"
)

func send(t *testing.T, h http.Handler, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestHookAPI(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.site(2, "Other")
	h, other := b.server(1), b.server(2)
	body := fmt.Sprintf(`{"url":%q,"types":["tier.changed","referral.approved","tier.changed"],"description":"ours"}`, r.URL)

	code, text := send(t, h, "POST", "/api/v2/webhooks", body, "Idempotency-Key", "one")
	if code != 201 || strings.Contains(text, "secret\"") || strings.Contains(text, "whsec_") {
		t.Fatal(code, text)
	}
	if again, same := send(t, h, "POST", "/api/v2/webhooks", body, "Idempotency-Key", "one"); again != 201 || same != text {
		t.Error("repeated:", again, same)
	}
	golden(t, "hook_endpoint.json", strings.ReplaceAll(text, r.URL, "http://shop.example"))
	_, before := send(t, h, "GET", "/api/v2/webhooks/1/secret", "")
	if code, text = send(t, h, "POST", "/api/v2/webhooks/1/secret/rotate", `{"keep_hours":2}`); code != 200 || !strings.Contains(text, `"old_secret_until":"2026-03-01T14:00:00Z"`) {
		t.Error(code, text)
	}
	_, after := send(t, h, "GET", "/api/v2/webhooks/1/secret", "")
	type secrets struct {
		Result struct{ Secrets []string }
	}
	one, two := decode[secrets](t, before).Result.Secrets, decode[secrets](t, after).Result.Secrets
	if len(one) != 1 || len(two) != 2 || two[1] != one[0] || two[0] == one[0] {
		t.Fatalf("secrets: %q, then %q", one, two)
	}
	if code, text = send(t, h, "POST", "/api/v2/webhooks/1/sample", `{"type":"tier.changed"}`); code != 200 {
		t.Fatal(code, text)
	}
	b.carryAll()
	g := r.took()[0]
	if !b.signed(g, one[0]) || !b.signed(g, two[0]) || !strings.Contains(g.body, `"sample":true`) {
		t.Errorf("%+v", g)
	}
	b.clock.Move(3 * time.Hour)
	if code, text = send(t, h, "POST", "/api/v2/webhook_deliveries/1/resend", `{}`); code != 200 {
		t.Fatal(code, text)
	}
	b.carryAll()
	if g := r.took()[1]; b.signed(g, one[0]) || !b.signed(g, two[0]) || g.header.Get("Webhook-Id") != r.took()[0].header.Get("Webhook-Id") {
		t.Errorf("%+v", g)
	}
	for _, c := range []struct {
		h                  http.Handler
		method, path, body string
		code               int
		want               string
	}{
		{h, "GET", "/api/v2/webhook_types", "", 200, `"type":"referral.approved"`},
		{h, "GET", "/api/v2/webhook_deliveries?webhook_id=1&state=delivered&type=tier.changed", "", 200, `"sample":true`},
		{h, "GET", "/api/v2/webhook_deliveries?state=failed", "", 200, `"deliveries":[]`},
		{h, "GET", "/api/v2/webhook_deliveries/1", "", 200, `"attempts_made":[{"number":2`},
		{other, "GET", "/api/v2/webhook_deliveries/1", "", 404, "delivery_not_found"},
		{other, "GET", "/api/v2/webhook_deliveries", "", 200, `"deliveries":[]`},
		{other, "POST", "/api/v2/webhook_deliveries/1/resend", "{}", 404, "delivery_not_found"},
		{other, "GET", "/api/v2/webhooks", "", 200, `"webhooks":[]`},
		{other, "GET", "/api/v2/webhooks/1", "", 404, "webhook_not_found"},
		{other, "GET", "/api/v2/webhooks/1/secret", "", 404, "webhook_not_found"},
		{other, "POST", "/api/v2/webhooks/1/delete", "", 404, "webhook_not_found"},
		{other, "PUT", "/api/v2/webhooks/1", body, 404, "webhook_not_found"},
		{other, "POST", "/api/v2/webhooks/1/secret/rotate", "{}", 404, "webhook_not_found"},
		{other, "POST", "/api/v2/webhooks/1/sample", `{"type":"tier.changed"}`, 404, "webhook_not_found"},
		{other, "POST", "/api/v2/webhooks/1/resend", `{"since":"2026-01-01T00:00:00Z"}`, 404, "webhook_not_found"},
		{h, "POST", "/api/v2/webhooks/1/resend", `{"since":"9999-12-31T23:59:59.999999999Z"}`, 422, "/since"},
		{h, "POST", "/api/v2/webhooks/1/resend", `{"since":"0001-01-01T00:00:00Z"}`, 200, `"resending_since":"2026-01-30T15:00:00Z"`},
		{h, "POST", "/api/v2/webhooks/1/sample", `{"type":"nothing"}`, 400, "/type"},
		{h, "POST", "/api/v2/webhooks/1/sample", `{"type":"referral_web_hook"}`, 400, "/type"},
		{h, "POST", "/api/v2/webhooks", `{"url":"ftp://shop.example/","types":["tier.changed"]}`, 400, "/url"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://169.254.169.254/","types":["tier.changed"]}`, 400, "/url"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://shop.example/","types":["referral_web_hook"]}`, 400, "/types/0"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://shop.example/","types":["tier.changed"],"secret":"short"}`, 400, "/secret"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://shop.example/","style":"talkable","types":["reward_web_hook"],"secret":"sh rt key"}`, 400, "/secret"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://shop.example/","style":"talkable","types":["reward_web_hook"],"secret":"their-own-key"}`, 201, "reward_web_hook"},
		{h, "POST", "/api/v2/webhooks", `{"url":"https://shop.example/b","style":"talkable","types":["reward_web_hook","event_web_hook"]}`, 409, "webhook_type_taken"},
		{h, "GET", "/api/v2/webhooks?cursor=x", "", 400, "invalid_cursor"},
		{h, "PUT", "/api/v2/webhooks/1", fmt.Sprintf(`{"url":%q,"types":["points.earned"],"enabled":false}`, r.URL), 200, `"disabled_reason":"merchant"`},
		{h, "POST", "/api/v2/webhook_deliveries/1/resend", "{}", 409, "webhook_disabled"},
		{h, "POST", "/api/v2/webhooks/1/delete", "", 200, `"types":[]`},
		{h, "POST", "/api/v2/webhooks/1/delete", "", 200, `"types":[]`},
		{h, "GET", "/api/v2/webhooks/1", "", 404, "webhook_not_found"},
		{h, "GET", "/api/v2/webhooks/1/secret", "", 404, "webhook_not_found"},
		{h, "GET", "/api/v2/webhook_deliveries/1", "", 200, `"state":"delivered"`},
	} {
		if code, text := send(t, c.h, c.method, c.path, c.body); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", c.method, c.path, code, text, c.code, c.want)
		}
	}
	var kept string
	if err := b.DB.Get(&kept, `select string_agg(encode(secret, 'escape'), ' ') || (select string_agg(answer, ' ') from notify.idempotency) from notify.endpoint`); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(kept, "whsec_") || strings.Contains(kept, "their-own-key") {
		t.Error("the database shows a secret")
	}
}

// A site has twenty webhooks, and one for each of Talkable's types, however many ask at once.
func TestHookLimits(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	var mu sync.Mutex
	made := map[string]int{}
	var group sync.WaitGroup
	for i := range 30 {
		style, kind := standard, "tier.changed"
		if i%5 == 0 {
			style, kind = talkable, talkableReferral
		}
		group.Go(func() {
			if _, err := b.tryEndpoint(1, style, r.URL, kind); err == nil {
				mu.Lock()
				made[style]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if made[talkable] != 1 || made[standard]+1 != mostEndpoints {
		t.Errorf("made: %v", made)
	}
}

// Every type has a sample that can be written, and a name that no other style has.
func TestHookSamples(t *testing.T) {
	t.Parallel()
	n := 0
	for style, kinds := range hookTypes {
		for _, kind := range kinds {
			n++
			data, err := json.Marshal(samples[kind])
			if err != nil || samples[kind] == nil || styleOf(kind) != style {
				t.Errorf("%s: %v %v", kind, samples[kind], err)
			}
			e := errand{Style: style, Type: kind, Occasion: samplePrefix + "x", Data: string(data), OccurredAt: once}
			body, err := e.write()
			if err != nil || !json.Valid([]byte(body)) || len(body) > 20_000 {
				t.Errorf("%s: %s %v", kind, body, err)
			}
		}
	}
	if n != len(samples) {
		t.Errorf("%d types and %d samples", n, len(samples))
	}
}

func TestHookJudge(t *testing.T) {
	t.Parallel()
	header := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for _, c := range []struct {
		t        tried
		attempts int
		want     verdict
	}{
		{tried{answer: outcall.Answer{Status: 200}}, 1, verdict{state: delivered}},
		{tried{answer: outcall.Answer{Status: 299}}, 12, verdict{state: delivered}},
		{tried{answer: outcall.Answer{Status: 410}}, 1, verdict{state: failed, reason: gone, err: "the endpoint is gone"}},
		{tried{answer: outcall.Answer{Status: 301}}, 1, verdict{state: waiting, next: start.Add(time.Second), err: "redirects are not followed"}},
		{tried{answer: outcall.Answer{Status: 404}}, 2, verdict{state: waiting, next: start.Add(5 * time.Second), err: "the answer was 404"}},
		{tried{answer: outcall.Answer{Status: 500}}, 12, verdict{state: failed, reason: gaveUp, err: "the answer was 500"}},
		{tried{answer: outcall.Answer{Status: 429, Header: header("90")}}, 1, verdict{state: waiting, next: start.Add(90 * time.Second), err: "the answer was 429"}},
		{tried{answer: outcall.Answer{Status: 503, Header: header(start.Add(time.Hour).Format(http.TimeFormat))}}, 1, verdict{state: waiting, next: start.Add(time.Hour), err: "the answer was 503"}},
		{tried{answer: outcall.Answer{Status: 503, Header: header("99999999")}}, 1, verdict{state: waiting, next: start.Add(longestPause), err: "the answer was 503"}},
		{tried{answer: outcall.Answer{Status: 500, Header: header("90")}}, 1, verdict{state: waiting, next: start.Add(time.Second), err: "the answer was 500"}},
		{tried{err: outcall.ErrForbidden}, 1, verdict{state: waiting, next: start.Add(time.Second), err: "forbidden"}},
	} {
		if got := c.t.judge(errand{Attempts: c.attempts}, start, 0.5); got != c.want {
			t.Errorf("%d after %d attempts: %+v, want %+v", c.t.answer.Status, c.attempts, got, c.want)
		}
	}
	var whole time.Duration
	for i := range hookPauses {
		d, ok := hookPause(i+1, 0.5)
		if !ok || i > 0 && d < hookPauses[i-1] {
			t.Errorf("pause %d is %s", i+1, d)
		}
		whole += d
	}
	if whole < 3*24*time.Hour || whole > 4*24*time.Hour {
		t.Errorf("it gives up after %s", whole)
	}
}

// What a receiver answers is kept as text that the database takes, whatever it is.
func TestPrintable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "body")
		text := printable(body)
		if len(text) > answerKept || strings.Contains(text, "\x00") || strings.ToValidUTF8(text, "?") != text {
			t.Fatalf("%q", text)
		}
	})
}
