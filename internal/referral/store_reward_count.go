package referral

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

func splitAdvocates(keys []advocateKey) (sites, campaigns, people []int64) {
	for _, k := range keys {
		sites, campaigns, people = append(sites, k.site), append(campaigns, k.campaign), append(people, k.person)
	}
	return sites, campaigns, people
}

// lockTallies makes and locks the tallies of advocates, whose keys are in order. fresh are those that nobody has counted yet.
func lockTallies(ctx context.Context, tx *sqlx.Tx, keys []advocateKey) (out map[advocateKey]*tally, fresh []advocateKey, err error) {
	sites, campaigns, people := splitAdvocates(keys)
	_, err = tx.ExecContext(ctx, `
		insert into referral.advocate_count (site_id, campaign_id, person_id, approved)
		select s, c, p, -1 from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, p)
		order by s, c, p
		on conflict do nothing`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return nil, nil, fmt.Errorf("make tallies: %w", err)
	}
	if out, err = lockKnownTallies(ctx, tx, keys); err != nil {
		return nil, nil, err
	}
	for _, k := range keys {
		if out[k] == nil { // made just now, or by another one who was rolled back
			return nil, nil, fmt.Errorf("no tally of advocate %d", k.person)
		}
		if out[k].approved < 0 {
			fresh = append(fresh, k)
		}
	}
	return out, fresh, nil
}

// lockKnownTallies locks the tallies that there are.
func lockKnownTallies(ctx context.Context, tx *sqlx.Tx, keys []advocateKey) (map[advocateKey]*tally, error) {
	sites, campaigns, people := splitAdvocates(keys)
	var rows []struct {
		SiteID     int64 `db:"site_id"`
		CampaignID int64 `db:"campaign_id"`
		PersonID   int64 `db:"person_id"`
		Approved   int64 `db:"approved"`
	}
	err := tx.SelectContext(ctx, &rows, `
		select a.site_id, a.campaign_id, a.person_id, a.approved
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, p)
		join referral.advocate_count a on a.site_id = u.s and a.campaign_id = u.c and a.person_id = u.p
		order by a.site_id, a.campaign_id, a.person_id
		for update of a`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("lock tallies: %w", err)
	}
	out := map[advocateKey]*tally{}
	for _, r := range rows {
		k := advocateKey{r.SiteID, r.CampaignID, r.PersonID}
		out[k] = &tally{advocateKey: k, approved: r.Approved, rewarded: map[string]bool{}}
	}
	return out, nil
}

// countReferrals finds out how many approved referrals there are.
func countReferrals(ctx context.Context, tx *sqlx.Tx, tallies map[advocateKey]*tally, keys []advocateKey, k kin) error {
	if len(keys) == 0 {
		return nil
	}
	all, from := k.spread(keys)
	sites, campaigns, people := splitAdvocates(all)
	var counts []int64
	err := tx.SelectContext(ctx, &counts, `
		select (select count(*) from referral.referral r
			where r.site_id = u.s and r.advocate_id = u.p and r.campaign_id = u.c and r.status = 'approved' and not r.refunded_full)
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality u (s, c, p, n)
		order by n`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return fmt.Errorf("count referrals: %w", err)
	}
	for _, a := range keys {
		tallies[a].approved = 0
	}
	for i, n := range counts {
		tallies[keys[from[i]]].approved += n
	}
	return nil
}

// countMoved finds out how many of the referrals were approved elsewhere.
func countMoved(ctx context.Context, q sqlx.QueryerContext, tallies map[advocateKey]*tally, k kin) error {
	keys := slices.Collect(maps.Keys(tallies))
	all, from := k.spread(keys)
	sites, campaigns, people := splitAdvocates(all)
	var counts []int64
	err := sqlx.SelectContext(ctx, q, &counts, `
		select (select count(*) from referral.referral r
			where r.site_id = u.s and r.advocate_id = u.p and r.campaign_id = u.c and r.cause = 'moved' and r.status = 'approved' and not r.refunded_full)
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality u (s, c, p, n)
		order by n`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return fmt.Errorf("count moved referrals: %w", err)
	}
	for i, n := range counts {
		tallies[keys[from[i]]].moved += n
	}
	return nil
}

// saveTallies writes locked tallies.
func saveTallies(ctx context.Context, tx *sqlx.Tx, tallies map[advocateKey]*tally) error {
	if len(tallies) == 0 {
		return nil
	}
	var sites, campaigns, people, approved []int64
	for k, t := range tallies {
		sites, campaigns, people, approved = append(sites, k.site), append(campaigns, k.campaign), append(people, k.person), append(approved, t.approved)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.advocate_count a set approved = u.approved
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) u (s, c, p, approved)
		where a.site_id = u.s and a.campaign_id = u.c and a.person_id = u.p and a.approved <> u.approved`,
		pq.Array(sites), pq.Array(campaigns), pq.Array(people), pq.Array(approved))
	if err != nil {
		return fmt.Errorf("save tallies: %w", err)
	}
	return nil
}

// milestoneRewards reads the living milestone rewards of advocates. Who changes them holds their tallies.
func milestoneRewards(ctx context.Context, q sqlx.QueryerContext, tallies map[advocateKey]*tally, k kin) ([]reward, error) {
	all, _ := k.spread(slices.Collect(maps.Keys(tallies)))
	sites, campaigns, people := splitAdvocates(all)
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, p)
		join referral.reward w on w.site_id = u.s and w.person_id = u.p and w.campaign_id = u.c
		where w.milestone is not null and w.status <> 'Voided'
		order by w.site_id, w.id`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("milestone rewards: %w", err)
	}
	return out, nil
}

// milestonesRewarded notes which milestones are rewarded.
func milestonesRewarded(ctx context.Context, q sqlx.QueryerContext, tallies map[advocateKey]*tally, k kin) error {
	list, err := milestoneRewards(ctx, q, tallies, k)
	for _, w := range list {
		tallies[advocateKey{w.SiteID, w.CampaignID, k.one(w.SiteID, deref(w.PersonID))}].rewarded[milestoneOf(w.IncentiveID, *w.Milestone)] = true
	}
	return err
}

// milestonesLost are the rewards of milestones that are no longer reached.
func milestonesLost(ctx context.Context, tx *sqlx.Tx, tallies map[advocateKey]*tally, k kin) ([]reward, error) {
	list, err := milestoneRewards(ctx, tx, tallies, k)
	var out []reward
	for _, w := range list {
		if *w.Milestone > tallies[advocateKey{w.SiteID, w.CampaignID, k.one(w.SiteID, deref(w.PersonID))}].approved {
			out = append(out, w)
		}
	}
	return out, err
}
