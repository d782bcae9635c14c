package bustest

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// Counted is what the producing module "shop" tells: a key was counted up to N.
type Counted struct {
	N int64 `json:"n"`
}

// EventType implements bus.Payload.
func (Counted) EventType() string { return "shop.counted.v1" }

// Marked is told in Counted's place by every third step of a key, so that keys share types.
type Marked struct {
	N int64 `json:"n"`
}

// EventType implements bus.Payload.
func (Marked) EventType() string { return "shop.marked.v1" }

// Echoed is what the hearing module "till" tells.
type Echoed struct {
	N int64 `json:"n"`
}

// EventType implements bus.Payload.
func (Echoed) EventType() string { return "till.echoed.v1" }

// tables are what both modules own: what was decided, and what was heard of it. No constraint hides a doubled effect.
const tables = `
	create table {schema}.count (key text primary key, n bigint not null);
	create table {schema}.effect (id bigint generated always as identity, consumer text not null, seq bigint not null,
		site bigint not null, key text not null, n bigint not null, type text not null);
	create table {schema}.own (n bigint constraint own_once unique deferrable initially deferred);
	grant select, insert, update, delete on {schema}.count, {schema}.effect, {schema}.own to {role}`

// Database makes a database in which the modules "shop" and "till" have their schemas, and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	return pgtest.Database(t, "bus", Prepare)
}

// Prepare makes the schemas in the database of url.
func Prepare(ctx context.Context, url string) error {
	for _, name := range []string{"shop", "till"} {
		s := postgres.Schema{Name: name, Files: fstest.MapFS{}, Parts: []string{bus.Schema, tables}}
		if _, err := s.Migrate(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

// Pool opens a module's pool, which acts as the module's role; "" is the database's owner.
func Pool(t testing.TB, url, module string) *sqlx.DB {
	t.Helper()
	p := postgres.Pool{URL: url, Application: t.Name(), Size: 12}
	if module != "" {
		p.Role = postgres.Schema{Name: module}.Role()
	}
	db, err := postgres.Open(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// World is a producer "shop" and a hearer "till".
type World struct {
	Shop, Till *bus.Outbox
	Table      *bus.Table // the log of shop; it runs
	Log        bus.Log    // and what the transport makes of it
	ShopURL    string
	TillURL    string
}

// NewWorld starts the producer's side. Give shop's URL twice for one database.
func NewWorld(t testing.TB, shop, till string, open Transport) *World {
	t.Helper()
	w := &World{ShopURL: shop, TillURL: till}
	db := Pool(t, shop, "shop")
	w.Table = bus.NewTable("shop", db, nil, zerolog.Nop())
	w.Shop = bus.NewOutbox("shop", db, clock.System, w.Table.Kick)
	w.Till = bus.NewOutbox("till", Pool(t, till, "till"), clock.System, nil)
	Go(t, w.Table.Run)
	w.Log = open(t, w.Table)
	return w
}

// Go runs fn until the test ends, and waits for it. The channel returned yields fn's error; an error that nobody takes from it
// fails the test.
func Go(t testing.TB, fn func(ctx context.Context) error) (failed <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	errs, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		if err := fn(ctx); err != nil {
			errs <- err
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(func() {
		stop()
		select {
		case err := <-errs:
			t.Errorf("ended with: %v", err)
		default:
		}
	})
	return errs, stop
}

// Count takes steps of a key in one transaction, each of which tells; it returns the key's last number.
func (w *World) Count(ctx context.Context, steps int, keys ...string) error {
	return w.Shop.InTx(ctx, func(u *bus.Unit) error {
		for _, key := range keys {
			for range steps {
				var n int64
				err := u.QueryRowContext(ctx, `
					insert into shop.count (key, n) values ($1, 1)
					on conflict (key) do update set n = count.n + 1 returning n`, key).Scan(&n)
				if err != nil {
					return fmt.Errorf("count %s: %w", key, err)
				}
				if n%3 == 0 {
					u.Tell(7, key, Marked{N: n})
				} else {
					u.Tell(7, key, Counted{N: n})
				}
			}
		}
		return nil
	})
}

// Longest is how long a machine may take, at the very most, to do what it does at once when it isn't busy. A test that passes never waits
// for it.
const Longest = 3 * time.Minute

// Wait fails the test unless ok comes true.
func Wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(Longest)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", Longest, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Settle waits until everything that was told is in the log, and until c has passed it.
func (w *World) Settle(t testing.TB, c *bus.Consumer) {
	t.Helper()
	Wait(t, "everything told is heard", func() bool {
		var left int64
		if err := w.Shop.DB().Get(&left, `select waiting from shop.backlog()`); err != nil {
			t.Fatal(err)
		}
		head, err := w.Log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, err := c.Cursor(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return left == 0 && at == head.Seq
	})
}

// Effect is one application of one event.
type Effect struct {
	Seq, Site int64
	Key       string
	N         int64
	Type      string
}

// Effects lists what a consumer applied, in the order of application.
func (w *World) Effects(t testing.TB, consumer string) []Effect {
	t.Helper()
	var all []Effect
	err := w.Till.DB().Select(&all, `select seq, site, key, n, type from till.effect where consumer = $1 order by id`, consumer)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Exactly fails the test unless each key was heard as often as it was counted, once each and in order.
func (w *World) Exactly(t testing.TB, effects []Effect) {
	t.Helper()
	var counts []struct {
		Key string
		N   int64
	}
	if err := w.Shop.DB().Select(&counts, `select key, n from shop.count`); err != nil {
		t.Fatal(err)
	}
	heard := map[string]int64{}
	for _, e := range effects {
		if e.N != heard[e.Key]+1 {
			t.Errorf("key %s: %d was applied after %d", e.Key, e.N, heard[e.Key])
		}
		heard[e.Key] = e.N
	}
	for _, c := range counts {
		if heard[c.Key] != c.N {
			t.Errorf("key %s was counted to %d and heard to %d", c.Key, c.N, heard[c.Key])
		}
	}
}
