package postgres

import (
	"context"
	"database/sql/driver"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/lib/pq"
)

const (
	keptStatements = 100              // of one connection; the server keeps a plan of each
	planAge        = 15 * time.Second // a plan is not older: tables grow faster than their statistics
)

// preparing makes connections that prepare what they are asked again: parsing and planning a statement over sets costs about as
// much as running it. What is asked once, or has no parameters, goes as it is. Behind a pooler, use its session mode.
type preparing struct{ driver.Connector }

// conn is what database/sql uses of a connection, and lib/pq's has.
type conn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.QueryerContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparingConn is one connection; database/sql lets nobody else at it meanwhile.
type preparingConn struct {
	conn
	known     *lru.Cache[string, *statement]
	rehearses bool // a transaction that will be rolled back
}

// statement is one that was asked before; stmt is nil until it is asked again.
type statement struct {
	stmt driver.Stmt
	made time.Time
}

func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	known, err := lru.NewWithEvict(keptStatements, func(_ string, s *statement) { s.close() })
	return &preparingConn{conn: c.(conn), known: known}, err
}

func (s *statement) close() {
	if s.stmt != nil {
		_ = s.stmt.Close() // what fails here fails again where it is seen
	}
}

// prepared is the statement of a query; nil: send it as it is.
func (c *preparingConn) prepared(ctx context.Context, query string, args []driver.NamedValue) (driver.Stmt, error) {
	if len(args) == 0 {
		return nil, nil
	}
	s, ok := c.known.Get(query)
	switch {
	case !ok:
		c.known.Add(query, &statement{})
		return nil, nil
	case s.stmt != nil && time.Since(s.made) < planAge:
		return s.stmt, nil
	}
	s.close()
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		c.known.Remove(query)
		return nil, err
	}
	s.stmt, s.made = stmt, time.Now()
	return stmt, nil
}

// failed forgets a statement whose tables have changed since it was prepared.
func (c *preparingConn) failed(query string, err error) {
	if replanned(err) {
		c.known.Remove(query)
	}
}

// replanned says that a prepared statement returns other columns than when it was prepared. It may simply be repeated.
func replanned(err error) bool {
	pe := pq.As(err)
	return pe != nil && pe.Code == "0A000" && pe.Routine == "RevalidateCachedQuery"
}

func (c *preparingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return c.conn.QueryContext(ctx, query, args)
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	c.failed(query, err)
	return rows, err
}

func (c *preparingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if Rehearsing(ctx) && !c.rehearses {
		return nil, errNoUndo
	}
	stmt, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return c.conn.ExecContext(ctx, query, args)
	}
	result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	c.failed(query, err)
	return result, err
}
