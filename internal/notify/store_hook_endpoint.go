package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/talkable/talkable/internal/fault"
)

// endpointColumns are those of an endpoint under an alias, with what it is told.
func endpointColumns(e string) string {
	return fmt.Sprintf(`%[1]s.site_id, %[1]s.id, %[1]s.url, %[1]s.style, %[1]s.description, %[1]s.enabled, %[1]s.disabled_reason, %[1]s.disabled_at,
		%[1]s.failing_since, %[1]s.old_secret_until, %[1]s.resend_since, %[1]s.created_at, %[1]s.changed_at,
		array(select s.type from notify.subscription s where s.site_id = %[1]s.site_id and s.endpoint_id = %[1]s.id order by s.type) as types`, e)
}

// countEndpoints counts a site's endpoints; whoever counts next waits for this transaction.
func countEndpoints(ctx context.Context, tx *sqlx.Tx, siteID int64) (n int, err error) {
	if _, err = tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('notify.endpoint', $1))`, siteID); err != nil {
		return 0, fmt.Errorf("lock the endpoints of a site: %w", err)
	}
	err = tx.GetContext(ctx, &n, `select count(*) from notify.endpoint where site_id = $1 and deleted_at is null`, siteID)
	if err != nil {
		return 0, fmt.Errorf("count endpoints: %w", err)
	}
	return n, nil
}

func insertEndpoint(ctx context.Context, tx sqlx.QueryerContext, siteID int64, style string, sealed []byte, in EndpointInput, now time.Time) (id int64, err error) {
	err = sqlx.GetContext(ctx, tx, &id, `
		insert into notify.endpoint (site_id, url, style, description, enabled, secret, disabled_at, disabled_reason, created_at, changed_at)
		values ($1, $2, $3, $4, $5, $6, case when not $5 then $7::timestamptz end, case when not $5 then 'merchant' end, $7, $7)
		returning id`, siteID, in.URL, style, in.Description, in.enabled(), sealed, now)
	if err != nil {
		return 0, fmt.Errorf("make an endpoint: %w", err)
	}
	return id, nil
}

// subscribe says what an endpoint is told from now on. Each of Talkable's types has one endpoint at most.
func subscribe(ctx context.Context, tx sqlx.ExecerContext, siteID, id int64, kinds []string) error {
	_, err := tx.ExecContext(ctx, `delete from notify.subscription where site_id = $1 and endpoint_id = $2 and type <> all ($3)`, siteID, id, pq.Array(kinds))
	if err != nil {
		return fmt.Errorf("end subscriptions: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		insert into notify.subscription (site_id, type, endpoint_id)
		select $1, t, $2 from unnest($3::text[]) as u (t)
		on conflict on constraint subscription_pkey do nothing`, siteID, id, pq.Array(kinds))
	if e := pq.As(err, pqerror.UniqueViolation); e != nil && e.Constraint == "subscription_talkable" {
		return fault.New(fault.Conflict, "webhook_type_taken", "Each of Talkable's types has one webhook; another one has one of these already.")
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// updateEndpoint changes settings. Who is disabled stays so for the reason that there is; who is enabled again has a clean slate.
func updateEndpoint(ctx context.Context, tx sqlx.ExecerContext, siteID, id int64, in EndpointInput, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update notify.endpoint
		set url = $3, description = $4, enabled = $5, changed_at = $6,
			disabled_at = case when not $5 then coalesce(disabled_at, $6) end, disabled_reason = case when not $5 then coalesce(disabled_reason, 'merchant') end,
			failing_since = case when $5 and not enabled then null else failing_since end
		where site_id = $1 and id = $2`, siteID, id, in.URL, in.Description, in.enabled(), now)
	if err != nil {
		return fmt.Errorf("change an endpoint: %w", err)
	}
	return nil
}

// buryEndpoint ends an endpoint. Its row stays for the deliveries that it had; its secrets go.
func buryEndpoint(ctx context.Context, tx sqlx.QueryerContext, siteID, id int64, now time.Time) (e endpoint, err error) {
	err = sqlx.GetContext(ctx, tx, &e, `
		update notify.endpoint e
		set deleted_at = coalesce(deleted_at, $3), changed_at = case when deleted_at is null then $3 else changed_at end,
			enabled = false, disabled_at = coalesce(disabled_at, $3), disabled_reason = coalesce(disabled_reason, 'merchant'),
			secret = '', old_secret = null, old_secret_until = null, resend_since = null, resend_until = null
		where site_id = $1 and id = $2
		returning `+endpointColumns("e"), siteID, id, now)
	return e, noEndpoint(err)
}

func replaceSecret(ctx context.Context, tx sqlx.ExecerContext, siteID, id int64, sealed []byte, until, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update notify.endpoint set secret = $3, old_secret = secret, old_secret_until = $4, changed_at = $5 where site_id = $1 and id = $2`,
		siteID, id, sealed, until, now)
	if err != nil {
		return fmt.Errorf("replace a secret: %w", err)
	}
	return nil
}

// askResend has failed deliveries queued again; who asks twice gets what either asked for.
func askResend(ctx context.Context, tx sqlx.ExecerContext, siteID, id int64, since, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update notify.endpoint set resend_since = least(coalesce(resend_since, $3), $3), resend_until = $4 where site_id = $1 and id = $2`, siteID, id, since, now)
	if err != nil {
		return fmt.Errorf("ask for failed deliveries: %w", err)
	}
	return nil
}

func sealedSecrets(ctx context.Context, db sqlx.QueryerContext, siteID, id int64, now time.Time) ([][]byte, error) {
	var row struct {
		Secret []byte     `db:"secret"`
		Old    []byte     `db:"old_secret"`
		Until  *time.Time `db:"old_secret_until"`
	}
	err := sqlx.GetContext(ctx, db, &row, `
		select secret, old_secret, old_secret_until from notify.endpoint where site_id = $1 and id = $2 and deleted_at is null`, siteID, id)
	if err != nil {
		return nil, noEndpoint(err)
	}
	if row.Until != nil && now.Before(*row.Until) {
		return [][]byte{row.Secret, row.Old}, nil
	}
	return [][]byte{row.Secret}, nil
}

// endpointByID reads an endpoint that isn't deleted.
func endpointByID(ctx context.Context, db sqlx.QueryerContext, siteID, id int64) (e endpoint, err error) {
	err = sqlx.GetContext(ctx, db, &e, `
		select `+endpointColumns("e")+` from notify.endpoint e where e.site_id = $1 and e.id = $2 and e.deleted_at is null`, siteID, id)
	return e, noEndpoint(err)
}

func lockEndpoint(ctx context.Context, tx sqlx.QueryerContext, siteID, id int64) (e endpoint, err error) {
	err = sqlx.GetContext(ctx, tx, &e, `
		select `+endpointColumns("e")+` from notify.endpoint e where e.site_id = $1 and e.id = $2 and e.deleted_at is null for no key update`, siteID, id)
	return e, noEndpoint(err)
}

// endpointsOf lists a site's endpoints, newest first.
func endpointsOf(ctx context.Context, db sqlx.QueryerContext, siteID, before int64, n int) ([]endpoint, error) {
	var out []endpoint
	err := sqlx.SelectContext(ctx, db, &out, `
		select `+endpointColumns("e")+` from notify.endpoint e
		where e.site_id = $1 and e.deleted_at is null and ($2::bigint = 0 or e.id < $2)
		order by e.id desc limit $3`, siteID, before, n)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	return out, nil
}

func noEndpoint(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return errNoEndpoint
	}
	return fmt.Errorf("read an endpoint: %w", err)
}
