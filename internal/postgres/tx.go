package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"
)

const tries = 3 // for a transaction that lost a race inside the database

// InTx runs fn in one transaction and returns the commit's error too. A serialization failure or deadlock is repeated, three
// times in all, so fn touches nothing but the database and its own variables, which it sets anew each time.
func InTx(ctx context.Context, db *sqlx.DB, fn func(tx *sqlx.Tx) error) error {
	for try := 1; ; try++ {
		err := once(ctx, db, fn)
		if err == nil || try == tries || !Again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.Int64N(int64(try) * int64(10*time.Millisecond)))):
		}
	}
}

func once(ctx context.Context, db *sqlx.DB, fn func(tx *sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if err := fn(tx); err != nil {
		return Ended(ctx, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", Ended(ctx, err))
	}
	return nil
}
