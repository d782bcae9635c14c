package bus_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/clock"
)

// What modules test with: a feed in memory, and a look at what was told.
func TestFeed(t *testing.T) {
	t.Parallel()
	url := bustest.Database(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)
	w := &bustest.World{Till: bus.NewOutbox("till", bustest.Pool(t, url, "till"), clock.NewMovable(at).Now, nil)}
	h := w.Hear("till", nil)
	feed := &bustest.Feed{}
	for n := range int64(1200) {
		feed.Tell(t, at, 7, "k", bustest.Counted{N: n + 1})
	}
	bustest.Deliver(t, h.Consumer, "shop", feed)
	if n := len(w.Effects(t, "till")); n != 1200 {
		t.Errorf("%d events were applied, want 1200", n)
	}

	err := w.Till.InTx(t.Context(), func(u *bus.Unit) error {
		for n := range int64(50) {
			u.Tell(7, "k", bustest.Echoed{N: n})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	told := bustest.Told(t, bustest.Pool(t, url, ""), "till")
	if len(told) != 50 {
		t.Fatalf("%d events were told, want 50", len(told))
	}
	for i, r := range told {
		if want := fmt.Sprintf(`{"n": %d}`, i); string(r.Payload) != want || !r.At.Equal(at) || r.Site != 7 {
			t.Errorf("event %d: %s at %s, want %s at %s", i, r.Payload, r.At, want, at)
		}
	}
}
