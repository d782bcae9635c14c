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

// rewardedOf counts the rewarded referrals of advocates, whose tallies are locked, and those that were rewarded before the site moved here.
func rewardedOf(ctx context.Context, q sqlx.QueryerContext, keys []advocateKey, since time.Time, k kin) (map[advocateKey]*rewardedReferrals, error) {
	all, from := k.spread(keys)
	sites, campaigns, people := splitAdvocates(all)
	var rows []rewardedReferrals
	err := sqlx.SelectContext(ctx, q, &rows, `
		select count(distinct w.id) as total, count(distinct w.id) filter (where w.at > $4) as lately
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality u (s, c, p, n)
		left join lateral (
			select referral_id as id, issued_at as at from referral.reward
			where site_id = u.s and person_id = u.p and campaign_id = u.c and reason = 'referrer' and referral_id is not null and status <> 'Voided'
			union all
			select id, occurred_at from referral.referral
			where site_id = u.s and advocate_id = u.p and campaign_id = u.c and cause = 'moved' and status = 'approved') w on true
		group by u.n
		order by u.n`, pq.Array(sites), pq.Array(campaigns), pq.Array(people), since)
	if err != nil {
		return nil, fmt.Errorf("count rewarded referrals: %w", err)
	}
	out := make(map[advocateKey]*rewardedReferrals, len(keys))
	for _, a := range keys {
		out[a] = &rewardedReferrals{refuse: map[int64]string{}}
	}
	for i, r := range rows {
		sum := out[keys[from[i]]]
		sum.Total, sum.Lately = sum.Total+r.Total, sum.Lately+r.Lately
	}
	return out, nil
}

// lockOfferCounts makes and locks the counts of offers, in one order.
func lockOfferCounts(ctx context.Context, tx *sqlx.Tx, keys []key) (map[key]int64, error) {
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	sites, offers := split(slices.Compact(keys))
	_, err := tx.ExecContext(ctx, `
		insert into referral.offer_count (site_id, offer_id, friends)
		select s, o, 0 from unnest($1::bigint[], $2::bigint[]) u (s, o)
		order by s, o
		on conflict do nothing`, pq.Array(sites), pq.Array(offers))
	if err != nil {
		return nil, fmt.Errorf("make offer counts: %w", err)
	}
	var rows []struct {
		SiteID  int64 `db:"site_id"`
		OfferID int64 `db:"offer_id"`
		Friends int64 `db:"friends"`
	}
	err = tx.SelectContext(ctx, &rows, `
		select c.site_id, c.offer_id, c.friends
		from unnest($1::bigint[], $2::bigint[]) u (s, o)
		join referral.offer_count c on c.site_id = u.s and c.offer_id = u.o
		order by c.site_id, c.offer_id
		for update of c`, pq.Array(sites), pq.Array(offers))
	if err != nil {
		return nil, fmt.Errorf("lock offer counts: %w", err)
	}
	out := map[key]int64{}
	for _, r := range rows {
		out[key{r.SiteID, r.OfferID}] = r.Friends
	}
	return out, nil
}

// saveOfferCounts writes locked counts.
func saveOfferCounts(ctx context.Context, tx *sqlx.Tx, counts map[key]int64) error {
	var sites, offers, friends []int64
	for k, n := range counts {
		sites, offers, friends = append(sites, k.site), append(offers, k.id), append(friends, n)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.offer_count c set friends = u.friends
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, o, friends)
		where c.site_id = u.s and c.offer_id = u.o and c.friends <> u.friends`, pq.Array(sites), pq.Array(offers), pq.Array(friends))
	if err != nil {
		return fmt.Errorf("save offer counts: %w", err)
	}
	return nil
}

// saveLimits gives a campaign its limits and notes who did it; not found is a fault.
func saveLimits(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, id, keyID int64, l limits) error {
	done, err := tx.ExecContext(ctx, `update referral.campaign set limits = $3::jsonb where site_id = $1 and id = $2`, siteID, id, l)
	if err != nil {
		return fmt.Errorf("save limits: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errNoCampaign.Because(err)
	}
	_, err = tx.ExecContext(ctx, `
		insert into referral.limit_log (site_id, campaign_id, key_id, limits, at) values ($1, $2, $3, $4::jsonb, $5)`, siteID, id, keyID, l, now)
	if err != nil {
		return fmt.Errorf("log limits: %w", err)
	}
	return noteChanges(ctx, tx, siteID)
}
