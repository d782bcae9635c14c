package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lib/pq"
)

// Restore makes the site of a checked file in an installation that doesn't have it, or nothing. progress hears of rows: each is written, and read back.
func (r *Reader) Restore(ctx context.Context, in Installation, progress func(done, all int64)) (err error) {
	if ahead := r.Manifest.ExportedAt.Sub(in.Now()); ahead > clockSkew {
		return fmt.Errorf("the file is of %s, which is in this installation's future: was it made on a platform with a test clock?", r.Manifest.ExportedAt.Format(time.RFC3339))
	}
	d, err := open(ctx, in.Modules, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	x := &restore{Installation: in, Reader: r, doors: d, id: r.Manifest.Site.ID, progress: progress, all: 2 * r.Manifest.Rows()}
	if err := x.plan(ctx); err != nil {
		return err
	}
	for _, m := range in.Modules {
		if err := x.module(ctx, m.Name); err != nil {
			return err
		}
	}
	if err := x.files(ctx); err != nil {
		return errors.Join(err, x.forget(ctx))
	}
	for _, m := range in.Modules { // short, for others wait for their numbers meanwhile
		if err := x.number(ctx, m.Name); err != nil {
			return errors.Join(err, x.forget(ctx))
		}
	}
	return x.commit()
}

// restore is a site that is being written.
type restore struct {
	Installation
	*Reader
	*doors
	id        int64
	relations map[string][]relation // by module
	there     map[string]bool       // modules that an import which was cut off has written already
	stored    []string              // keys of contents
	progress  func(done, all int64)
	done, all int64
}

// plan compares the file with the installation: it must be able to hold all that the file has, and must not have the site.
func (x *restore) plan(ctx context.Context) error {
	x.relations, x.there = map[string][]relation{}, map[string]bool{}
	named := func(p Part) string { return p.Name }
	if theirs, ours := names(x.Manifest.Modules, named), names(x.Modules, func(m Module) string { return m.Name }); !slices.Equal(theirs, ours) {
		return fmt.Errorf("the file has the modules %v, and this installation %v", theirs, ours)
	}
	for i, p := range x.Manifest.Modules {
		if err := x.planned(ctx, p); err != nil {
			return err
		}
		if err := x.vacant(ctx, p, i == 0); err != nil {
			return err
		}
	}
	return nil
}

func names[T any](of []T, name func(T) string) []string {
	out := make([]string, len(of))
	for i, e := range of {
		out[i] = name(e)
	}
	return out
}

// planned compares what the file has of a module with the catalogue.
func (x *restore) planned(ctx context.Context, p Part) error {
	tx := x.tx(p.Name)
	versions, err := migrated(ctx, tx, p.Name)
	if err != nil {
		return err
	}
	if !slices.Equal(versions, p.Migrations) {
		return fmt.Errorf("%s is of another version: its migrations are %v in the file and %v here (the file was written by talkable %s, this is %s)",
			p.Name, p.Migrations, versions, x.Manifest.Version, x.Version)
	}
	list, err := relations(ctx, tx, p.Name)
	if err != nil {
		return err
	}
	if theirs, ours := names(p.Tables, func(t Table) string { return t.Name }), names(list, func(r relation) string { return r.Name }); !slices.Equal(theirs, ours) {
		return fmt.Errorf("%s is of another version: its tables are %v in the file and %v here", p.Name, theirs, ours)
	}
	for i, r := range list {
		if !slices.Equal(p.Tables[i].Columns, r.described()) {
			return fmt.Errorf("%s is of another version: its columns are %v in the file and %v here", r.path(), p.Tables[i].Columns, r.described())
		}
	}
	x.relations[p.Name] = list
	return nil
}

// vacant says that a module has nothing of the site. What an import that was cut off between two databases has left there is as good as written.
func (x *restore) vacant(ctx context.Context, p Part, first bool) error {
	tx := x.tx(p.Name)
	for _, r := range x.relations[p.Name] {
		var there bool
		if err := tx.GetContext(ctx, &there, `select exists (select from `+r.quoted()+` where site_id = $1)`, x.id); err != nil {
			return fmt.Errorf("look into %s: %w", r.path(), err)
		}
		if !there || x.there[p.Name] {
			continue
		}
		if first {
			return fmt.Errorf("this installation has a site with the number %d already, and numbers of sites are part of their ledgers' hashes: take another installation", x.id)
		}
		for _, r := range x.relations[p.Name] {
			if err := x.differs(ctx, p, r); err != nil {
				return fmt.Errorf("%s has rows of a site %d, which this installation doesn't have, and they are not what the file says: %w", p.Name, x.id, err)
			}
		}
		x.there[p.Name] = true
	}
	if !first {
		return nil
	}
	schema, table := split(x.Sites)
	var taken bool
	err := tx.GetContext(ctx, &taken, `select exists (select from `+pq.QuoteIdentifier(schema)+"."+pq.QuoteIdentifier(table)+` where slug = $1)`, x.Manifest.Site.Slug)
	if err == nil && taken {
		err = fmt.Errorf("this installation has a site %s already", x.Manifest.Site.Slug)
	}
	return err
}

// module writes a module's tables, and reads them back.
func (x *restore) module(ctx context.Context, name string) error {
	part := x.Manifest.Modules[slices.IndexFunc(x.Manifest.Modules, func(p Part) bool { return p.Name == name })]
	if x.there[name] {
		x.done += 2 * rowsOf(part)
		return nil
	}
	for i, r := range x.relations[name] {
		if err := x.fill(ctx, r, part.Tables[i]); err != nil {
			return err
		}
	}
	for _, r := range x.relations[name] {
		if err := x.differs(ctx, part, r); err != nil {
			return fmt.Errorf("%w: nothing is imported", err)
		}
	}
	for _, path := range x.Marks {
		if schema, table := split(path); schema == name {
			if err := x.mark(ctx, path, part.Marks[table]); err != nil {
				return err
			}
		}
	}
	return nil
}

func rowsOf(p Part) (n int64) {
	for _, t := range p.Tables {
		n += t.Rows
	}
	return n
}

func (x *restore) count() {
	if x.done++; x.progress != nil && x.done%1000 == 0 {
		x.progress(x.done, x.all)
	}
}

// fill writes a table.
func (x *restore) fill(ctx context.Context, r relation, t Table) error {
	tx := x.tx(r.Schema)
	if r.Parted != "" {
		if err := x.days(ctx, r, t.Days); err != nil {
			return err
		}
	}
	// What triggers of the tables before have made of it is in the file as it was.
	if _, err := tx.ExecContext(ctx, `delete from `+r.quoted()+` where site_id = $1`, x.id); err != nil {
		return fmt.Errorf("clear %s: %w", r.path(), err)
	}
	if err := x.copy(ctx, r); err != nil {
		return fmt.Errorf("fill %s: %w", r.path(), err)
	}
	if t.Rows < 1000 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `analyze `+r.quoted()); err != nil { // before the first question is asked
		return fmt.Errorf("analyze %s: %w", r.path(), err)
	}
	return nil
}

func (x *restore) copy(ctx context.Context, r relation) (err error) {
	copying, err := x.tx(r.Schema).PrepareContext(ctx, r.fill())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copying.Close()) }()
	if err := x.copied(ctx, copying, r); err != nil {
		return err
	}
	_, err = copying.ExecContext(ctx) // that was all
	return err
}

// copied hands the rows of a table to a COPY.
func (x *restore) copied(ctx context.Context, copying *sql.Stmt, r relation) error {
	id, boxes := fmt.Sprint(x.id), x.boxes(r)
	row := make([]any, len(r.Columns))
	return x.rows(entryOf(r), len(row), func(values []*string) (err error) {
		if values[0] == nil || *values[0] != id {
			return errors.New("a row of another site")
		}
		for i, v := range values {
			row[i] = nil
			if v == nil {
				continue
			}
			row[i] = *v
			if box, sealed := boxes[i]; sealed && *v == "" {
				row[i] = []byte{}
			} else if sealed {
				if row[i], err = box.Seal(x.id, *v); err != nil {
					return err
				}
			}
		}
		x.count()
		_, err = copying.ExecContext(ctx, row...)
		return err
	})
}

// differs says how a table differs from what the file has; nil: it doesn't.
func (x *restore) differs(ctx context.Context, p Part, r relation) error {
	want := p.Tables[slices.IndexFunc(p.Tables, func(t Table) bool { return t.Name == r.Name })]
	got, err := scribe{x.Installation, x.tx(r.Schema), x.id}.table(ctx, r, io.Discard, x.count)
	if err != nil {
		return err
	}
	if got.SHA256 != want.SHA256 {
		return fmt.Errorf("%s is not what the file says: %d rows instead of %d, or others", r.path(), got.Rows, want.Rows)
	}
	return nil
}

// days makes the partitions that a table needs.
func (x *restore) days(ctx context.Context, r relation, days []string) error {
	if len(days) == 0 {
		return nil
	}
	first, err := time.Parse(time.DateOnly, days[0])
	last, err2 := time.Parse(time.DateOnly, days[len(days)-1])
	if err = errors.Join(err, err2); err != nil || last.Sub(first) > mostDays*24*time.Hour {
		return fmt.Errorf("the file says that %s is of the days %v", r.path(), days)
	}
	schema, function := split(x.Days[r.path()])
	for ; !first.After(last); first = first.AddDate(0, 0, 100) {
		upto := first.AddDate(0, 0, 99)
		if upto.After(last) {
			upto = last
		}
		_, err := x.tx(r.Schema).ExecContext(ctx, `select `+pq.QuoteIdentifier(schema)+"."+pq.QuoteIdentifier(function)+`($1::date, $2::date)`,
			first.Format(time.DateOnly), upto.Format(time.DateOnly))
		if err != nil {
			return fmt.Errorf("days of %s: %w", r.path(), err)
		}
	}
	return nil
}
