package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/talkable/talkable/internal/postgres"
)

// A rehearsal does everything of a transaction and leaves nothing, whoever begins it and whatever else its connection is used for.
func TestRehearsal(t *testing.T) {
	db := rows(t)
	db.SetMaxOpenConns(1)
	dry := postgres.Rehearsal(t.Context())
	insert := func(ctx context.Context, id, parent int) (n int, err error) {
		err = postgres.InTx(ctx, db, func(tx *sqlx.Tx) error {
			if _, err := tx.ExecContext(ctx, `insert into s.row (id, parent) values ($1, $2)`, id, parent); err != nil {
				return err
			}
			return tx.GetContext(ctx, &n, `select count(*) from s.row`)
		})
		return n, err
	}
	count := func() int { t.Helper(); return get[int](t, db, `select count(*) from s.row`) }
	for range 3 { // its statements are prepared by the second time
		if n, err := insert(dry, 3, 1); n != 3 || err != nil || count() != 2 {
			t.Fatalf("saw %d rows, %v; %d stayed", n, err, count())
		}
	}
	if _, err := insert(dry, 3, 7); pq.As(err, pqerror.ForeignKeyViolation) == nil {
		t.Errorf("what the commit would refuse: %v", err)
	}
	if _, err := insert(t.Context(), 3, 1); err != nil || count() != 3 {
		t.Fatalf("in earnest: %v, %d rows", err, count())
	}
	if _, err := insert(dry, 3, 1); pq.As(err, pqerror.UniqueViolation) == nil {
		t.Errorf("what is there already: %v", err)
	}
	if _, err := db.ExecContext(dry, add, 1); err == nil || sum(t, db) != 0 {
		t.Errorf("outside of a transaction: %v, sum %d", err, sum(t, db))
	}
	exec(t, db, add, 1)
	tx, err := db.BeginTxx(dry, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tx.Exec(add, 1); err == nil {
		err = tx.Commit()
	}
	if err != nil || sum(t, db) != 1 {
		t.Errorf("a transaction that was begun by hand: %v, sum %d", err, sum(t, db))
	}
}

// A rehearsal is never in a batch with requests that are meant, though they come at the same time.
func TestRehearsal_beside_others(t *testing.T) {
	db := rows(t)
	errMixed := errors.New("a rehearsal was in a batch with others")
	const dry = 1000
	group := postgres.NewGroup(50, func(ctx context.Context, in []int) ([]postgres.Result[int], error) {
		out := make([]postgres.Result[int], len(in))
		for i, n := range in {
			if out[i].Value = n; (n >= dry) != postgres.Rehearsing(ctx) {
				return nil, errMixed
			}
		}
		return out, postgres.InTx(ctx, db, func(tx *sqlx.Tx) error {
			_, err := tx.ExecContext(ctx, `insert into s.row (id) select unnest($1::int[])`, pq.Array(in))
			return err
		})
	})
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			ctx, n := t.Context(), 10+i
			if i%2 == 1 {
				ctx, n = postgres.Rehearsal(ctx), dry+i
			}
			if got, err := group.Do(ctx, n); err != nil || got != n {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		})
	}
	all.Wait()
	if kept, rehearsed := get[int](t, db, `select count(*) from s.row where id >= 10`), get[int](t, db, `select count(*) from s.row where id >= 1000`); kept != 50 || rehearsed != 0 {
		t.Errorf("%d rows stayed, %d of them rehearsed", kept, rehearsed)
	}
}
