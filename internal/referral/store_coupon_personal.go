package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// lockCodesOfOffers locks offers, in one order, and reads the codes that they show.
func lockCodesOfOffers(ctx context.Context, tx *sqlx.Tx, offers map[key]bool) (map[key]string, error) {
	list := make([]key, 0, len(offers))
	for k := range offers {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	sites, ids := split(list)
	var rows []struct {
		SiteID int64  `db:"site_id"`
		ID     int64  `db:"id"`
		Code   string `db:"coupon_code"`
	}
	err := tx.SelectContext(ctx, &rows, `
		select o.site_id, o.id, o.coupon_code
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.offer o on o.site_id = u.s and o.id = u.i
		order by o.site_id, o.id
		for no key update of o`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock offers for their codes: %w", err)
	}
	out := map[key]string{}
	for _, r := range rows {
		out[key{r.SiteID, r.ID}] = r.Code
	}
	return out, nil
}

// insertPersonal writes codes that no coupon of their site has, makes their locked offers show them, and returns them; the others are
// left out. Each code and offer comes once.
func insertPersonal(ctx context.Context, tx *sqlx.Tx, list []personalCoupon) ([]personalCoupon, error) {
	n := len(list)
	sites, offers, people, lists, codes := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	byCode := map[use]personalCoupon{}
	chosen, made := make([]bool, n), make([]time.Time, n)
	for i, c := range list {
		sites[i], offers[i], people[i], lists[i], codes[i], chosen[i], made[i] = c.SiteID, c.OfferID, c.PersonID, c.ListID, c.Code, c.Chosen, c.MadeAt
		byCode[use{c.SiteID, c.Code}] = c
	}
	var rows []struct {
		SiteID int64  `db:"site_id"`
		ID     int64  `db:"id"`
		Code   string `db:"code"`
	}
	err := tx.SelectContext(ctx, &rows, `
		with w as materialized (
			select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[], $7::timestamptz[]) with ordinality
				u (s, offer, person, list, code, chosen, made, n)
		), c as (
			insert into referral.coupon (site_id, list_id, code, single_use, created_at)
			select s, list, code, false, made from w order by n
			on conflict on constraint coupon_code do nothing
			returning site_id, id, code
		), p as (
			insert into referral.personal_coupon (site_id, coupon_id, offer_id, person_id, chosen, made_at)
			select c.site_id, c.id, w.offer, w.person, w.chosen, w.made from c join w on w.s = c.site_id and w.code = c.code
		), o as (
			update referral.offer o set coupon_code = c.code
			from c join w on w.s = c.site_id and w.code = c.code
			where o.site_id = w.s and o.id = w.offer
		)
		select site_id, id, code from c`,
		pq.Array(sites), pq.Array(offers), pq.Array(people), pq.Array(lists), pq.Array(codes), pq.Array(chosen), timestamps(made))
	if err != nil {
		return nil, fmt.Errorf("insert personal coupons: %w", err)
	}
	out := make([]personalCoupon, 0, len(rows))
	for _, r := range rows {
		c := byCode[use{r.SiteID, r.Code}]
		c.ID = r.ID
		out = append(out, c)
	}
	return out, nil
}

type personalRow struct {
	personalCoupon
	Usages    int64      `db:"usages"`
	ExpiresAt *time.Time `db:"expires_at"`
}

// personalOf reads the codes of an offer, the newest first.
func personalOf(ctx context.Context, q sqlx.QueryerContext, siteID, offerID int64) ([]personalRow, error) {
	var out []personalRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select p.site_id, p.coupon_id, p.offer_id, p.person_id, p.chosen, p.made_at, c.list_id, c.code, c.usages,
			coalesce(c.expires_at, l.expires_at) as expires_at
		from referral.personal_coupon p
		join referral.coupon c on c.site_id = p.site_id and c.id = p.coupon_id
		join referral.coupon_list l on l.site_id = c.site_id and l.id = c.list_id
		where p.site_id = $1 and p.offer_id = $2
		order by p.coupon_id desc`, siteID, offerID)
	if err != nil {
		return nil, fmt.Errorf("personal coupons: %w", err)
	}
	return out, nil
}

// expireCoupon lets a coupon end at a moment, unless it has ended before; not found is a fault.
func expireCoupon(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, code string) (endedCoupon, error) {
	var out []endedCoupon
	err := tx.SelectContext(ctx, &out, `
		with c as materialized (
			select c.site_id, c.id, c.code, c.list_id, coalesce(c.expires_at, l.expires_at) as was, c.single_use and c.issued_at is null as free
			from referral.coupon c
			left join referral.coupon_list l on l.site_id = c.site_id and l.id = c.list_id
			where c.site_id = $1 and c.code = $2
			for update of c
		), done as (
			update referral.coupon t set expires_at = $3
			from c where t.site_id = c.site_id and t.id = c.id and (c.was is null or c.was > $3)
		)
		select id, code, list_id, free, least(was, $3::timestamptz) as expires_at, was is null or was > $3 as changed from c`, siteID, code, now)
	if err != nil {
		return endedCoupon{}, fmt.Errorf("end a coupon: %w", err)
	}
	if len(out) == 0 {
		return endedCoupon{}, errNoCoupon
	}
	return out[0], nil
}

// forgetCodes ends the codes that hold people's names, and takes the names out.
func forgetCodes(ctx context.Context, tx *sqlx.Tx, now time.Time, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		with mine as (
			select distinct p.site_id, p.coupon_id, p.offer_id
			from unnest($1::bigint[], $2::bigint[]) u (s, p)
			join referral.personal_coupon p on p.site_id = u.s and p.person_id = u.p
		), gone as (
			update referral.coupon c set code = 'FORGOTTEN-' || c.id || '-' || upper(substr(md5(random()::text), 1, 12)), expires_at = least(c.expires_at, $3)
			from mine where c.site_id = mine.site_id and c.id = mine.coupon_id and c.code not like 'FORGOTTEN-%'
		)
		update referral.offer o set coupon_code = ''
		from (select distinct site_id, offer_id from mine) m
		where o.site_id = m.site_id and o.id = m.offer_id and o.coupon_code <> ''`, pq.Array(sites), pq.Array(people), now)
	if err != nil {
		return fmt.Errorf("forget personal codes: %w", err)
	}
	return nil
}
