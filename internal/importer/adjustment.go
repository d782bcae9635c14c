package importer

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
)

// Ledger is what an import of adjustments needs: who people are, and their points.
type Ledger interface {
	Person(ctx context.Context, siteID int64, slug string) (customerapi.Person, error)
	AdjustAll(ctx context.Context, siteID int64, rows []loyaltyapi.BulkRow, expect string, keyID int64, key idempotency.Key) (loyaltyapi.Bulk, bool, error)
}

// adjustment is a row, and whom it names.
type adjustment struct {
	loyaltyapi.BulkRow
	slug string
}

// Adjustments moves points by hand. A row's reference says that it was applied before, so whatever became of an earlier run, the same file may be given
// again; rows without one have the file's name and their line. A dry run decides each batch upon what is there now.
func Adjustments(ctx context.Context, m Ledger, file io.ReadSeeker, o Options) (Summary, error) {
	r := &run[adjustment]{Options: o, kind: "adjustments", tries: true,
		parse: func(row row) (adjustment, []finding) { return row.adjustment(o) },
		fine:  func(*Summary, adjustment) {},
		save: func(ctx context.Context, s *Summary, in []adjustment, _ *customer.Checkpoint) ([]error, error) {
			if o.DryRun {
				ctx = postgres.Rehearsal(ctx)
			}
			return adjustAll(ctx, m, o.Site.ID, s, in)
		}}
	return r.do(ctx, nil, file)
}

func adjustAll(ctx context.Context, m Ledger, siteID int64, s *Summary, in []adjustment) ([]error, error) {
	if len(in) == 0 {
		return nil, nil
	}
	rows := make([]loyaltyapi.BulkRow, len(in))
	for i, a := range in {
		p, err := m.Person(ctx, siteID, a.slug)
		if err != nil && !fault.Is(err, fault.Invalid) {
			return nil, err
		}
		rows[i] = a.BulkRow
		rows[i].PersonID = p.ID
	}
	out, _, err := m.AdjustAll(ctx, siteID, rows, "", 0, idempotency.Key{})
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(in))
	for i, r := range out.Rows {
		if r.Status == loyaltyapi.BulkRefused {
			errs[i] = fault.New(fault.Invalid, r.Code, "%s", r.Detail).At("/points", r.Detail)
		}
	}
	s.New, s.Unchanged = s.New+int64(out.Applied), s.Unchanged+int64(out.Known)
	s.Given, s.Taken = s.Given+out.Given, s.Taken+out.Taken
	return errs, nil
}

// adjustment is what the row tells of.
func (r *row) adjustment(o Options) (a adjustment, wrong []finding) {
	c := r.cells
	named := slices.DeleteFunc([]string{c[email], c[customerID], c[phoneNumber], c[username]}, func(s string) bool { return s == "" })
	if len(named) == 0 {
		wrong = append(wrong, finding{column: "email", what: "is empty, and nothing else names somebody"})
	} else {
		a.slug = named[0]
	}
	var err error
	if a.Points, err = strconv.ParseInt(c[points], 10, 64); err != nil {
		wrong = append(wrong, finding{column: "points", value: c[points], what: "is no whole number"})
	}
	if a.Note, a.Reference = c[note], c[reference]; a.Reference == "" {
		a.Reference = o.Name + ":" + strconv.FormatInt(r.line, 10)
	}
	if said := c[countsForTier]; said != "" {
		yes, understood := truths[strings.ToLower(said)]
		if a.ForTier = yes; !understood {
			wrong = append(wrong, finding{column: "counts_for_tier", value: said, what: "is neither true nor false"})
		}
	}
	if c[expiresAt] != "" {
		ends, ok := moment(c[expiresAt], o.Site.Zone)
		if a.ExpiresAt = &ends; !ok {
			wrong = append(wrong, finding{column: "expires_at", value: c[expiresAt], what: "is no date like 2026-03-01, nor a time like 2026-03-01T12:00:00Z"})
		}
	}
	return a, wrong
}
