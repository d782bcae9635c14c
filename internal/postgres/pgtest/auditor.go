package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// documented checks that docs/loyalty.md has a line for each view, with its columns.
func documented(t *testing.T, columns []string) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "loyalty.md"))
	if err != nil {
		t.Fatal(err)
	}
	of, views := map[string][]string{}, []string{}
	for _, c := range columns {
		view, column, _ := strings.Cut(c, ".")
		column, _, _ = strings.Cut(column, " ")
		if of[view] == nil {
			views = append(views, view)
		}
		of[view] = append(of[view], column)
	}
	for _, view := range views {
		if line := strings.Join(of[view], ", ") + " |"; !strings.Contains(string(doc), "| `"+view+"` |") || !strings.Contains(string(doc), line) {
			t.Errorf("docs/loyalty.md doesn't say of %s: %s", view, line)
		}
	}
}

// Auditor checks what the role talkable_audit may read in a module's database: exactly the views that a file names with their columns and types, and
// each of them as that role. A view never changes, so the file does not, but for new lines.
func Auditor(t *testing.T, db *sqlx.DB, file string) {
	t.Helper()
	var columns []string
	if err := db.Select(&columns, `
		select table_name || '.' || column_name || ' ' || data_type from information_schema.columns where table_schema = 'audit' order by table_name, ordinal_position`); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", file)
	known, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		err = os.WriteFile(path, []byte(strings.Join(columns, "\n")+"\n"), 0o600)
		t.Fatalf("%s was missing; it is written now, to be looked at (%v)", path, err)
	}
	if want := strings.Split(strings.TrimSpace(string(known)), "\n"); err != nil || !slices.Equal(columns, want) {
		t.Errorf("views of schema audit are\n%s\nand not\n%s\n%v", strings.Join(columns, "\n"), strings.Join(want, "\n"), err)
	}
	documented(t, columns)
	var others []string
	if err := db.Select(&others, `
		select c.oid::regclass || ' ' || p from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
		where c.relkind in ('r', 'p', 'v', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and not (n.nspname = 'audit' and c.relkind = 'v' and p = 'SELECT')
			and has_table_privilege('talkable_audit', c.oid, p)
		union all select c.oid::regclass || ' cannot be read' from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'audit' and not has_table_privilege('talkable_audit', c.oid, 'SELECT')
		union all select n.nspname || ' is open' from pg_namespace n where n.nspname not in ('pg_catalog', 'information_schema', 'public', 'audit')
			and has_schema_privilege('talkable_audit', n.oid, 'USAGE') and n.nspname not like 'pg\_%'`); err != nil || len(others) > 0 {
		t.Errorf("talkable_audit: %q, %v", others, err)
	}
	as, err := db.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer as.Close()
	if _, err := as.ExecContext(t.Context(), `set role talkable_audit`); err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		view, _, _ := strings.Cut(c, ".")
		if _, err := as.ExecContext(t.Context(), fmt.Sprintf(`select * from audit.%s`, view)); err != nil {
			t.Errorf("%s: %v", view, err)
		}
	}
	if _, err := as.ExecContext(t.Context(), `reset role`); err != nil {
		t.Error(err)
	}
}
