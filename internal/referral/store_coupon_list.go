package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

var errNoCouponList = fault.New(fault.NotFound, "coupon_list_not_found", "No such coupon list.")

const couponListColumns = `l.site_id, l.id, l.name, l.kind, l.basis_points, l.amount, l.currency, l.expires_at, l.expires_days,
	l.subtotal_min, l.low_stock, l.low_at, l.created_at, l.updated_at`

const stockColumns = `s.added, s.issued, coalesce(w.waiting, 0) as waiting`

// Those who wait are counted in one go, and not list by list: once nearly all of them wait for one list, the planner takes any list for
// such a one, and reads the whole queue for each.
const withStock = `cross join lateral (
		select coalesce(sum(s.added), 0)::bigint as added, coalesce(sum(s.issued), 0)::bigint as issued
		from referral.coupon_stock s where s.site_id = l.site_id and s.list_id = l.id) s
	left join (
		select w.site_id, w.list_id, count(*) as waiting from referral.coupon_wait w group by 1, 2) w on w.site_id = l.site_id and w.list_id = l.id`

// insertCouponList gives l its id.
func insertCouponList(ctx context.Context, tx *sqlx.Tx, l *couponList) error {
	err := tx.GetContext(ctx, &l.ID, `
		insert into referral.coupon_list (site_id, name, kind, basis_points, amount, currency, expires_at, expires_days, subtotal_min,
			low_stock, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
		returning id`,
		l.SiteID, l.Name, l.Kind, l.BasisPoints, l.Amount, l.Currency, l.ExpiresAt, l.ExpiresDays, l.SubtotalMin, l.LowStock, l.UpdatedAt)
	if err != nil {
		return fmt.Errorf("insert coupon list: %w", err)
	}
	return noteDay(ctx, tx, l.UpdatedAt) // so that its first hand-outs count in the forecast
}

// updateCouponList replaces the settings of a locked list, and what incentives that give its coupons say of their worth.
func updateCouponList(ctx context.Context, tx *sqlx.Tx, l *couponList) error {
	_, err := tx.ExecContext(ctx, `
		update referral.coupon_list set name = $3, basis_points = $4, amount = $5, currency = $6, expires_at = $7, expires_days = $8,
			subtotal_min = $9, low_stock = $10, updated_at = $11
		where site_id = $1 and id = $2`,
		l.SiteID, l.ID, l.Name, l.BasisPoints, l.Amount, l.Currency, l.ExpiresAt, l.ExpiresDays, l.SubtotalMin, l.LowStock, l.UpdatedAt)
	if err != nil {
		return fmt.Errorf("update coupon list: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		update referral.incentive set basis_points = $3, amount = $4, currency = $5
		where site_id = $1 and coupon_list_id = $2 and (basis_points, amount, currency) is distinct from ($3, $4, $5)`,
		l.SiteID, l.ID, l.BasisPoints, l.Amount, l.Currency)
	if err != nil {
		return fmt.Errorf("update incentives of a coupon list: %w", err)
	}
	return nil
}

// lockCouponLists locks lists in one order; unknown ones are left out. Who lets somebody wait for a coupon, or gives coupons to
// those who wait, holds this lock.
func lockCouponLists(ctx context.Context, tx *sqlx.Tx, sites, ids []int64) ([]couponList, error) {
	var out []couponList
	err := tx.SelectContext(ctx, &out, `
		select `+couponListColumns+`
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.coupon_list l on l.site_id = u.s and l.id = u.i
		order by l.site_id, l.id
		for update of l`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock coupon lists: %w", err)
	}
	return out, nil
}

// shareCouponLists reads lists of a site and keeps them from changing until the transaction ends.
func shareCouponLists(ctx context.Context, tx *sqlx.Tx, siteID int64, ids []int64) (map[int64]couponList, error) {
	var rows []couponList
	err := tx.SelectContext(ctx, &rows, `
		select `+couponListColumns+` from referral.coupon_list l
		where l.site_id = $1 and l.id = any ($2::bigint[]) order by l.id for share`, siteID, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read coupon lists: %w", err)
	}
	out := make(map[int64]couponList, len(rows))
	for _, l := range rows {
		out[l.ID] = l
	}
	return out, nil
}

// couponListsByID reads lists of a site with their stock.
func couponListsByID(ctx context.Context, q sqlx.QueryerContext, siteID int64, ids []int64) ([]couponList, error) {
	var out []couponList
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+couponListColumns+`, `+stockColumns+`
		from referral.coupon_list l `+withStock+`
		where l.site_id = $1 and l.id = any ($2::bigint[])`, siteID, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("coupon lists by id: %w", err)
	}
	return out, nil
}

// couponListsBefore reads the lists of a site with their stock, newest first, from before an id (0: all).
func couponListsBefore(ctx context.Context, q sqlx.QueryerContext, siteID, before int64, limit int) ([]couponList, error) {
	var out []couponList
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+couponListColumns+`, `+stockColumns+`
		from referral.coupon_list l `+withStock+`
		where l.site_id = $1 and ($2::bigint = 0 or l.id < $2)
		order by l.id desc limit $3`, siteID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("coupon lists: %w", err)
	}
	return out, nil
}

// logged is an entry of a list's history.
type logged struct {
	ID     int64     `db:"id"`
	KeyID  int64     `db:"key_id"`
	Action string    `db:"action"`
	Detail string    `db:"detail"`
	At     time.Time `db:"at"`
}

func logCouponList(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, listID, keyID int64, action string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		insert into referral.coupon_list_log (site_id, list_id, key_id, action, detail, at)
		values ($1, $2, $3, $4, $5, $6)`, siteID, listID, keyID, action, string(text), now)
	if err != nil {
		return fmt.Errorf("log coupon list: %w", err)
	}
	return nil
}

// couponListHistory reads what was done to a list, newest first, from before an id (0: all).
func couponListHistory(ctx context.Context, q sqlx.QueryerContext, siteID, listID, before int64, limit int) ([]logged, error) {
	var out []logged
	err := sqlx.SelectContext(ctx, q, &out, `
		select id, key_id, action, detail, at from referral.coupon_list_log
		where site_id = $1 and list_id = $2 and ($3::bigint = 0 or id < $3)
		order by id desc limit $4`, siteID, listID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("history of coupon list: %w", err)
	}
	return out, nil
}

// addStock counts coupons that came to lists (added) and left them (issued). Each session has a slot of its own, more or less.
func addStock(ctx context.Context, tx *sqlx.Tx, lists []key, added, issued []int64) error {
	sites, ids := split(lists)
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon_stock as s (site_id, list_id, slot, added, issued)
		select u.s, u.l, pg_backend_pid() % 16, u.a, u.i
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) u (s, l, a, i)
		order by 1, 2
		on conflict (site_id, list_id, slot) do update set added = s.added + excluded.added, issued = s.issued + excluded.issued`,
		pq.Array(sites), pq.Array(ids), pq.Array(added), pq.Array(issued))
	if err != nil {
		return fmt.Errorf("count stock: %w", err)
	}
	return nil
}

func split(keys []key) (sites, ids []int64) {
	sites, ids = make([]int64, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		sites[i], ids[i] = k.site, k.id
	}
	return sites, ids
}

// keysIn are the rows of a query for site_id and id.
func keysIn(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) ([]key, error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, query, args...); err != nil {
		return nil, err
	}
	out := make([]key, len(rows))
	for i, r := range rows {
		out[i] = key{r.SiteID, r.ID}
	}
	return out, nil
}

func setOf(keys []key) map[key]bool {
	out := make(map[key]bool, len(keys))
	for _, k := range keys {
		out[k] = true
	}
	return out
}
