package bus

import (
	"context"
	"fmt"
)

// Name is the consumer's: its module's.
func (c *Consumer) Name() string { return c.name }

// Waiting is how many committed events have no place in the log yet.
func (t *Table) Waiting(ctx context.Context) (n int64, err error) {
	if err := t.db.QueryRowContext(ctx, `select waiting from `+t.schema+`.backlog()`).Scan(&n); err != nil {
		return 0, fmt.Errorf("outbox of %s: %w", t.schema, err)
	}
	return n, nil
}
