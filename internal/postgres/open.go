// Package postgres is what modules share of PostgreSQL: pools that can see one schema only, the transaction door, group commit,
// and migrations. It knows no word of the domain.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// Pool says how a module's connections are opened.
type Pool struct {
	URL         string // lib/pq URL or key=value string
	Role        string // acts as this role ("" = the user of the URL); it sees one schema and nothing else
	Application string // shown in pg_stat_activity
	Size        int    // most connections; 0 means poolSize
}

const poolSize = 8

// Open connects and checks that the server answers. The search path is empty, so SQL that does not name its schema fails.
func Open(ctx context.Context, p Pool) (*sqlx.DB, error) {
	c, err := pq.NewConfig(p.URL)
	if _, unread := errors.AsType[*url.Error](err); unread { // it repeats the password
		return nil, errors.New("database url: not a URL; are special characters of the password escaped?")
	}
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	c.BinaryParameters = true // one round trip a statement that isn't prepared
	c.ApplicationName = p.Application
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.Runtime == nil {
		c.Runtime = map[string]string{}
	}
	c.Runtime["search_path"] = ""
	c.Runtime["timezone"] = "UTC"
	c.Runtime["idle_in_transaction_session_timeout"] = "10s" // a frozen replica lets go of its locks
	c.Runtime["lock_timeout"] = "8s"
	c.Runtime["statement_timeout"] = "60s"
	if p.Role != "" {
		c.Runtime["role"] = p.Role
	}
	connector, err := pq.NewConnectorConfig(c)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	db := sqlx.NewDb(sql.OpenDB(preparing{connector}), "postgres")
	size := p.Size
	if size == 0 {
		size = poolSize
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect to the database as %q: %w", p.Role, err)
	}
	return db, nil
}

// Away says that err means the database cannot be reached or cannot serve now, and that the same call may succeed later.
func Away(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if pe, ok := errors.AsType[*pq.Error](err); ok {
		switch pe.Code.Class() {
		case "08", "53", "57", "58": // connection, resources, operator intervention, system error
			return pe.Code != pqerror.QueryCanceled
		}
		return pe.Code == pqerror.LockNotAvailable || pe.Code == pqerror.IdleInTransactionSessionTimeout ||
			pe.Code == pqerror.ReadOnlySQLTransaction
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone)
}

// NoPartition says that a row found no partition of its table.
func NoPartition(err error) bool {
	e := pq.As(err, pqerror.CheckViolation)
	return e != nil && e.Constraint == ""
}

// Discard closes the pool's connection that was used last. A session that builds its picture of a partitioned table at the
// moment in which another commits ATTACH PARTITION keeps a picture without that partition, until the next change of the table:
// ATTACH lets readers and writers go on, so nothing keeps the two apart. (Seen on PostgreSQL 15.) A new session sees it.
func Discard(ctx context.Context, db *sqlx.DB) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("discard a connection: %w", err)
	}
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	return nil
}

// Ended adds to err the context's own error when the statement was cancelled, or its transaction rolled back, because ctx ended:
// PostgreSQL's words for the first are the same as for a statement that took too long, and database/sql's for the second (also
// when the commit comes just after) don't say why.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() == nil || pq.As(err, pqerror.QueryCanceled) == nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// Again says that the transaction lost a race inside the database (serialization failure, deadlock, a table that was altered) and
// may simply be repeated.
func Again(err error) bool {
	return pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil || replanned(err)
}

// Violates says that err is a violation of the named constraint.
func Violates(err error, constraint string) bool {
	pe := pq.As(err)
	return pe != nil && pe.Code.Class() == "23" && pe.Constraint == constraint
}
