package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func code(err error) string {
	if pe := pq.As(err); pe != nil {
		return string(pe.Code)
	}
	return fmt.Sprint(err)
}

func TestOpen_sees_its_own_schema_only(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t, "two schemas", func(ctx context.Context, url string) error {
		for _, s := range []postgres.Schema{moduleSchema("mine"), moduleSchema("theirs")} {
			if _, err := s.Migrate(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
	db := open(t, postgres.Pool{URL: url, Role: "talkable_mine", Application: "test of mine", Size: 1})
	for query, want := range map[string]string{
		`select n from mine.thing`:                                 "<nil>",
		`insert into mine.thing values (1)`:                        "<nil>",
		`delete from mine.thing`:                                   "42501", // granted is what the migration grants
		`select n from theirs.thing`:                               "42501",
		`select n from thing`:                                      "42P01",
		`create table thing (n int)`:                               "3F000", // no schema has been selected to create in
		`create table mine.other (n int)`:                          "42501",
		`create table public.other (n int)`:                        "42501",
		`create schema other`:                                      "42501",
		`create role other`:                                        "42501",
		`select usename, passwd from pg_catalog.pg_shadow limit 1`: "42501",
	} {
		if _, err := db.Exec(query); code(err) != want {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
	for setting, want := range map[string]string{
		"search_path": "", "TimeZone": "UTC", "application_name": "test of mine", "lock_timeout": "8s", "statement_timeout": "1min",
		"idle_in_transaction_session_timeout": "10s", "role": "talkable_mine",
	} {
		if got := get[string](t, db, `select current_setting($1)`, setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	if got := db.Stats().MaxOpenConnections; got != 1 {
		t.Errorf("%d connections at most, want 1", got)
	}
}

func TestOpen_refuses(t *testing.T) {
	t.Parallel()
	s := pgtest.Server(t)
	for name, p := range map[string]postgres.Pool{
		"what is no url":             {URL: "postgres://u:secret%zz@h/d"},
		"a role that does not exist": {URL: s.URL("postgres"), Role: "talkable_nobody"},
		"a database that is not":     {URL: s.URL("nowhere")},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := postgres.Open(t.Context(), p)
			if err == nil {
				db.Close()
				t.Fatal("no error")
			}
			if postgres.Away(err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v would be tried again, or tells the password", err)
			}
		})
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	of := func(code pqerror.Code) error { return &pq.Error{Code: code} }
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("any"), false},
		{sql.ErrNoRows, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, true},
		{os.ErrDeadlineExceeded, true},
		{driver.ErrBadConn, true},
		{sql.ErrConnDone, true},
		{io.EOF, true},
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		{of("08006"), true},  // connection failure
		{of("53300"), true},  // too many connections
		{of("53100"), true},  // disk full
		{of("57P01"), true},  // admin shutdown
		{of("57P03"), true},  // starting up
		{of("57014"), false}, // query cancelled: it would take as long again
		{of("58030"), true},  // I/O error
		{of("55P03"), true},  // lock timeout
		{of("25P03"), true},  // idle in transaction
		{of("25006"), true},  // read only: a standby
		{of("23505"), false}, // unique violation
		{of("40001"), false}, // Again
		{of("42P01"), false}, // undefined table
		{of("28000"), false}, // who are you
		{of("XX000"), false},
	} {
		if got := postgres.Away(tt.err); got != tt.want {
			t.Errorf("Away(%v) = %v", tt.err, got)
		}
		if got := tt.err != nil && postgres.Away(fmt.Errorf("read: %w", tt.err)); got != tt.want {
			t.Errorf("Away(wrapped %v) = %v", tt.err, got)
		}
	}
}

func TestAway_knows_a_server_that_goes(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, err error, want bool) {
		t.Helper()
		if err == nil || postgres.Away(err) != want {
			t.Errorf("Away(%v) = %v, want %v", err, postgres.Away(err), want)
		}
	}
	ctx := t.Context()
	t.Run("stopped, in a transaction and after it", func(t *testing.T) {
		t.Parallel()
		s, stop := pgtest.Durable(t)
		db := open(t, postgres.Pool{URL: s.URL("postgres")})
		tx, err := db.BeginTxx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		_, err = tx.Exec(`create schema s`)
		check(t, err, true)
		_ = tx.Rollback()
		_, err = db.Exec(`create schema s`)
		check(t, err, true)
		_, err = postgres.Open(ctx, postgres.Pool{URL: s.URL("postgres")})
		check(t, err, true)
	})
	t.Run("refused connection", func(t *testing.T) {
		t.Parallel()
		_, err := postgres.Open(ctx, postgres.Pool{URL: "postgres://u@" + freeport.Address(t) + "/d?sslmode=disable"})
		check(t, err, true)
	})
	t.Run("terminated backend", func(t *testing.T) {
		t.Parallel()
		db := rows(t)
		tx, err := db.BeginTxx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		var pid int
		if err := tx.Get(&pid, `select pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		exec(t, db, `select pg_terminate_backend($1, 5000)`, pid)
		_, err = tx.Exec(add, 1)
		check(t, err, true)
		if err := db.Ping(); err != nil {
			t.Errorf("the pool did not recover: %v", err)
		}
	})
	t.Run("locks, deadlines and constraints", func(t *testing.T) {
		t.Parallel()
		db := rows(t)
		holder, err := db.BeginTxx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = holder.Rollback() }()
		if _, err := holder.Exec(add, 1); err != nil {
			t.Fatal(err)
		}
		err = postgres.InTx(ctx, db, func(tx *sqlx.Tx) error {
			if _, err := tx.Exec(`set local lock_timeout = '20ms'`); err != nil {
				return err
			}
			_, err := tx.Exec(add, 1)
			return err
		})
		check(t, err, true)
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err = db.ExecContext(short, add, 1)
		check(t, postgres.Ended(short, err), true)
		short, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		check(t, postgres.InTx(short, db, func(tx *sqlx.Tx) error {
			_, err := tx.ExecContext(short, add, 1)
			return err
		}), true)
		_, err = db.Exec(`do $$ begin raise exception 'slow' using errcode = '57014'; end $$`)
		check(t, postgres.Ended(ctx, err), false)
		_, err = db.Exec(`insert into s.row values (2)`)
		check(t, err, false)
		if !postgres.Violates(fmt.Errorf("save: %w", err), "row_pkey") || postgres.Violates(err, "row_n_check") || postgres.Violates(nil, "") {
			t.Errorf("Violates(%v) is wrong", err)
		}
		_, err = db.Exec(`update s.row set n = -1 where id = 2`)
		if !postgres.Violates(err, "row_n_check") || postgres.Violates(err, "row_pkey") {
			t.Errorf("Violates(%v) is wrong", err)
		}
		_, err = db.Exec(`select 1/0`)
		if postgres.Violates(err, "") || strings.Contains(code(err), "23") {
			t.Errorf("Violates(%v) is wrong", err)
		}
	})
}
