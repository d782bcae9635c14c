package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

var (
	errNoSite = fault.New(fault.NotFound, "site_not_found", "There is no such site.")
	errNoKey  = fault.New(fault.NotFound, "key_not_found", "There is no such key in this site.")
)

func insertSite(ctx context.Context, tx *sqlx.Tx, s Site) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `
		insert into gateway.site (slug, name, currency, time_zone, url, email_from, webhook_key, created_at, changed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		returning site_id`, s.Slug, s.Name, s.Currency, s.TimeZone, s.URL, s.EmailFrom, s.WebhookKey, s.CreatedAt, s.ChangedAt)
	if postgres.Violates(err, "site_slug") {
		return 0, fault.New(fault.Conflict, "site_exists", "There is a site of this slug already.").At("/slug", "taken")
	}
	if err != nil {
		return 0, fmt.Errorf("insert site: %w", err)
	}
	return id, nil
}

func lockSite(ctx context.Context, tx *sqlx.Tx, siteID int64) (Site, error) {
	var s Site
	err := tx.GetContext(ctx, &s, `
		select site_id, slug, name, currency, time_zone, url, email_from, webhook_key, created_at, changed_at
		from gateway.site where site_id = $1 for update`, siteID)
	return s, missing(err, errNoSite, "lock site")
}

func updateSite(ctx context.Context, tx *sqlx.Tx, s Site) error {
	_, err := tx.ExecContext(ctx, `
		update gateway.site set name = $2, currency = $3, time_zone = $4, url = $5, email_from = $6, changed_at = $7
		where site_id = $1`, s.ID, s.Name, s.Currency, s.TimeZone, s.URL, s.EmailFrom, s.ChangedAt)
	if err != nil {
		return fmt.Errorf("update site: %w", err)
	}
	return nil
}

func allSites(ctx context.Context, db sqlx.QueryerContext) ([]Site, error) {
	all := []Site{}
	err := sqlx.SelectContext(ctx, db, &all, `
		select site_id, slug, name, currency, time_zone, url, email_from, webhook_key, created_at, changed_at
		from gateway.site order by slug`)
	if err != nil {
		return nil, fmt.Errorf("list sites: %w", err)
	}
	return all, nil
}

func siteBySlug(ctx context.Context, db sqlx.QueryerContext, slug string) (Site, error) {
	var s Site
	err := sqlx.GetContext(ctx, db, &s, `
		select site_id, slug, name, currency, time_zone, url, email_from, webhook_key, created_at, changed_at
		from gateway.site where slug = $1`, slug)
	return s, missing(err, errNoSite, "find site")
}

func insertKey(ctx context.Context, tx *sqlx.Tx, k Key, hash keyHash) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `
		insert into gateway.api_key (site_id, kind, key_hash, prefix, name, created_at)
		values ($1, $2, $3, $4, $5, $6)
		returning id`, k.SiteID, k.Kind, hash[:], k.Prefix, k.Name, k.CreatedAt)
	if postgres.Violates(err, "api_key_site") {
		return 0, errNoSite
	}
	if err != nil {
		return 0, fmt.Errorf("insert key: %w", err)
	}
	return id, nil
}

func revokeKey(ctx context.Context, tx *sqlx.Tx, siteID, keyID int64, now time.Time) error {
	var id int64
	err := tx.GetContext(ctx, &id, `
		update gateway.api_key set revoked_at = coalesce(revoked_at, $3) where site_id = $1 and id = $2
		returning id`, siteID, keyID, now)
	return missing(err, errNoKey, "revoke key")
}

func keysOf(ctx context.Context, db sqlx.QueryerContext, siteID int64) ([]Key, error) {
	all := []Key{}
	err := sqlx.SelectContext(ctx, db, &all, `
		select site_id, id, kind, prefix, name, created_at, revoked_at
		from gateway.api_key where site_id = $1 order by id`, siteID)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return all, nil
}

// keyNames are what keys of a site are called.
func keyNames(ctx context.Context, db sqlx.QueryerContext, siteID int64, ids []int64) (map[int64]string, error) {
	var found []struct {
		ID   int64  `db:"id"`
		Name string `db:"name"`
	}
	err := sqlx.SelectContext(ctx, db, &found, `select id, name from gateway.api_key where site_id = $1 and id = any ($2)`, siteID, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("names of keys: %w", err)
	}
	out := make(map[int64]string, len(found))
	for _, f := range found {
		out[f.ID] = f.Name
	}
	return out, nil
}

// callerOf finds whom a key stands for. The key's hash is the one thing that is looked up without a site: it says which one.
func callerOf(ctx context.Context, db sqlx.QueryerContext, key named) (caller, error) {
	var row struct {
		Site
		KeyID int64  `db:"key_id"`
		Hash  []byte `db:"key_hash"`
		Kind  string `db:"kind"`
	}
	where, args := `k.key_hash = $1`, []any{key.hash[:]}
	if key.keyID != 0 {
		where, args = `k.site_id = $1 and k.id = $2`, []any{key.siteID, key.keyID}
	}
	err := sqlx.GetContext(ctx, db, &row, `
		select s.site_id, s.slug, s.name, s.currency, s.time_zone, s.url, k.id as key_id, k.key_hash, k.kind
		from gateway.api_key k
		join gateway.site s on s.site_id = k.site_id
		where `+where+` and k.revoked_at is null`, args...)
	if err != nil {
		return caller{}, missing(err, errUnknownKey, "find key")
	}
	s, err := row.Tenant()
	return caller{keyID: row.KeyID, hash: keyHash(row.Hash), public: row.Kind == Public, site: s}, err
}

// settleSetting keeps value under name unless there is one, and returns what is kept.
func settleSetting(ctx context.Context, db *sqlx.DB, name string, value []byte) (kept []byte, err error) {
	_, err = db.ExecContext(ctx, `insert into gateway.setting (name, value) values ($1, $2) on conflict (name) do nothing`, name, value)
	if err != nil {
		return nil, fmt.Errorf("keep setting %s: %w", name, err)
	}
	if err := db.GetContext(ctx, &kept, `select value from gateway.setting where name = $1`, name); err != nil {
		return nil, fmt.Errorf("read setting %s: %w", name, err)
	}
	return kept, nil
}

func missing(err, absent error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return absent
	}
	return fmt.Errorf("%s: %w", doing, err)
}
