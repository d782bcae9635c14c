package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// rows is a database with the table s.row: ids 1 and 2, n = 0, and a deferred foreign key.
func rows(t *testing.T) *sqlx.DB {
	t.Helper()
	return open(t, postgres.Pool{URL: pgtest.Database(t, "rows", func(ctx context.Context, url string) error {
		db, err := postgres.Open(ctx, postgres.Pool{URL: url})
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, `
			create schema s;
			create table s.row (id int constraint row_pkey primary key, n int not null default 0 constraint row_n_check check (n >= 0),
				parent int constraint row_parent_fkey references s.row deferrable initially deferred);
			insert into s.row values (1), (2)`)
		return err
	})})
}

const add = `update s.row set n = n + 1 where id = $1`

func sum(t *testing.T, db *sqlx.DB) int { return get[int](t, db, `select sum(n) from s.row`) }

func TestInTx(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	end := func(db *sqlx.DB, fn func(ctx context.Context, cancel context.CancelFunc, tx *sqlx.Tx) error) (tries int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err = postgres.InTx(ctx, db, func(tx *sqlx.Tx) error {
			tries++
			if _, err := tx.ExecContext(ctx, add, 1); err != nil {
				return err
			}
			return fn(ctx, cancel, tx)
		})
		return tries, err
	}
	tests := map[string]struct {
		fn    func(ctx context.Context, cancel context.CancelFunc, tx *sqlx.Tx) error
		ok    func(error) bool
		tries int
		sum   int
	}{
		"commits": {
			func(context.Context, context.CancelFunc, *sqlx.Tx) error { return nil },
			func(err error) bool { return err == nil }, 1, 1},
		"rolls back on an error and returns it": {
			func(context.Context, context.CancelFunc, *sqlx.Tx) error { return wrong },
			func(err error) bool { return errors.Is(err, wrong) }, 1, 0},
		"returns the commit's error": {
			func(ctx context.Context, _ context.CancelFunc, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `insert into s.row (id, parent) values (3, 99)`)
				return err
			},
			func(err error) bool { return postgres.Violates(err, "row_parent_fkey") }, 1, 0},
		"does not take a commit of a failed transaction for one": {
			func(ctx context.Context, _ context.CancelFunc, tx *sqlx.Tx) error {
				_, _ = tx.ExecContext(ctx, `select 1/0`)
				return nil
			},
			func(err error) bool { return err != nil }, 1, 0},
		"repeats a lost race, three times in all": {
			func(ctx context.Context, _ context.CancelFunc, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `do $$ begin raise exception 'lost' using errcode = '40001'; end $$`)
				return err
			},
			postgres.Again, 3, 0},
		"does not repeat what would fail again": {
			func(ctx context.Context, _ context.CancelFunc, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `insert into s.row values (2)`)
				return err
			},
			func(err error) bool { return postgres.Violates(err, "row_pkey") }, 1, 0},
		"commits nothing when the context ended before the end": {
			func(_ context.Context, cancel context.CancelFunc, _ *sqlx.Tx) error { cancel(); return nil },
			func(err error) bool { return errors.Is(err, context.Canceled) }, 1, 0},
		"commits nothing when the context ended and the transaction was rolled back meanwhile": {
			func(ctx context.Context, cancel context.CancelFunc, tx *sqlx.Tx) error {
				cancel()
				for !errors.Is(tx.QueryRowContext(context.WithoutCancel(ctx), `select 1`).Err(), sql.ErrTxDone) {
					time.Sleep(time.Millisecond)
				}
				return nil
			},
			func(err error) bool { return errors.Is(err, context.Canceled) && errors.Is(err, sql.ErrTxDone) }, 1, 0},
		"commits nothing when the context ended within a statement": {
			func(ctx context.Context, cancel context.CancelFunc, tx *sqlx.Tx) error {
				time.AfterFunc(20*time.Millisecond, cancel)
				_, err := tx.ExecContext(ctx, `select pg_sleep(20)`)
				return err
			},
			func(err error) bool { return errors.Is(err, context.Canceled) }, 1, 0},
		"does not repeat for a caller who left": {
			func(_ context.Context, cancel context.CancelFunc, _ *sqlx.Tx) error {
				cancel()
				return &pq.Error{Code: "40P01"}
			},
			func(err error) bool { return err != nil }, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := rows(t)
			tries, err := end(db, tt.fn)
			if !tt.ok(err) || tries != tt.tries {
				t.Errorf("%d tries, error %v; want %d tries", tries, err, tt.tries)
			}
			if got := sum(t, db); got != tt.sum {
				t.Errorf("sum = %d, want %d", got, tt.sum)
			}
		})
	}
	t.Run("rolls back on a panic", func(t *testing.T) {
		t.Parallel()
		db := rows(t)
		func() {
			defer func() { _ = recover() }()
			_, _ = end(db, func(context.Context, context.CancelFunc, *sqlx.Tx) error { panic("oh") })
		}()
		exec(t, db, add, 1) // would wait for the lock of a transaction left open
		if got := sum(t, db); got != 1 {
			t.Errorf("sum = %d, want 1", got)
		}
	})
	t.Run("lets both sides of a deadlock succeed", func(t *testing.T) {
		t.Parallel()
		db := rows(t)
		var all, both sync.WaitGroup
		both.Add(2)
		for _, order := range [][2]int{{1, 2}, {2, 1}} {
			all.Go(func() {
				met, tries := sync.OnceFunc(func() { both.Done(); both.Wait() }), 0
				err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) error {
					tries++
					for _, id := range order {
						if _, err := tx.ExecContext(t.Context(), add, id); err != nil {
							return err
						}
						met()
					}
					return nil
				})
				if err != nil || tries > 3 {
					t.Errorf("after %d tries: %v", tries, err)
				}
			})
		}
		all.Wait()
		if got := sum(t, db); got != 4 {
			t.Errorf("sum = %d, want 4", got)
		}
	})
	t.Run("says so when it cannot begin", func(t *testing.T) {
		t.Parallel()
		db := rows(t)
		db.Close()
		err := postgres.InTx(t.Context(), db, func(*sqlx.Tx) error { t.Error("ran"); return nil })
		if err == nil || !strings.HasPrefix(err.Error(), "begin: ") {
			t.Errorf("got %v", err)
		}
	})
}
