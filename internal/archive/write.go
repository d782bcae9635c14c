package archive

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/asset"
)

// Write writes a site, as it is at one moment, and returns what the file has. progress, which may be nil, hears how many rows of how many are written. It
// returns a Busy, before it has written anything, while the site is not at rest.
func Write(ctx context.Context, w io.Writer, in Installation, s Site, progress func(done, all int64)) (_ *Manifest, err error) {
	d, err := open(ctx, in.Modules, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.rest(ctx, in, s.ID); err != nil {
		return nil, err
	}
	e := &export{in: in, doors: d, zip: zip.NewWriter(w), progress: progress,
		Manifest: &Manifest{Format: format, Site: s, ExportedAt: in.Now(), Version: in.Version, Modules: []Part{}, Files: []File{}}}
	if e.all, err = d.size(ctx, in.Modules, s.ID); err != nil {
		return nil, err
	}
	for _, m := range in.Modules {
		if err := e.module(ctx, m.Name); err != nil {
			return nil, err
		}
	}
	if err := e.files(ctx); err != nil {
		return nil, err
	}
	out, err := e.entry(manifestName)
	if err == nil {
		enc := json.NewEncoder(out)
		enc.SetIndent("", " ")
		err = enc.Encode(e.Manifest)
	}
	return e.Manifest, errors.Join(err, e.zip.Close())
}

// export is a file that is being written.
type export struct {
	*doors
	*Manifest
	in        Installation
	zip       *zip.Writer
	progress  func(done, all int64)
	done, all int64
}

func (e *export) entry(name string) (io.Writer, error) {
	w, err := e.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.ExportedAt})
	if err != nil {
		return nil, fmt.Errorf("write the file: %w", err)
	}
	return w, nil
}

func (e *export) module(ctx context.Context, name string) error {
	tx := e.tx(name)
	list, err := relations(ctx, tx, name)
	if err != nil {
		return err
	}
	part := Part{Name: name, Marks: map[string]string{}, Tables: []Table{}}
	if part.Migrations, err = migrated(ctx, tx, name); err != nil {
		return err
	}
	if part.Sequences, err = sequences(ctx, tx, name); err != nil {
		return err
	}
	for _, r := range list {
		out, err := e.entry(entryOf(r))
		if err != nil {
			return err
		}
		t, err := scribe{e.in, tx, e.Site.ID}.table(ctx, r, out, e.count)
		if err != nil {
			return err
		}
		if r.Parted != "" {
			if t.Days, err = daysOf(ctx, tx, r, e.Site.ID); err != nil {
				return err
			}
		}
		part.Tables = append(part.Tables, t)
	}
	for _, path := range e.in.Marks {
		if schema, table := split(path); schema == name {
			if part.Marks[table], err = markOf(ctx, tx, path); err != nil {
				return err
			}
		}
	}
	e.Modules = append(e.Modules, part)
	return nil
}

func (e *export) count() {
	if e.done++; e.progress != nil && e.done%1000 == 0 {
		e.progress(e.done, e.all)
	}
}

// files writes what is stored of the site's files. A content that nobody has any more may be gone already.
func (e *export) files(ctx context.Context) error {
	prints, err := fingerprints(ctx, e.doors, e.in, e.Site.ID)
	if err != nil {
		return err
	}
	for _, print := range prints {
		content, err := e.in.Store.Get(ctx, asset.Key(e.Site.ID, print))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read a stored file: %w", err)
		}
		out, err := e.entry(fileEntry(print))
		if err != nil {
			return err
		}
		if _, err := out.Write(content); err != nil {
			return fmt.Errorf("write the file: %w", err)
		}
		e.Files = append(e.Files, File{Fingerprint: print, Bytes: int64(len(content))})
	}
	return nil
}

func entryOf(r relation) string           { return r.Schema + "/" + r.Name + ".ndjson" }
func fileEntry(fingerprint string) string { return "asset/" + fingerprint }

// fingerprints are those of the contents that a site has stored.
func fingerprints(ctx context.Context, d *doors, in Installation, site int64) ([]string, error) {
	schema, table := split(in.Files)
	var prints []string
	err := d.tx(schema).SelectContext(ctx, &prints, `select fingerprint from `+pq.QuoteIdentifier(schema)+"."+pq.QuoteIdentifier(table)+` where site_id = $1 order by 1`, site)
	if err != nil {
		return nil, fmt.Errorf("stored files: %w", err)
	}
	return prints, nil
}

// size counts the rows of a site.
func (d *doors) size(ctx context.Context, modules []Module, site int64) (all int64, err error) {
	for _, m := range modules {
		list, err := relations(ctx, d.tx(m.Name), m.Name)
		if err != nil {
			return 0, err
		}
		for _, r := range list {
			var n int64
			if err := d.tx(m.Name).GetContext(ctx, &n, `select count(*) from `+r.quoted()+` where site_id = $1`, site); err != nil {
				return 0, fmt.Errorf("count %s: %w", r.path(), err)
			}
			all += n
		}
	}
	return all, nil
}

// scribe writes tables of a site as lines: to a file, or only to see what they come to.
type scribe struct {
	Installation
	tx   *sqlx.Tx
	site int64
}

func (s scribe) table(ctx context.Context, r relation, to io.Writer, each func()) (Table, error) {
	out := &summing{sum: sha256.New()}
	out.w = bufio.NewWriterSize(io.MultiWriter(to, out.sum), 1<<16)
	t := Table{Name: r.Name, Columns: r.described()}
	rows, err := s.tx.QueryContext(ctx, r.lines(), s.site)
	if err != nil {
		return t, fmt.Errorf("read %s: %w", r.path(), err)
	}
	defer rows.Close()
	boxes := s.boxes(r)
	for rows.Next() {
		var line sql.RawBytes
		if err := rows.Scan(&line); err != nil {
			return t, fmt.Errorf("read %s: %w", r.path(), err)
		}
		text := []byte(line)
		if boxes != nil {
			if text, err = s.opened(text, boxes); err != nil {
				return t, fmt.Errorf("read %s: %w", r.path(), err)
			}
		}
		if err := out.line(text); err != nil {
			return t, fmt.Errorf("write %s: %w", r.path(), err)
		}
		t.Rows++
		each()
	}
	if err := errors.Join(rows.Err(), out.w.Flush()); err != nil {
		return t, fmt.Errorf("read %s: %w", r.path(), err)
	}
	t.Bytes, t.SHA256 = out.n, hex.EncodeToString(out.sum.Sum(nil))
	return t, nil
}

// summing writes lines, counts their bytes and sums them up.
type summing struct {
	w   *bufio.Writer
	sum hash.Hash
	n   int64
}

func (s *summing) line(text []byte) error {
	s.n += int64(len(text)) + 1
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.w.WriteByte('\n')
}

// boxes are those of a table's columns; nil: nothing in it is sealed.
func (in Installation) boxes(r relation) map[int]Box {
	var out map[int]Box
	for i, c := range r.Columns {
		if box, sealed := in.Sealed[r.path()+"."+c]; sealed {
			if out == nil {
				out = map[int]Box{}
			}
			out[i] = box
		}
	}
	return out
}

// opened is a line with what is sealed in it opened.
func (s scribe) opened(line []byte, boxes map[int]Box) ([]byte, error) {
	var values []*string
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, err
	}
	for i, box := range boxes {
		if values[i] == nil {
			continue
		}
		sealed, err := hex.DecodeString((*values[i])[len(`\x`):])
		if len(sealed) == 0 && err == nil { // nothing is sealed any more
			values[i] = new(string)
			continue
		}
		if err != nil {
			return nil, err
		}
		secret, err := box.Open(s.site, sealed)
		if err != nil {
			return nil, err
		}
		values[i] = &secret
	}
	return json.Marshal(values)
}

// daysOf are the first and the last day of a table that is parted by days; nil: it is empty.
func daysOf(ctx context.Context, tx *sqlx.Tx, r relation, site int64) ([]string, error) {
	var first, last *time.Time
	column := pq.QuoteIdentifier(r.Parted)
	if err := tx.QueryRowContext(ctx, `select min(`+column+`), max(`+column+`) from `+r.quoted()+` where site_id = $1`, site).Scan(&first, &last); err != nil {
		return nil, fmt.Errorf("days of %s: %w", r.path(), err)
	}
	if first == nil {
		return nil, nil
	}
	return []string{first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly)}, nil
}

// markOf is a table's only row.
func markOf(ctx context.Context, tx *sqlx.Tx, path string) (row string, err error) {
	schema, table := split(path)
	if err := tx.GetContext(ctx, &row, `select x::text from `+pq.QuoteIdentifier(schema)+"."+pq.QuoteIdentifier(table)+` x`); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return row, nil
}

func split(path string) (schema, table string) {
	schema, table, _ = strings.Cut(path, ".")
	return schema, table
}
