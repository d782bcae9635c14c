package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/asset"
)

// forged is a file whose sums are right, though somebody has changed it.
func forged(t *testing.T, path, entry string, change func(text string) string) string {
	t.Helper()
	var text string
	path = rewritten(t, path, entry, func(was string) string { text = change(was); return text })
	return changed(t, path, func(m *Manifest) {
		for i, p := range m.Modules {
			for k, table := range p.Tables {
				if p.Name+"/"+table.Name+".ndjson" == entry {
					sum := sha256.Sum256([]byte(text))
					table.SHA256, table.Bytes = hex.EncodeToString(sum[:]), int64(len(text))
					m.Modules[i].Tables[k] = table
				}
			}
		}
	})
}

// changed is a file that says something else of itself.
func changed(t *testing.T, path string, change func(m *Manifest)) string {
	t.Helper()
	return rewritten(t, path, manifestName, func(text string) string {
		var m Manifest
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	})
}

func replaced(from, to string) func(string) string {
	return func(text string) string { return strings.Replace(text, from, to, 1) }
}

// What isn't a site's file, or can't be taken in, is refused with a reason, and leaves nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	from, to := setup(t), setup(t)
	from.site(2, "two")
	path := from.export(2, "two")
	cut := filepath.Join(t.TempDir(), "cut.zip")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(cut, text[:len(text)*2/3], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	content := "asset/" + asset.Fingerprint([]byte("content of 2"))
	const books, acts = "books/book.ndjson", "books/act.ndjson"
	nothing := to.everything(2)
	for name, c := range map[string]struct{ file, says string }{
		"none":                               {filepath.Join(t.TempDir(), "none"), "no such file"},
		"cut off":                            {cut, "cut off"},
		"a table that is damaged":            {rewritten(t, path, books, replaced("Zebra", "Zebru")), "books/book.ndjson is damaged"},
		"a table that is longer":             {rewritten(t, path, books, func(s string) string { return s + s }), "is damaged"},
		"an asset that is damaged":           {rewritten(t, path, content, replaced("2", "3")), "is damaged"},
		"a manifest that is none":            {rewritten(t, path, manifestName, func(string) string { return `[]` }), "can't be read"},
		"another format":                     {changed(t, path, func(m *Manifest) { m.Format = "talkable-site-9" }), "doesn't know"},
		"another version":                    {changed(t, path, func(m *Manifest) { m.Modules[1].Migrations = []int64{1, 10, 20} }), "books is of another version: its migrations are [1 10 20] in the file and [1 10] here"},
		"a table less":                       {changed(t, path, func(m *Manifest) { m.Modules[1].Tables = m.Modules[1].Tables[1:] }), "its manifest says nothing"},
		"a column that is SQL":               {changed(t, path, func(m *Manifest) { m.Modules[1].Tables[0].Columns[1] = `id"); drop table books.act; --` }), "another version"},
		"a module that is SQL":               {changed(t, path, func(m *Manifest) { m.Modules[1].Name = `books; drop table books.act` }), "it has no books; drop"},
		"a file that is a path":              {changed(t, path, func(m *Manifest) { m.Files[0].Fingerprint = "../../../etc/passwd" }), "a stored file named"},
		"a site with no number":              {changed(t, path, func(m *Manifest) { m.Site.ID = 0 }), "the number 0"},
		"a site with another number":         {changed(t, path, func(m *Manifest) { m.Site.ID = 3 }), "a row of another site"},
		"numbers that use all up":            {changed(t, path, func(m *Manifest) { m.Modules[1].Sequences["reading_id"] = 1 << 62 }), "has come to"},
		"from the future":                    {changed(t, path, func(m *Manifest) { m.ExportedAt = m.ExportedAt.Add(time.Hour) }), "future"},
		"a million days":                     {changed(t, path, func(m *Manifest) { day(m, "0001-01-01", "9999-01-01") }), "is of the days"},
		"too few days":                       {changed(t, path, func(m *Manifest) { day(m, "2026-01-01", "2026-01-01") }), "no partition"},
		"a row of another site":              {forged(t, path, acts, replaced(`["2",`, `["1",`)), "act.ndjson, line 1: a row of another site"},
		"a row that is too short":            {forged(t, path, acts, replaced(`,"made"]`, `]`)), "not a row of 3 values"},
		"a row that is none":                 {forged(t, path, acts, replaced(`[`, `{`)), "not a row of 3 values"},
		"a row that is there twice":          {forged(t, path, books, func(s string) string { return s + s[strings.LastIndex(s[:len(s)-1], "\n")+1:] }), "book_pkey"},
		"a row whose other is gone":          {forged(t, path, books, replaced(`"1","Zebra"`, `"9","Zebra"`)), "book_site_id_writer_id_fkey"},
		"a value of no such type":            {forged(t, path, books, replaced(`"7"`, `"seven"`)), "invalid input syntax"},
		"a value that reads back as another": {forged(t, path, books, replaced(`"7"`, `"07"`)), "books.book is not what the file says"},
		"a count that isn't so":              {changed(t, path, func(m *Manifest) { m.Modules[1].Tables[0].Rows = -1 }), "-1 rows"},
	} {
		if err := to.take(c.file); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
		if got := to.everything(2); got != nothing {
			t.Fatalf("%s left %s", name, got)
		}
	}
	to.exec("shop", `insert into shop.site (site_id, slug) overriding system value values (5, 'two')`)
	if err := to.take(path); err == nil || !strings.Contains(err.Error(), "has a site two already") {
		t.Errorf("a slug that is taken: %v", err)
	}
	to.exec("shop", `delete from shop.site`)
	to.exec("shop", `insert into shop.site (site_id, slug) overriding system value values (2, 'other')`)
	if err := to.take(path); err == nil || !strings.Contains(err.Error(), "has a site with the number 2 already") {
		t.Errorf("a number that is taken: %v", err)
	}
}

func day(m *Manifest, first, last string) {
	for i, table := range m.Modules[1].Tables {
		if table.Name == "reading" {
			m.Modules[1].Tables[i].Days = []string{first, last}
		}
	}
}

// An import that ended between the commits of two databases is ended by the next, if what it has left is still what the file says.
func TestCutOffBetweenDatabases(t *testing.T) {
	t.Parallel()
	from, to := setup(t), setup(t)
	from.site(2, "two")
	path := from.export(2, "two")
	cutOff := func() {
		to.exec("shop", `delete from shop.content`)
		to.exec("shop", `delete from shop.site`)
	}
	if err := to.take(path); err != nil {
		t.Fatal(err)
	}
	cutOff()
	if err := to.take(path); err != nil {
		t.Errorf("go on: %v", err)
	}
	if got, want := to.everything(2), from.everything(2); got != want {
		t.Errorf("here\n%s\nthere\n%s", got, want)
	}
	cutOff()
	to.exec("books", `update books.book set title = 'changed' where id = 7`)
	if err := to.take(path); err == nil || !strings.Contains(err.Error(), "books has rows of a site 2, which this installation doesn't have") {
		t.Errorf("something else is there: %v", err)
	}
}

func TestOrderOfTables(t *testing.T) {
	t.Parallel()
	list := []relation{{Schema: "s", Name: "a"}, {Schema: "s", Name: "b"}, {Schema: "s", Name: "c", Triggered: true}, {Schema: "s", Name: "d"}}
	got, err := fillable(slices.Clone(list), map[string][]string{"c": {"d"}, "a": {"b"}})
	if want := []string{"d", "c", "b", "a"}; err != nil || !slices.Equal(names(got, func(r relation) string { return r.Name }), want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := fillable(list, map[string][]string{"a": {"b"}, "b": {"a"}}); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("got %v", err)
	}
}
