package bus

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Name is the consumer's: its module's.
func (c *Consumer) Name() string { return c.name }

// Heard is how far this process has got in a source's log. It is ahead of the cursor where it has passed by events that are not for this
// consumer, and behind it where another process hears them; 0 before it begins.
func (c *Consumer) Heard(source string) int64 {
	if heard, ok := c.heard.Load(source); ok {
		return heard.(*atomic.Int64).Load()
	}
	return 0
}

// Known is where the log ends as far as this process knows, which costs nothing to ask.
func (t *Table) Known() int64 { return t.known() }

// Waiting is how many committed events have no place in the log yet.
func (t *Table) Waiting(ctx context.Context) (n int64, err error) {
	if err := t.db.QueryRowContext(ctx, `select waiting from `+t.schema+`.backlog()`).Scan(&n); err != nil {
		return 0, fmt.Errorf("outbox of %s: %w", t.schema, err)
	}
	return n, nil
}
