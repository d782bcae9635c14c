package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
)

// TestTime is what the one process holds that serves a test platform: its clock, and the right to move it.
type TestTime struct {
	Clock *clock.Steered
	db    *sqlx.DB
	lock  *sqlx.Conn // holds an advisory lock of the database for as long as it lives
}

const (
	lockPatience = 5 * time.Second // for a process that has just died to be noticed
	lockLook     = 2 * time.Second
)

var (
	errOtherProcess = errors.New("another process serves this test platform: its clock is one process's")
	errLivePeople   = errors.New("--test-clock is for a platform that begins as a test one; this database has people of a live platform. " +
		"Take another data directory (--data-dir) or database")
)

// errMoved refuses to serve a moved clock as if it were the machine's.
func errMoved(ahead time.Duration) error {
	return fmt.Errorf("this database is a test platform's, whose clock is %s ahead: serve it with --test-clock (TALKABLE_TEST_CLOCK=true), or take another "+
		"data directory or database", inDays(ahead))
}

// inDays is a duration as people say it.
func inDays(d time.Duration) string {
	days := d / (24 * time.Hour)
	if rest := (d % (24 * time.Hour)).Truncate(time.Second); days == 0 || rest >= time.Hour {
		return fmt.Sprintf("%d days and %s", days, rest)
	}
	return fmt.Sprintf("%d days", days)
}

// OpenTestTime takes a test platform's clock over, as the only process. Empty says whether nobody is in the books yet: only then can a database
// become a test platform's.
func OpenTestTime(ctx context.Context, db *sqlx.DB, machine clock.Clock, empty func(context.Context) (bool, error)) (*TestTime, error) {
	t := &TestTime{db: db}
	if err := t.acquire(ctx); err != nil {
		return nil, err
	}
	ahead, found, err := savedAhead(ctx, db)
	if err == nil && !found {
		var fresh bool
		if fresh, err = empty(ctx); err == nil && !fresh {
			err = errLivePeople
		}
	}
	if err == nil {
		err = beginTestClock(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close(context.WithoutCancel(ctx)))
	}
	t.Clock = clock.NewSteered(machine, ahead)
	return t, nil
}

// acquire gets the lock.
func (t *TestTime) acquire(ctx context.Context) error {
	for end := clock.System().Add(lockPatience); ; {
		lock, err := lockTestClock(ctx, t.db)
		if err != nil {
			return err
		}
		if lock != nil {
			t.lock = lock
			return nil
		}
		if clock.System().After(end) {
			return errOtherProcess
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// hold keeps the lock until ctx ends; where the database was away it is taken again, unless somebody else has it by then.
func (t *TestTime) hold(ctx context.Context) error {
	tick := time.NewTicker(lockLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if t.lock.PingContext(ctx) == nil || ctx.Err() != nil {
			continue
		}
		_ = t.lock.Close() // it is broken
		if err := t.acquire(ctx); errors.Is(err, errOtherProcess) {
			return err
		}
	}
}

// Close gives the clock up.
func (t *TestTime) Close(ctx context.Context) error {
	return unlockTestClock(ctx, t.lock)
}

// RefuseMoved is for who wants to serve a database as a live one: it refuses that of a test platform whose clock was moved. One that was not is
// live from then on.
func RefuseMoved(ctx context.Context, db *sqlx.DB) error {
	ahead, found, err := savedAhead(ctx, db)
	if err != nil || !found {
		return err
	}
	if ahead != 0 {
		return errMoved(ahead)
	}
	return endTestClock(ctx, db)
}

// TimeBeside is the clock for a command that works beside a server, or alone: the machine's, and on a test platform as far ahead of it as that
// is when the command begins.
func TimeBeside(ctx context.Context, db *sqlx.DB, machine clock.Clock) (clock.Clock, error) {
	ahead, found, err := savedAhead(ctx, db)
	if err != nil || !found {
		return machine, err
	}
	return clock.NewSteered(machine, ahead).Now, nil
}
