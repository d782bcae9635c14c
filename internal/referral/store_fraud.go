package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

type policyRow struct {
	CampaignID int64     `db:"campaign_id"`
	Version    int64     `db:"version"`
	Policy     string    `db:"policy"`
	KeyID      int64     `db:"key_id"`
	At         time.Time `db:"at"`
}

// policiesOf reads the present policies of a site, its own first.
func policiesOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) ([]policyRow, error) {
	var out []policyRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select distinct on (campaign_id) campaign_id, version, policy, key_id, at
		from referral.fraud_policy where site_id = $1 order by campaign_id, version desc`, siteID)
	if err != nil {
		return nil, fmt.Errorf("read fraud policies: %w", err)
	}
	return out, nil
}

// policyOf reads the present policy of a site, or of a campaign; nil if none was set.
func policyOf(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) (*policyRow, error) {
	var out []policyRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select campaign_id, version, policy, key_id, at
		from referral.fraud_policy where site_id = $1 and campaign_id = $2 order by version desc limit 1`, siteID, campaignID)
	if err != nil {
		return nil, fmt.Errorf("read fraud policy: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// insertPolicy makes the next version. Those of one site queue up.
func insertPolicy(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, campaignID, keyID int64, text string) error {
	if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('referral.fraud_policy', $1))`, siteID); err != nil {
		return fmt.Errorf("lock fraud policies: %w", err)
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.fraud_policy (site_id, campaign_id, version, policy, key_id, at)
		select $1, $2, coalesce(max(version), 0) + 1, $3::jsonb, $4, $5 from referral.fraud_policy where site_id = $1 and campaign_id = $2`,
		siteID, campaignID, text, keyID, now)
	if err != nil {
		return fmt.Errorf("insert fraud policy: %w", err)
	}
	return nil
}

// Kinds of mark.
const (
	markIP      = "ip"
	markDevice  = "device" // IP address and user agent together
	markAddress = "address"
	markPhone   = "phone"
	markCard    = "card"
)

// markKey is a thing that a person was seen with.
type markKey struct {
	site   int64
	kind   string
	value  string // a fingerprint, in the form of a UUID
	person int64
}

// sight is when, and by which origin, a mark was seen.
type sight struct {
	origin      int64
	first, last time.Time
}

// findMarks returns those of the marks that have been seen.
func findMarks(ctx context.Context, q sqlx.QueryerContext, keys []markKey) (map[markKey]sight, error) {
	out := map[markKey]sight{}
	if len(keys) == 0 {
		return out, nil
	}
	sites, kinds, values, people := make([]int64, len(keys)), make([]string, len(keys)), make([]string, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		sites[i], kinds[i], values[i], people[i] = k.site, k.kind, k.value, k.person
	}
	var rows []struct {
		N        int       `db:"n"`
		OriginID int64     `db:"origin_id"`
		FirstAt  time.Time `db:"first_at"`
		LastAt   time.Time `db:"last_at"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.n, m.origin_id, m.first_at, m.last_at
		from unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[]) with ordinality u (s, k, v, p, n)
		cross join lateral (
			select origin_id, first_at, last_at from referral.mark
			where site_id = u.s and kind = u.k and value = u.v and person_id = u.p offset 0) m`,
		pq.Array(sites), pq.Array(kinds), pq.Array(values), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("find marks: %w", err)
	}
	for _, r := range rows {
		out[keys[r.N-1]] = sight{r.OriginID, r.FirstAt, r.LastAt}
	}
	return out, nil
}

// keepMarks writes what people were seen with; keys are in one order for all transactions.
func keepMarks(ctx context.Context, tx *sqlx.Tx, keys []markKey, seen map[markKey]sight) error {
	n := len(keys)
	if n == 0 {
		return nil
	}
	sites, kinds, values, people, origins := make([]int64, n), make([]string, n), make([]string, n), make([]int64, n), make([]int64, n)
	first, last := make([]time.Time, n), make([]time.Time, n)
	for i, k := range keys {
		s := seen[k]
		sites[i], kinds[i], values[i], people[i], origins[i], first[i], last[i] = k.site, k.kind, k.value, k.person, s.origin, s.first, s.last
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.mark as m (site_id, kind, value, person_id, origin_id, first_at, last_at)
		select s, k, v, p, o, f, l
		from unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[]) with ordinality
			u (s, k, v, p, o, f, l, n)
		order by n
		on conflict (site_id, kind, value, person_id) do update set first_at = least(m.first_at, excluded.first_at),
			origin_id = case when excluded.last_at >= m.last_at then excluded.origin_id else m.origin_id end,
			last_at = greatest(m.last_at, excluded.last_at)`,
		pq.Array(sites), pq.Array(kinds), pq.Array(values), pq.Array(people), pq.Array(origins), timestamps(first), timestamps(last))
	if err != nil {
		return fmt.Errorf("keep marks: %w", err)
	}
	return nil
}

// dropMarks forgets what was seen before keep, at most limit of them, and returns how many. It waits for nobody, and what is being
// seen again stays.
func dropMarks(ctx context.Context, q sqlx.ExecerContext, keep time.Time, limit int) (int64, error) {
	done, err := q.ExecContext(ctx, `
		delete from referral.mark where ctid = any(array(
			select ctid from referral.mark where last_at < $1 limit $2 for update skip locked))`, keep, limit)
	if err != nil {
		return 0, fmt.Errorf("drop old marks: %w", err)
	}
	return done.RowsAffected()
}

// pairKey is an advocate and a friend.
type pairKey struct{ site, advocate, friend int64 }

// crossed returns, of the pairs, the newest referral that goes the other way round and counts.
func crossed(ctx context.Context, q sqlx.QueryerContext, pairs []pairKey) (map[pairKey]int64, error) {
	out := map[pairKey]int64{}
	if len(pairs) == 0 {
		return out, nil
	}
	sites, advocates, friends := make([]int64, len(pairs)), make([]int64, len(pairs)), make([]int64, len(pairs))
	for i, p := range pairs {
		sites[i], advocates[i], friends[i] = p.site, p.advocate, p.friend
	}
	var rows []struct {
		N  int   `db:"n"`
		ID int64 `db:"id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.n, r.id
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality u (s, a, f, n)
		cross join lateral (
			select id from referral.referral
			where site_id = u.s and friend_id = u.a and advocate_id = u.f and status in ('pending', 'flagged', 'approved')
			order by id desc limit 1) r`, pq.Array(sites), pq.Array(advocates), pq.Array(friends))
	if err != nil {
		return nil, fmt.Errorf("crossed referrals: %w", err)
	}
	for _, r := range rows {
		out[pairs[r.N-1]] = r.ID
	}
	return out, nil
}

// pace is how many referrals an advocate made in the day, the week and the month before a purchase.
type pace struct {
	Day   int64 `db:"day"`
	Week  int64 `db:"week"`
	Month int64 `db:"month"`
}

const mostCounted = 1000

// paces counts the referrals of advocates in the 30 days that end with each moment, up to mostCounted, the newest first.
func paces(ctx context.Context, q sqlx.QueryerContext, sites, advocates []int64, at []time.Time) ([]pace, error) {
	out := make([]pace, len(sites))
	var rows []struct {
		N int `db:"n"`
		pace
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.n, r.day, r.week, r.month
		from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) with ordinality u (s, a, t, n)
		cross join lateral (
			select count(*) filter (where occurred_at > u.t - interval '24 hours') as day,
				count(*) filter (where occurred_at > u.t - interval '168 hours') as week, count(*) as month
			from (
				select occurred_at from referral.referral
				where site_id = u.s and advocate_id = u.a and occurred_at > u.t - interval '720 hours' and occurred_at <= u.t
				order by occurred_at desc limit $4) x) r`, pq.Array(sites), pq.Array(advocates), timestamps(at), mostCounted)
	if err != nil {
		return nil, fmt.Errorf("count referrals of advocates: %w", err)
	}
	for _, r := range rows {
		out[r.N-1] = r.pace
	}
	return out, nil
}
