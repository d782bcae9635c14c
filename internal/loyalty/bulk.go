package loyalty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const aboutBulk = "bulk_adjustment"

const maxBulk = 1000 // rows of a transaction

var (
	errBulk         = fault.New(fault.Invalid, "invalid_adjustment", "The adjustments are not valid.").At("/rows", "must be 1 to 1000").Pointed()
	errStalePreview = fault.New(fault.Conflict, "preview_stale", "What the adjustments come to isn't what the preview said: look at another one, or apply them without it.")
	errReference2   = fault.New(fault.Invalid, "reference_repeated", "The reference stands in another row of the request, too.")
	errReference3   = fault.New(fault.Conflict, "reference_used", "The reference is that of another adjustment: of another member, or by other points.")
	errBulkRow      = fault.New(fault.Invalid, "invalid_adjustment", "The reference must have 1 to 100 printable characters, the note at most 500.")
	errBulkEnds     = fault.New(fault.Invalid, "invalid_adjustment", "expires_at must be later than now, before the year 3000, and of points that are given.")
)

// bulkRow is a row on its way.
type bulkRow struct {
	loyaltyapi.BulkRow
	out *loyaltyapi.BulkResult
}

func (r bulkRow) source() string { return "bulk:" + r.Reference }

func (r bulkRow) refuse(f *fault.Error) {
	r.out.Status, r.out.Code, r.out.Detail = loyaltyapi.BulkRefused, f.Code, f.Detail
}

// check says why a row is refused whatever its member has; nil: it isn't.
func (r bulkRow) check(now time.Time) *fault.Error {
	n := utf8.RuneCountInString(r.Reference)
	switch {
	case n < 1 || n > 100 || !printable(r.Reference) || utf8.RuneCountInString(r.Note) > 500 || !printable(r.Note):
		return errBulkRow
	case r.ExpiresAt != nil && (r.Points <= 0 || !r.ExpiresAt.After(now) || r.ExpiresAt.Year() >= 3000):
		return errBulkEnds
	case r.PersonID == 0:
		return errNoMember
	}
	return nil
}

// AdjustAll adjusts the points of many by hand, in their order and in one transaction. A row that can't be stops no other, and one that was applied before
// changes nothing: its reference says so. expect is the preview of which nothing may differ; "": whatever it comes to.
func (m *Module) AdjustAll(ctx context.Context, siteID int64, rows []loyaltyapi.BulkRow, expect string, keyID int64, key idempotency.Key) (out loyaltyapi.Bulk, replayed bool, err error) {
	if len(rows) == 0 || len(rows) > maxBulk {
		return out, false, errBulk
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			if out, err = m.adjustRows(ctx, u, siteID, rows); err != nil {
				return err
			}
			if expect != "" && expect != out.Preview {
				return errStalePreview
			}
			if out.Applied == 0 {
				return nil
			}
			said := out
			said.Rows = nil // each stands in its member's history
			return note(ctx, u, siteID, keyID, "applied", aboutBulk, firstOf(out.Rows), nil, said)
		})
		return err
	})
	return out, replayed, err
}

// firstOf is the first transaction of rows.
func firstOf(rows []loyaltyapi.BulkResult) int64 {
	for _, r := range rows {
		if r.TransactionID != nil && r.Status == loyaltyapi.BulkApplied {
			return *r.TransactionID
		}
	}
	return 0
}

// adjustRows decides all rows upon locked members, and saves what is applied.
func (m *Module) adjustRows(ctx context.Context, u *bus.Unit, site int64, in []loyaltyapi.BulkRow) (out loyaltyapi.Bulk, err error) {
	out.Rows = make([]loyaltyapi.BulkResult, len(in))
	rows := make([]bulkRow, len(in))
	for i, r := range in {
		rows[i] = bulkRow{r, &out.Rows[i]}
		out.Rows[i] = loyaltyapi.BulkResult{Reference: r.Reference, Points: r.Points}
	}
	rows, err = unknownRows(ctx, u, site, checked(rows, u.Now))
	if err != nil {
		return out, err
	}
	if len(rows) > 0 {
		if err := m.applyRows(ctx, u, site, rows, &out); err != nil {
			return out, err
		}
	}
	summed(&out)
	return out, nil
}

// checked are the rows that may be applied; the others are refused. Of two with one reference the first may.
func checked(all []bulkRow, now time.Time) (rows []bulkRow) {
	seen := map[string]bool{}
	for _, r := range all {
		switch f := r.check(now); {
		case f != nil:
			r.refuse(f)
		case seen[r.Reference]:
			r.refuse(errReference2)
		default:
			seen[r.Reference] = true
			rows = append(rows, r)
		}
	}
	return rows
}

// unknownRows are those that weren't applied before. Only bulks write such references, and those of a site go one after the other.
func unknownRows(ctx context.Context, u *bus.Unit, site int64, all []bulkRow) (rows []bulkRow, err error) {
	if _, err := u.Tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('loyalty.bulk', $1))`, site); err != nil {
		return nil, wrapped("adjust alone", err)
	}
	var known []struct {
		Source   string `db:"source"`
		ID       int64  `db:"id"`
		Points   int64  `db:"points"`
		PersonID int64  `db:"person_id"`
	}
	err = sqlx.SelectContext(ctx, u, &known, `
		select t.source, t.id, t.points, m.person_id from unnest($2::text[]) as s (source)
		cross join lateral (select * from loyalty.txn t where t.site_id = $1 and t.kind = 'adjust' and t.source = s.source offset 0) t
		cross join lateral (select * from loyalty.member m where m.site_id = t.site_id and m.id = t.member_id offset 0) m`,
		site, pq.Array(column(all, bulkRow.source)))
	if err != nil {
		return nil, wrapped("find adjustments", err)
	}
	before := map[string]int{}
	for i, k := range known {
		before[k.Source] = i + 1
	}
	for _, r := range all {
		i := before[r.source()]
		switch {
		case i == 0:
			rows = append(rows, r)
		case known[i-1].Points != r.Points || known[i-1].PersonID != r.PersonID:
			r.refuse(errReference3)
		default:
			r.out.Status, r.out.TransactionID = loyaltyapi.BulkKnown, &known[i-1].ID
		}
	}
	return rows, nil
}

// applyRows adjusts what can be adjusted.
func (m *Module) applyRows(ctx context.Context, u *bus.Unit, site int64, rows []bulkRow, out *loyaltyapi.Bulk) error {
	actions, work := make([]action, len(rows)), make([]int, len(rows))
	for i, r := range rows {
		actions[i], work[i] = action{site: site, person: r.PersonID, kind: kindAdjust}, i
	}
	d, err := openDesk(ctx, u, actions, work)
	if err != nil {
		return err
	}
	moved := map[*holder]bool{}
	for i, r := range rows {
		h := d.holderOf(actions[i])
		if h == nil {
			r.refuse(errNoMember)
			continue
		}
		t, err := d.adjustBy(h, adjusting{points: r.Points, description: r.Note, forTier: r.ForTier, source: r.source(), ends: r.ExpiresAt})
		if f, ok := fault.Of(err); ok {
			r.refuse(f)
			continue
		}
		if err != nil {
			return err
		}
		balance := h.Balance
		moved[h], r.out.Status, r.out.TransactionID, r.out.Balance = true, loyaltyapi.BulkApplied, &t.ID, &balance
	}
	if out.Members = len(moved); out.Members == 0 {
		return nil
	}
	return m.save(ctx, u, d.books, each(d.holders), d.loaded, 0)
}

// summed adds up what became of rows, and says all of it in one word.
func summed(out *loyaltyapi.Bulk) {
	var all strings.Builder
	for _, r := range out.Rows {
		switch r.Status {
		case loyaltyapi.BulkApplied:
			out.Applied++
			out.Given, out.Taken = out.Given+max(r.Points, 0), out.Taken+max(-r.Points, 0)
		case loyaltyapi.BulkKnown:
			out.Known++
		default:
			out.Refused++
		}
		fmt.Fprintf(&all, "%q %s %d %d %s\n", r.Reference, r.Status, r.Points, orZero(r.Balance), r.Code)
	}
	sum := sha256.Sum256([]byte(all.String()))
	out.Preview = hex.EncodeToString(sum[:])
}
