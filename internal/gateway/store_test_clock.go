package gateway

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

// advance is a move of the clock.
type advance struct {
	SiteID  int64     `db:"site_id"`
	ID      int64     `db:"id"`
	KeyID   int64     `db:"key_id"`
	State   string    `db:"state"`
	From    time.Time `db:"from_at"`
	To      time.Time `db:"to_at"`
	At      time.Time `db:"at"`
	Moments int64     `db:"moments"`
	Jobs    counts    `db:"jobs"`
	Detail  *string   `db:"detail"`
}

// counts are of jobs, by kind.
type counts map[string]int64

// Scan reads them.
func (c *counts) Scan(src any) error {
	text, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("counts of jobs are %T", src)
	}
	return json.Unmarshal(text, c)
}

// Value writes them.
func (c counts) Value() (driver.Value, error) {
	text, err := json.Marshal(c)
	return string(text), err
}

const advanceColumns = `site_id, id, key_id, state, from_at, to_at, at, moments, jobs, detail`

var errNoAdvance = fault.New(fault.NotFound, "advance_not_found", "The clock was not moved by this site.")

// savedAhead is how far ahead of the machine's the clock was put; not found: this is no test platform.
func savedAhead(ctx context.Context, db sqlx.QueryerContext) (ahead time.Duration, found bool, err error) {
	var us int64
	err = sqlx.GetContext(ctx, db, &us, `select ahead_us from gateway.test_clock`)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the test clock: %w", err)
	}
	return time.Duration(us) * time.Microsecond, true, nil
}

// beginTestClock makes the database a test platform's, if it isn't. Nobody moves the clock then: a move that its process didn't live to end is over.
func beginTestClock(ctx context.Context, db sqlx.ExecerContext) error {
	_, err := db.ExecContext(ctx, `
		with clock as (insert into gateway.test_clock default values on conflict (one) do update set moving = false)
		update gateway.test_advance set state = 'stopped', detail = 'the server ended' where state = 'running'`)
	if err != nil {
		return fmt.Errorf("begin the test clock: %w", err)
	}
	return nil
}

// endTestClock makes the database a live platform's.
func endTestClock(ctx context.Context, db sqlx.ExecerContext) error {
	if _, err := db.ExecContext(ctx, `delete from gateway.test_clock where ahead_us = 0`); err != nil {
		return fmt.Errorf("end the test clock: %w", err)
	}
	return nil
}

// The lock's number is a word's: other programs on the database have others.
const testClockLock = `hashtextextended('talkable.test_clock', 0)`

// lockTestClock takes the lock on a connection of its own; nil: somebody else has it.
func lockTestClock(ctx context.Context, db *sqlx.DB) (*sqlx.Conn, error) {
	conn, err := db.Connx(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the test clock: %w", err)
	}
	var mine bool
	if err := conn.GetContext(ctx, &mine, `select pg_catalog.pg_try_advisory_lock(`+testClockLock+`)`); err != nil || !mine {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// unlockTestClock gives the connection back without the lock.
func unlockTestClock(ctx context.Context, conn *sqlx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := conn.ExecContext(ctx, `select pg_catalog.pg_advisory_unlock(`+testClockLock+`)`)
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return nil // it has ended with its connection
	}
	return errors.Join(err, conn.Close())
}

// startMoving says whether nobody else moves the clock; from then on nobody else can.
func startMoving(ctx context.Context, tx *sqlx.Tx) (bool, error) {
	done, err := tx.ExecContext(ctx, `update gateway.test_clock set moving = true where not moving`)
	if err != nil {
		return false, fmt.Errorf("start to move the test clock: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

func insertAdvance(ctx context.Context, tx *sqlx.Tx, a advance) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `
		insert into gateway.test_advance (site_id, key_id, state, from_at, to_at, at) values ($1, $2, $3, $4, $5, $6) returning id`,
		a.SiteID, a.KeyID, a.State, a.From, a.To, a.At)
	if err != nil {
		return 0, fmt.Errorf("insert a move of the test clock: %w", err)
	}
	return id, nil
}

// saveAdvance keeps how far a move is, and the clock. It is written before the clock is put there: after a crash it never goes back.
func saveAdvance(ctx context.Context, db sqlx.ExecerContext, a advance, ahead time.Duration) error {
	_, err := db.ExecContext(ctx, `
		with clock as (update gateway.test_clock set ahead_us = $7, moving = $3 = 'running')
		update gateway.test_advance set state = $3, at = $4, moments = $5, jobs = $6::jsonb, detail = $8 where site_id = $1 and id = $2`,
		a.SiteID, a.ID, a.State, a.At, a.Moments, a.Jobs, ahead.Microseconds(), a.Detail)
	if err != nil {
		return fmt.Errorf("save a move of the test clock: %w", err)
	}
	return nil
}

func advanceByID(ctx context.Context, db sqlx.QueryerContext, siteID, id int64) (advance, error) {
	var a advance
	err := sqlx.GetContext(ctx, db, &a, `select `+advanceColumns+` from gateway.test_advance where site_id = $1 and id = $2`, siteID, id)
	return a, missing(err, errNoAdvance, "find a move of the test clock")
}

// lastAdvance is the last move that a site asked for; nil: it never did.
func lastAdvance(ctx context.Context, db sqlx.QueryerContext, siteID int64) (*advance, error) {
	var a advance
	err := sqlx.GetContext(ctx, db, &a, `select `+advanceColumns+` from gateway.test_advance where site_id = $1 order by id desc limit 1`, siteID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the last move of the test clock: %w", err)
	}
	return &a, nil
}
