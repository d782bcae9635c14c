package bustest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// Cuts are ways to cut a log into batches: what a module holds must not depend on them, for they come as load, restarts and retries have it.
// Each says how many events the next batch has at most.
func Cuts() map[string]func() int {
	dice := rand.New(rand.NewPCG(7, 7))
	always := func(n int) func() int { return func() int { return n } }
	return map[string]func() int{"one by one": always(1), "by sevens": always(7), "a thousand at once": always(1000),
		"at random": func() int { return 1 + dice.IntN(1+dice.IntN(60)) }}
}

// Chunks are all in batches, as a cut has them.
func Chunks[T any](all []T, most func() int) (out [][]T) {
	for len(all) > 0 {
		n := min(most(), len(all))
		out, all = append(out, all[:n]), all[n:]
	}
	return out
}

// Cut is a log that is handed out in batches of at most so many events.
type Cut struct {
	bus.Log
	Most func() int
}

// From implements bus.Log.
func (c Cut) From(ctx context.Context, seq int64, n int) ([]bus.Record, error) {
	return c.Log.From(ctx, seq, min(n, c.Most()))
}

// noState are tables of every module that say when and how something was done rather than what came of it.
var noState = []string{"log", "head", "outbox", "goose_db_version", "idempotency", "cursor", "park"}

// Rows says how the rows of a schema are read to be compared.
type Rows struct {
	Apart []string                               // tables that are no state
	Nth   map[string]string                      // by tables whose ids are only an order, the columns among whose rows it is one
	Named func(table string, row map[string]any) // writes names where this database's ids are; nil: they are compared, too
}

// State is all that a module holds and has told, a line a row, sorted. db is a pool of the owner (role "").
func (r Rows) State(t testing.TB, db *sqlx.DB, schema string) (out []string) {
	t.Helper()
	var tables []string
	if err := db.Select(&tables, `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition`, schema); err != nil {
		t.Fatal(err)
	}
	for _, table := range append(tables, "waiting") {
		if slices.Contains(noState, table) || slices.Contains(r.Apart, table) {
			continue
		}
		among, order := r.Nth[table], "id"
		if table == "waiting" {
			among, order = "site, key", "id, i"
		}
		row := "to_jsonb(x)"
		if among != "" && r.Named != nil {
			row = fmt.Sprintf("to_jsonb(x) - 'id' - 'i' || jsonb_build_object('place', row_number() over (partition by %s order by %s))", among, order)
		}
		var rows []string
		if err := db.Select(&rows, `select (`+row+`)::text from `+schema+`.`+table+` x`); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			out = append(out, table+" "+r.line(t, table, row))
		}
	}
	slices.Sort(out)
	return out
}

func (r Rows) line(t testing.TB, table, row string) string {
	if r.Named == nil {
		return row
	}
	v, ok := decoded(row).(map[string]any)
	if !ok {
		t.Fatalf("a row of %s is %s", table, row)
	}
	r.Named(table, v)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decoded is JSON with its numbers as they are written; nil: it is none.
func decoded(text string) any {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil
	}
	return v
}

// Rename walks through a value of JSON, also where JSON is kept as a text. name is given each number and text with the member that it is, and the
// elements of arrays with that of the array; what it returns stands there instead.
func Rename(v any, key string, name func(key string, v any) any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = Rename(x[k], k, name)
		}
		return x
	case []any:
		for i := range x {
			x[i] = Rename(x[i], key, name)
		}
		return x
	case string:
		if inner, ok := decoded(x).(map[string]any); ok && strings.HasPrefix(x, "{") {
			return Rename(inner, key, name)
		}
	}
	return name(key, v)
}

// Same compares two states, and shows where they part.
func Same(t testing.TB, what string, want, got []string, least int) {
	t.Helper()
	if len(want) < least {
		t.Errorf("%s: only %d rows", what, len(want))
	}
	lost, found := less(want, got), less(got, want)
	if len(lost)+len(found) == 0 {
		return
	}
	t.Errorf("%s: %d rows of %d are other ones\nwas %s\nis  %s", what, max(len(lost), len(found)), len(want),
		strings.Join(lost[:min(5, len(lost))], "\nwas "), strings.Join(found[:min(5, len(found))], "\nis  "))
}

// less are the lines of a that b lacks. Both are sorted.
func less(a, b []string) (out []string) {
	for len(a) > 0 {
		switch {
		case len(b) == 0 || a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return out
}
