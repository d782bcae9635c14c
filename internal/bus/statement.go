package bus

import (
	"context"
	"database/sql"
	"sync/atomic"

	"github.com/jmoiron/sqlx"
)

// statement is one of the bus's own: planning it anew would cost as much as running it, so it is prepared, once for the pool,
// when it is first needed. database/sql prepares it on each connection, and again on one that replaces another; what the server
// keeps of it ends with the connection.
type statement struct {
	db    *sqlx.DB
	query string
	stmt  atomic.Pointer[sqlx.Stmt]
}

func prepared(db *sqlx.DB, query string) *statement { return &statement{db: db, query: query} }

// ready prepares the statement. It takes a connection, so it is called before a transaction begins, never within: all of the
// pool's may be held by those who would wait here. A failure is no reason to stop: the statement itself will say it better.
func (s *statement) ready(ctx context.Context) *sqlx.Stmt {
	if stmt := s.stmt.Load(); stmt != nil {
		return stmt
	}
	stmt, err := s.db.PreparexContext(ctx, s.query)
	if err != nil {
		return nil
	}
	if !s.stmt.CompareAndSwap(nil, stmt) { // somebody else was at it
		_ = stmt.Close() //nolint:sqlclosecheck // another was quicker: this one is not kept
		return s.stmt.Load()
	}
	return stmt
}

// exec runs the statement in a transaction.
func (s *statement) exec(ctx context.Context, tx *sqlx.Tx, args ...any) error {
	var err error
	if stmt := s.stmt.Load(); stmt != nil {
		_, err = tx.StmtxContext(ctx, stmt).ExecContext(ctx, args...)
	} else {
		_, err = tx.ExecContext(ctx, s.query, args...)
	}
	return err
}

// row runs the statement in a transaction for one row.
func (s *statement) row(ctx context.Context, tx *sqlx.Tx, args ...any) *sql.Row {
	if stmt := s.stmt.Load(); stmt != nil {
		return tx.StmtxContext(ctx, stmt).Stmt.QueryRowContext(ctx, args...)
	}
	return tx.Tx.QueryRowContext(ctx, s.query, args...)
}

// one runs the statement by itself for one row.
func (s *statement) one(ctx context.Context, args ...any) *sql.Row {
	if stmt := s.ready(ctx); stmt != nil {
		return stmt.Stmt.QueryRowContext(ctx, args...)
	}
	return s.db.DB.QueryRowContext(ctx, s.query, args...)
}

// rows runs the statement by itself.
func (s *statement) rows(ctx context.Context, args ...any) (*sql.Rows, error) {
	if stmt := s.ready(ctx); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, s.query, args...)
}
