package loyalty

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// action makes one of the site's programme.
func (w *world) action(siteID, program int64, body string) {
	w.t.Helper()
	if code, text, _ := w.serve(siteID)("POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/action_configs", program), "", body); code != 201 {
		w.t.Fatal(code, text)
	}
}

func (w *world) collects(siteID, personID int64, identifier string) (loyaltyapi.Collected, error) {
	out, _, err := w.Collect(w.t.Context(), shop(siteID), personID, identifier, "api", idempotency.Key{})
	return out, err
}

// TestCollect_119: an action earns its points as often as its limit lets it, of each site by its own; then it is not collected, and nothing changes.
func TestCollect_119(t *testing.T) {
	t.Parallel()
	w := setup(t)
	one, two := w.start(1, club()), w.start(2, club())
	w.action(1, one.ID, `{"identifier":"review","name":"A review","points":50,"member_limit":1}`)
	w.action(1, one.ID, `{"identifier":"visit","name":"A visit","points":5,"member_limit":2,"period":"day"}`)
	w.action(2, two.ID, `{"identifier":"review","name":"Theirs","points":7}`)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 1000))
	check := func(site int64, identifier string, collected bool, balance int64) {
		t.Helper()
		if got, err := w.collects(site, 7, identifier); err != nil || got != (loyaltyapi.Collected{Collected: collected, Balance: balance}) {
			t.Errorf("%s on %d: %+v, %v; want %v, %d", identifier, site, got, err, collected, balance)
		}
		if got := w.balance(site, 7); got != balance {
			t.Errorf("the balance is %d, want %d", got, balance)
		}
	}
	check(1, "review", true, 150)
	before := w.dump()
	check(1, "review", false, 150)
	if w.dump() != before {
		t.Error("what is not collected changed something")
	}
	check(2, "review", true, 107)
	check(2, "review", true, 114)
	check(1, "visit", true, 155)
	check(1, "visit", true, 160)
	check(1, "visit", false, 160)
	w.clock.Move(24 * time.Hour)
	check(1, "visit", true, 165)
	all, more, err := w.Collections(t.Context(), 1, 7, loyaltyapi.AfterID{}, 3)
	if err != nil || !more || len(all) != 3 || all[0].Identifier != "visit" || all[0].Points != 5 || all[0].Name != "A visit" {
		t.Errorf("%+v, %v, %v", all, more, err)
	}
	rest, more, err := w.Collections(t.Context(), 1, 7, loyaltyapi.AfterID{ID: all[2].TransactionID}, 3)
	if err != nil || more || len(rest) != 1 || rest[0].Identifier != "review" {
		t.Errorf("%+v, %v, %v", rest, more, err)
	}
	entries, _, err := w.Entries(t.Context(), 1, 7, loyaltyapi.After{}, 1)
	if err != nil || entries[0].Reason != "action" || !strings.Contains(string(entries[0].Rule), `"action":"visit"`) || entries[0].ExpiresAt == nil {
		t.Errorf("%+v, %v", entries, err)
	}
	if told := w.told(1)["loyalty.points_earned.v1"]; told != 5 {
		t.Errorf("told %d times", told)
	}
}

func TestWhoMayCollect_118(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.action(1, p.ID, `{"identifier":"review","name":"A review","points":50}`)
	w.action(1, p.ID, `{"identifier":"old","name":"Old","points":50,"status":"archived"}`)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 1000))
	w.admin.MustExec(`update loyalty.member set status = 'suspended' where person_id = 8`)
	for _, identifier := range []string{"random", "old", "", "Review"} {
		_, err := w.collects(1, 7, identifier)
		if f, _ := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Detail != "No action configurations found for identifier `"+identifier+"`" {
			t.Errorf("%q: %v", identifier, err)
		}
	}
	for person, want := range map[int64]error{8: errInactive, 9: errNoMember} {
		if _, err := w.collects(1, person, "review"); !errors.Is(err, want) {
			t.Errorf("%d: %v", person, err)
		}
	}
	if _, err := w.collects(2, 7, "review"); !errors.Is(err, errNoMember) {
		t.Errorf("on another site: %v", err)
	}
	s := club()
	s.Status = paused
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.collects(1, 7, "review"); !errors.Is(err, errNoClub) {
		t.Errorf("paused: %v", err)
	}
	if _, _, err := w.Collections(t.Context(), 1, 7, loyaltyapi.AfterID{}, 5); !errors.Is(err, errNoClub) {
		t.Errorf("paused: %v", err)
	}
}

// TestCollect_at_once: of thirty at once, on two replicas, three are collected.
func TestCollect_at_once(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.action(1, p.ID, `{"identifier":"review","name":"A review","points":50,"member_limit":3}`)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	var all sync.WaitGroup
	var mu sync.Mutex
	collected, replays := 0, 0
	gate := make(chan struct{})
	for i := range 30 {
		all.Go(func() {
			<-gate
			key := idempotency.Key{}
			if i < 10 {
				key = idempotency.Key{Value: "the same", Fingerprint: "f"}
			}
			got, replayed, err := w.Collect(t.Context(), shop(1), 7, "review", "api", key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case replayed:
				replays++
			case got.Collected:
				collected++
			}
		})
	}
	close(gate)
	all.Wait()
	if collected != 3 || replays != 9 || w.balance(1, 7) != 250 {
		t.Errorf("%d collected, %d repetitions, balance %d", collected, replays, w.balance(1, 7))
	}
}

func TestActionConfigs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.start(2, club())
	call, twin := w.serve(1), w.serve(2)
	path := fmt.Sprintf("/api/v2/loyalty/programs/%d/action_configs", p.ID)
	const body = `{"identifier":"review","name":"A review","points":50}`
	code, first, _ := call("POST", path, "k", body)
	if want := `{"ok":true,"result":{"action_config":{"id":1,"version":1,"identifier":"review","name":"A review","description":"","points":50,"member_limit":null,"period":"ever",` +
		`"status":"active","created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:00:00Z"}}}`; code != 201 || first != want {
		t.Errorf("%d %s", code, first)
	}
	if code, again, replayed := call("POST", path, "k", body); code != 201 || again != first || !replayed {
		t.Errorf("%d %s %v", code, again, replayed)
	}
	for _, tt := range []struct {
		call               func(method, path, key, body string) (int, string, bool)
		method, path, body string
		code               int
		want               string
	}{
		{call, "POST", path, body, 409, "identifier_taken"},
		{call, "POST", path, `{"identifier":"Re view","name":"","points":0,"member_limit":0,"period":"week","status":"x"}`, 400, `"/period"`},
		{call, "POST", path, `{"identifier":"a","name":"a","points":1000001}`, 400, `"/points"`},
		{twin, "POST", path, body, 404, "program_not_found"},
		{twin, "GET", path, "", 404, "program_not_found"},
		{twin, "PUT", path + "/1", body, 404, "action_config_not_found"},
		{call, "PUT", path + "/99", body, 404, "action_config_not_found"},
		{call, "PUT", path + "/1", `{"identifier":"review","name":"Another","points":60,"status":"archived"}`, 200, `"version":2`},
		{call, "GET", path, "", 200, `"name":"Another"`},
	} {
		if code, text, _ := tt.call(tt.method, tt.path, "", tt.body); code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, code, text, tt.code, tt.want)
		}
	}
}

// TestPeriods: a period begins on its first day, and all days of it have the same.
func TestPeriods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 5000).Draw(t, "day")).Add(time.Duration(rapid.IntRange(0, 86399).Draw(t, "second")) * time.Second)
		for name, first := range periods {
			start := first(day)
			if start.After(day) || !first(start).Equal(start) {
				t.Fatalf("%s of %s begins on %s", name, day, start)
			}
		}
		if m := periods["month"](day); m.Day() != 1 || m.Month() != day.Month() || periods["year"](day).YearDay() != 1 || periods["day"](day).Day() != day.Day() {
			t.Fatalf("%s", day)
		}
	})
}
