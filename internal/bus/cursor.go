package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// position is how far a source has been heard.
type position struct {
	Head
	parked int
}

// Cursor is the last seq of source that has been passed: applied, parked, or not for this consumer. 0 before the first.
func (c *Consumer) Cursor(ctx context.Context, source string) (int64, error) {
	p, err := c.position(ctx, source)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return p.Seq, err
}

func (c *Consumer) position(ctx context.Context, source string) (position, error) {
	var p position
	err := c.outbox.db.QueryRowContext(ctx, `
		select epoch, seq, parked from `+c.outbox.schema+`.cursor where name = $1 and source = $2`,
		c.name, source).Scan(&p.Epoch, &p.Seq, &p.parked)
	if err != nil {
		return position{}, fmt.Errorf("cursor of %s at %s: %w", c.name, source, err)
	}
	return p, nil
}

// begin makes the cursor of a source that was never heard, at the start of its log.
func (c *Consumer) begin(ctx context.Context, source, epoch string) error {
	_, err := c.outbox.db.ExecContext(ctx, `
		insert into `+c.outbox.schema+`.cursor (name, source, seq, epoch) values ($1, $2, 0, $3)
		on conflict do nothing`, c.name, source, epoch)
	if err != nil {
		return fmt.Errorf("begin the cursor of %s at %s: %w", c.name, source, err)
	}
	return nil
}

// advance moves the cursor as the first statement of a batch's transaction: it is the lock and the fence. It returns how many
// events of the source are parked, and errPassed when the cursor isn't where it was left.
func (c *Consumer) advance(ctx context.Context, u *Unit, source string, from Head, to int64) (parked int, err error) {
	err = u.QueryRowContext(ctx, c.cas, c.name, source, from.Seq, from.Epoch, to).Scan(&parked)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errPassed
	}
	if err != nil {
		return 0, fmt.Errorf("advance the cursor of %s at %s: %w", c.name, source, err)
	}
	return parked, nil
}

// Rewind sets the cursor of source to to, which is how a projection is built anew, and how a consumer is told that a restored
// log is the right one. clear empties what the events after to will build again, in the same transaction; it may be nil.
// Events parked after to are dropped, since they come again.
func (c *Consumer) Rewind(ctx context.Context, source string, to Head, clear func(u *Unit) error) error {
	return c.outbox.InTx(ctx, func(u *Unit) error {
		_, err := u.ExecContext(ctx, `
			insert into `+c.outbox.schema+`.cursor (name, source, seq, epoch) values ($1, $2, $3, $4)
			on conflict (name, source) do update set seq = excluded.seq, epoch = excluded.epoch`,
			c.name, source, to.Seq, to.Epoch)
		if err != nil {
			return fmt.Errorf("rewind %s at %s: %w", c.name, source, err)
		}
		_, err = u.ExecContext(ctx, `
			delete from `+c.outbox.schema+`.park where consumer = $1 and source = $2 and seq > $3`, c.name, source, to.Seq)
		if err == nil {
			_, err = u.ExecContext(ctx, `
				update `+c.outbox.schema+`.cursor c set parked = (
					select count(*) from `+c.outbox.schema+`.park p where p.consumer = c.name and p.source = c.source)
				where name = $1 and source = $2`, c.name, source)
		}
		if err != nil {
			return fmt.Errorf("rewind %s at %s: %w", c.name, source, err)
		}
		if clear == nil {
			return nil
		}
		return clear(u)
	})
}
