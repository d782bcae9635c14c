package bus_test

import (
	"fmt"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/clock"
)

// A commit that fails tells nothing and wakes nobody; a body that cannot be written fails its transaction.
func TestTellFails(t *testing.T) {
	tr := newTrap(t)
	kicked := 0
	shop := bus.NewOutbox("shop", tr.shop.DB(), clock.System, func() { kicked++ })
	for name, fn := range map[string]func(u *bus.Unit) error{
		"the commit": func(u *bus.Unit) error {
			u.Tell(1, "k", bustest.Counted{})
			_, err := u.Exec(`insert into shop.own values (1), (1)`)
			return err
		},
		"the body": func(u *bus.Unit) error { u.Tell(1, "k", unspeakable{}); return nil },
		"the key":  func(u *bus.Unit) error { u.Tell(1, "", bustest.Counted{}); return nil },
		"a NUL":    func(u *bus.Unit) error { u.Tell(1, "k", named{"a\x00b"}); return nil },
	} {
		if err := shop.InTx(t.Context(), fn); err == nil {
			t.Errorf("%s: committed", name)
		}
	}
	if moved, _ := tr.sequence(tr.shop.DB(), 10); moved != 0 || kicked != 0 {
		t.Errorf("moved %d and kicked %d times, want nothing", moved, kicked)
	}
	tr.must(shop.InTx(t.Context(), func(u *bus.Unit) error { u.Tell(1, "k", named{`a\u0000b`}); return nil })) // only looks like one
	tr.must(shop.InTx(t.Context(), func(u *bus.Unit) error { return nil }))
	if moved, _ := tr.sequence(tr.shop.DB(), 10); moved != 1 || kicked != 1 {
		t.Errorf("moved %d and kicked %d times, want one", moved, kicked)
	}
}

type unspeakable struct{ C chan int }

func (unspeakable) EventType() string { return "shop.unspeakable.v1" }

type named struct{ Name string }

func (named) EventType() string { return "shop.named.v1" }

// The module's role can tell and read, and cannot rewrite what was told.
func TestRights(t *testing.T) {
	tr := newTrap(t)
	for _, query := range []string{
		`select * from shop.outbox`, `delete from shop.outbox`, `insert into shop.log values (1, now(), 1, '')`,
		`update shop.log set body = ''`, `update shop.head set seq = 0`, `delete from shop.cursor`, `select * from till.event`, `select * from till.log`,
		`select till.sequence(1)`,
	} {
		if _, err := tr.shop.DB().Exec(query); pq.As(err, pqerror.InsufficientPrivilege) == nil {
			t.Errorf("%s: %v, want to be refused", query, err)
		}
	}
}

// A missing partition fails the move and loses nothing; the sequencer makes one and goes on.
func TestMissingPartition(t *testing.T) {
	tr := newTrap(t)
	tr.exec(tr.admin, `update shop.head set seq = 5000000`)
	tr.tell(1, 2)
	if _, err := tr.shop.DB().Exec(`select shop.sequence(10)`); pq.As(err, pqerror.CheckViolation) == nil {
		t.Errorf("move without a partition: %v, want 23514", err)
	}
	table := bus.NewTable("shop", tr.shop.DB(), nil, zerolog.Nop())
	bustest.Go(t, table.Run)
	bustest.Wait(t, "the events are in the log", func() bool { return len(tr.logged()) == 2 })
}

// A transaction may tell more than a record batch holds, and a reader may begin within one.
func TestManyEvents(t *testing.T) {
	tr := newTrap(t)
	const n = 2500
	tr.must(tr.shop.InTx(t.Context(), func(u *bus.Unit) error {
		for i := range n {
			u.Tell(1, "k", bustest.Counted{N: int64(i + 1)})
		}
		return nil
	}))
	for _, want := range []int64{1000, 1000, 500} { // about as many as are asked for, in whole batches
		if moved, _ := tr.sequence(tr.shop.DB(), 700); moved != want {
			t.Errorf("moved %d, want %d", moved, want)
		}
	}
	table := bus.NewTable("shop", tr.shop.DB(), nil, zerolog.Nop())
	for _, after := range []int64{0, 1, 999, 1000, 1001, 2400, 2500} {
		got, err := table.From(t.Context(), after, 600)
		tr.must(err)
		if int64(len(got)) != min(600, n-after) {
			t.Fatalf("%d events after %d", len(got), after)
		}
		for i, r := range got {
			if want := after + int64(i) + 1; r.Seq != want || string(r.Payload) != fmt.Sprintf(`{"n":%d}`, want) {
				t.Fatalf("the %d. after %d is %d %s", i+1, after, r.Seq, r.Payload)
			}
		}
	}
}

func TestTellRefusesKeysThatBreakLines(t *testing.T) {
	tr := newTrap(t)
	for _, key := range []string{"", "a\tb", "a\nb", "a\x00", "\xff"} {
		err := tr.shop.InTx(t.Context(), func(u *bus.Unit) error { u.Tell(1, key, bustest.Counted{}); return nil })
		if err == nil {
			t.Errorf("key %q was told", key)
		}
	}
}
