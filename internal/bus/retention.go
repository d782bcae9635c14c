package bus

import (
	"context"
	"fmt"
	"time"
)

// Retention says what of a log may go: whole partitions, every row of which is older than Keep and has been passed by all.
type Retention struct {
	Keep  time.Duration
	Rows  int64                                            // and not among the last Rows of the log; 0: no such rule
	Floor func(ctx context.Context) (seq int64, err error) // the least of all consumers' cursors; see Consumer.Cursor
}

// Retain makes Run drop what r lets go. Without it the log keeps everything. Call it before Run.
func (t *Table) Retain(r Retention) *Table {
	t.keep = &r
	return t
}

// Trim drops what the retention lets go, now, and returns how many partitions went.
func (t *Table) Trim(ctx context.Context) (int, error) {
	if t.keep == nil {
		return 0, nil
	}
	floor, err := t.keep.Floor(ctx)
	if err != nil {
		return 0, fmt.Errorf("floor of log %s: %w", t.schema, err)
	}
	var dropped int
	err = t.db.QueryRowContext(ctx, `
		select `+t.schema+`.drop_partitions(least($1::bigint, seq - $2::bigint), make_interval(secs => $3))
		from `+t.schema+`.head`, floor, t.keep.Rows, t.keep.Keep.Seconds()).Scan(&dropped)
	if err != nil {
		return 0, fmt.Errorf("drop partitions of %s: %w", t.schema, err)
	}
	return dropped, nil
}
