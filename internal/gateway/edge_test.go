package gateway

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

func TestPaths(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ path, want string }{
		{"/api/v2/people/ann", `"ann"`},
		{"/api/v2/people/ann/", `"ann"`},
		{"/api/v2/people/ann@shop.example", `"ann@shop.example"`},
		{"/api/v2/people/ann%40shop.example", `"ann@shop.example"`},
		{"/api/v2/people/ann+x@shop.example", `"ann+x@shop.example"`},
		{"/api/v2/people/a%2Fb", `"a/b"`},
		{"/api/v2/people/a%2fb/rewards", `"rewards of a/b"`},
		{"/api/v2/people/a%2Frewards", `"a/rewards"`},
		{"/api/v2/people/a%20b%25", `"a b%"`},
		{"/api/v2/people/%25", `"%"`},
		{"/api/v2/people/%252e%252e", `"%2e%2e"`},
		{"/api/v2/people/a%3Fb%23c", `"a?b#c"`},
		{"/api/v2/people/%C3%A9", `"é"`},
		{"/api/v2/people/..a", `"..a"`},
		{"/api/v2/people/' OR 1=1 --", `"' OR 1=1 --"`},
	} {
		h.on(c.path, func(h *house) {
			r := h.call("GET", strings.ReplaceAll(c.path, " ", "%20"), "")
			if strings.Contains(c.path, "%252e") { // could be taken for another path by whoever decodes twice
				h.problem(r, 404, "not_found")
				return
			}
			h.fine(r)
			if string(r.body.Result) != c.want {
				h.t.Errorf("got %s, want %s", r.body.Result, c.want)
			}
		})
	}
	for _, path := range []string{
		"/api/v2/people/..", "/api/v2/people/../site", "/api/v2/people/%2e%2e", "/api/v2/people/%2e%2e/site", "/api/v2/people/%2e%2e%2fsite", "/api/v2/people/..%5csite",
		"/api/v2/people/.", "/api/v2/people/%2e", "/api/v2/people/./rewards", "/api/v2/people//rewards", "/api/v2//people/ann", "//api/v2/people/ann", "/api/v2/people/a%00",
		"/api/v2/people/%00", "/api/v2/people/%ff", "/api/v2/people/", "/api/v2/people", "/api/v2/", "/api/v2", "/api", "/API/v2/site", "/api/v2/site/x", "/api/v2/site//",
		"/api/v2/nothing", "/wp-login.php", "/.env", "/debug/pprof/", "/metrics", "/healthz", "/api/v2/people/" + strings.Repeat("a", 8000), "/docs/../openapi.json",
		"/docs/..%2fopenapi.json", "/docs/swagger-ui.js", "/docs/embed.go", "/x/a/b", "/x/%2e%2e", "/openapi.json/",
	} {
		h.on("404 "+path[:min(len(path), 40)], func(h *house) {
			r := h.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + h.secret + "\r\n\r\n")
			if r.status != 404 || !strings.Contains(r.text, `"code":"not_found"`) || r.header.Get("Content-Type") != "application/problem+json" {
				h.t.Errorf("got %d %s", r.status, r.text)
			}
		})
	}
	for _, query := range []string{"a=%", "a=%zz", "a=%00", "%00=a", "a=%ff", "a;b"} {
		h.on("400 ?"+query, func(h *house) { h.problem(h.call("GET", "/api/v2/people/ann?"+query, ""), 400, "invalid_query") })
	}
	h.on("the absolute form", func(h *house) {
		r := h.raw("GET http://evil.example/api/v2/people/ann HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nAuthorization: Bearer " + h.secret + "\r\n\r\n")
		if r.status != 200 {
			h.t.Errorf("got %d", r.status)
		}
	})
}

func TestMethods(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/api/v2/people/ann", "GET, HEAD"}, {"TRACE", "/api/v2/people/ann", "GET, HEAD"}, {"PROPFIND", "/api/v2/people/ann", "GET, HEAD"},
		{"OPTIONS", "/api/v2/people/ann", "GET, HEAD"}, {"get", "/api/v2/people/ann", "GET, HEAD"}, {"GET", "/api/v2/strict", "POST"}, {"HEAD", "/api/v2/strict", "POST"},
		{"GET", "/api/v2/loose/", "POST, PUT, PATCH, DELETE"}, {"POST", "/openapi.json", "GET, HEAD"}, {"POST", "/", "GET, HEAD"}, {"DELETE", "/api/v2/people/a%2Fb", "GET, HEAD"},
	} {
		h.on(c.method+" "+c.path, func(h *house) {
			r := h.call(c.method, c.path, "")
			if r.status != 405 || r.header.Get("Allow") != c.allow {
				h.t.Errorf("got %d, Allow %q; want 405, %q", r.status, r.header.Get("Allow"), c.allow)
			}
			if c.method != "HEAD" {
				h.problem(r, 405, "method_not_allowed")
			}
		})
	}
	h.on("at a path that isn't there", func(h *house) {
		for _, m := range []string{"PUT", "TRACE", "get", "BREW"} {
			h.problem(h.call(m, "/api/v2/nothing", ""), 404, "not_found")
		}
	})
	h.on("overrides change nothing", func(h *house) {
		h.fine(h.call("GET", "/api/v2/people/ann?_method=DELETE", "", "X-HTTP-Method-Override", "DELETE", "X-Method-Override", "PUT"))
	})
	h.on("HEAD is GET without a body", func(h *house) {
		if r := h.call("HEAD", "/api/v2/people/ann", ""); r.status != 200 || r.text != "" {
			h.t.Errorf("got %d %q", r.status, r.text)
		}
	})
	h.on("plain paths see the method", func(h *house) {
		if r := h.call("HEAD", "/x/abc", "", "Authorization", ""); r.status != 200 {
			h.t.Errorf("got %d", r.status)
		}
		if r := h.call("GET", "/x/a%2Fb", "", "Authorization", ""); r.text != "GET a%2Fb" {
			h.t.Errorf("got %q", r.text)
		}
	})
}

func TestHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/api/v2/site", "/api/v2/nothing", "/", "/docs", "/openapi.json", "/api/v2/panic", "/x/a"} {
		r := h.call("GET", path, "", "Origin", "https://evil.example")
		if r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("Referrer-Policy") == "" || r.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, r.header)
		}
		for name := range r.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", path, name)
			}
		}
	}
	if r := h.call("GET", "/api/v2/site", ""); r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.header)
	}
	h.on("a sane request id is kept", func(h *house) {
		if r := h.call("GET", "/api/v2/site", "", "X-Request-Id", "order-1001.a_B"); r.header.Get("X-Request-Id") != "order-1001.a_B" {
			h.t.Errorf("%v", r.header)
		}
	})
	for _, id := range []string{"a b", "<script>", strings.Repeat("a", 129), "é", `"a"`} {
		h.on("another is not: "+id, func(h *house) {
			if r := h.call("GET", "/api/v2/site", "", "X-Request-Id", id); r.header.Get("X-Request-Id") == id || len(r.header.Get("X-Request-Id")) != 36 {
				h.t.Errorf("%v", r.header)
			}
		})
	}
	h.on("other formats are not spoken", func(h *house) {
		for _, accept := range []string{"application/xml", "*/*;q=0", "application/json", strings.Repeat("x/y, ", 900)} {
			h.fine(h.call("GET", "/api/v2/site", "", "Accept", accept, "Range", "bytes=0-1", "If-None-Match", "garbage"))
		}
	})
	h.on("the user agent is made text", func(h *house) {
		h.fine(h.call("GET", "/api/v2/people/ann", "", "User-Agent", "x\xff"+strings.Repeat("é", 400)))
		h.mu.Lock()
		defer h.mu.Unlock()
		if ua := h.last.UserAgent; !strings.HasPrefix(ua, "x\uFFFDé") || len(ua) > 520 || strings.ToValidUTF8(ua, "") != ua {
			h.t.Errorf("%q", ua)
		}
	})
	h.on("the Host header decides nothing", func(h *house) {
		for _, path := range []string{"/", "/openapi.json", "/docs", "/api/v2/site", "/api/v2/nothing"} {
			r := h.raw("GET " + path + " HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\nAuthorization: Bearer " + h.secret + "\r\n\r\n")
			if strings.Contains(r.text, "evil") || strings.Contains(r.header.Get("Location"), "evil") {
				h.t.Errorf("%s: %s", path, r.text)
			}
		}
	})
}

func TestClientIP(t *testing.T) {
	saw := func(h *house) string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.last.ClientIP
	}
	t.Run("nobody is trusted by default", func(t *testing.T) {
		h := newHouse(t)
		for _, header := range []string{"X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Forwarded", "Cf-Connecting-Ip"} {
			h.fine(h.call("GET", "/api/v2/people/ann", "", header, "203.0.113.7"))
			if got := saw(h); got != "127.0.0.1" {
				t.Errorf("%s: %s", header, got)
			}
		}
	})
	t.Run("behind trusted proxies", func(t *testing.T) {
		h := newHouse(t, func(d *Deps) {
			d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		for sent, want := range map[string]string{
			"203.0.113.7": "203.0.113.7", "1.1.1.1, 203.0.113.7": "203.0.113.7", "203.0.113.7, 10.1.1.1": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7",
			"2001:db8::1": "2001:db8::1", "garbage": "127.0.0.1", "203.0.113.7, garbage": "127.0.0.1", "10.1.1.1": "127.0.0.1", "": "127.0.0.1",
		} {
			h.fine(h.call("GET", "/api/v2/people/ann", "", "X-Forwarded-For", sent))
			if got := saw(h); got != want {
				t.Errorf("%q: %s, want %s", sent, got, want)
			}
		}
	})
}

func TestFailures_give_nothing_away(t *testing.T) {
	h := newHouse(t)
	for path, status := range map[string]int{"/panic": 500, "/broken": 500} {
		h.problem(h.call("GET", "/api/v2"+path, ""), status, "internal")
	}
	h.problem(h.call("GET", "/api/v2/gone", ""), 400, "reward_not_found")
	if n := strings.Count(h.log.String(), "a secret detail"); n != 2 {
		t.Errorf("the causes are in the log %d times, want once each: %s", n, h.log)
	}
}

// TestDescription compares what is described with what is routed.
func TestDescription(t *testing.T) {
	h := newHouse(t)
	r := h.call("GET", "/openapi.json", "", "Authorization", "")
	var doc struct {
		OpenAPI  string
		Servers  []struct{ URL string }
		Security []map[string][]string
		Paths    map[string]map[string]struct {
			Responses map[string]struct {
				Ref string `json:"$ref"`
			}
		}
		Components struct {
			SecuritySchemes map[string]any
			Responses       map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(r.text), &doc); err != nil || r.status != 200 {
		t.Fatalf("%d %v", r.status, err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Servers[0].URL != "https://api.example" || doc.Security[0]["key"] == nil || doc.Components.SecuritySchemes["key"] == nil {
		t.Errorf("%s %+v %+v", doc.OpenAPI, doc.Servers, doc.Security)
	}
	if doc.Components.Responses["Error"].Content["application/problem+json"] == nil {
		t.Errorf("a failure is no problem: %v", doc.Components.Responses)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			described[strings.ToUpper(method)+" "+path] = true
			if op.Responses["default"].Ref != "#/components/responses/Error" {
				t.Errorf("%s %s has no problem", method, path)
			}
			if _, there := op.Responses["422"]; there {
				t.Errorf("%s %s has huma's 422", method, path)
			}
		}
	}
	err := chi.Walk(h.edge.Routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if name := method + " " + route; strings.HasPrefix(route, "/api/") {
			if !described[name] {
				t.Errorf("%s is not described", name)
			}
			delete(described, name)
		}
		return nil
	})
	if err != nil || len(described) > 0 {
		t.Errorf("described and not there: %v %v", described, err)
	}
}

func TestPages(t *testing.T) {
	h := newHouse(t)
	for path, want := range map[string]string{"/": `href="/docs"`, "/docs": "swagger-ui-bundle.js", "/docs/": "swagger-ui-bundle.js", "/docs/start.js": "/openapi.json",
		"/docs/swagger-ui.css": ".swagger-ui", "/docs/swagger-ui-bundle.js": "SwaggerUIBundle", "/docs/favicon-32x32.png": "PNG"} {
		r := h.call("GET", path, "", "Authorization", "")
		if r.status != 200 || !strings.Contains(r.text, want) {
			t.Errorf("%s: %d %.200s", path, r.status, r.text)
		}
		policy := r.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") || strings.Contains(policy, "script-src 'self' ") {
			t.Errorf("%s: %q", path, policy)
		}
		if strings.HasSuffix(path, "docs") && (strings.Contains(r.text, "<style") || strings.Contains(r.text, "://") || strings.Contains(r.text, "<script>")) {
			t.Errorf("%s has something inline or from elsewhere", path)
		}
	}
}
