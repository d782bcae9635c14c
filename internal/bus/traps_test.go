package bus_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/clock"
)

// Each of these tests shows a trap: the obvious shape fails in it, and ours does not.

// obvious is the move as one would write it first: it skips locked events and numbers from the log's last.
const obvious = `
	with taken as (
		delete from shop.outbox where id in (select id from shop.outbox order by id limit 1 for update skip locked) returning *
	)
	insert into shop.log (seq, at, n, body)
	select (select coalesce(max(seq), 0) from shop.log) + row_number() over (order by id), at, n, body
	from taken`

type trap struct {
	*testing.T
	admin *sqlx.DB // as the owner, who may do the obvious
	shop  *bus.Outbox
	url   string
}

func newTrap(t *testing.T) trap {
	t.Parallel()
	url := bustest.Database(t)
	return trap{t, bustest.Pool(t, url, ""), bus.NewOutbox("shop", bustest.Pool(t, url, "shop"), clock.System, nil), url}
}

func (t trap) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t trap) exec(q interface {
	Exec(query string, args ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	_, err := q.Exec(query, args...)
	t.must(err)
}

// tell tells each number in a transaction of its own.
func (t trap) tell(ns ...int64) {
	t.Helper()
	for _, n := range ns {
		t.must(t.shop.InTx(t.Context(), func(u *bus.Unit) error {
			u.Tell(1, "k", bustest.Counted{N: n})
			return nil
		}))
	}
}

// sequence moves lim events as the module's role does.
func (t trap) sequence(q sqlx.Queryer, lim int) (moved, last int64) {
	t.Helper()
	t.must(q.QueryRowx(`select moved, last from shop.sequence($1)`, lim).Scan(&moved, &last))
	return moved, last
}

// logged is what the log says, in its order.
func (t trap) logged() []int64 {
	t.Helper()
	var ns []int64
	t.must(t.admin.Select(&ns, `select (payload->>'n')::bigint from shop.event order by seq`))
	return ns
}

func (t trap) want(got []int64, want ...int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the log says %v, want %v", got, want)
	}
}

// waits says that fn is still waiting for a lock after a while; the channel yields its result.
func (t trap) waits(fn func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	return done
}

// R1: two movers, and the first one aborts. Skipping what it holds, the second gets the number and the later event.
func TestMoverThatAborts(t *testing.T) {
	tr := newTrap(t)
	tr.tell(1, 2)
	first := tr.admin.MustBegin()
	tr.exec(first, obvious)
	second := tr.waits(func() error { _, err := tr.admin.Exec(obvious); return err }) // on the unique index, with event 2 in hand
	tr.must(first.Rollback())
	tr.must(<-second)
	tr.exec(tr.admin, obvious)
	tr.want(tr.logged(), 2, 1) // the obvious move breaks the order

	tr.exec(tr.admin, `truncate shop.log`)
	tr.tell(1, 2)
	first = tr.admin.MustBegin()
	if moved, _ := tr.sequence(first, 1); moved != 1 {
		t.Fatalf("moved %d, want 1", moved)
	}
	if moved, _ := tr.sequence(tr.shop.DB(), 1); moved != -1 {
		t.Errorf("a second mover moved %d, want to be told that another is at it", moved)
	}
	tr.must(first.Rollback())
	tr.sequence(tr.shop.DB(), 10)
	tr.want(tr.logged(), 1, 2)
}

// R3: a sequence with a cache hands out numbers that do not follow the lock.
func TestIdentityCache(t *testing.T) {
	tr := newTrap(t)
	inTurn := func() {
		one, two := tr.admin.MustBegin(), tr.admin.MustBegin() // two connections, which take turns at the key's lock
		tr.must(one.Rollback())
		tr.must(two.Rollback())
		a, err := tr.admin.Connx(t.Context())
		tr.must(err)
		defer a.Close()
		b, err := tr.admin.Connx(t.Context())
		tr.must(err)
		defer b.Close()
		for n, c := range []*sqlx.Conn{a, b, a} {
			_, err := c.ExecContext(t.Context(), `insert into shop.outbox (at, n, body)
				values (now(), 1, format(E'1\tk\tshop.counted.v1\t{"n": %s}', $1::int))`, n+1)
			tr.must(err)
		}
	}
	tr.exec(tr.admin, `alter table shop.outbox alter id set cache 10`)
	inTurn()
	tr.sequence(tr.shop.DB(), 10)
	tr.want(tr.logged(), 1, 3, 2)

	tr.exec(tr.admin, `delete from shop.log; update shop.head set seq = 0; alter table shop.outbox alter id set cache 1`)
	var cache int64
	inTurn()
	tr.sequence(tr.shop.DB(), 10)
	tr.want(tr.logged(), 1, 2, 3)

	fresh := bustest.Pool(t, bustest.Database(t), "")
	tr.must(fresh.Get(&cache, `select seqcache from pg_sequence where seqrelid = pg_get_serial_sequence('shop.outbox', 'id')::regclass`))
	if cache != 1 {
		t.Errorf("the outbox's identity caches %d numbers, want 1", cache)
	}
}

// R4: telling takes its number before the lock when the insert comes first. The outbox inserts last, whenever Tell was called.
func TestTellBeforeLock(t *testing.T) {
	tr := newTrap(t)
	tr.exec(tr.admin, `insert into shop.count values ('k', 0)`)
	const insert = `insert into shop.outbox (at, n, body) values (now(), 1, format(E'1\tk\tshop.counted.v1\t{"n": %s}', $1::int))`
	const lock = `update shop.count set n = n + 1 where key = 'k'`
	early := tr.admin.MustBegin()
	tr.exec(early, insert, 2) // told first, locked second
	other := tr.admin.MustBegin()
	tr.exec(other, lock)
	tr.exec(other, insert, 1)
	tr.must(other.Commit())
	tr.exec(early, lock)
	tr.must(early.Commit())
	tr.sequence(tr.shop.DB(), 10)
	tr.want(tr.logged(), 2, 1)

	tr.exec(tr.admin, `delete from shop.log; update shop.head set seq = 0`)
	told, go_ := make(chan bool), make(chan bool)
	done := make(chan error, 1)
	go func() {
		done <- tr.shop.InTx(context.Background(), func(u *bus.Unit) error {
			u.Tell(1, "k", bustest.Counted{N: 2})
			close(told)
			<-go_
			_, err := u.Exec(lock)
			return err
		})
	}()
	<-told
	tr.must(tr.shop.InTx(t.Context(), func(u *bus.Unit) error {
		u.Tell(1, "k", bustest.Counted{N: 1})
		_, err := u.Exec(lock)
		return err
	}))
	close(go_)
	tr.must(<-done)
	tr.sequence(tr.shop.DB(), 10)
	tr.want(tr.logged(), 1, 2)
}

// R6: a reader of ids passes by an event whose transaction is still open; the log gets it a place when it commits.
func TestLateCommit(t *testing.T) {
	tr := newTrap(t)
	open := tr.admin.MustBegin()
	tr.exec(open, `insert into shop.outbox (at, n, body) values (now(), 1, E'1\tslow\tshop.counted.v1\t{"n": 1}')`)
	tr.tell(2)
	var seen int64 // the obvious consumer remembers the last id that it saw
	tr.must(tr.admin.Get(&seen, `select max(id) from shop.outbox`))
	tr.sequence(tr.shop.DB(), 10) // and the log isn't held up
	tr.want(tr.logged(), 2)
	tr.must(open.Commit())
	var found int
	tr.must(tr.admin.Get(&found, `select count(*) from shop.outbox where id > $1`, seen))
	if found != 0 {
		t.Errorf("a reader by id finds %d events: this is no trap any more", found)
	}
	if _, last := tr.sequence(tr.shop.DB(), 10); last != 2 {
		t.Errorf("the log ends at %d, want 2", last)
	}
	tr.want(tr.logged(), 2, 1)
}

// R8: numbers from the log's last begin anew when retention has dropped all of it; the head's don't.
func TestNumbersAfterRetention(t *testing.T) {
	tr := newTrap(t)
	tr.tell(1, 2, 3)
	tr.sequence(tr.shop.DB(), 10)
	tr.exec(tr.admin, `truncate shop.log`)
	var next int64
	tr.must(tr.admin.Get(&next, `select coalesce(max(seq), 0) + 1 from shop.log`))
	tr.tell(4)
	if _, last := tr.sequence(tr.shop.DB(), 10); next != 1 || last != 4 {
		t.Errorf("the obvious next is %d, want 1; ours is %d, want 4", next, last)
	}
}

// R9: a set-based upsert refuses a key that comes twice. Fold gives each once, sorted.
func TestFoldBeforeUpsert(t *testing.T) {
	tr := newTrap(t)
	upsert := func(keys []string, ns []int64) error {
		_, err := tr.admin.Exec(`insert into shop.count (key, n) select * from unnest($1::text[], $2::bigint[])
			on conflict (key) do update set n = count.n + excluded.n`, pq.Array(keys), pq.Array(ns))
		return err
	}
	batch := []bus.Event[bustest.Counted]{
		{Seq: 1, Key: "b", Body: bustest.Counted{N: 1}},
		{Seq: 2, Key: "a", Body: bustest.Counted{N: 2}},
		{Seq: 3, Key: "b", Body: bustest.Counted{N: 4}},
	}
	if err := upsert([]string{"b", "a", "b"}, []int64{1, 2, 4}); pq.As(err, pqerror.CardinalityViolation) == nil {
		t.Errorf("a key twice: %v, want 21000", err)
	}
	keys, sums := bus.Fold(batch, func(e bus.Event[bustest.Counted]) string { return e.Key },
		func(sum *int64, e bus.Event[bustest.Counted]) { *sum += e.Body.N })
	if got, want := fmt.Sprint(keys, sums), "[a b] [2 5]"; got != want {
		t.Errorf("folded to %s, want %s", got, want)
	}
	tr.must(upsert(keys, sums))
}

// R10: in one snapshot for lock and move (REPEATABLE READ) the second mover fails; in READ COMMITTED it sees the first one's end.
func TestMoveIsolation(t *testing.T) {
	for _, level := range []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelReadCommitted} {
		t.Run(level.String(), func(t *testing.T) {
			tr := newTrap(t)
			tr.tell(1)
			tx, err := tr.shop.DB().BeginTxx(t.Context(), &sql.TxOptions{Isolation: level})
			tr.must(err)
			defer tx.Rollback()
			tr.exec(tx, `select 1 from shop.head`) // the snapshot
			tr.sequence(tr.shop.DB(), 10)
			tr.tell(2)
			var moved, last int64
			err = tx.QueryRow(`select moved, last from shop.sequence(10)`).Scan(&moved, &last)
			switch {
			case level == sql.LevelRepeatableRead && pq.As(err, pqerror.TRSerializationFailure) == nil:
				t.Errorf("moved %d to %d: %v; want 40001", moved, last, err)
			case level == sql.LevelReadCommitted && (err != nil || moved != 1 || last != 2):
				t.Errorf("moved %d to %d: %v; want 1 to 2", moved, last, err)
			}
		})
	}
}

// R11: CREATE .. PARTITION OF waits for every open reader of the log (and all others then wait for it); ours passes them.
func TestPartitionUnderReaders(t *testing.T) {
	tr := newTrap(t)
	reader := tr.admin.MustBegin()
	defer reader.Rollback()
	tr.exec(reader, `select * from shop.log`)
	obvious := tr.admin.MustBegin()
	defer obvious.Rollback()
	tr.exec(obvious, `set local lock_timeout = '100ms'`)
	_, err := obvious.Exec(`create table shop.next partition of shop.log for values from (1000001) to (2000001)`)
	if pq.As(err, pqerror.LockNotAvailable) == nil {
		t.Errorf("CREATE .. PARTITION OF: %v, want it to wait", err)
	}
	var upto int64
	tr.must(tr.shop.DB().Get(&upto, `select shop.ensure_partitions(3000000)`))
	if upto < 4_000_000-1 {
		t.Errorf("there is place up to %d", upto)
	}
}

// R12: an erasure that rewrites an event of the outbox holds its row. Skipping it breaks the order; ours waits for it.
func TestErasureInOutbox(t *testing.T) {
	const erase = `update shop.outbox set body = replace(body, '}', ', "name": null}') where id = (select min(id) from shop.outbox)`
	tr := newTrap(t)
	tr.tell(1, 2)
	erasure := tr.admin.MustBegin()
	tr.exec(erasure, erase)
	tr.exec(tr.admin, obvious)
	tr.must(erasure.Commit())
	tr.exec(tr.admin, obvious)
	tr.want(tr.logged(), 2, 1)

	tr.exec(tr.admin, `truncate shop.log`)
	tr.tell(1, 2)
	erasure = tr.admin.MustBegin()
	tr.exec(erasure, erase)
	moved := tr.waits(func() error {
		_, err := tr.shop.DB().Exec(`select shop.sequence(10)`)
		return err
	})
	tr.must(erasure.Commit())
	tr.must(<-moved)
	tr.want(tr.logged(), 1, 2)
}

// An EXISTS over the outbox loses its order, and reads all rows that were moved since the last vacuum.
func TestIdleCallsReadNoDeadRows(t *testing.T) {
	tr := newTrap(t)
	tr.exec(tr.admin, `alter table shop.outbox set (autovacuum_enabled = false)`)
	const n = 5000
	tr.exec(tr.admin, `insert into shop.outbox (at, n, body) select now(), 1, E'1\tk\tshop.counted.v1\t{"n": 1}' from generate_series(1, $1)`, n)
	if moved, _ := tr.sequence(tr.shop.DB(), n); moved != n {
		t.Fatalf("moved %d, want all", moved)
	}
	conn, err := tr.admin.Connx(t.Context())
	tr.must(err)
	defer conn.Close()
	scans := func() (n int64) {
		_, err := conn.ExecContext(t.Context(), `select pg_stat_force_next_flush()`)
		tr.must(err)
		tr.must(conn.GetContext(t.Context(), &n, `select seq_scan from pg_stat_user_tables where relid = 'shop.outbox'::regclass`))
		return n
	}
	before := scans()
	for range 10 {
		_, err := conn.ExecContext(t.Context(), `select shop.sequence(1000), shop.backlog()`)
		tr.must(err)
	}
	if n := scans() - before; n != 0 {
		t.Errorf("20 idle calls read the whole outbox %d times", n)
	}
}
