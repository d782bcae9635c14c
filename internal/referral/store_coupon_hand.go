package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// takenCoupon is a free coupon that this transaction has locked.
type takenCoupon struct {
	SiteID int64  `db:"site_id"`
	ListID int64  `db:"list_id"`
	ID     int64  `db:"id"`
	Code   string `db:"code"`
}

// takeCoupons locks up to so many free coupons of each list, the oldest first, and passes over those that other transactions hold.
// Expired lists give none; nor do lists that somebody waits for, unless it is for those who wait. Who waits is looked for in the order of
// the queue: asked with "exists", a planner that knows of one long queue would read all of it, for whatever list.
func takeCoupons(ctx context.Context, tx *sqlx.Tx, now time.Time, lists []key, many []int64, forWaiting bool) ([]takenCoupon, error) {
	sites, ids := split(lists)
	var out []takenCoupon
	err := tx.SelectContext(ctx, &out, `
		select u.s as site_id, u.l as list_id, c.id, c.code
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, l, n)
		join referral.coupon_list l on l.site_id = u.s and l.id = u.l and (l.expires_at is null or l.expires_at > $4)
		cross join lateral (
			select c.id, c.code
			from referral.coupon c
			where c.site_id = u.s and c.list_id = u.l and c.single_use and c.issued_at is null and c.expires_at is null
			order by c.site_id, c.list_id, c.id
			limit u.n
			for update skip locked) c
		where $5::boolean or (
			select w.id from referral.coupon_wait w where w.site_id = u.s and w.list_id = u.l order by w.site_id, w.list_id, w.id limit 1) is null
		order by 1, 2, 3`, pq.Array(sites), pq.Array(ids), pq.Array(many), now, forWaiting)
	if err != nil {
		return nil, fmt.Errorf("take coupons: %w", err)
	}
	return out, nil
}

// freeCoupons counts the free coupons of a list, at most limit.
func freeCoupons(ctx context.Context, q sqlx.QueryerContext, list key, limit int) (n int, err error) {
	err = sqlx.GetContext(ctx, q, &n, `
		select count(*) from (
			select from referral.coupon c
			where c.site_id = $1 and c.list_id = $2 and c.single_use and c.issued_at is null and c.expires_at is null
			order by c.site_id, c.list_id, c.id limit $3) c`, list.site, list.id, limit)
	if err != nil {
		return 0, fmt.Errorf("count free coupons: %w", err)
	}
	return n, nil
}

// saveHanded writes whose the taken coupons are; rewards among the holders are Paid by it.
func saveHanded(ctx context.Context, tx *sqlx.Tx, now time.Time, list []handed) error {
	n := len(list)
	sites, coupons, rewards, redemptions, people := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, h := range list {
		sites[i], coupons[i], rewards[i], redemptions[i], people[i] = h.site, h.coupon.ID, h.reward, h.redemption, h.person
	}
	var done struct {
		Coupons int `db:"coupons"`
		Rewards int `db:"rewards"`
	}
	err := tx.GetContext(ctx, &done, `
		with given as (
			update referral.coupon c set reward_id = nullif(u.r, 0), redemption_id = nullif(u.d, 0), person_id = nullif(u.p, 0), issued_at = $6::timestamptz,
				expires_at = $6::timestamptz + make_interval(days => l.expires_days)
			from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) u (s, c, r, d, p), referral.coupon_list l
			where c.site_id = u.s and c.id = u.c and c.issued_at is null and l.site_id = c.site_id and l.id = c.list_id
			returning c.site_id, c.id, c.code, c.reward_id
		), paid as (
			update referral.reward w set status = 'Paid', coupon_id = g.id, coupon_code = g.code, issued_at = $6::timestamptz, updated_at = $6::timestamptz
			from given g
			where w.site_id = g.site_id and w.id = g.reward_id and w.status = 'Waiting for coupon'
			returning w.id
		)
		select (select count(*) from given) as coupons, (select count(*) from paid) as rewards`,
		pq.Array(sites), pq.Array(coupons), pq.Array(rewards), pq.Array(redemptions), pq.Array(people), now)
	if err != nil {
		return fmt.Errorf("save handed coupons: %w", err)
	}
	for _, h := range list {
		if h.reward != 0 {
			done.Rewards--
		}
	}
	if done.Coupons != n || done.Rewards != 0 {
		return fmt.Errorf("save handed coupons: %d of %d were written, rewards off by %d", done.Coupons, n, done.Rewards)
	}
	return nil
}

// insertWaits lets claims wait, in their order. The caller holds the lists' locks, so the ids are in the order of the commits.
func insertWaits(ctx context.Context, tx *sqlx.Tx, now time.Time, claims []claim) error {
	n := len(claims)
	sites, lists, rewards, redemptions, people := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, c := range claims {
		sites[i], lists[i], rewards[i], redemptions[i], people[i] = c.site, c.list, c.reward, c.redemption, c.person
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon_wait (site_id, list_id, reward_id, redemption_id, person_id, since)
		select u.s, u.l, nullif(u.r, 0), nullif(u.d, 0), nullif(u.p, 0), $6
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) with ordinality u (s, l, r, d, p, n)
		order by n`, pq.Array(sites), pq.Array(lists), pq.Array(rewards), pq.Array(redemptions), pq.Array(people), now)
	if err != nil {
		return fmt.Errorf("wait for coupons: %w", err)
	}
	return nil
}

// waitRow is one who waits.
type waitRow struct {
	SiteID       int64 `db:"site_id"`
	ListID       int64 `db:"list_id"`
	ID           int64 `db:"id"`
	RewardID     int64 `db:"reward_id"`
	RedemptionID int64 `db:"redemption_id"`
	PersonID     int64 `db:"person_id"`
}

const waitColumns = `w.site_id, w.list_id, w.id, coalesce(w.reward_id, 0) as reward_id, coalesce(w.redemption_id, 0) as redemption_id,
	coalesce(w.person_id, 0) as person_id`

// lockWaiting locks those who have waited longest for a coupon of a list. It passes over those whom a refund or a cancellation is
// taking out of the queue: waiting for it, with the list's lock, could be waiting for each other.
func lockWaiting(ctx context.Context, tx *sqlx.Tx, list key, limit int) ([]waitRow, error) {
	var out []waitRow
	err := tx.SelectContext(ctx, &out, `
		select `+waitColumns+` from referral.coupon_wait w
		where w.site_id = $1 and w.list_id = $2
		order by w.site_id, w.list_id, w.id limit $3
		for update skip locked`, list.site, list.id, limit)
	if err != nil {
		return nil, fmt.Errorf("lock who waits: %w", err)
	}
	return out, nil
}

// lockWaitingRewards locks the waits of rewards, in the order in which they are served.
func lockWaitingRewards(ctx context.Context, tx *sqlx.Tx, sites, rewards []int64) ([]waitRow, error) {
	var out []waitRow
	err := tx.SelectContext(ctx, &out, `
		select `+waitColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.coupon_wait w on w.site_id = u.s and w.reward_id = u.r
		order by w.site_id, w.list_id, w.id
		for update of w`, pq.Array(sites), pq.Array(rewards))
	if err != nil {
		return nil, fmt.Errorf("lock waiting rewards: %w", err)
	}
	return out, nil
}

func deleteWaits(ctx context.Context, tx *sqlx.Tx, rows []waitRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	sites, lists, ids := make([]int64, n), make([]int64, n), make([]int64, n)
	for i, w := range rows {
		sites[i], lists[i], ids[i] = w.SiteID, w.ListID, w.ID
	}
	_, err := tx.ExecContext(ctx, `
		delete from referral.coupon_wait w using unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, l, i)
		where w.site_id = u.s and w.list_id = u.l and w.id = u.i`, pq.Array(sites), pq.Array(lists), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("end waiting: %w", err)
	}
	return nil
}

// servable are the lists that have coupons while somebody waits for one: what a transaction that failed has left. They are found by
// hopping from one to the next in the index of the queue, however many wait for each.
func servable(ctx context.Context, q sqlx.QueryerContext, now time.Time) ([]key, error) {
	lists, err := keysIn(ctx, q, `
		with recursive hop as (
			(select site_id, list_id from referral.coupon_wait order by site_id, list_id limit 1)
			union all
			select next.site_id, next.list_id from hop cross join lateral (
				select site_id, list_id from referral.coupon_wait
				where (site_id, list_id) > (hop.site_id, hop.list_id) order by site_id, list_id limit 1) next
		)
		select l.site_id, l.id
		from hop join referral.coupon_list l on l.site_id = hop.site_id and l.id = hop.list_id
		where l.kind = 'single-use' and (l.expires_at is null or l.expires_at > $1)
			and exists (select from referral.coupon c
				where c.site_id = l.site_id and c.list_id = l.id and c.single_use and c.issued_at is null and c.expires_at is null)
		order by 1, 2`, now)
	if err != nil {
		return nil, fmt.Errorf("lists to serve: %w", err)
	}
	return lists, nil
}
