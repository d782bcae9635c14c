package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
)

type rehearsalKey struct{}

// Rehearsal makes whatever is done with the context a rehearsal: its transactions do all their work, constraints included, and are
// rolled back where they would commit. The connection sees to that, so no code of a module can forget it. A statement that changes something
// outside of a transaction is an error, because nothing could undo it.
func Rehearsal(ctx context.Context) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, true)
}

// Rehearsing says that nothing of what is done with the context will stay.
func Rehearsing(ctx context.Context) bool {
	is, _ := ctx.Value(rehearsalKey{}).(bool)
	return is
}

// Apart is two of a kind: what works in earnest, and what takes its place in a rehearsal. Counters of business facts come in two, and
// nobody sees the second: an addition to a counter can't be rolled back.
type Apart[T any] struct{ Real, Rehearsed T }

// Of is the one of the two that is meant for what is done with the context.
func (a *Apart[T]) Of(ctx context.Context) T {
	if Rehearsing(ctx) {
		return a.Rehearsed
	}
	return a.Real
}

var errNoUndo = errors.New("postgres: a rehearsal changes something outside of a transaction")

// BeginTx begins a transaction, which is rolled back at its end if it is a rehearsal.
func (c *preparingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.conn.BeginTx(ctx, opts)
	if err != nil || !Rehearsing(ctx) {
		return tx, err
	}
	c.rehearses = true
	return &rehearsed{Tx: tx, ctx: ctx, c: c}, nil
}

// rehearsed is a transaction that doesn't commit.
type rehearsed struct {
	driver.Tx
	ctx context.Context
	c   *preparingConn
}

// Commit checks what a commit would check, and rolls back.
func (t *rehearsed) Commit() error {
	_, err := t.c.conn.ExecContext(t.ctx, "set constraints all immediate", nil)
	return errors.Join(err, t.Rollback())
}

func (t *rehearsed) Rollback() error {
	t.c.rehearses = false
	return t.Tx.Rollback()
}
