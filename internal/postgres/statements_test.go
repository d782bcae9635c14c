package postgres_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func things(t *testing.T) *sqlx.DB {
	t.Helper()
	url := pgtest.Database(t, "things", func(ctx context.Context, url string) error {
		_, err := moduleSchema("mine").Migrate(ctx, url)
		return err
	})
	return open(t, postgres.Pool{URL: url, Size: 1})
}

// What is asked again is prepared; what is asked once, or has no parameters, is not.
func TestStatements_are_prepared_when_asked_again(t *testing.T) {
	t.Parallel()
	db := things(t)
	const held = `select count(*) from pg_catalog.pg_prepared_statements where statement like 'select n from mine.thing%'`
	for times, want := range []int{0, 0, 1, 1} {
		var n int
		if err := db.Get(&n, held); err != nil || n != want {
			t.Errorf("asked %d times: %d are prepared (%v), want %d", times, n, err, want)
		}
		var rows []int
		if err := db.Select(&rows, `select n from mine.thing where n > $1`, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`select n from mine.thing`); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 { // no more than the server is to keep
		query := `select n from mine.thing where n > $1 and n <> ` + strconv.Itoa(i)
		for range 2 {
			if _, err := db.Exec(query, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	var n int
	if err := db.Get(&n, held); err != nil || n > 100 {
		t.Errorf("%d are prepared (%v)", n, err)
	}
}

// A statement that was prepared before its table changed fails once, and a transaction that meets it is repeated.
func TestStatements_follow_their_tables(t *testing.T) {
	t.Parallel()
	db := things(t)
	read := func() (n int, err error) {
		err = postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) error {
			rows, err := tx.Queryx(`select * from mine.thing where n > $1`, 0)
			if err != nil {
				return err
			}
			defer rows.Close()
			columns, err := rows.Columns()
			n = len(columns)
			return err
		})
		return n, err
	}
	for range 3 {
		if n, err := read(); err != nil || n != 1 {
			t.Fatalf("%d columns, %v", n, err)
		}
	}
	if _, err := db.Exec(`alter table mine.thing add column m int`); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); err != nil || n != 2 {
		t.Errorf("%d columns after the change, %v", n, err)
	}
}

// A failure in a transaction says what failed, and the statement serves on.
func TestStatements_survive_failures(t *testing.T) {
	t.Parallel()
	db := things(t)
	const divide = `select 1 / $1::int`
	for _, by := range []int{1, 1, 0, 1, 0, 1} {
		var n int
		err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) error { return tx.Get(&n, divide, by) })
		if want := map[bool]string{true: "22012", false: "<nil>"}[by == 0]; code(err) != want {
			t.Errorf("divided by %d: %v", by, err)
		}
	}
}
