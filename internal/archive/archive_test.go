package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { leaktest.Main(m, pgtest.IgnoreServer()) }

// Two modules with whatever tables may have: rows that triggers make, that refer to others with names that sort before theirs, without a key, computed, parted, sealed.
var schemas = map[string]string{
	"shop": `
		create table shop.site (site_id bigint generated always as identity primary key, slug text not null unique);
		create table shop.content (site_id bigint not null, fingerprint text not null, primary key (site_id, fingerprint));
		create table shop.setting (name text primary key, value bytea not null);`,
	"books": `
		create table books.writer (site_id bigint not null, id bigint generated always as identity, name text not null, tags text[] not null, facts jsonb,
			face bytea, born timestamptz, height float8, loud text generated always as (upper(name)) stored, secret bytea, primary key (site_id, id));
		create table books.book (site_id bigint not null, id bigint generated always as identity, writer_id bigint not null, title text not null,
			primary key (site_id, title), foreign key (site_id, writer_id) references books.writer (site_id, id));
		create table books.act (site_id bigint not null, book text not null, what text not null);
		create function books.made() returns trigger language plpgsql as $$ begin
			insert into books.act (site_id, book, what) select site_id, title, 'made' from made; return null; end $$;
		create trigger made after insert on books.book referencing new table as made for each statement execute function books.made();
		create sequence books.reading_id;
		create table books.reading (site_id bigint not null, id bigint not null default nextval('books.reading_id'), at timestamptz not null,
			primary key (site_id, id, at)) partition by range (at);
		create function books.add_days(first date, last date) returns void language plpgsql as $$
		declare day date; begin
			for day in select d::date from generate_series(first::timestamp, last::timestamp, interval '1 day') d loop
				execute format('create table if not exists books.%I partition of books.reading for values from (%L) to (%L)', 'reading_' || to_char(day, 'YYYYMMDD'), day, day + 1);
			end loop; end $$;
		create table books.come_to (one bool primary key, at timestamptz not null, id bigint not null);
		insert into books.come_to values (true, '-infinity', 0);`,
}

// filled is a site in them; sites 1 and 2 have the same ids.
const filled = `
	insert into books.writer (site_id, id, name, tags, facts, face, born, height, secret) overriding system value values
		($1, 1, E'Ann\n"\\\t', '{a,"b c",null}', '{"é": [1, 2.50, null]}', '\x00ff', '2026-01-01 12:00:00.123456+02', 1.7976931348623157e308, '\x0101'),
		($1, 2, 'Äda', '{}', 'null', null, '-infinity', 0.1, null), ($1, 3, 'ab', '{}', null, '', null, 'NaN', '');
	insert into books.book (site_id, id, writer_id, title) overriding system value values ($1, 7, 1, 'Zebra'), ($1, 8, 2, 'apple'), ($1, 9, 2, 'Äpfel');
	insert into books.act values ($1, 'Zebra', 'read'), ($1, 'Zebra', 'read');
	select books.add_days('2026-01-01', '2026-01-03');
	insert into books.reading (site_id, at) values ($1, '2026-01-01'), ($1, '2026-01-03 23:59:59.999999+00');`

// world is an installation: each module has a database of its own.
type world struct {
	t  *testing.T
	in Installation
	db map[string]*sqlx.DB
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: map[string]*sqlx.DB{}}
	key := []byte(fmt.Sprint(time.Now().UnixNano()))
	box := Box{
		Open: func(_ int64, sealed []byte) (string, error) {
			if !bytes.HasPrefix(sealed, key) {
				return "", errors.New("sealed elsewhere")
			}
			return string(sealed[len(key):]), nil
		},
		Seal: func(_ int64, secret string) ([]byte, error) { return append(bytes.Clone(key), secret...), nil },
	}
	w.in = Installation{Version: "v1", Now: clock.System, Store: asset.Folder(t.TempDir()), Sites: "shop.site", Files: "shop.content",
		Sealed: map[string]Box{"books.writer.secret": box}, Days: map[string]string{"books.reading": "books.add_days"}, Marks: []string{"books.come_to"},
		Hearings: []Hearing{{Consumer: "books", Source: "shop"}}}
	for _, name := range []string{"shop", "books"} {
		schema := postgres.Schema{Name: name, Parts: []string{bus.Schema}, Files: fstest.MapFS{
			"00010_init.sql": {Data: []byte("-- +goose Up\n-- +goose StatementBegin\n" + schemas[name] + "\n-- +goose StatementEnd\n")}}}
		url := pgtest.Database(t, "archive "+name, func(ctx context.Context, url string) error {
			_, err := schema.Migrate(ctx, url)
			return err
		})
		db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Size: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		w.db[name] = db
		w.in.Modules = append(w.in.Modules, Module{Name: name, URL: url})
	}
	return w
}

func (w *world) exec(module, query string, args ...any) {
	w.t.Helper()
	if _, err := w.db[module].ExecContext(w.t.Context(), query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

func (w *world) ask(module, query string, args ...any) (s string) {
	w.t.Helper()
	if err := w.db[module].GetContext(w.t.Context(), &s, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// site makes one, with a file.
func (w *world) site(id int64, slug string) {
	w.exec("shop", `insert into shop.site (site_id, slug) overriding system value values ($1, $2)`, id, slug)
	for _, q := range strings.SplitAfter(filled, ";") {
		w.exec("books", strings.ReplaceAll(q, "$1", fmt.Sprint(id)))
	}
	box := w.in.Sealed["books.writer.secret"]
	sealed, _ := box.Seal(id, "psst")
	w.exec("books", `update books.writer set secret = $2 where site_id = $1 and id = 1`, id, sealed)
	content := fmt.Appendf(nil, "content of %d", id)
	if err := w.in.Store.Put(w.t.Context(), asset.Key(id, asset.Fingerprint(content)), content); err != nil {
		w.t.Fatal(err)
	}
	w.exec("shop", `insert into shop.content values ($1, $2), ($1, $3)`, id, asset.Fingerprint(content), strings.Repeat("0", 64))
}

// everything is all that an installation has of a site.
func (w *world) everything(id int64) string {
	var all strings.Builder
	for _, table := range []string{"shop.site", "shop.content", "books.writer", "books.book", "books.act", "books.reading"} {
		module, _ := split(table)
		what := "x"
		if table == "books.writer" { // what is sealed differs
			what = "(to_jsonb(x) - 'secret')"
		}
		fmt.Fprintf(&all, "%s: %s\n", table, w.ask(module, `select coalesce(string_agg(`+what+`::text, ' ' order by `+what+`::text), '') from `+table+` x where site_id = $1`, id))
	}
	return all.String()
}

func (w *world) export(id int64, slug string) (path string) {
	w.t.Helper()
	var file bytes.Buffer
	if _, err := Write(w.t.Context(), &file, w.in, Site{ID: id, Slug: slug}, nil); err != nil {
		w.t.Fatal(err)
	}
	path = filepath.Join(w.t.TempDir(), slug+".zip")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// take does what the command does.
func (w *world) take(path string) error {
	file, err := Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Check(w.t.Context(), nil); err != nil {
		return err
	}
	return file.Restore(w.t.Context(), w.in, nil)
}

func TestSiteIsTheSameElsewhere(t *testing.T) {
	t.Parallel()
	from, to := setup(t), setup(t)
	from.site(1, "one")
	from.site(2, "two")
	from.exec("books", `update books.come_to set at = '2026-02-01', id = 5`)
	path := from.export(2, "two")
	to.site(1, "first")
	before := to.everything(1)
	if err := to.take(path); err != nil {
		t.Fatal(err)
	}
	if got, want := to.everything(2), from.everything(2); got != want || strings.Count(want, "\n") != 6 {
		t.Errorf("here\n%s\nthere\n%s", got, want)
	}
	if to.everything(1) != before {
		t.Error("the other site has changed")
	}
	var sealed []byte
	if err := to.db["books"].Get(&sealed, `select secret from books.writer where site_id = 2 and id = 1`); err != nil {
		t.Fatal(err)
	}
	if secret, err := to.in.Sealed["books.writer.secret"].Open(2, sealed); err != nil || secret != "psst" {
		t.Errorf("the secret is %q, %v", secret, err)
	}
	content := []byte("content of 2")
	if got, err := to.in.Store.Get(t.Context(), asset.Key(2, asset.Fingerprint(content))); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the stored file is %q, %v", got, err)
	}
	for query, want := range map[string]string{
		`insert into books.reading (site_id, at) values (2, '2026-01-02') returning id`:           "5", // four were given at home
		`select at::text || ' ' || id from books.come_to`:                                         "2026-02-01 00:00:00+00 5",
		`select string_agg(loud, ',' order by id) from books.writer where site_id = 2 and id > 1`: "ÄDA,AB",
		`select count(*) from books.act where site_id = 2`:                                        "5",
	} {
		if got := to.ask("books", query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A site that isn't at rest is not written, and other sites' events are none of its business.
func TestSiteIsAtRest(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.site(1, "one")
	tell := func(site int64, sequenced bool) {
		w.exec("shop", `insert into shop.outbox (at, n, body) values (now(), 1, $1)`, fmt.Sprintf("%d\tk\tshop.happened.v1\t{}", site))
		if sequenced {
			w.exec("shop", `select shop.sequence(10)`)
		}
	}
	busy := func(want string) {
		t.Helper()
		var out bytes.Buffer
		_, err := Write(t.Context(), &out, w.in, Site{ID: 1, Slug: "one"}, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err != nil && out.Len() > 0 {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	busy("")
	tell(2, false)
	busy("")
	tell(2, true)
	busy("")
	tell(1, false)
	busy("have no place in its log yet")
	w.exec("shop", `select shop.sequence(10)`)
	busy("books has not heard 1 events of shop")
	w.exec("books", `insert into books.cursor (name, source, seq, epoch) values ('books', 'shop', 2, '')`)
	busy("books has not heard 1 events of shop")
	w.exec("books", `update books.cursor set seq = 3`)
	busy("")
	w.exec("books", `insert into books.park (consumer, source, seq, site, at, key, type, payload, error) values ('books', 'shop', 3, 1, now(), 'k', 't', '{}', '')`)
	busy("talkable events parked")
	w.exec("books", `update books.park set site = 2`)
	busy("")

	// What was heard after the other database's moment.
	d, err := open(t.Context(), w.in.Modules, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.heard(t.Context(), w.in.Hearings[0], 3, 1); err != nil {
		t.Error(err)
	}
	tell(1, true)
	w.exec("shop", `update shop.head set seq = 3`) // as a snapshot from before would show it
	if err := d.heard(t.Context(), w.in.Hearings[0], 4, 1); err == nil || !strings.Contains(err.Error(), "has heard 1 events of shop since") {
		t.Errorf("got %v", err)
	}
}

// rewritten is a file with one entry changed; sums of the manifest stay, unless it is the manifest that changes.
func rewritten(t *testing.T, path, name string, change func(text string) string) string {
	t.Helper()
	in, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var file bytes.Buffer
	out := zip.NewWriter(&file)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == name {
			text = []byte(change(string(text)))
		}
		w, err := out.Create(f.Name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed.zip")
	if err := os.WriteFile(changed, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return changed
}
