// Package importer takes purchase histories and people from files into module customer, and adjustments of points into module loyalty: CSV, NDJSON, and the format of the CDNOW
// data set. It reads a file of any size in constant memory and writes batches; how far it got is stored with each batch, so an
// import that was interrupted goes on where it stopped, and one that is run again changes nothing.
package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// Formats of files.
const (
	Auto   = "auto"
	CSV    = "csv"
	NDJSON = "ndjson"
	CDNOW  = "cdnow"
)

// Options say what to import, and how.
type Options struct {
	Site       site.Site
	Name       string         // what the source is called, the same in every run; CDNOW's orders are numbered after it
	Format     string         // one of the above; "" is Auto
	DryRun     bool           // read and check everything, write nothing
	From       string         // whose columns the file has: one of Presets; "": ours
	Source     string         // where what is moved here comes from; "": From, or "moved"
	Campaign   int64          // of rows that name none
	CouponList int64          // of rewards that name none
	Existing   bool           // the people of the file are existing customers, but for those of whom it says otherwise
	Batch      int            // rows in a transaction; 0 means 500
	Report     io.Writer      // gets a CSV line for each thing wrong with a row; nil: nobody wants it
	Progress   func(Progress) // called after each batch; may be nil
	Now        clock.Clock    // nil: the machine's
}

// Progress is how far an import got.
type Progress struct {
	Rows  int64
	Bytes int64
	Size  int64
}

// Summary is what an import did.
type Summary struct {
	Format    string
	Skipped   int64 // rows that an interrupted run had taken in before
	Read      int64 // rows of this run
	New       int64 // in a dry run: rows that are fine by themselves
	Changed   int64 // people only
	Unchanged int64 // there already, with the same data
	Failed    int64 // see the report
	Given     int64 // points, by adjustments
	Taken     int64
	Sum       map[string]int64 // of new and unchanged purchases, minor units by currency
	Ignored   []string         // columns of the file that mean nothing here
}

// Books is what an import needs of module customer.
type Books interface {
	ImportOrigins(ctx context.Context, s site.Site, in []customerapi.Origin, at *customer.Checkpoint) ([]postgres.Result[customerapi.Recorded], error)
	SavePeople(ctx context.Context, s site.Site, in []customerapi.Identity, at *customer.Checkpoint) ([]postgres.Result[customer.SavedPerson], error)
	Checkpoint(ctx context.Context, siteID int64, source string) (customer.Checkpoint, bool, error)
}

// Purchases imports orders and events, as verified and on the days that the file says. A row that is wrong goes to the report and
// stops nothing. An error means that the import ended early; what was committed stays, and the same call goes on from there.
func Purchases(ctx context.Context, m Books, file io.ReadSeeker, o Options) (Summary, error) {
	if o.Now == nil {
		o.Now = clock.System
	}
	r := &run[customerapi.Origin]{Options: o, kind: "purchases",
		parse: func(row row) (customerapi.Origin, []finding) { return row.origin(o.Site) },
		check: func(in customerapi.Origin) error { return customer.Check(in, o.Site, o.Now()) },
		fine: func(s *Summary, in customerapi.Origin) {
			s.Sum[in.Currency] += in.Subtotal
		},
		save: func(ctx context.Context, s *Summary, in []customerapi.Origin, at *customer.Checkpoint) ([]error, error) {
			out, err := m.ImportOrigins(ctx, o.Site, in, at)
			return outcomes(out, err, func(r customerapi.Recorded) {
				if r.Existing {
					s.Unchanged++
				} else {
					s.New++
				}
			})
		}}
	return r.do(ctx, m, file)
}

// People imports persons: new ones, and news of known ones.
func People(ctx context.Context, m Books, file io.ReadSeeker, o Options) (Summary, error) {
	r := &run[customerapi.Identity]{Options: o, kind: "people",
		parse: func(row row) (customerapi.Identity, []finding) {
			in, wrong := row.person()
			if o.Existing && in.ExistingCustomer == nil {
				in.ExistingCustomer = &o.Existing
			}
			return in, wrong
		},
		check: customer.CheckPerson,
		fine:  func(*Summary, customerapi.Identity) {},
		save: func(ctx context.Context, s *Summary, in []customerapi.Identity, at *customer.Checkpoint) ([]error, error) {
			out, err := m.SavePeople(ctx, o.Site, in, at)
			return outcomes(out, err, func(p customer.SavedPerson) {
				switch {
				case p.New:
					s.New++
				case p.Changed:
					s.Changed++
				default:
					s.Unchanged++
				}
			})
		}}
	return r.do(ctx, m, file)
}

func outcomes[T any](out []postgres.Result[T], err error, good func(T)) ([]error, error) {
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(out))
	for i, r := range out {
		if errs[i] = r.Err; r.Err == nil {
			good(r.Value)
		}
	}
	return errs, nil
}

// run is one import of rows that become T.
type run[T any] struct {
	Options
	kind   string
	tries  bool // a dry run saves, too, in rehearsals
	parse  func(row) (T, []finding)
	check  func(T) error
	fine   func(*Summary, T)
	save   func(ctx context.Context, s *Summary, in []T, at *customer.Checkpoint) ([]error, error)
	report *report
	sum    Summary
	at     customer.Checkpoint
	size   int64
}

// item is a row of the batch at hand that is to be saved.
type item[T any] struct {
	row   row
	value T
}

func (r *run[T]) do(ctx context.Context, m Books, file io.ReadSeeker) (Summary, error) {
	if r.Batch <= 0 {
		r.Batch = 500
	}
	r.sum.Sum = map[string]int64{}
	r.report = newReport(r.Report)
	source, err := r.begin(ctx, m, file)
	if err != nil {
		return r.sum, err
	}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return r.sum, err
		}
		if done, err = r.batch(ctx, source); err != nil {
			return r.sum, err
		}
	}
	return r.sum, nil
}

// begin recognises the file and goes to where an interrupted run stopped.
func (r *run[T]) begin(ctx context.Context, m Books, file io.ReadSeeker) (source, error) {
	print, size, err := fingerprint(file)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	r.size = size
	r.at = customer.Checkpoint{Source: r.kind + ":" + r.Name, Fingerprint: print, From: -1}
	if r.Existing { // which says something else, so it doesn't go on where the other stopped
		r.at.Source = "existing " + r.at.Source
	}
	if !r.DryRun && m != nil {
		stored, known, err := m.Checkpoint(ctx, r.Site.ID, r.at.Source)
		if err != nil {
			return nil, err
		}
		if known && stored.Fingerprint == print && !stored.Done {
			r.at = stored
			r.at.From = stored.Bytes
			r.sum.Skipped = stored.Rows
		}
	}
	source, format, ignored, err := open(file, r.Format, vocabulary{r.kind, presets[r.From]}, place{bytes: r.at.Bytes, lines: r.at.Lines}, r.Name)
	r.sum.Format, r.sum.Ignored = format, ignored
	return source, err
}

// batch reads the next rows and saves them together with the place that was reached.
func (r *run[T]) batch(ctx context.Context, source source) (done bool, err error) {
	sum, at := r.sum, r.at
	sum.Sum = map[string]int64{}
	for k, v := range r.sum.Sum {
		sum.Sum[k] = v
	}
	var items []item[T]
	var values []T
	for n := 0; n < r.Batch; n++ {
		row, err := source.next()
		if errors.Is(err, io.EOF) {
			done = true
			break
		}
		if err != nil {
			return false, err
		}
		sum.Read++
		at.Rows, at.Bytes, at.Lines = at.Rows+1, row.after.bytes, row.after.lines
		value, wrong := r.parse(row)
		if row.wrong != nil {
			wrong = []finding{*row.wrong}
		}
		if len(wrong) > 0 {
			sum.Failed++
			r.report.add(row, wrong...)
			continue
		}
		items, values = append(items, item[T]{row, value}), append(values, value)
	}
	errs := make([]error, len(values))
	if r.DryRun && !r.tries {
		for i, v := range values {
			if errs[i] = r.check(v); errs[i] == nil {
				sum.New++
			}
		}
	} else {
		at.Done = done
		if errs, err = r.save(ctx, &sum, values, &at); err != nil {
			return false, err
		}
	}
	for i, err := range errs {
		if err != nil {
			sum.Failed++
			r.report.add(items[i].row, refusal(items[i].row, err)...)
		} else {
			r.fine(&sum, values[i])
		}
	}
	r.sum, r.at = sum, at
	r.at.From = at.Bytes
	if r.Progress != nil {
		r.Progress(Progress{Rows: at.Rows, Bytes: at.Bytes, Size: r.size})
	}
	return done, r.report.flush()
}

// fingerprint is of all that the file holds.
func fingerprint(file io.ReadSeeker) (string, int64, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	size, err := io.Copy(h, file)
	return fmt.Sprintf("%x", h.Sum(nil)), size, err
}
