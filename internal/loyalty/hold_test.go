package loyalty

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func (w *world) hold(site, person, points int64, lasts time.Duration) loyaltyapi.Hold {
	w.t.Helper()
	a, err := w.Hold(w.t.Context(), site, person, points, "cart", lasts, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return *a.Hold
}

// TestHolds: what a hold may become, and what not.
func TestHolds(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	w.start(1, s)
	w.start(2, s)
	w.earns(7, 1, 1000)
	end := func(id int64, kind string, points int64) (string, loyaltyapi.Action) {
		a, err := w.endHold(t.Context(), 1, id, kind, points, noKey)
		if f, ok := fault.Of(err); ok {
			return f.Code, a
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.Hold.Status, a
	}
	a, b := w.hold(1, 7, 60, time.Hour), w.hold(1, 7, 40, time.Minute)
	if _, err := w.Hold(t.Context(), 1, 7, 1, "cart", time.Hour, noKey); !fault.Is(err, fault.Invalid) {
		t.Errorf("held more than there is: %v", err)
	}
	for i, c := range []struct {
		id      int64
		kind    string
		points  int64
		want    string
		balance int64
	}{
		{a.ID, kindRestore, 1, "hold_not_committed", 0},
		{a.ID, kindCommit, 0, "committed", 0}, {a.ID, kindCommit, 0, "committed", 0},
		{a.ID, kindRelease, 0, "hold_committed", 0},
		{a.ID, kindRestore, 61, "too_many_points", 0}, {a.ID, kindRestore, 20, "committed", 20},
		{a.ID, kindRestore, 41, "too_many_points", 20}, {a.ID, kindRestore, 40, "committed", 60}, {a.ID, kindRestore, 1, "too_many_points", 60},
		{b.ID, kindRelease, 0, "released", 100}, {b.ID, kindRelease, 0, "released", 100},
		{b.ID, kindCommit, 0, "hold_over", 100}, {b.ID, kindRestore, 1, "hold_not_committed", 100},
		{99, kindCommit, 0, "hold_not_found", 100}, {99, kindRelease, 0, "hold_not_found", 100},
	} {
		if got, _ := end(c.id, c.kind, c.points); got != c.want || w.balance(1, 7) != c.balance {
			t.Errorf("step %d, %s: %s and a balance of %d, want %s and %d", i, c.kind, got, w.balance(1, 7), c.want, c.balance)
		}
	}
	if _, err := w.endHold(t.Context(), 2, a.ID, kindRestore, 1, noKey); !fault.Is(err, fault.NotFound) {
		t.Errorf("the twin's: %v", err)
	}
	for want, f := range map[string]func() (loyaltyapi.Action, error){
		"/points":    func() (loyaltyapi.Action, error) { return w.Hold(t.Context(), 1, 7, 0, "c", time.Hour, noKey) },
		"/seconds":   func() (loyaltyapi.Action, error) { return w.Hold(t.Context(), 1, 7, 1, "c", maxHold+1, noKey) },
		"/reference": func() (loyaltyapi.Action, error) { return w.Hold(t.Context(), 1, 7, 1, "a\x00", time.Hour, noKey) },
	} {
		_, err := f()
		if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Pointer != want {
			t.Errorf("want a finding at %s: %v", want, err)
		}
	}
	all, more, err := w.Holds(t.Context(), 1, 7, loyaltyapi.AfterID{}, 1)
	if err != nil || !more || len(all) != 1 || all[0].ID != b.ID {
		t.Errorf("%+v %v, %v", all, more, err)
	}
	if w.balance(2, 7) != 100 {
		t.Errorf("the twin has %d", w.balance(2, 7))
	}
	if got := w.told(1)["loyalty.hold_changed.v1"]; got != 6 {
		t.Errorf("told %d times", got)
	}
}

// TestHoldTimesOut: to the moment, by whoever comes first, and never twice.
func TestHoldTimesOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays, s.RestoreGraceDays = days(30), 3
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 1000))
	due := func(want int) {
		t.Helper()
		if n, err := w.releaseDue(t.Context()); err != nil || n != want {
			t.Errorf("%d were released, want %d; %v", n, want, err)
		}
	}
	a, b := w.hold(1, 7, 60, time.Hour), w.hold(1, 8, 60, 40*time.Hour)
	w.clock.Move(time.Hour - time.Microsecond)
	due(0)
	w.clock.Move(time.Microsecond)
	if _, err := w.endHold(t.Context(), 1, a.ID, kindCommit, 0, noKey); !fault.Is(err, fault.Conflict) {
		t.Errorf("committed too late: %v", err)
	}
	due(1)
	due(0)
	k, err := holdOf(t.Context(), w.db, 1, a.ID)
	if err != nil || k.Status != "timed_out" || w.balance(1, 7) != 100 || w.balance(1, 8) != 40 {
		t.Errorf("%+v, %v, balances %d %d", k, err, w.balance(1, 7), w.balance(1, 8))
	}
	w.days(31) // b's points lapsed while they were held: they get the grace
	w.expireAll()
	due(1)
	if got := w.balance(1, 8); got != 60 {
		t.Errorf("balance %d, want 60", got)
	}
	if _, err := w.endHold(t.Context(), 1, b.ID, kindRelease, 0, noKey); err != nil {
		t.Error(err)
	}
	w.days(3)
	if w.expireAll(); w.balance(1, 8) != 0 {
		t.Errorf("balance %d after the grace", w.balance(1, 8))
	}
}

// TestFiftyHoldsAtOnce: exactly as many as the balance allows, from two processes.
func TestFiftyHoldsAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000)) // 1000 points
	other := *w.Module
	ctx := context.WithoutCancel(t.Context())
	gate := make(chan struct{})
	var wg sync.WaitGroup
	var won atomic.Int64
	var ids sync.Map
	for i := range 50 {
		wg.Go(func() {
			<-gate
			m := []*Module{w.Module, &other}[i%2]
			a, err := m.Hold(ctx, 1, 7, 300, "cart", time.Hour, noKey)
			if err == nil {
				won.Add(1)
				ids.Store(a.Hold.ID, true)
			} else if f, ok := fault.Of(err); !ok || f.Code != "not_enough_points" {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if won.Load() != 3 || w.balance(1, 7) != 100 {
		t.Fatalf("%d holds, a balance of %d", won.Load(), w.balance(1, 7))
	}
	var committed, released atomic.Int64
	ids.Range(func(id, _ any) bool { // each is committed and released at once, ten times each: one way or the other
		for i := range 10 {
			wg.Go(func() {
				kind, n := kindCommit, &committed
				if i%2 == 1 {
					kind, n = kindRelease, &released
				}
				a, err := w.endHold(ctx, 1, id.(int64), kind, 0, idempotency.Key{})
				if err == nil && (a.Hold.Status == "committed") == (kind == kindCommit) {
					n.Add(1)
				} else if err == nil || !fault.Is(err, fault.Conflict) {
					t.Errorf("%+v, %v", a, err)
				}
			})
		}
		return true
	})
	wg.Wait()
	if committed.Load()+released.Load() != 15 || w.balance(1, 7) != 100+300*released.Load()/5 {
		t.Errorf("%d committed, %d released, a balance of %d", committed.Load(), released.Load(), w.balance(1, 7))
	}
}

// TestAnySplitOfRestoringHasTheSameEnd: however a payment is given back, its lots end alike.
func TestAnySplitOfRestoringHasTheSameEnd(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	person := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		person += 2
		cuts := rapid.SliceOfN(rapid.Int64Range(1, 40), 1, 4).Draw(rt, "cuts")
		ends := map[string]bool{}
		var sum int64
		for _, n := range cuts {
			sum += n
		}
		for i, parts := range [][]int64{cuts, {sum}} {
			who := person + int64(i)
			for k := range int64(3) {
				w.clock.Move(time.Second)
				hear(w, w.originsRecorded, 1, w.bought(1, who, 10*who+k, 700))
			}
			k := w.hold(1, who, 200, time.Hour)
			if _, err := w.endHold(t.Context(), 1, k.ID, kindCommit, 0, noKey); err != nil {
				rt.Fatal(err)
			}
			for _, n := range parts {
				if _, err := w.endHold(t.Context(), 1, k.ID, kindRestore, n, noKey); err != nil {
					rt.Fatal(err)
				}
			}
			ends[w.lots(1, who)] = true
		}
		if len(ends) != 1 {
			rt.Fatalf("%v: %v", cuts, ends)
		}
	})
}

func TestHoldsOverHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	k := w.hold(1, 7, 60, time.Hour)
	call, twin := w.serve(1), w.serve(2)
	path := "/api/v2/loyalty/holds/" + strconv.FormatInt(k.ID, 10)
	for _, c := range []struct {
		call         func(method, path, key, body string) (int, string, bool)
		method, path string
		key, body    string
		code         int
		want         string
		replayed     bool
	}{
		{twin, "GET", path, "", "", 404, "hold_not_found", false},
		{twin, "POST", path + "/commit", "", "{}", 404, "hold_not_found", false},
		{call, "GET", path, "", "", 200, `{"ok":true,"result":{"hold":{"id":` + strconv.FormatInt(k.ID, 10) + `,"member_id":1,"status":"held","points":60,"restored":0,"reference":"cart","until":"2026-03-01T13:00:00Z","created_at":"2026-03-01T12:00:00Z","ended_at":null,"redemption_batch_id":null,"amount":null,"currency":null}}}`, false},
		{call, "POST", path + "/commit", "k1", "{}", 200, `"status":"committed","points":60,"restored":0`, false},
		{call, "POST", path + "/commit", "k1", "{}", 200, `"balance":40`, true},
		{call, "POST", path + "/restore", "k2", `{"points":5}`, 200, `"restored":5`, false},
		{call, "POST", path + "/restore", "k2", `{"points":5}`, 200, `"balance":45`, true},
		{call, "POST", path + "/restore", "k2", `{"points":6}`, 422, "idempotency_key_reused", false},
		{call, "POST", path + "/restore", "", `{"points":56}`, 400, "too_many_points", false},
		{call, "POST", path + "/restore", "", `{"points":0}`, 400, "", false},
		{call, "POST", path + "/restore", "", `{"points":1.5}`, 400, "", false},
		{call, "POST", path + "/release", "", "{}", 409, "hold_committed", false},
		{call, "GET", "/api/v2/loyalty/holds/0", "", "", 400, "", false},
	} {
		code, body, replayed := c.call(c.method, c.path, c.key, c.body)
		if code != c.code || !strings.Contains(body, c.want) || replayed != c.replayed {
			t.Errorf("%s %s %s: %d %s replayed %v, want %d %s", c.method, c.path, c.body, code, body, replayed, c.code, c.want)
		}
	}
}

// TestActionsOnOthersIds: an id of another kind of thing, in one batch with somebody else's action, is unknown, and no more.
func TestActionsOnOthersIds(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, club()).ID, 10, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 1000))
	spent, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	taken, kept := w.adjust(1, 7, -5), w.hold(1, 7, 5, time.Hour)
	for _, a := range []action{{kind: kindCancel, id: taken.TransactionID}, {kind: kindCancel, id: kept.ID}, {kind: kindCommit, id: spent.TransactionID}, {kind: kindRestore, id: taken.TransactionID}} {
		a.site = 1
		out, err := w.act(t.Context(), []action{{site: 1, person: 8, kind: kindAdjust, points: 1}, a, {site: 1, kind: kindCancel, id: kept.ID}, {site: 1, kind: kindRestore, id: kept.ID, points: 1}})
		if err != nil || out[0].Err != nil || !fault.Is(out[1].Err, fault.NotFound) {
			t.Errorf("%+v: %+v, %v", a, out, err)
		}
	}
}
