package postgres_test

import (
	"net/url"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { leaktest.Main(m, pgtest.IgnoreServer()) }

// open opens a pool that is closed after the test.
func open(t testing.TB, p postgres.Pool) *sqlx.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *sqlx.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func get[T any](t testing.TB, db *sqlx.DB, query string, args ...any) (v T) {
	t.Helper()
	if err := db.Get(&v, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// as is the address for another user.
func as(t testing.TB, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}
