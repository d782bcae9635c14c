package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/asset"
)

// mark moves a mark on to where the site's installation had come, so that what was done there isn't done again. Where it has come further it stays.
func (x *restore) mark(ctx context.Context, path, row string) error {
	tx := x.tx(x.schema(path))
	schema, table := split(path)
	quoted := pq.QuoteIdentifier(schema) + "." + pq.QuoteIdentifier(table)
	var own, theirs, past string
	err := tx.QueryRowContext(ctx, `
		select string_agg(quote_ident(a.attname), ', ' order by a.attnum), string_agg('(m.r).' || quote_ident(a.attname), ', ' order by a.attnum),
			string_agg('(m.r).' || quote_ident(a.attname) || ' <= now()', ' and ') filter (where a.atttypid = 'timestamptz'::regtype)
		from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2 and a.attnum > 1 and not a.attisdropped`, schema, table).Scan(&own, &theirs, &past)
	if err != nil {
		return fmt.Errorf("columns of %s: %w", path, err)
	}
	if _, err := tx.ExecContext(ctx, `
		update `+quoted+` x set (`+own+`) = row(`+theirs+`) from (select $1::`+quoted+` as r) m where (`+own+`) < (`+theirs+`) and `+past, row); err != nil {
		return fmt.Errorf("move %s on: %w", path, err)
	}
	return nil
}

func (x *restore) schema(path string) string { s, _ := split(path); return s }

// files stores the site's files. They have no names yet: the rows that know them are not committed.
func (x *restore) files(ctx context.Context) error {
	known, err := fingerprints(ctx, x.doors, x.Installation, x.id)
	if err != nil {
		return err
	}
	for _, f := range x.Manifest.Files {
		if !slices.Contains(known, f.Fingerprint) {
			return fmt.Errorf("the file has a stored content %s that no row knows", f.Fingerprint)
		}
		if f.Bytes > asset.MaxBytes {
			return fmt.Errorf("the stored content %s has %d bytes", f.Fingerprint, f.Bytes)
		}
		in, err := x.open(fileEntry(f.Fingerprint))
		if err != nil {
			return err
		}
		content, err := io.ReadAll(io.LimitReader(in, f.Bytes))
		if err = errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("%s: %w", fileEntry(f.Fingerprint), err)
		}
		key := asset.Key(x.id, f.Fingerprint)
		if err := x.Store.Put(ctx, key, content); err != nil {
			return fmt.Errorf("store a file: %w", err)
		}
		x.stored = append(x.stored, key)
	}
	return nil
}

// forget deletes what was stored: no other site has it.
func (x *restore) forget(ctx context.Context) (err error) {
	for _, key := range x.stored {
		err = errors.Join(err, x.Store.Delete(context.WithoutCancel(ctx), key))
	}
	return err
}

// number moves a module's sequences behind all numbers that the site has had, so that none is given twice.
func (x *restore) number(ctx context.Context, module string) error {
	tx := x.tx(module)
	part := x.Manifest.Modules[slices.IndexFunc(x.Manifest.Modules, func(p Part) bool { return p.Name == module })]
	ours, err := sequences(ctx, tx, module)
	if err != nil {
		return err
	}
	for name, last := range part.Sequences {
		if here, known := ours[name]; !known || last <= here {
			continue
		}
		// Altering it, though in nothing, keeps others from taking numbers until the end: only so is what we read of it still true when it is set.
		quoted := pq.QuoteIdentifier(module) + "." + pq.QuoteIdentifier(name)
		if _, err := tx.ExecContext(ctx, `alter sequence `+quoted+` no cycle`); err != nil {
			return fmt.Errorf("lock sequence %s.%s: %w", module, name, err)
		}
		if _, err := tx.ExecContext(ctx, `select setval($1::text::regclass, greatest($2::bigint, last_value)) from `+quoted, quoted, last); err != nil {
			return fmt.Errorf("move sequence %s.%s on: %w", module, name, err)
		}
	}
	return nil
}

// commit commits the databases, that of the sites at last.
func (x *restore) commit() error {
	first := x.of[x.Modules[0].Name]
	for url, tx := range x.txs {
		if url == first {
			continue
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("commit: %w (nobody knows the site yet; the same command goes on from here)", err)
		}
	}
	if err := x.txs[first].Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
