package bustest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

// ends waits for a consumer that is to stop by itself.
func ends(t *testing.T, failed <-chan error, want error) {
	t.Helper()
	select {
	case err := <-failed:
		if !errors.Is(err, want) {
			t.Errorf("stopped with %v, want %v", err, want)
		}
	case <-time.After(Longest):
		t.Errorf("still runs, want %v", want)
	}
}

func gap(t *testing.T, w *World) {
	for range 10 {
		if err := w.Count(t.Context(), 1, "a"); err != nil {
			t.Fatal(err)
		}
	}
	h := w.Hear("till", nil)
	failed, _ := h.Start(t, tampered{w.Log, func(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
		records, err := w.Log.From(ctx, seq, n)
		return slices.DeleteFunc(records, func(r bus.Record) bool { return r.Seq == 7 }), err
	}})
	ends(t, failed, bus.ErrGap)
	if n := len(w.Effects(t, "till")); n > 6 {
		t.Errorf("%d events were applied, and the seventh is lost", n)
	}
}

func lostEnd(t *testing.T, w *World) {
	if err := w.Count(t.Context(), 10, "a"); err != nil {
		t.Fatal(err)
	}
	h := w.Hear("till", nil)
	failed, _ := h.Start(t, tampered{w.Log, func(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
		records, err := w.Log.From(ctx, seq, n)
		return slices.DeleteFunc(records, func(r bus.Record) bool { return r.Seq > 5 }), err
	}})
	ends(t, failed, bus.ErrGap)
	if n := len(w.Effects(t, "till")); n != 5 {
		t.Errorf("%d events were applied, want the 5 that are there", n)
	}
}

// restore makes shop's log one that ends at seq, of another epoch.
func restore(t *testing.T, w *World, seq int64) {
	t.Helper()
	db := Pool(t, w.ShopURL, "")
	tx := db.MustBegin()
	tx.MustExec(`delete from shop.log where seq > $1`, seq)
	tx.MustExec(`update shop.head set seq = $1, epoch = gen_random_uuid()`, seq)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func epoch(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	_, stop := h.Start(t, w.Log)
	if err := w.Count(t.Context(), 10, "a"); err != nil {
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer)
	stop()
	restore(t, w, 5)
	if err := w.Count(t.Context(), 20, "b"); err != nil { // gives 6 to 25 again
		t.Fatal(err)
	}
	failed, _ := h.Start(t, w.Log)
	ends(t, failed, bus.ErrEpoch)
	if n := len(w.Effects(t, "till")); n != 10 {
		t.Errorf("%d events were applied, want the 10 of the first epoch", n)
	}
}

func shorter(t *testing.T, w *World) {
	h := w.Hear("till", nil)
	failed, _ := h.Start(t, w.Log)
	if err := w.Count(t.Context(), 10, "a"); err != nil {
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer)
	restore(t, w, 5) // under the eyes of a consumer that runs
	if err := w.Count(t.Context(), 1, "b"); err != nil {
		t.Fatal(err)
	}
	ends(t, failed, bus.ErrEpoch)
	if n := len(w.Effects(t, "till")); n != 10 {
		t.Errorf("%d events were applied, want the 10 of the first epoch", n)
	}
}
