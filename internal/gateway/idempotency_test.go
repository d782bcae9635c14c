package gateway

import (
	"net/http"
	"strings"
	"testing"
)

func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	send := func(h *house, method, path, body string, keys ...string) (reply, string, string) {
		h.t.Helper()
		req, _ := http.NewRequestWithContext(h.t.Context(), method, h.server+"/api/v2"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+h.secret)
		req.Header.Set("Content-Type", "application/json")
		if len(keys) > 0 {
			req.Header["Idempotency-Key"] = keys
		}
		r := h.do(req)
		h.mu.Lock()
		defer h.mu.Unlock()
		return r, h.last.Idempotency.Value, h.last.Idempotency.Fingerprint
	}
	const body = `{"external_id":"x","amount":1}`
	for _, key := range []string{"a", strings.Repeat("k", 255), "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", `back\slash`} {
		h.on("taken: "+key[:min(10, len(key))], func(h *house) {
			r, value, print := send(h, "POST", "/strict", body, key)
			h.fine(r)
			if value != key || len(print) != 64 {
				h.t.Errorf("got %q %q", value, print)
			}
		})
	}
	h.on("quoted is bare", func(h *house) {
		r, value, _ := send(h, "POST", "/strict", body, `"order 1"`[:0]+`"order-1"`)
		h.fine(r)
		if value != "order-1" {
			h.t.Errorf("got %q", value)
		}
	})
	for name, keys := range map[string][]string{"empty": {""}, "empty in quotes": {`""`}, "256": {strings.Repeat("k", 256)}, "not ASCII": {"é"}, "a space inside": {"a b"},
		"two": {"a", "b"}, "two of the same": {"a", "a"}, "a quote inside": {`a"b`}, "half quoted": {`"a`}, "a tab": {"a\tb"}} {
		h.on("refused: "+name, func(h *house) {
			before := h.works.Load()
			r, _, _ := send(h, "POST", "/strict", body, keys...)
			h.problem(r, 400, "invalid_idempotency_key")
			if h.works.Load() != before {
				h.t.Error("the operation ran")
			}
		})
	}
	h.on("a GET's is not looked at", func(h *house) {
		r, value, _ := send(h, "GET", "/people/ann", "", "")
		h.fine(r)
		if value != "" {
			h.t.Errorf("got %q", value)
		}
	})
	h.on("the fingerprint tells requests apart, not their writing", func(h *house) {
		_, _, first := send(h, "POST", "/strict/a", body, "k")
		for name, c := range map[string][2]string{
			"white space and order": {"/strict/a", "{ \"amount\":1,\n\"external_id\":\"x\" }"}, "escapes": {"/strict/a", `{"external_id":"\u0078","amount":1}`},
			"a trailing slash": {"/strict/a/", body}, "an escaped path": {"/strict/%61", body}, "the site in the query": {"/strict/a?site_slug=my-store", body},
		} {
			if _, _, print := send(h, "POST", c[0], c[1], "k"); print != first {
				h.t.Errorf("%s makes a difference", name)
			}
		}
		for name, c := range map[string][2]string{
			"another value": {"/strict/a", `{"external_id":"y","amount":1}`}, "another path": {"/strict/b", body}, "another route": {"/strict", body},
			"a dry run": {"/strict/a?dry_run=true", body}, "more": {"/strict/a", `{"external_id":"x","amount":1,"email":"a@b.example"}`},
		} {
			if _, _, print := send(h, "POST", c[0], c[1], "k"); print == first {
				h.t.Errorf("%s makes no difference", name)
			}
		}
		_, _, big := send(h, "POST", "/strict", `{"external_id":"x","amount":9007199254740993}`, "k")
		if _, _, near := send(h, "POST", "/strict", `{"external_id":"x","amount":9007199254740992}`, "k"); near == big {
			h.t.Error("numbers beyond a double's digits are the same")
		}
		_, _, post := send(h, "POST", "/loose", `{}`, "k")
		if _, _, put := send(h, "PUT", "/loose", `{}`, "k"); put == post {
			h.t.Error("the method makes no difference")
		}
	})
	h.on("a replay is marked", func(h *house) {
		if r, _, _ := send(h, "POST", "/bodyless/a", "", "k"); r.header.Get("Idempotent-Replayed") != "true" {
			h.t.Errorf("%v", r.header)
		}
		if r, _, _ := send(h, "POST", "/loose", "{}", "k"); r.header.Get("Idempotent-Replayed") != "" {
			h.t.Errorf("%v", r.header)
		}
	})
}
