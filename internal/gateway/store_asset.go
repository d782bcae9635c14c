package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

// assetRow is a file of a site.
type assetRow struct {
	ID          int64     `db:"id"`
	Name        string    `db:"name"`
	ContentType string    `db:"content_type"`
	Size        int64     `db:"size"`
	Width       int       `db:"width"`
	Height      int       `db:"height"`
	Fingerprint string    `db:"fingerprint"`
	CreatedAt   time.Time `db:"created_at"`
	UpdatedAt   time.Time `db:"updated_at"`
}

const assetColumns = `id, name, content_type, size, width, height, fingerprint, created_at, updated_at`

var (
	errNoAsset    = fault.New(fault.Invalid, "asset_not_found", "No asset found by `id`.").At("path.id", "not an asset of the site")
	errAssetName  = fault.New(fault.Unprocessable, "asset_name_taken", "Validation failed: File name has already been taken").At("/file", "a name that another asset has")
	errAssetSpace = fault.New(fault.Unprocessable, "asset_quota", "Validation failed: The site has no room for this file; delete some")
)

// lockAssets is how every change of a site's files begins.
func lockAssets(ctx context.Context, tx *sqlx.Tx, siteID int64) error {
	_, err := tx.ExecContext(ctx, `
		insert into gateway.asset_usage as u (site_id, files, bytes) values ($1, 0, 0)
		on conflict on constraint asset_usage_pkey do update set files = u.files`, siteID)
	if err != nil {
		return fmt.Errorf("lock a site's assets: %w", err)
	}
	return nil
}

// changeUsage counts files and bytes, within limits that are asked only of what grows.
func changeUsage(ctx context.Context, tx *sqlx.Tx, siteID, files, bytes, mostFiles, mostBytes int64) error {
	done, err := tx.ExecContext(ctx, `
		update gateway.asset_usage set files = files + $2, bytes = bytes + $3
		where site_id = $1 and ($2 <= 0 or files + $2 <= $4) and ($3 <= 0 or bytes + $3 <= $5)`, siteID, files, bytes, mostFiles, mostBytes)
	if err != nil {
		return fmt.Errorf("count a site's assets: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errAssetSpace)
	}
	return nil
}

// noteContent says that the store may hold a content from now on; fresh: it was not known.
func noteContent(ctx context.Context, tx *sqlx.Tx, siteID int64, fingerprint string, size int64, now time.Time) (fresh bool, err error) {
	err = tx.GetContext(ctx, &fresh, `
		insert into gateway.asset_content as c (site_id, fingerprint, size, unused_since) values ($1, $2, $3, $4)
		on conflict on constraint asset_content_pkey do update
		set unused_since = case when c.unused_since is null then null else excluded.unused_since end
		returning xmax = 0`, siteID, fingerprint, size, now)
	if err != nil {
		return false, fmt.Errorf("note a content: %w", err)
	}
	return fresh, nil
}

func insertAsset(ctx context.Context, tx *sqlx.Tx, siteID int64, a assetRow) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `
		with used as (update gateway.asset_content set unused_since = null where site_id = $1 and fingerprint = $7)
		insert into gateway.asset (site_id, name, content_type, size, width, height, fingerprint, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
		returning id`, siteID, a.Name, a.ContentType, a.Size, a.Width, a.Height, a.Fingerprint, a.CreatedAt)
	if postgres.Violates(err, "asset_name") {
		return 0, errAssetName
	}
	if err != nil {
		return 0, fmt.Errorf("insert asset: %w", err)
	}
	return id, nil
}

func deleteAsset(ctx context.Context, tx *sqlx.Tx, siteID, id int64, now time.Time) (found bool, err error) {
	var fingerprint string
	err = tx.GetContext(ctx, &fingerprint, `delete from gateway.asset where site_id = $1 and id = $2 returning fingerprint`, siteID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			update gateway.asset_content set unused_since = $3
			where site_id = $1 and fingerprint = $2
				and not exists (select from gateway.asset a where a.site_id = $1 and a.fingerprint = $2)`, siteID, fingerprint, now)
	}
	if err != nil {
		return false, fmt.Errorf("delete asset: %w", err)
	}
	return true, nil
}

func assetByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (assetRow, error) {
	var a assetRow
	err := sqlx.GetContext(ctx, q, &a, `select `+assetColumns+` from gateway.asset where site_id = $1 and id = $2`, siteID, id)
	return a, missing(err, errNoAsset, "find asset")
}

// assetByFingerprint is any of the assets that have a content.
func assetByFingerprint(ctx context.Context, q sqlx.QueryerContext, siteID int64, fingerprint string) (assetRow, error) {
	var a assetRow
	err := sqlx.GetContext(ctx, q, &a, `
		select `+assetColumns+` from gateway.asset where site_id = $1 and fingerprint = $2 order by id limit 1`, siteID, fingerprint)
	return a, missing(err, errNoRoute, "find asset by its content")
}

// assetPage is a page of a site's assets, newest first, and how many there are in all. kind is how their content types begin.
func assetPage(ctx context.Context, q sqlx.QueryerContext, siteID int64, kind string, page, perPage int) ([]assetRow, int64, error) {
	found, total := []assetRow{}, int64(0)
	err := sqlx.SelectContext(ctx, q, &found, `
		select `+assetColumns+` from gateway.asset
		where site_id = $1 and starts_with(content_type, $2) order by id desc offset $3 limit $4`, siteID, kind, int64(page-1)*int64(perPage), perPage)
	if err == nil {
		err = sqlx.GetContext(ctx, q, &total, `select count(*) from gateway.asset where site_id = $1 and starts_with(content_type, $2)`, siteID, kind)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list assets: %w", err)
	}
	return found, total, nil
}

// content is one that nobody has any more.
type content struct {
	SiteID      int64  `db:"site_id"`
	Fingerprint string `db:"fingerprint"`
}

func unusedContents(ctx context.Context, q sqlx.QueryerContext, before time.Time, limit int) ([]content, error) {
	var found []content
	err := sqlx.SelectContext(ctx, q, &found, `
		select site_id, fingerprint from gateway.asset_content where unused_since < $1 order by unused_since limit $2`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("find unused contents: %w", err)
	}
	return found, nil
}

// dropContent forgets a content if it is still unused, and says how large it was; -1: it isn't.
func dropContent(ctx context.Context, tx *sqlx.Tx, c content, before time.Time) (size int64, err error) {
	err = tx.GetContext(ctx, &size, `
		delete from gateway.asset_content where site_id = $1 and fingerprint = $2 and unused_since < $3 returning size`, c.SiteID, c.Fingerprint, before)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("drop a content: %w", err)
	}
	return size, nil
}
