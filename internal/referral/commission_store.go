package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const commissionColumns = `c.site_id, c.id, c.person_id, c.friend_id, c.origin_id, c.referral_id, c.campaign_id, c.incentive_id, c.plan_id, c.reward_id, c.nth, c.orders,
	c.until, c.status, c.subtotal, c.order_currency, c.base, c.percent_amount, c.fixed_amount, c.currency, c.amount, c.clawed, c.budget_since::text as budget_since, c.held, c.hold_until, c.explain,
	c.occurred_at, c.approved_at, c.created_at, c.updated_at`

// recordset is a list as a statement reads it by jsonb_to_recordset.
func recordset[T any](list []T) string {
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // plain fields
	}
	return string(text)
}

// insertCommissions writes commissions and returns them as they are stored, in their order; an order that a plan pays for already is
// left out.
func insertCommissions(ctx context.Context, tx *sqlx.Tx, now time.Time, list []commission) ([]commission, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var out []commission
	err := tx.SelectContext(ctx, &out, `
		insert into referral.commission as c (site_id, person_id, friend_id, origin_id, referral_id, campaign_id, incentive_id, plan_id, reward_id, nth, orders,
			until, status, subtotal, order_currency, base, percent_amount, fixed_amount, currency, amount, explain, occurred_at, approved_at,
			created_at, updated_at)
		select site_id, person_id, friend_id, origin_id, referral_id, campaign_id, incentive_id, plan_id, reward_id, nth, orders,
			until, status, subtotal, order_currency, base, percent_amount, fixed_amount, currency, amount, explain, occurred_at, approved_at, $2, $2
		from jsonb_to_recordset($1::jsonb) x (site_id bigint, person_id bigint, friend_id bigint, origin_id bigint, referral_id bigint, campaign_id bigint,
			incentive_id bigint, plan_id bigint, reward_id bigint, nth int, orders int, until timestamptz, status text, subtotal bigint,
			order_currency text, base bigint, percent_amount bigint, fixed_amount bigint, currency text, amount bigint, explain jsonb,
			occurred_at timestamptz, approved_at timestamptz)
		on conflict do nothing
		returning `+commissionColumns, recordset(list), now)
	if err != nil {
		return nil, fmt.Errorf("insert commissions: %w", err)
	}
	return out, nil
}

// saveCommissions writes what can change of locked commissions.
func saveCommissions(ctx context.Context, tx *sqlx.Tx, now time.Time, list []commission) error {
	if len(list) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		update referral.commission c set status = x.status, amount = x.amount, clawed = x.clawed, held = x.held, hold_until = x.hold_until,
			budget_since = x.budget_since::date, explain = x.explain, approved_at = x.approved_at, reward_id = coalesce(c.reward_id, x.reward_id), updated_at = $2
		from jsonb_to_recordset($1::jsonb) x (site_id bigint, id bigint, status text, amount bigint, clawed bigint, budget_since text, held boolean,
			hold_until timestamptz, explain jsonb, approved_at timestamptz, reward_id bigint)
		where c.site_id = x.site_id and c.id = x.id`, recordset(list), now)
	if err != nil {
		return fmt.Errorf("save commissions: %w", err)
	}
	return nil
}

// lockPending locks what referrals that are approved have to be paid for. The first orders go first: who adds a later one holds theirs.
func lockPending(ctx context.Context, tx *sqlx.Tx, sites, referrals []int64) ([]commission, error) {
	_, err := tx.ExecContext(ctx, `
		select 1 from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.commission c on c.site_id = u.s and c.referral_id = u.r and c.status = 'pending' and c.nth = 1
		order by c.site_id, c.id
		for update of c`, pq.Array(sites), pq.Array(referrals))
	if err != nil {
		return nil, fmt.Errorf("lock first commissions: %w", err)
	}
	return lockCommissions(ctx, tx, `from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.commission c on c.site_id = u.s and c.referral_id = u.r and c.status = 'pending'`, pq.Array(sites), pq.Array(referrals))
}

// lockCommissions locks what from finds, in one order.
func lockCommissions(ctx context.Context, tx *sqlx.Tx, from string, args ...any) ([]commission, error) {
	var out []commission
	err := tx.SelectContext(ctx, &out, `select `+commissionColumns+` `+from+` order by c.site_id, c.id for update of c`, args...)
	if err != nil {
		return nil, fmt.Errorf("lock commissions: %w", err)
	}
	return out, nil
}

// followed is a friend's order, and the first order of a plan that goes on paying for it.
type followed struct {
	N int `db:"n"` // place of the order in the batch
	commission
	Done int `db:"done"` // orders that were paid for so far
}

// lockFollowed locks the first commissions whose plans pay for orders of the batch, too.
func lockFollowed(ctx context.Context, tx *sqlx.Tx, deeds []deed) ([]followed, error) {
	var n, sites, friends, origins []int64
	var at []time.Time
	for i, d := range deeds {
		if d.buys() {
			n, sites, friends, origins, at = append(n, int64(i)), append(sites, d.body.SiteID), append(friends, d.body.PersonID), append(origins, d.body.OriginID),
				append(at, d.body.OccurredAt)
		}
	}
	if len(n) == 0 {
		return nil, nil
	}
	var out []followed
	err := tx.SelectContext(ctx, &out, `
		select u.n, 0 as done, `+commissionColumns+`
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[]) u (n, s, f, o, at)
		join referral.commission c on c.site_id = u.s and c.friend_id = u.f and c.nth = 1 and c.orders > 1 and not c.superseded and c.status <> 'voided' and c.origin_id <> u.o
			and c.occurred_at <= u.at and (c.until is null or u.at < c.until)
		order by c.site_id, c.id, u.n
		for update of c`, pq.Array(n), pq.Array(sites), pq.Array(friends), pq.Array(origins), timestamps(at))
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, countOrders(ctx, tx, out)
}

// countOrders counts what was paid for so far; it is asked once the first commissions are locked.
func countOrders(ctx context.Context, q sqlx.QueryerContext, list []followed) error {
	sites, referrals, plans := make([]int64, len(list)), make([]int64, len(list)), make([]int64, len(list))
	for i, f := range list {
		sites[i], referrals[i], plans[i] = f.SiteID, f.ReferralID, deref(f.PlanID)
	}
	var counts []int
	err := sqlx.SelectContext(ctx, q, &counts, `
		select (select max(c.nth) from referral.commission c where c.site_id = u.s and c.referral_id = u.r and c.plan_id = u.p)
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality u (s, r, p, n)
		order by u.n`, pq.Array(sites), pq.Array(referrals), pq.Array(plans))
	if err != nil || len(counts) != len(list) {
		return fmt.Errorf("count orders of friends: %w", err)
	}
	for i := range list {
		list[i].Done = counts[i]
	}
	return nil
}

// voidCommissions ends what referrals that came to nothing would have been paid for.
func voidCommissions(ctx context.Context, tx *sqlx.Tx, now time.Time, sites, referrals []int64) error {
	if len(sites) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		update referral.commission c set status = 'voided', updated_at = $3
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		where c.site_id = u.s and c.referral_id = u.r and c.status = 'pending'`, pq.Array(sites), pq.Array(referrals), now)
	if err != nil {
		return fmt.Errorf("void commissions: %w", err)
	}
	return nil
}

// refundsOf reads how far orders were taken back.
func refundsOf(ctx context.Context, q sqlx.QueryerContext, list []commission) (map[key]refund, error) {
	sites, origins := make([]int64, len(list)), make([]int64, len(list))
	for i, c := range list {
		sites[i], origins[i] = c.SiteID, c.OriginID
	}
	var found []struct {
		SiteID   int64 `db:"site_id"`
		OriginID int64 `db:"origin_id"`
		Total    int64 `db:"total"`
		Full     bool  `db:"whole"`
	}
	err := sqlx.SelectContext(ctx, q, &found, `
		select r.site_id, r.origin_id, r.total, r.whole
		from (select distinct s, o from unnest($1::bigint[], $2::bigint[]) u (s, o)) u
		join referral.origin_refund r on r.site_id = u.s and r.origin_id = u.o`, pq.Array(sites), pq.Array(origins))
	if err != nil {
		return nil, fmt.Errorf("refunds of orders: %w", err)
	}
	out := make(map[key]refund, len(found))
	for _, f := range found {
		out[key{f.SiteID, f.OriginID}] = refund{f.Total, f.Full}
	}
	return out, nil
}

// rewardsBound reads which rewards commissions were given.
func rewardsBound(ctx context.Context, q sqlx.QueryerContext, list []commission) error {
	sites, ids := make([]int64, len(list)), make([]int64, len(list))
	for i, c := range list {
		sites[i], ids[i] = c.SiteID, c.ID
	}
	var found []int64
	err := sqlx.SelectContext(ctx, q, &found, `
		select coalesce(c.reward_id, 0)
		from unnest($1::bigint[], $2::bigint[]) with ordinality u (s, i, n)
		join referral.commission c on c.site_id = u.s and c.id = u.i
		order by u.n`, pq.Array(sites), pq.Array(ids))
	if err != nil || len(found) != len(list) {
		return fmt.Errorf("rewards of %d commissions: %w", len(list), err)
	}
	for i := range list {
		list[i].RewardID = orNull(found[i])
	}
	return nil
}

// lockOfOrigins locks what orders are paid for by.
func lockOfOrigins(ctx context.Context, tx *sqlx.Tx, sites, origins []int64) ([]commission, error) {
	return lockCommissions(ctx, tx, `from unnest($1::bigint[], $2::bigint[]) u (s, o)
		join referral.commission c on c.site_id = u.s and c.origin_id = u.o`, pq.Array(sites), pq.Array(origins))
}

// lockOfReferral locks what a referral has to be paid for.
func lockOfReferral(ctx context.Context, tx *sqlx.Tx, siteID, referralID int64) ([]commission, error) {
	return lockCommissions(ctx, tx, `from referral.commission c where c.site_id = $1 and c.referral_id = $2 and not c.superseded`, siteID, referralID)
}

// supersedeCommissions ends the locked commissions of a referral, so that its orders may be another advocate's.
func supersedeCommissions(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, referralID int64) error {
	_, err := tx.ExecContext(ctx, `
		update referral.commission set superseded = true, status = case when status = 'earned' then status else 'voided' end, updated_at = $3
		where site_id = $1 and referral_id = $2 and not superseded`, siteID, referralID, now)
	if err != nil {
		return fmt.Errorf("supersede commissions: %w", err)
	}
	return nil
}

// bindRewards gives the first commissions of referrals their rewards.
func bindRewards(ctx context.Context, tx *sqlx.Tx, rewards []reward) error {
	if len(rewards) == 0 {
		return nil
	}
	n := len(rewards)
	sites, ids, referrals, incentives := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, w := range rewards {
		sites[i], ids[i], referrals[i], incentives[i] = w.SiteID, w.ID, deref(w.ReferralID), w.IncentiveID
	}
	_, err := tx.ExecContext(ctx, `
		update referral.commission c set reward_id = u.w
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) u (s, w, r, i)
		where c.site_id = u.s and c.referral_id = u.r and c.incentive_id = u.i and c.nth = 1 and c.plan_id is not null`,
		pq.Array(sites), pq.Array(ids), pq.Array(referrals), pq.Array(incentives))
	if err != nil {
		return fmt.Errorf("bind rewards of commissions: %w", err)
	}
	return nil
}

// lockReferralsByID locks referrals in one order.
func lockReferralsByID(ctx context.Context, tx *sqlx.Tx, sites, ids []int64) (map[key]*referral, error) {
	var list []referral
	err := tx.SelectContext(ctx, &list, `
		select `+referralColumns+`
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.referral r on r.site_id = u.s and r.id = u.i
		order by r.site_id, r.id
		for update of r`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock referrals by id: %w", err)
	}
	out := make(map[key]*referral, len(list))
	for i := range list {
		out[key{list[i].SiteID, list[i].ID}] = &list[i]
	}
	return out, nil
}
