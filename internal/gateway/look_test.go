package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayapi"
)

// withLooks is the house with the operations of looks.
func withLooks(t *testing.T) (*house, *Looks) {
	t.Helper()
	h := newHouse(t)
	looks := NewLooks(h.db, bus.NewOutbox("gateway", h.db, h.clock.Now, nil), h.clock.Now, "http://127.0.0.1:8080")
	h.edge = h.g.Handler(func(api huma.API) { looks.Routes(api) }, func(chi.Router) {})
	return h, looks
}

// ask asks the edge within this process; X-Test-Address is who asks.
func (h *house) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.secret)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if from := r.Header.Get("X-Test-Address"); from != "" {
		r.RemoteAddr = from
	}
	w := httptest.NewRecorder()
	h.edge.ServeHTTP(w, r)
	return w
}

func TestLook(t *testing.T) {
	h, looks := withLooks(t)
	got, err := looks.Look(t.Context(), h.shop.ID)
	if err != nil || got.Name != h.shop.Name || got.Color != gatewayapi.DefaultColor || got.Language != "en" || got.Site.Slug != "my-store" {
		t.Errorf("without a look: %+v %v", got, err)
	}
	body := `{"name":"Blue","logo_url":"https://cdn.example/a.png","primary_color":"#1D4ED8","default_language":"de","texts":{"de":{"claim_title":"Hallo {{advocate}}"}}}`
	for _, again := range []string{"", "true"} {
		w := h.ask("PUT", "/api/v2/look", body, "Idempotency-Key", "once")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"primary_color":"#1d4ed8"`) || w.Header().Get("Idempotent-Replayed") != again {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	got, err = looks.Look(t.Context(), h.shop.ID)
	if err != nil || got.Name != "Blue" || got.Texts["de"]["claim_title"] != "Hallo {{advocate}}" {
		t.Errorf("%+v %v", got, err)
	}
	if twin, err := looks.Look(t.Context(), h.other.ID); err != nil || twin.Name == "Blue" || len(twin.Texts) != 0 {
		t.Errorf("the other site's: %+v %v", twin, err)
	}
	if w := h.ask("GET", "/api/v2/look", ""); !strings.Contains(w.Body.String(), `"default_language":"de"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, id := range []int64{0, 987654321} { // there are two sites: none is the only one
		if _, err := looks.Look(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("site %d: %v", id, err)
		}
	}
	if w := h.ask("PUT", "/api/v2/look", `{"logo_url":"http://127.0.0.1:8080/assets/1/ab.png"}`); w.Code != 200 { // without TLS, but the server's own
		t.Errorf("an asset: %d %s", w.Code, w.Body)
	}
	if w := h.ask("PUT", "/api/v2/look", `{"logo_url":"ftp://x","primary_color":"#123456"}`); !strings.Contains(w.Body.String(), `"error_message":"Pages can't look like this: /logo_url: neither`) {
		t.Errorf("the message doesn't say what is wrong: %s", w.Body)
	}
	for bad, pointer := range map[string]string{
		`{"primary_color":"red"}`:                                             "/primary_color",
		`{"primary_color":"#fff"}`:                                            "/primary_color",
		`{"primary_color":"#ffff00"}`:                                         "/primary_color",
		`{"primary_color":"#123456;}body{display:none"}`:                      "/primary_color",
		`{"primary_color_dark":"#222222"}`:                                    "/primary_color_dark",
		`{"logo_url":"http://cdn.example/a.png"}`:                             "/logo_url",
		`{"logo_url":"http://127.0.0.1:8080/x"}`:                              "/logo_url",
		`{"logo_url":"javascript:alert(1)"}`:                                  "/logo_url",
		`{"logo_url":"https://cdn.example;script-src */a"}`:                   "/logo_url",
		`{"logo_url":"https://u:p@cdn.example/a"}`:                            "/logo_url",
		`{"logo_url":"https://*/a"}`:                                          "/logo_url",
		`{"name":"a\u0007"}`:                                                  "/name",
		`{"name":"` + strings.Repeat("a", 81) + `"}`:                          "/name",
		`{"default_language":"xx"}`:                                           "/default_language",
		`{"texts":{"xx":{}}}`:                                                 "/texts",
		`{"texts":{"en":{"footer":"x"}}}`:                                     "/texts/en",
		`{"texts":{"en":{"claim_title":"` + strings.Repeat("a", 301) + `"}}}`: "/texts/en/claim_title",
	} {
		w := h.ask("PUT", "/api/v2/look", bad)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"pointer":"`+pointer) {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}

func TestGuessing_is_put_off(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(d *Deps) {
		d.Limits.Misses, d.Limits.Forms = 5, 3
		d.Refused = func(w http.ResponseWriter, _ *http.Request, err error) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, "page: "+err.Error())
		}
	})
	h.edge = h.g.Handler(func(huma.API) {}, func(r chi.Router) {
		r.HandleFunc("/x/{code}", func(w http.ResponseWriter, r *http.Request) {
			if chi.URLParam(r, "code") != "right" {
				w.WriteHeader(http.StatusNotFound)
			}
		})
	})
	inOneMinute()
	for range 20 {
		if w := h.ask("GET", "/x/right", ""); w.Code != http.StatusOK {
			t.Fatalf("a right code: %d", w.Code)
		}
	}
	for i := range 5 {
		if w := h.ask("GET", "/x/wrong", ""); w.Code != http.StatusNotFound {
			t.Errorf("%d: %d", i, w.Code)
		}
	}
	for _, code := range []string{"wrong", "right"} {
		if w := h.ask("GET", "/x/"+code, ""); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", code, w.Code)
		} else if !strings.HasPrefix(w.Body.String(), "page: ") {
			t.Errorf("%s: not what plain paths are answered with: %s", code, w.Body)
		}
	}
	if w := h.ask("GET", "/x/right", "", "X-Test-Address", "203.0.113.9:1"); w.Code != http.StatusOK {
		t.Errorf("another address: %d", w.Code)
	}
	for i := range 4 {
		w := h.ask("POST", "/x/right", "", "X-Test-Address", "203.0.113.10:1")
		if (w.Code == http.StatusTooManyRequests) != (i == 3) {
			t.Errorf("form %d: %d", i, w.Code)
		}
	}
}
