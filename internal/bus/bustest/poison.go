package bustest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

func parked(t *testing.T, h *Hearer) []bus.Parked {
	t.Helper()
	all, err := h.Parked(t.Context(), 5000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refuse makes a handler's check that fails for the n-th count of a key.
func refuse(key string, n int64, err error) func(int64, string) error {
	return func(m int64, k string) error {
		if k == key && m == n {
			return err
		}
		return nil
	}
}

// spoiled hears a hundred events of ten keys, in the middle of which is one that err refuses, and checks that only its key is
// behind.
func spoiled(t *testing.T, w *World, h *Hearer, text string) {
	t.Helper()
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for range 5 {
		if err := w.Count(t.Context(), 2, keys...); err != nil {
			t.Fatal(err)
		}
	}
	h.Start(t, w.Log)
	w.Settle(t, h.Consumer)
	if err := w.Count(t.Context(), 2, keys...); err != nil { // and a later batch
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer)
	last := map[string]int64{}
	for _, e := range w.Effects(t, "till") {
		if e.N != last[e.Key]+1 {
			t.Errorf("key %s: %d was applied after %d", e.Key, e.N, last[e.Key])
		}
		last[e.Key] = e.N
	}
	for _, key := range keys {
		want := int64(12)
		if key == "e" {
			want = 4
		}
		if last[key] != want {
			t.Errorf("key %s was applied to %d, want %d", key, last[key], want)
		}
	}
	aside := parked(t, h)
	if len(aside) != 8 {
		t.Fatalf("%d events are parked, want 8", len(aside))
	}
	for i, p := range aside {
		reason := text
		if i > 0 {
			reason = fmt.Sprintf("behind %d", aside[0].Seq)
		}
		if p.Key != "e" || p.Source != "shop" || !strings.Contains(p.Error, reason) {
			t.Errorf("parked %s %d: %q, want key e and %q", p.Key, p.Seq, p.Error, reason)
		}
	}
}

func poisonParks(t *testing.T, w *World) {
	spoiled(t, w, w.Hear("till", refuse("e", 5, errRefused)), "refused")
}

func invalid(t *testing.T, w *World) {
	err := fault.New(fault.Invalid, "unknown_currency", "There is no such currency.")
	spoiled(t, w, w.Hear("till", refuse("e", 5, err)), "unknown_currency")
}

func panics(t *testing.T, w *World) {
	h := w.Hear("till", func(n int64, key string) error {
		if key == "e" && n == 5 {
			panic("out of cheese")
		}
		return nil
	})
	spoiled(t, w, h, "out of cheese")
}

func undecodable(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	log := tampered{w.Log, func(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
		records, err := w.Log.From(ctx, seq, n)
		for i, r := range records {
			if r.Key == "e" && strings.Contains(string(r.Payload), `"n":5`) {
				records[i].Payload = []byte(`{"n": "five"}`)
			}
		}
		return records, err
	}}
	spoiled(t, &World{Shop: w.Shop, Till: w.Till, Table: w.Table, Log: log}, h, "decode shop.counted.v1")
}

// commitFails: a deferred constraint speaks up at the commit only, when no handler is to blame.
func commitFails(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	h.after = func(ctx context.Context, u *bus.Unit, keys []string, ns []int64) error {
		for i, key := range keys {
			if key == "e" && ns[i] == 5 {
				if _, err := u.ExecContext(ctx, `insert into till.own values (1), (1)`); err != nil {
					return err
				}
			}
		}
		return nil
	}
	spoiled(t, w, h, "own_once")
}

func poisonTells(t *testing.T, w *World) {
	h := w.Hear("till", refuse("e", 5, bus.Poison(errRefused)))
	h.after = func(_ context.Context, u *bus.Unit, keys []string, ns []int64) error {
		for i, key := range keys {
			u.Tell(7, key, Echoed{N: ns[i]})
		}
		return nil
	}
	spoiled(t, w, h, "refused")
	var told []Effect
	err := Pool(t, w.TillURL, "").Select(&told, `select key, (payload->>'n')::bigint as n from till.waiting order by id, i`)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.Effects(t, "till")); len(told) != n {
		t.Errorf("%d events were told of %d that were applied", len(told), n)
	}
	if slices.ContainsFunc(told, func(e Effect) bool { return e.Key == "e" && e.N >= 5 }) {
		t.Error("a parked event told something")
	}
}

func tooMany(t *testing.T, w *World) {
	h := w.Hear("till", func(int64, string) error { return bus.Poison(errRefused) })
	for range 3 {
		if err := w.Count(t.Context(), 400, "a"); err != nil {
			t.Fatal(err)
		}
	}
	failed, _ := h.Start(t, w.Log)
	ends(t, failed, bus.ErrParked)
	if n := len(parked(t, h)); n > 1000 {
		t.Errorf("%d events are parked, want at most 1000", n)
	}
	if at, err := h.Cursor(t.Context(), "shop"); err != nil || at > 1000 {
		t.Errorf("the cursor is at %d: %v", at, err)
	}
}

func tooEarly(t *testing.T, w *World) {
	var here atomic.Bool
	var calls atomic.Int64
	h := w.Hear("till", func(_ int64, key string) error {
		if key == "b" && !here.Load() {
			calls.Add(1)
			return bus.Later(errors.New("no such site yet"))
		}
		return nil
	})
	if err := w.Count(t.Context(), 4, "a", "b"); err != nil {
		t.Fatal(err)
	}
	h.Start(t, w.Log)
	Wait(t, "five tries", func() bool { return calls.Load() >= 5 })
	here.Store(true)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	if n := len(parked(t, h)); n > 0 {
		t.Errorf("%d events are parked", n)
	}
}

func away(t *testing.T, w *World) {
	var calls atomic.Int64
	h := w.Hear("till", func(int64, string) error {
		if calls.Add(1) <= 5 {
			return fmt.Errorf("apply: %w", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")})
		}
		return nil
	})
	if err := w.Count(t.Context(), 4, "a", "b"); err != nil {
		t.Fatal(err)
	}
	h.Start(t, w.Log)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	if n := len(parked(t, h)); n > 0 {
		t.Errorf("%d events are parked", n)
	}
}
