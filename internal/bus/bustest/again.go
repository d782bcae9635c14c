package bustest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/talkable/talkable/internal/bus"
)

// replay: the parked events of a key are applied in order once their handler was mended, while others flow.
func replay(t *testing.T, w *World) {
	var mended atomic.Bool
	h := w.Hear("till", func(n int64, key string) error {
		if key == "e" && n == 5 && !mended.Load() {
			return errRefused
		}
		return nil
	})
	spoiled(t, w, h, "refused")
	if n, err := h.Replay(t.Context(), "shop", "e"); !errors.Is(err, errRefused) || n != 0 {
		t.Errorf("replayed %d: %v; want the handler's refusal", n, err)
	}
	if n := len(parked(t, h)); n != 8 {
		t.Errorf("%d events are parked after a vain replay, want 8", n)
	}
	mended.Store(true)
	if n, err := h.Replay(t.Context(), "shop", "e"); err != nil || n != 8 {
		t.Errorf("replayed %d: %v; want 8", n, err)
	}
	if err := w.Count(t.Context(), 2, "e", "f"); err != nil {
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
	if n := len(parked(t, h)); n != 0 {
		t.Errorf("%d events are still parked", n)
	}
}

func discard(t *testing.T, w *World) {
	h := w.Hear("till", refuse("e", 5, errRefused))
	spoiled(t, w, h, "refused")
	if found, err := h.Discard(t.Context(), "shop", 1); found || err != nil {
		t.Errorf("gave up an event that is not parked: %v", err)
	}
	if found, err := h.Discard(t.Context(), "shop", parked(t, h)[0].Seq); !found || err != nil {
		t.Errorf("nothing was given up: %v", err)
	}
	if n, err := h.Replay(t.Context(), "shop", "e"); err != nil || n != 7 {
		t.Errorf("replayed %d: %v; want 7", n, err)
	}
	if n := len(w.Effects(t, "till")); n != 119 {
		t.Errorf("%d events were applied, want all 120 but one", n)
	}
}

// rewind: set the cursor and clear the projection in one transaction, while the consumer runs.
func rewind(t *testing.T, w *World) {
	h := w.Hear("till", refuse("e", 5, errRefused))
	spoiled(t, w, h, "refused")
	head, err := w.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = h.Rewind(t.Context(), "shop", bus.Head{Epoch: head.Epoch}, func(u *bus.Unit) error {
		_, err := u.Exec(`delete from till.effect`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Count(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	w.Settle(t, h.Consumer)
	if n := len(w.Effects(t, "till")); n != 113 {
		t.Errorf("%d events were applied, want 121 but the 8 that are parked", n)
	}
	if n := len(parked(t, h)); n != 8 {
		t.Errorf("%d events are parked, want 8", n)
	}
}
