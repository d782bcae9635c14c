package customer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

// Checkpoint is how far an import of a file got. It moves in the transaction of the batch that it speaks of.
type Checkpoint struct {
	Source      string `db:"source"`      // what the user calls the file, and what kind of rows it holds
	Fingerprint string `db:"fingerprint"` // of the content: another file under the same name begins anew
	Rows        int64  `db:"rows"`        // taken in so far
	Lines       int64  `db:"lines"`       // of the file, read so far
	Bytes       int64  `db:"bytes"`
	Done        bool   `db:"done"`

	From int64 `db:"-"` // Bytes where this batch began; -1: from the beginning, whatever was
}

// errMoved says that somebody else imports the same file.
var errMoved = fault.New(fault.Conflict, "import_running", "Another import of this file is running; it has gone further meanwhile.")

// Checkpoint returns how far the import of a source got; false: never begun.
func (m *Module) Checkpoint(ctx context.Context, siteID int64, source string) (Checkpoint, bool, error) {
	var c Checkpoint
	err := m.db.GetContext(ctx, &c, `
		select source, fingerprint, rows, lines, bytes, done from customer.import where site_id = $1 and source = $2`, siteID, source)
	if errors.Is(err, sql.ErrNoRows) {
		return Checkpoint{}, false, nil
	}
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("read checkpoint: %w", err)
	}
	return c, true, nil
}

// moveCheckpoint stores the place. The place before must be where the importer left it: two of the same file would count twice.
func moveCheckpoint(ctx context.Context, u *bus.Unit, siteID int64, c *Checkpoint) error {
	if c == nil {
		return nil
	}
	done, err := u.ExecContext(ctx, `
		insert into customer.import as i (site_id, source, fingerprint, rows, lines, bytes, done, moved_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (site_id, source) do update
		set fingerprint = $3, rows = $4, lines = $5, bytes = $6, done = $7, moved_at = $8
		where $9 = -1 or i.fingerprint = $3 and i.bytes = $9`,
		siteID, c.Source, c.Fingerprint, c.Rows, c.Lines, c.Bytes, c.Done, u.Now, c.From)
	if err != nil {
		return fmt.Errorf("move checkpoint: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errMoved, err)
	}
	return nil
}
