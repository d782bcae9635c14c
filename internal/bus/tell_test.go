package bus_test

import (
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
		`select * from shop.outbox`, `delete from shop.outbox`, `insert into shop.event values (1, 1, now(), '', '', '{}')`,
		`update shop.event set payload = '{}'`, `update shop.head set seq = 0`, `delete from shop.cursor`, `select * from till.event`,
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
