package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/migrations"
)

// rowsOf is how many rows each table has, and what is in them.
type rowsOf map[string]string

// census counts every table of the modules.
func census(t testing.TB, db *sqlx.DB) rowsOf {
	t.Helper()
	var tables []string
	for _, m := range migrations.Modules {
		var some []string
		if err := db.Select(&some, `select quote_ident(nspname) || '.' || quote_ident(relname) from pg_catalog.pg_class c
			join pg_catalog.pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relkind in ('r', 'p') and not relispartition`, m); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, some...)
	}
	if len(tables) < 40 {
		t.Fatalf("only %d tables", len(tables))
	}
	out := rowsOf{}
	for _, name := range tables {
		var got string
		if err := db.Get(&got, `select count(*) || ' rows, ' || coalesce(sum(hashtextextended(x::text, 0)::numeric), 0) from `+name+` x`); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = got
	}
	return out
}

// same reports the tables that differ, but for those named: "schema.table", or "*.table" in every schema.
func (r rowsOf) same(t testing.TB, now rowsOf, but ...string) {
	t.Helper()
	ignored := map[string]bool{}
	for _, name := range but {
		ignored[name] = true
	}
	for name, was := range r {
		_, table, _ := strings.Cut(name, ".")
		if now[name] != was && !ignored[name] && !ignored["*."+table] {
			t.Errorf("%s changed: %s, now %s", name, was, now[name])
		}
	}
}

// settled waits until a running server has nothing left to do.
func settled(t testing.TB, s *served, db *sqlx.DB) {
	t.Helper()
	last, quiet := rowsOf{}, 0
	for range 200 {
		now := census(t, db)
		if fmt.Sprint(now) == fmt.Sprint(last) {
			if quiet++; quiet == 4 {
				return
			}
		} else {
			quiet = 0
		}
		last = now
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server does not come to rest")
}
