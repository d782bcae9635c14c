package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/clock"
)

// small is a log of partitions of a hundred rows, with 450 events that are two days old.
func small(t *testing.T) (w *bustest.World, clk *clock.Movable, still func()) {
	t.Helper()
	url := bustest.Database(t)
	if _, err := bustest.Pool(t, url, "").Exec(`drop table shop.log_1, shop.log_1000001`); err != nil {
		t.Fatal(err)
	}
	clk = clock.NewMovable(time.Now().Add(-48 * time.Hour))
	db := bustest.Pool(t, url, "shop")
	w = &bustest.World{ShopURL: url, TillURL: url, Table: bus.NewTable("shop", db, nil, zerolog.Nop()).Small(100)}
	w.Log = w.Table
	w.Shop = bus.NewOutbox("shop", db, clk.Now, w.Table.Kick)
	w.Till = bus.NewOutbox("till", bustest.Pool(t, url, "till"), clk.Now, nil)
	_, still = bustest.Go(t, w.Table.Run)
	for range 9 {
		if err := w.Count(t.Context(), 50, "a"); err != nil {
			t.Fatal(err)
		}
	}
	return w, clk, still
}

// partitions counts those that hold something.
func partitions(t *testing.T, w *bustest.World) (n int) {
	t.Helper()
	if err := w.Shop.DB().Get(&n, `select count(distinct tableoid) from shop.log`); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w, clk, still := small(t)
	h := w.Hear("till", nil)
	_, stop := h.Start(t, w.Log)
	w.Settle(t, h.Consumer)
	stop()
	clk.Move(48 * time.Hour)
	if err := w.Count(t.Context(), 1, "b"); err != nil { // the fifth partition, of 50 rows, is young
		t.Fatal(err)
	}
	var floor int64
	trim := func(keep time.Duration, rows int64) int {
		t.Helper()
		w.Table.Retain(bus.Retention{Keep: keep, Rows: rows, Floor: func(context.Context) (int64, error) { return floor, nil }})
		n, err := w.Table.Trim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	bustest.Wait(t, "the young one is in the log", func() bool { return partitions(t, w) == 5 && head(t, w) == 451 })
	still() // a sequencer that makes partitions holds off those who drop them, and they try again another time
	for _, c := range []struct {
		name  string
		floor int64
		keep  time.Duration
		rows  int64
		want  int
	}{
		{"nobody has passed", 0, 0, 0, 0},
		{"passed all of a partition but one", 99, time.Hour, 0, 0},
		{"all are too young", 450, 72 * time.Hour, 0, 0},
		{"passed one", 100, time.Hour, 0, 1},
		{"passed three, and too few rows stay", 300, time.Hour, 300, 0},
		{"passed three, and enough rows stay", 300, time.Hour, 200, 1},
		{"passed everything, and the last is young", 451, time.Hour, 0, 2},
	} {
		floor = c.floor
		if got := trim(c.keep, c.rows); got != c.want {
			t.Errorf("%s: dropped %d partitions, want %d", c.name, got, c.want)
		}
	}
	h.Start(t, w.Log) // what it had not passed is there
	w.Settle(t, h.Consumer)
	w.Exactly(t, w.Effects(t, "till"))
}

func head(t *testing.T, w *bustest.World) int64 {
	t.Helper()
	h, err := w.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h.Seq
}

// A partition that is lost although somebody needs it stops the consumer; it skips nothing.
func TestLostPartition(t *testing.T) {
	for name, lost := range map[string]string{"in the middle": "shop.log_201", "at the end": "shop.log_401"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, _ := small(t)
			bustest.Wait(t, "all is in the log", func() bool { return head(t, w) == 450 })
			if _, err := bustest.Pool(t, w.ShopURL, "").Exec(`drop table ` + lost); err != nil {
				t.Fatal(err)
			}
			h := w.Hear("till", nil)
			failed, _ := h.Start(t, w.Log)
			select {
			case err := <-failed:
				if !errors.Is(err, bus.ErrGap) {
					t.Errorf("stopped with %v", err)
				}
			case <-time.After(bustest.Longest):
				t.Error("did not stop")
			}
		})
	}
}
