package archive

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Reader is a site's file that is open.
type Reader struct {
	Manifest *Manifest
	zip      *zip.ReadCloser
	entries  map[string]*zip.File
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Open opens a file and reads what it says of itself.
func Open(path string) (*Reader, error) {
	z, err := zip.OpenReader(path)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("%s: not a site's file, or one that is cut off", path)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{zip: z, entries: map[string]*zip.File{}}
	if err := r.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), z.Close())
	}
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.zip.Close() }

func (r *Reader) begin() error {
	for _, f := range r.zip.File {
		if r.entries[f.Name] != nil {
			return fmt.Errorf("it has %q twice", f.Name)
		}
		r.entries[f.Name] = f
	}
	text, err := r.open(manifestName)
	if err != nil {
		return err
	}
	defer text.Close()
	d := json.NewDecoder(io.LimitReader(text, mostManifest))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.Manifest); err != nil {
		return fmt.Errorf("%s can't be read: %w", manifestName, err)
	}
	return r.Manifest.check()
}

// check says what can't be true of any file.
func (m *Manifest) check() error {
	switch {
	case m == nil || m.Format != format:
		return errors.New("it is of a format that this version doesn't know")
	case m.Site.ID < 1 || m.Site.ID > mostID:
		return fmt.Errorf("it is of a site with the number %d", m.Site.ID)
	}
	for _, p := range m.Modules {
		for name, last := range p.Sequences {
			if last < 0 || last > mostID {
				return fmt.Errorf("it says that sequence %s.%s has come to %d", p.Name, name, last)
			}
		}
		for _, t := range p.Tables {
			if t.Rows < 0 || t.Bytes < 0 {
				return fmt.Errorf("it says that table %s.%s has %d rows", p.Name, t.Name, t.Rows)
			}
		}
	}
	for _, f := range m.Files {
		if !fingerprintForm.MatchString(f.Fingerprint) {
			return fmt.Errorf("it has a stored file named %q", f.Fingerprint)
		}
	}
	return nil
}

func (r *Reader) open(name string) (io.ReadCloser, error) {
	f := r.entries[name]
	if f == nil {
		return nil, fmt.Errorf("it has no %s", name)
	}
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return in, nil
}

// Check compares everything in the file with the sums in its manifest, and says how far it is.
func (r *Reader) Check(ctx context.Context, progress func(done, all int64)) error {
	var done, all int64
	for _, p := range r.Manifest.Modules {
		for _, t := range p.Tables {
			all += t.Bytes
		}
	}
	known := map[string]bool{manifestName: true}
	same := func(name string, size int64, sum string) error {
		known[name] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		in, err := r.open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		h := sha256.New()
		n, err := io.Copy(h, io.LimitReader(in, size+1))
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", name, err)
		}
		if n != size || hex.EncodeToString(h.Sum(nil)) != sum {
			return fmt.Errorf("%s is damaged: it is not what the manifest says", name)
		}
		if done += n; progress != nil {
			progress(done, max(all, done))
		}
		return nil
	}
	for _, p := range r.Manifest.Modules {
		for _, t := range p.Tables {
			if err := same(p.Name+"/"+t.Name+".ndjson", t.Bytes, t.SHA256); err != nil {
				return err
			}
		}
	}
	for _, f := range r.Manifest.Files {
		if err := same(fileEntry(f.Fingerprint), f.Bytes, f.Fingerprint); err != nil {
			return err
		}
	}
	for name := range r.entries {
		if !known[name] {
			return fmt.Errorf("it has %q, of which its manifest says nothing", name)
		}
	}
	return nil
}

// rows hands each row of a table to fn, as text of its values.
func (r *Reader) rows(name string, columns int, fn func(values []*string) error) error {
	in, err := r.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<16), mostLine)
	for n := 1; lines.Scan(); n++ {
		var values []*string
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		if err := d.Decode(&values); err != nil || len(values) != columns {
			return fmt.Errorf("%s, line %d: not a row of %d values", name, n, columns)
		}
		if err := fn(values); err != nil {
			return fmt.Errorf("%s, line %d: %w", name, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
