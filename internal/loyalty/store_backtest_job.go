package loyalty

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/postgres"
)

const backtestColumns = `b.site_id, b.id, b.state, b.asked::text as asked, b.failure, b.done, b.total, b.attempts, b.listed, b.asked_at, b.started_at, b.finished_at`

// addBacktest keeps a new one, and forgets the oldest of a site that has many.
func addBacktest(ctx context.Context, tx sqlx.ExtContext, b backtest) (id int64, err error) {
	if _, err := tx.ExecContext(ctx, `
		delete from loyalty.backtest b where b.site_id = $1 and b.finished_at is not null and b.id <= (
			select o.id from loyalty.backtest o where o.site_id = $1 and o.finished_at is not null order by o.id desc offset $2 limit 1)`, b.SiteID, testsOfASite-1); err != nil {
		return 0, fmt.Errorf("forget old backtests: %w", err)
	}
	err = sqlx.GetContext(ctx, tx, &id, `
		insert into loyalty.backtest (site_id, state, asked, asked_at) values ($1, $2, $3, $4) returning id`, b.SiteID, b.State, b.Asked, b.AskedAt)
	if postgres.Violates(err, "backtest_one") {
		return 0, errTestRunning
	}
	return id, wrapped("keep a backtest", err)
}

// backtestOf reads one; lock is "for update", or nothing.
func backtestOf(ctx context.Context, db sqlx.QueryerContext, site, id int64, lock string) (b backtest, err error) {
	err = sqlx.GetContext(ctx, db, &b, `select `+backtestColumns+` from loyalty.backtest b where b.site_id = $1 and b.id = $2 `+lock, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return b, errNoTest
	}
	return b, wrapped("read a backtest", err)
}

// backtestsOf reads those of a site before one, the newest first.
func backtestsOf(ctx context.Context, db sqlx.QueryerContext, site, before int64, limit int) (out []backtest, err error) {
	err = sqlx.SelectContext(ctx, db, &out, `
		select `+backtestColumns+` from loyalty.backtest b where b.site_id = $1 and b.id < $2 order by b.id desc limit $3`, site, before, limit)
	return out, wrapped("read backtests", err)
}

// claimBacktest takes the one that has waited longest, of any site, or one of which nothing has been heard. False: there is none.
func claimBacktest(ctx context.Context, db sqlx.QueryerContext, now time.Time, lease time.Duration) (b backtest, some bool, err error) {
	err = sqlx.GetContext(ctx, db, &b, `
		with next as materialized (
			select site_id, id from loyalty.backtest
			where finished_at is null and (state = 'waiting' or until <= $1) order by asked_at, id limit 1 for update skip locked)
		update loyalty.backtest b set state = 'running', until = $2, attempts = b.attempts + 1, done = 0, total = 0, started_at = coalesce(b.started_at, $1)
		from next where b.site_id = next.site_id and b.id = next.id
		returning `+backtestColumns, now, now.Add(lease))
	if errors.Is(err, sql.ErrNoRows) {
		return b, false, nil
	}
	return b, err == nil, wrapped("claim a backtest", err)
}

// prolongBacktest says that it is still played, and how far it is; false: it isn't ours any more.
func prolongBacktest(ctx context.Context, db sqlx.ExecerContext, b backtest, until time.Time) (ours bool, err error) {
	done, err := db.ExecContext(ctx, `
		update loyalty.backtest set until = $4, done = $5, total = $6 where site_id = $1 and id = $2 and state = 'running' and attempts = $3`,
		b.SiteID, b.ID, b.Attempts, until, b.Done, b.Total)
	if err != nil {
		return false, fmt.Errorf("prolong a backtest: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// releaseBacktest lets it be claimed at once, and doesn't count the try.
func releaseBacktest(ctx context.Context, db sqlx.ExecerContext, b backtest) error {
	_, err := db.ExecContext(ctx, `
		update loyalty.backtest set state = 'waiting', until = null, attempts = attempts - 1 where site_id = $1 and id = $2 and state = 'running' and attempts = $3`,
		b.SiteID, b.ID, b.Attempts)
	return wrapped("release a backtest", err)
}

// endBacktest keeps how it ended.
func endBacktest(ctx context.Context, tx sqlx.ExecerContext, b backtest) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.backtest set state = $3, failure = $4, listed = $5, finished_at = $6, until = null where site_id = $1 and id = $2`,
		b.SiteID, b.ID, b.State, b.Failure, b.Listed, b.FinishedAt)
	return wrapped("end a backtest", err)
}

// keepReport keeps the files of a report, packed.
func keepReport(ctx context.Context, tx sqlx.ExecerContext, b backtest, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, err := zip.Write(files[name])
		if err = errors.Join(err, zip.Close()); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := tx.ExecContext(ctx, `insert into loyalty.backtest_file (site_id, backtest_id, name, content) values ($1, $2, $3, $4)`,
			b.SiteID, b.ID, name, packed.Bytes()); err != nil {
			return fmt.Errorf("keep %s: %w", name, err)
		}
	}
	return nil
}

// reportFile reads a file of a report; nil: it wasn't kept.
func reportFile(ctx context.Context, db sqlx.QueryerContext, site, id int64, name string) ([]byte, error) {
	var packed []byte
	err := sqlx.GetContext(ctx, db, &packed, `select content from loyalty.backtest_file where site_id = $1 and backtest_id = $2 and name = $3`, site, id, name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	out, err := io.ReadAll(zip)
	return out, wrapped("unpack "+name, errors.Join(err, zip.Close()))
}

// sweepBacktests forgets those that ended long ago.
func sweepBacktests(ctx context.Context, db sqlx.ExecerContext, before time.Time, limit int) error {
	_, err := db.ExecContext(ctx, `
		delete from loyalty.backtest where ctid = any (array(
			select ctid from loyalty.backtest where finished_at < $1 order by finished_at limit $2))`, before, limit)
	return wrapped("forget old backtests", err)
}
