package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
)

const actionColumns = `site_id, id, program_id, version, status, identifier, name, description, points, member_limit, period, created_at, updated_at`

// actionByIdentifier reads an active action and keeps it from changing until the transaction ends.
func actionByIdentifier(ctx context.Context, tx sqlx.QueryerContext, siteID, programID int64, identifier string) (c actionConfig, found bool, err error) {
	err = sqlx.GetContext(ctx, tx, &c, `
		select `+actionColumns+` from loyalty.action_config
		where site_id = $1 and program_id = $2 and identifier = $3 and status = 'active' for share`, siteID, programID, identifier)
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("find action: %w", err)
	}
	return c, true, nil
}

// actionsOf reads a programme's actions by their identifiers.
func actionsOf(ctx context.Context, db sqlx.QueryerContext, siteID, programID int64) ([]actionConfig, error) {
	all := []actionConfig{}
	err := sqlx.SelectContext(ctx, db, &all, `
		select `+actionColumns+` from loyalty.action_config where site_id = $1 and program_id = $2 order by identifier`, siteID, programID)
	if err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	return all, nil
}

func lockAction(ctx context.Context, tx sqlx.QueryerContext, siteID, programID, id int64) (actionConfig, error) {
	var c actionConfig
	err := sqlx.GetContext(ctx, tx, &c, `
		select `+actionColumns+` from loyalty.action_config where site_id = $1 and program_id = $2 and id = $3 for update`, siteID, programID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.NotFound, "action_config_not_found", "No such action.")
	}
	if err != nil {
		return c, fmt.Errorf("lock action: %w", err)
	}
	return c, nil
}

// addAction inserts c and gives it its id.
func addAction(ctx context.Context, tx sqlx.QueryerContext, c actionConfig) (actionConfig, error) {
	err := sqlx.GetContext(ctx, tx, &c.ID, `
		insert into loyalty.action_config (site_id, program_id, version, status, identifier, name, description, points, member_limit, period, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
		returning id`, c.SiteID, c.ProgramID, c.Version, c.Status, c.Identifier, c.Name, c.Description, c.Points, c.Limit, c.Period, c.CreatedAt)
	return c, actionSaved(err)
}

func saveAction(ctx context.Context, tx sqlx.ExecerContext, c actionConfig) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.action_config
		set version = $3, status = $4, identifier = $5, name = $6, description = $7, points = $8, member_limit = $9, period = $10, updated_at = $11
		where site_id = $1 and id = $2`, c.SiteID, c.ID, c.Version, c.Status, c.Identifier, c.Name, c.Description, c.Points, c.Limit, c.Period, c.UpdatedAt)
	return actionSaved(err)
}

func actionSaved(err error) error {
	if postgres.Violates(err, "action_config_identifier") {
		return fault.New(fault.Conflict, "identifier_taken", "Another action of the programme has this identifier.").At("/identifier", "is taken")
	}
	if err != nil {
		return fmt.Errorf("save action: %w", err)
	}
	return nil
}

// collected is how often an action was collected in a period.
type collected struct {
	n    int // also by those who were merged into the member
	last int // the member's last place
}

// countCollections counts how often the locked member collected the action in its period, with whoever was merged into it.
func countCollections(ctx context.Context, tx sqlx.QueryerContext, c collection, members []int64) (n collected, err error) {
	err = tx.QueryRowxContext(ctx, `
		select count(*), coalesce(max(place) filter (where member_id = $2), 0) from loyalty.collection
		where site_id = $1 and member_id = any ($5) and config_id = $3 and period = $4::date`,
		c.SiteID, c.MemberID, c.Config.ID, c.Period.Format("2006-01-02"), pq.Array(members)).Scan(&n.n, &n.last)
	if err != nil {
		return n, fmt.Errorf("count collections: %w", err)
	}
	return n, nil
}

// insertCollection keeps beside the posting which action it was, as the action was then, and returns the member's balance.
func insertCollection(ctx context.Context, tx sqlx.QueryerContext, c collection) (balance int64, err error) {
	err = sqlx.GetContext(ctx, tx, &balance, `
		with posted as (
			insert into loyalty.collection (site_id, member_id, txn_id, config_id, period, place, identifier, name, description, points, traffic_source, created_at)
			select site_id, member_id, id, $4, $5::date, $6, $7, $8, $9, points, $10, $11
			from loyalty.txn where site_id = $1 and kind = 'earn' and source = $3
			returning site_id)
		select balance from loyalty.account a join posted using (site_id) where a.site_id = $1 and a.owner_id = $2 and a.asset = 'points'`,
		c.SiteID, c.MemberID, c.source(), c.Config.ID, c.Period.Format("2006-01-02"), c.Place, c.Config.Identifier, c.Config.Name, c.Config.Description, c.Traffic, c.At)
	if err != nil {
		return 0, fmt.Errorf("insert collection: %w", err)
	}
	return balance, nil
}

// collectionsOf reads a member's collections before after (0: from the newest on).
func collectionsOf(ctx context.Context, db sqlx.QueryerContext, siteID, memberID, after int64, limit int) ([]loyaltyapi.Collection, error) {
	if after <= 0 {
		after = math.MaxInt64
	}
	all := []loyaltyapi.Collection{}
	err := sqlx.SelectContext(ctx, db, &all, `
		select c.txn_id, c.identifier, c.name, c.description, c.points, c.traffic_source, c.created_at
		from `+oneself("$2")+` cross join lateral (
			select * from loyalty.collection where site_id = $1 and member_id = who.id and txn_id < $3 order by txn_id desc limit $4) c
		order by c.txn_id desc limit $4`, siteID, memberID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read collections: %w", err)
	}
	return all, nil
}
