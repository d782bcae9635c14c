package loyalty

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

const programColumns = `site_id, id, name, status, currency, digits, points_per_unit, points_per_referral, expires_after_days, adjustment_limit, tiers, version,
	tiers_version, created_at, updated_at, policy, rules_version, feats_version, next_at`

// programRow is a programme as the table has it.
type programRow struct {
	SiteID            int64         `db:"site_id"`
	ID                int64         `db:"id"`
	Name              string        `db:"name"`
	Status            string        `db:"status"`
	Currency          string        `db:"currency"`
	Digits            int           `db:"digits"`
	PointsPerUnit     int64         `db:"points_per_unit"`
	PointsPerReferral int64         `db:"points_per_referral"`
	ExpiresAfterDays  sql.NullInt64 `db:"expires_after_days"`
	AdjustmentLimit   int64         `db:"adjustment_limit"`
	Tiers             []byte        `db:"tiers"`
	Version           int           `db:"version"`
	TiersVersion      int           `db:"tiers_version"`
	CreatedAt         time.Time     `db:"created_at"`
	UpdatedAt         time.Time     `db:"updated_at"`
	Policy            []byte        `db:"policy"`
	RulesVersion      sql.NullInt64 `db:"rules_version"`
	FeatsVersion      sql.NullInt64 `db:"feats_version"`
	NextAt            *time.Time    `db:"next_at"`
}

func (r programRow) program() (program, error) {
	p := program{SiteID: r.SiteID, ID: r.ID, Version: r.Version, TiersVersion: r.TiersVersion, RulesVersion: int(r.RulesVersion.Int64), FeatsVersion: int(r.FeatsVersion.Int64), NextAt: r.NextAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		settings: settings{Name: r.Name, Status: r.Status, Currency: r.Currency, Digits: r.Digits, PointsPerUnit: r.PointsPerUnit,
			PointsPerReferral: r.PointsPerReferral, AdjustmentLimit: r.AdjustmentLimit}}
	if r.ExpiresAfterDays.Valid {
		days := int(r.ExpiresAfterDays.Int64)
		p.ExpiresAfterDays = &days
	}
	if err := json.Unmarshal(r.Tiers, &p.Tiers); err != nil {
		return p, fmt.Errorf("tiers of programme %d: %w", r.ID, err)
	}
	if r.Policy != nil {
		if err := json.Unmarshal(r.Policy, &p.policy); err != nil {
			return p, fmt.Errorf("policy of programme %d: %w", r.ID, err)
		}
	}
	return p, nil
}

// sharePrograms reads the programmes of sites and keeps them from changing until the transaction ends, so that no posting
// follows a rule or a tier that is no more.
func sharePrograms(ctx context.Context, tx sqlx.QueryerContext, sites []int64) (map[int64]program, error) {
	var rows []programRow
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+programColumns+` from loyalty.program where site_id = any($1) order by site_id for share`, pq.Array(sites))
	if err != nil {
		return nil, fmt.Errorf("share programmes: %w", err)
	}
	programs := make(map[int64]program, len(rows))
	for _, r := range rows {
		if programs[r.SiteID], err = r.program(); err != nil {
			return nil, err
		}
	}
	return programs, nil
}

func programsOf(ctx context.Context, db sqlx.QueryerContext, site int64) ([]program, error) {
	var rows []programRow
	err := sqlx.SelectContext(ctx, db, &rows, `select `+programColumns+` from loyalty.program where site_id = $1 order by id`, site)
	if err != nil {
		return nil, fmt.Errorf("read programmes: %w", err)
	}
	out := make([]program, len(rows))
	for i, r := range rows {
		if out[i], err = r.program(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func findProgram(ctx context.Context, db sqlx.QueryerContext, site, id int64) (program, error) {
	return oneProgram(ctx, db, `select `+programColumns+` from loyalty.program where site_id = $1 and id = $2`, site, id)
}

func lockProgram(ctx context.Context, tx sqlx.QueryerContext, site, id int64) (program, error) {
	return oneProgram(ctx, tx, `select `+programColumns+` from loyalty.program where site_id = $1 and id = $2 for update`, site, id)
}

var errNoProgram = fault.New(fault.NotFound, "program_not_found", "No such loyalty programme.")

func oneProgram(ctx context.Context, db sqlx.QueryerContext, query string, args ...any) (program, error) {
	var r programRow
	err := sqlx.GetContext(ctx, db, &r, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return program{}, errNoProgram
	}
	if err != nil {
		return program{}, fmt.Errorf("read programme: %w", err)
	}
	return r.program()
}

// addProgram writes a new programme and the site's own accounts.
func addProgram(ctx context.Context, tx sqlx.ExtContext, p program) (program, error) {
	err := sqlx.GetContext(ctx, tx, &p.ID, `
		insert into loyalty.program (site_id, name, status, currency, digits, points_per_unit, points_per_referral, expires_after_days, tiers,
			version, tiers_version, created_at, updated_at, adjustment_limit, policy, rules_version, feats_version)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, nullif($15::jsonb, '{}'), nullif($16::int, 0), nullif($17::int, 0))
		returning id`,
		p.SiteID, p.Name, p.Status, p.Currency, p.Digits, p.PointsPerUnit, p.PointsPerReferral, p.ExpiresAfterDays, text(p.Tiers),
		p.Version, p.TiersVersion, p.CreatedAt, p.UpdatedAt, p.AdjustmentLimit, text(p.policy), p.RulesVersion, p.FeatsVersion)
	if postgres.Violates(err, "program_one_per_site") {
		return p, fault.New(fault.Conflict, "program_exists", "The site has a loyalty programme already.")
	}
	if err != nil {
		return p, fmt.Errorf("add programme: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		insert into loyalty.account (site_id, name, asset) select $1, unnest($2::text[]), 'points'`, p.SiteID,
		pq.Array(siteAccounts))
	if err != nil {
		return p, fmt.Errorf("add the site's accounts: %w", err)
	}
	return p, addVersion(ctx, tx, p)
}

// siteAccounts are the accounts that a site has of its own, in each wallet.
var siteAccounts = []string{issued, expired, adjusted, redeemed, held, transferred}

func saveProgram(ctx context.Context, tx sqlx.ExtContext, p program) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.program set name = $3, status = $4, currency = $5, digits = $6, points_per_unit = $7, points_per_referral = $8,
			expires_after_days = $9, tiers = $10::jsonb, version = $11, tiers_version = $12, updated_at = $13, adjustment_limit = $14,
			policy = nullif($15::jsonb, '{}'), rules_version = nullif($16::int, 0), feats_version = nullif($17::int, 0)
		where site_id = $1 and id = $2`,
		p.SiteID, p.ID, p.Name, p.Status, p.Currency, p.Digits, p.PointsPerUnit, p.PointsPerReferral, p.ExpiresAfterDays, text(p.Tiers),
		p.Version, p.TiersVersion, p.UpdatedAt, p.AdjustmentLimit, text(p.policy), p.RulesVersion, p.FeatsVersion)
	if err != nil {
		return fmt.Errorf("save programme: %w", err)
	}
	return addVersion(ctx, tx, p)
}

func addVersion(ctx context.Context, tx sqlx.ExtContext, p program) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.program_version (site_id, program_id, version, settings, changed_at) values ($1, $2, $3, $4::jsonb, $5)`,
		p.SiteID, p.ID, p.Version, p.settings.text(), p.UpdatedAt)
	if err != nil {
		return fmt.Errorf("keep the programme's version: %w", err)
	}
	if err := openFeats(ctx, tx, p); err != nil {
		return err
	}
	if err := openWallets(ctx, tx, p); err != nil {
		return err
	}
	return openBudgets(ctx, tx, p)
}
