package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/web"
)

// withAudit is the house with looks to change, and the list of changes. The edge's log is asked as if two modules had it, so that there is something
// to merge.
func withAudit(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	looks := NewLooks(h.db, bus.NewOutbox("gateway", h.db, h.clock.Now, nil), h.clock.Now, "http://127.0.0.1:8080")
	c := Composition{Auditors: []Auditor{h.g, h.g}, Keys: h.g, Cursors: web.NewCursors([]byte("secret")), Now: h.clock.Now}
	h.edge = h.g.Handler(func(api huma.API) { looks.Routes(api); c.auditRoutes(api) }, func(chi.Router) {})
	return h
}

func (h *house) audited(query string, headers ...string) (code string, page auditAnswer) {
	h.t.Helper()
	w := h.ask("GET", "/api/v2/audit?"+query, "", headers...)
	var out struct {
		Code   string      `json:"code"`
		Result auditAnswer `json:"result"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code == http.StatusOK != (out.Code == "") {
		h.t.Fatalf("%s: %d %s %v", query, w.Code, w.Body, err)
	}
	return out.Code, out.Result
}

func TestAudit_lists_changes_of_settings(t *testing.T) {
	h := withAudit(t)
	for _, name := range []string{"Blue", "Green"} {
		h.clock.Move(time.Minute)
		if w := h.ask("PUT", "/api/v2/look", fmt.Sprintf(`{"name":%q}`, name), "Idempotency-Key", name); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		h.ask("PUT", "/api/v2/look", fmt.Sprintf(`{"name":%q}`, name), "Idempotency-Key", name)
	}
	h.clock.Move(time.Minute)
	zone := "Europe/Vienna"
	if _, err := h.g.UpdateSite(t.Context(), h.shop.ID, SiteChange{TimeZone: &zone}); err != nil {
		t.Fatal(err)
	}
	lines, err := h.g.Audit(t.Context(), h.shop.ID, audit.Filter{}, audit.Place{}, 10)
	if err != nil || len(lines) != 3 || lines[0].Action != "site.set" || lines[0].KeyID != nil || lines[1].Action != "look.set" {
		t.Fatalf("%+v %v", lines, err)
	}
	_, page := h.audited("limit=100")
	for _, l := range page.Audit {
		if named := l.KeyName != nil && *l.KeyName == "test"; l.Module != "gateway" || l.Subject != "site" || named != (l.Action == "look.set") {
			t.Errorf("%+v", l)
		}
	}
	if len(page.Audit) != 6 || page.NextCursor != nil {
		t.Errorf("%+v", page)
	}
	if _, page := h.audited("", "Authorization", "Bearer "+h.otherSecret); len(page.Audit) != 0 {
		t.Errorf("the other site's: %+v", page)
	}
}

func TestAudit_goes_page_by_page_and_refuses_nonsense(t *testing.T) {
	h := withAudit(t)
	h.ask("PUT", "/api/v2/look", `{"name":"Blue"}`)
	h.ask("PUT", "/api/v2/look", `{"name":"Green"}`)
	_, first := h.audited("limit=2&action=look.set")
	if len(first.Audit) != 2 || first.NextCursor == nil {
		t.Fatalf("%+v", first)
	}
	if code, _ := h.audited("limit=2&action=site.set&cursor=" + *first.NextCursor); code != "invalid_cursor" {
		t.Errorf("the cursor of another list: %q", code)
	}
	for query, want := range map[string]string{
		"subject=site&subject_id=0": "", "subject=nothing": "", "subject_id=1": "invalid_subject", "subject=site&subject_id=-2": "invalid_subject",
	} {
		if code, _ := h.audited(query); code != want {
			t.Errorf("%s: %q, want %q", query, code, want)
		}
	}
	_, page := h.audited("subject=site&subject_id=0")
	if !slices.IsSortedFunc(page.Audit, func(a, b audit.Line) int { return b.At.Compare(a.At) }) || len(page.Audit) != 4 {
		t.Errorf("%+v", page)
	}
}
