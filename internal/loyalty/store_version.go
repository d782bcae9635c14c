package loyalty

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

// settingsOf reads what a version says.
func settingsOf(ctx context.Context, db sqlx.QueryerContext, k versionKey) (settings, error) {
	return readSettings(ctx, db, `select settings from loyalty.program_version where site_id = $1 and program_id = $2 and version = $3`, k.site, k.program, k.version)
}

// nextOf reads what is scheduled.
func nextOf(ctx context.Context, db sqlx.QueryerContext, p program) (settings, error) {
	return readSettings(ctx, db, `select next from loyalty.program where site_id = $1 and id = $2 and next is not null`, p.SiteID, p.ID)
}

func readSettings(ctx context.Context, db sqlx.QueryerContext, query string, args ...any) (s settings, err error) {
	var raw []byte
	err = sqlx.GetContext(ctx, db, &raw, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fault.New(fault.NotFound, "version_not_found", "The programme has no such version.")
	}
	if err != nil {
		return s, fmt.Errorf("read a version: %w", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("settings of a version: %w", err)
	}
	return s, nil
}

// complete gives a programme that was read its rules and achievements.
func complete(ctx context.Context, db sqlx.QueryerContext, p program) (program, error) {
	if p.FeatsVersion > 0 {
		s, err := settingsOf(ctx, db, versionKey{p.SiteID, p.ID, p.FeatsVersion})
		if p.Feats = s.Feats; err != nil {
			return p, err
		}
	}
	if p.RulesVersion == 0 {
		return p, nil
	}
	s, err := settingsOf(ctx, db, versionKey{p.SiteID, p.ID, p.RulesVersion})
	p.Earning = s.Earning
	return p, err
}

// versionMarks reads since when each version of a programme up to one is in force.
func versionMarks(ctx context.Context, db sqlx.QueryerContext, k versionKey) ([]versionMark, error) {
	var rows []versionMark
	err := sqlx.SelectContext(ctx, db, &rows, `
		select version, changed_at from loyalty.program_version where site_id = $1 and program_id = $2 and version <= $3 order by version`, k.site, k.program, k.version)
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return rows, nil
}

// versionsBefore reads versions, the newest first.
func versionsBefore(ctx context.Context, db sqlx.QueryerContext, site, program int64, before, limit int) ([]versionMark, error) {
	rows := []versionMark{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select version, changed_at from loyalty.program_version
		where site_id = $1 and program_id = $2 and ($3 = 0 or version < $3)
		order by version desc
		limit $4`, site, program, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return rows, nil
}

func saveNext(ctx context.Context, tx sqlx.ExecerContext, p program, s settings) error {
	_, err := tx.ExecContext(ctx, `update loyalty.program set next = $3::jsonb, next_at = $4 where site_id = $1 and id = $2`, p.SiteID, p.ID, s.text(), p.NextAt)
	if err != nil {
		return fmt.Errorf("schedule a change: %w", err)
	}
	return nil
}

func unschedule(ctx context.Context, tx sqlx.ExecerContext, p program) error {
	_, err := tx.ExecContext(ctx, `update loyalty.program set next = null, next_at = null where site_id = $1 and id = $2`, p.SiteID, p.ID)
	if err != nil {
		return fmt.Errorf("take off what was scheduled: %w", err)
	}
	return nil
}

// scheduledBy are the programmes whose scheduled change is due.
func scheduledBy(ctx context.Context, db sqlx.QueryerContext, now time.Time) ([]siteID, error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
	}
	if err := sqlx.SelectContext(ctx, db, &rows, `select site_id, id from loyalty.program where next_at <= $1 order by site_id`, now); err != nil {
		return nil, fmt.Errorf("find scheduled changes: %w", err)
	}
	return column(rows, func(r struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
	}) siteID {
		return siteID{r.SiteID, r.ID}
	}), nil
}
