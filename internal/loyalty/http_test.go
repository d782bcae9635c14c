package loyalty

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// serve puts the module's operations behind a site and the Idempotency-Key header, as the edge does.
func (w *world) serve(siteID int64) func(method, path, key, body string) (int, string, bool) {
	r := chi.NewRouter()
	var replayed bool
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			req := &web.Request{ID: "req", Site: shop(siteID), KeyID: 5, Replayed: &replayed,
				Idempotency: idempotency.Key{Value: r.Header.Get("Idempotency-Key"), Fingerprint: r.Header.Get("X-Print")}}
			next.ServeHTTP(rw, r.WithContext(web.With(r.Context(), req)))
		})
	})
	w.Routes(web.NewAPI(r, "test", "1", ""))
	return func(method, path, key, body string) (int, string, bool) {
		replayed = false
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
			req.Header.Set("X-Print", body)
		}
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		text, _ := io.ReadAll(rec.Body)
		return rec.Code, strings.TrimSpace(string(text)), replayed
	}
}

const clubJSON = `{"site_slug":"demo","name":"Club","points_per_unit":10,"points_per_referral":50,"expires_after_days":365,` +
	`"tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","threshold":5000}]}`

func TestProgramOverHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	call, twin := w.serve(1), w.serve(2)
	const path = "/api/v2/loyalty/programs"
	golden := `{"ok":true,"result":{"program":{"id":1,"name":"Club","status":"active","currency":"USD","points_per_unit":10,` +
		`"points_per_referral":50,"expires_after_days":365,"adjustment_limit":1000000000000,"tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","threshold":5000}],` +
		`"version":1,"created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:00:00Z","expiry_rule":"rolling","expiry_day":null,"remind_days":0,"restore_grace_days":0,` +
		`"pending_rule":"none","pending_days":0,"pending_expiry":"earning","debt_policy":"arrears","transfer_limit":0,"transfer_daily_limit":0,"pool_size":0,` +
		`"enrolment":"automatic","candidate_earning":"earn","suspended_earning":"none","closed_points":"keep","closed_points_days":0,"guest_claim_days":0,"tier_plan":{"window":"lifetime","downgrade":"qualified"},"earning":null,"scheduled_at":null}}}`
	check := func(what string, code int, body string, wantCode int, want string) {
		t.Helper()
		if code != wantCode || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s\nwant %d %s", what, code, body, wantCode, want)
		}
	}
	for i, want := range []bool{false, true} {
		code, body, replayed := call("POST", path, "k1", clubJSON)
		check("create", code, body, 201, golden)
		if replayed != want {
			t.Errorf("try %d: replayed %v", i, replayed)
		}
	}
	code, body, _ := call("POST", path, "k1", strings.Replace(clubJSON, "Club", "Klub", 1))
	check("reused key", code, body, 422, `"code":"idempotency_key_reused"`)
	code, body, _ = call("POST", path, "", clubJSON)
	check("a second one", code, body, 409, `"code":"program_exists"`)
	code, body, _ = call("GET", path+"/1", "", "")
	check("read", code, body, 200, golden)
	code, body, _ = call("GET", path, "", "")
	check("list", code, body, 200, `"next_cursor":null`)
	code, body, _ = twin("GET", path, "", "")
	check("the twin's list", code, body, 200, `{"ok":true,"result":{"programs":[],"next_cursor":null}}`)
	for _, id := range []string{"/1", "/99"} {
		code, body, _ = twin("GET", path+id, "", "")
		check("read another's", code, body, 404, `"code":"program_not_found"`)
		code, body, _ = twin("PUT", path+id, "", clubJSON)
		check("change another's", code, body, 404, `"code":"program_not_found"`)
	}
	code, body, _ = call("PUT", path+"/1", "", `{"name":"Club","points_per_unit":3,"expires_after_days":null,"status":"paused"}`)
	check("replace", code, body, 200, `"status":"paused","currency":"USD","points_per_unit":3,"points_per_referral":0,"expires_after_days":null,"adjustment_limit":1000000000000,"tiers":[],"version":2`)
	code, body, _ = call("PUT", path+"/1", "", `{"name":"Club","points_per_unit":3,"status":"paused"}`)
	check("the same", code, body, 200, `"version":2`)

	code, body, _ = twin("POST", path, "", `{"name":"","points_per_unit":-1,"tiers":[{"name":"A","threshold":5},{"name":"a","threshold":5}]}`)
	check("nonsense", code, body, 400, `"code":"invalid_program"`)
	var p web.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || len(p.Errors) != 4 {
		t.Errorf("findings %+v, %v", p.Errors, err)
	}
	for what, bad := range map[string]string{
		"unknown member": `{"name":"A","points_per_unit":1,"color":"red"}`, "a float": `{"name":"A","points_per_unit":1.5}`,
		"no rate": `{"name":"A"}`, "duplicate": `{"name":"A","name":"B","points_per_unit":1}`, "huge": `{"name":"A","points_per_unit":1e30}`,
		"null": `null`, "text": `{"name":"A","points_per_unit":"1"}`, "unknown in tier": `{"name":"A","points_per_unit":1,"tiers":[{"name":"x","threshold":1,"y":1}]}`,
		"a control character": `{"name":"A\u0000","points_per_unit":1}`,
	} {
		if code, body, _ := twin("POST", path, "", bad); code != 400 {
			t.Errorf("%s: %d %s", what, code, body)
		}
	}
	if code, body, _ := call("GET", path+"/abc", "", ""); code != 400 {
		t.Errorf("no number: %d %s", code, body)
	}
}
