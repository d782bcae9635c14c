package bustest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
)

var errRefused = errors.New("refused")

// load counts on several keys from several goroutines; some transactions roll back.
func load(t testing.TB, w *World, producers, transactions int) {
	t.Helper()
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range transactions {
				keys := []string{fmt.Sprintf("k%d", rand.IntN(10)), fmt.Sprintf("k%d", 10+rand.IntN(10))}
				if rand.IntN(6) == 0 {
					err := w.Shop.InTx(context.Background(), func(u *bus.Unit) error {
						u.Tell(7, keys[0], Counted{N: -1})
						_, err := u.Exec(`update shop.count set n = n + 1 where key = $1`, keys[0])
						return errors.Join(err, errRefused)
					})
					if !errors.Is(err, errRefused) {
						t.Errorf("a transaction that was to roll back: %v", err)
					}
					continue
				}
				if err := w.Count(context.Background(), 1+i%2, keys...); err != nil {
					t.Errorf("producer %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
}

func exactlyOnce(t *testing.T, w *World) {
	var calls atomic.Int64
	h := w.Hear("till", func(int64, string) error {
		if calls.Add(1)%97 == 0 { // after the work; never twice in a row, so nothing is parked
			return errRefused
		}
		return nil
	})
	h.Start(t, w.Log)
	load(t, w, 4, 60)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	for _, e := range w.Effects(t, "till") {
		if e.Site != 7 {
			t.Fatalf("event %d came from site %d", e.Seq, e.Site)
		}
	}
}

func typesKeepOrder(t *testing.T, w *World) {
	if err := w.Count(t.Context(), 20, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	h := w.Hear("till", nil)
	h.Start(t, w.Log)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
}

func foreignTypes(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	h.Start(t, w.Log)
	for range 3 {
		err := w.Shop.InTx(t.Context(), func(u *bus.Unit) error {
			for range 700 {
				u.Tell(7, "x", Echoed{N: 1}) // of a type that till doesn't handle
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Count(t.Context(), 1, "a"); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	if err := w.Shop.InTx(t.Context(), func(u *bus.Unit) error { u.Tell(7, "x", Echoed{N: 1}); return nil }); err != nil {
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer) // the cursor follows although nothing was applied
}

func rollback(t *testing.T, w *World) {
	var failures atomic.Int64
	h := w.Hear("till", func(int64, string) error {
		if failures.Add(1) <= 2 {
			return errRefused
		}
		return nil
	})
	if err := w.Count(t.Context(), 3, "a", "b"); err != nil {
		t.Fatal(err)
	}
	h.Start(t, w.Log)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	if n := len(parked(t, h)); n > 0 {
		t.Errorf("%d events are parked, and two failures are no poison", n)
	}
}

// tampered is a log between the transport and the consumer.
type tampered struct {
	bus.Log
	from func(ctx context.Context, seq int64, n int) ([]bus.Record, error)
}

func (l tampered) From(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
	return l.from(ctx, seq, n)
}

func duplicates(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	h.Start(t, tampered{w.Log, func(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
		records, err := w.Log.From(ctx, max(seq-5, 0), n)
		twice := append(slices.Clone(records), records...)
		slices.SortStableFunc(twice, func(a, b bus.Record) int { return int(a.Seq - b.Seq) })
		return twice, err
	}})
	for range 20 {
		if err := w.Count(t.Context(), 2, "a", "b"); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
}

func replicas(t *testing.T, w *World) {
	second := bus.NewTable("shop", Pool(t, w.ShopURL, "shop"), nil, zerolog.Nop())
	Go(t, second.Run)
	other := &World{Shop: w.Shop, Table: second, Log: w.Log, ShopURL: w.ShopURL, TillURL: w.TillURL}
	other.Till = bus.NewOutbox("till", Pool(t, w.TillURL, "till"), clock.System, nil)
	h := w.Hear("till", nil)
	h.Start(t, w.Log)
	other.Hear("till", nil).Start(t, w.Log)
	load(t, w, 4, 60)
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
}
