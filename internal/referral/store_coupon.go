package referral

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// couponQuery reads coupons with what their lists say of them, or the newest incentive that names the code.
const couponQuery = `
	select c.site_id, c.id, c.list_id, c.code, c.single_use, c.reward_id, c.redemption_id, c.person_id, c.issued_at, c.withdrawn_at,
		coalesce(c.expires_at, l.expires_at) as expires_at, c.usages, coalesce(l.basis_points, i.basis_points, 0) as basis_points,
		coalesce(l.amount, i.amount, 0) as amount, coalesce(l.currency, i.currency, '') as currency
	from referral.coupon c
	left join referral.coupon_list l on l.site_id = c.site_id and l.id = c.list_id
	left join lateral (
		select i.basis_points, i.amount, i.currency from referral.incentive i
		where c.list_id is null and i.site_id = c.site_id and i.coupon_code = c.code and i.coupon_code <> ''
		order by i.active desc, i.id desc limit 1) i on true
	where `

// couponByCode reads the coupon of a code in its one form; nil if the site has none.
func couponByCode(ctx context.Context, q sqlx.QueryerContext, siteID int64, code string) (*coupon, error) {
	return oneCoupon(ctx, q, couponQuery+`c.site_id = $1 and c.code = $2`, siteID, code)
}

// couponOfRedemption reads the coupon that a redemption got; nil if it has none.
func couponOfRedemption(ctx context.Context, q sqlx.QueryerContext, siteID, redemptionID int64) (*coupon, error) {
	return oneCoupon(ctx, q, couponQuery+`c.site_id = $1 and c.redemption_id = $2`, siteID, redemptionID)
}

func oneCoupon(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) (*coupon, error) {
	var out []coupon
	if err := sqlx.SelectContext(ctx, q, &out, query, args...); err != nil {
		return nil, fmt.Errorf("read coupon: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// couponsByID reads coupons of a site.
func couponsByID(ctx context.Context, q sqlx.QueryerContext, siteID int64, ids []int64) ([]coupon, error) {
	var out []coupon
	if err := sqlx.SelectContext(ctx, q, &out, couponQuery+`c.site_id = $1 and c.id = any ($2::bigint[])`, siteID, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read coupons: %w", err)
	}
	return out, nil
}

// withCoupons reads the single-use coupons of rewards into them.
func withCoupons(ctx context.Context, q sqlx.QueryerContext, rewards []reward) ([]reward, error) {
	var sites, ids []int64
	for _, w := range rewards {
		if w.CouponID != nil {
			sites, ids = append(sites, w.SiteID), append(ids, *w.CouponID)
		}
	}
	if len(ids) == 0 {
		return rewards, nil
	}
	var rows []coupon
	err := sqlx.SelectContext(ctx, q, &rows, couponQuery+`(c.site_id, c.id) in (select * from unnest($1::bigint[], $2::bigint[]))`,
		pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("coupons of rewards: %w", err)
	}
	for i := range rewards {
		at := slices.IndexFunc(rows, func(c coupon) bool {
			return rewards[i].CouponID != nil && c.SiteID == rewards[i].SiteID && c.ID == *rewards[i].CouponID
		})
		if at >= 0 {
			rewards[i].coupon = &rows[at]
		}
	}
	return rewards, nil
}

// insertCodes writes new codes of a list and returns them; those that the site has already are left out. The order keeps two
// deliveries of the same codes from waiting for each other.
func insertCodes(ctx context.Context, tx *sqlx.Tx, now time.Time, l *couponList, codes []string) ([]string, error) {
	slices.Sort(codes)
	var made []string
	err := tx.SelectContext(ctx, &made, `
		insert into referral.coupon (site_id, list_id, code, single_use, created_at)
		select $1, $2, u.code, $3, $4 from unnest($5::text[]) with ordinality u (code, n) order by n
		on conflict on constraint coupon_code do nothing
		returning code`, l.SiteID, l.ID, l.Kind == singleUse, now, pq.Array(codes))
	if err != nil {
		return nil, fmt.Errorf("insert coupons: %w", err)
	}
	return made, nil
}

// knownCode is a code that the site has already.
type knownCode struct {
	Code      string `db:"code"`
	ListID    int64  `db:"list_id"` // 0: a campaign names it
	SingleUse bool   `db:"single_use"`
}

func knownCodes(ctx context.Context, q sqlx.QueryerContext, siteID int64, codes []string) (map[string]knownCode, error) {
	out := map[string]knownCode{}
	if len(codes) == 0 {
		return out, nil
	}
	var rows []knownCode
	err := sqlx.SelectContext(ctx, q, &rows, `
		select code, coalesce(list_id, 0) as list_id, single_use from referral.coupon where site_id = $1 and code = any ($2::text[])`,
		siteID, pq.Array(codes))
	if err != nil {
		return nil, fmt.Errorf("known codes: %w", err)
	}
	for _, r := range rows {
		out[r.Code] = r
	}
	return out, nil
}

// nameCodes keeps the codes that a campaign names itself, so that no list takes them, and returns what they are.
func nameCodes(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, codes []string) (map[string]knownCode, error) {
	if len(codes) == 0 {
		return nil, nil
	}
	slices.Sort(codes)
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon (site_id, list_id, code, single_use, created_at)
		select $1, null, u.code, false, $2 from unnest($3::text[]) with ordinality u (code, n) order by n
		on conflict on constraint coupon_code do nothing`, siteID, now, pq.Array(codes))
	if err != nil {
		return nil, fmt.Errorf("name codes: %w", err)
	}
	return knownCodes(ctx, tx, siteID, codes)
}

// used is a code of the site that orders came with.
type used struct {
	SiteID int64  `db:"site_id"`
	Code   string `db:"code"`
	Side   string `db:"side"`   // whom such a coupon is for; "": no campaign says
	Earned bool   `db:"earned"` // an advocate's, for a referral
	First  bool   `db:"first"`  // it was never used before
}

// countUses counts orders that used codes of the site, and returns those; what isn't a code of it is left out.
func countUses(ctx context.Context, tx *sqlx.Tx, sites []int64, codes []string, uses []int64, at []time.Time) ([]used, error) {
	var out []used
	err := tx.SelectContext(ctx, &out, `
		update referral.coupon c set usages = c.usages + u.n, used_at = least(c.used_at, u.at)
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[]) u (s, code, n, at)
		where c.site_id = u.s and c.code = u.code
		returning c.site_id, c.code, c.usages = u.n as first,
			coalesce((select w.side = 'advocate' and w.reason = 'referrer' from referral.reward w where w.site_id = c.site_id and w.id = c.reward_id), false) as earned,
			coalesce(case when c.reward_id is not null then (select w.side from referral.reward w where w.site_id = c.site_id and w.id = c.reward_id)
				when c.redemption_id is not null then null
				when exists (select from referral.personal_coupon p where p.site_id = c.site_id and p.coupon_id = c.id) then 'friend'
				else (select case when bool_and(i.action in ('click', 'referred')) then 'friend' when bool_and(i.action not in ('click', 'referred')) then 'advocate' end
					from referral.incentive i where i.site_id = c.site_id and i.coupon_code = c.code and i.coupon_code <> '')
				end, '') as side`, pq.Array(sites), pq.Array(codes), pq.Array(uses), timestamps(at))
	if err != nil {
		return nil, fmt.Errorf("count uses of coupons: %w", err)
	}
	return out, nil
}

// openLists are those of these lists that hand out coupons; true: they do so still.
func openLists(ctx context.Context, q sqlx.QueryerContext, now time.Time, sites, ids []int64) (map[key]bool, error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
		Open   bool  `db:"open"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select l.site_id, l.id, l.expires_at is null or l.expires_at > $3 as open from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.coupon_list l on l.site_id = u.s and l.id = u.i and l.kind = 'single-use'`, pq.Array(sites), pq.Array(ids), now)
	if err != nil {
		return nil, fmt.Errorf("single-use lists: %w", err)
	}
	out := make(map[key]bool, len(rows))
	for _, r := range rows {
		out[key{r.SiteID, r.ID}] = r.Open
	}
	return out, nil
}

// personsOfVisitor are who a visitor is known to be.
func personsOfVisitor(ctx context.Context, q sqlx.QueryerContext, siteID int64, visitor string) ([]int64, error) {
	var out []int64
	err := sqlx.SelectContext(ctx, q, &out, `
		select person_id from referral.identity where site_id = $1 and visitor_id = $2::uuid`, siteID, visitor)
	if err != nil {
		return nil, fmt.Errorf("persons of visitor: %w", err)
	}
	return out, nil
}

// stockRow is a list whose stock is looked at.
type stockRow struct {
	couponList
	Lately int64 `db:"lately"`
}

// noteDay keeps how many coupons each single-use list has handed out when the day of now is first seen.
func noteDay(ctx context.Context, tx sqlx.ExecerContext, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon_day (site_id, list_id, day, issued)
		select l.site_id, l.id, $1::date, s.issued
		from referral.coupon_list l `+withStock+`
		where l.kind = 'single-use'
			and not exists (select from referral.coupon_day d where d.site_id = l.site_id and d.list_id = l.id and d.day = $1::date)
		on conflict do nothing`, now.UTC().Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("note the day's stock: %w", err)
	}
	return nil
}

// lately is what went of a list's stock since the day $1.
const lately = `s.issued - coalesce((
	select d.issued from referral.coupon_day d
	where d.site_id = l.site_id and d.list_id = l.id and d.day >= $1::date
	order by d.day limit 1), 0) as lately`

// stocks reads the single-use lists with their stock and what went of it since a day.
func stocks(ctx context.Context, q sqlx.QueryerContext, since time.Time) ([]stockRow, error) {
	var out []stockRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+couponListColumns+`, `+stockColumns+`, `+lately+`
		from referral.coupon_list l `+withStock+`
		where l.kind = 'single-use'
		order by l.site_id, l.id`, since.UTC().Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("stocks: %w", err)
	}
	return out, nil
}

// stockOf is stocks of one list, of either kind.
func stockOf(ctx context.Context, q sqlx.QueryerContext, l key, since time.Time) (stockRow, error) {
	var out stockRow
	err := sqlx.GetContext(ctx, q, &out, `
		select `+couponListColumns+`, `+stockColumns+`, `+lately+`
		from referral.coupon_list l `+withStock+`
		where l.site_id = $2 and l.id = $3`, since.UTC().Format(time.DateOnly), l.site, l.id)
	if errors.Is(err, sql.ErrNoRows) {
		return out, errNoCouponList
	}
	if err != nil {
		return out, fmt.Errorf("stock of a list: %w", err)
	}
	return out, nil
}

// markLow notes that a list is low, or no longer; false if it was noted already.
func markLow(ctx context.Context, tx *sqlx.Tx, l key, at *time.Time) (bool, error) {
	done, err := tx.ExecContext(ctx, `
		update referral.coupon_list set low_at = $3 where site_id = $1 and id = $2 and (low_at is null) <> ($3::timestamptz is null)`,
		l.site, l.id, at)
	if err != nil {
		return false, fmt.Errorf("mark low stock: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}
