package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// budgetEntry is what a reward took from a budget.
type budgetEntry struct {
	SiteID     int64  `db:"site_id"`
	RewardID   int64  `db:"reward_id"`
	CampaignID int64  `db:"campaign_id"`
	Period     string `db:"period"`
	Cost       int64  `db:"cost"`
	Back       int64  `db:"back"`
}

func splitPots(keys []potKey) (sites, campaigns []int64, since []string) {
	for _, k := range keys {
		sites, campaigns, since = append(sites, k.site), append(campaigns, k.campaign), append(since, k.since)
	}
	return sites, campaigns, since
}

// lockPots locks budgets, whose keys are in order; make makes those that aren't there yet.
func lockPots(ctx context.Context, tx *sqlx.Tx, keys []potKey, make bool) (pots, error) {
	sites, campaigns, since := splitPots(keys)
	if make {
		_, err := tx.ExecContext(ctx, `
			insert into referral.budget (site_id, campaign_id, period, spent, told, told_of)
			select s, c, p::date, 0, 0, 0 from unnest($1::bigint[], $2::bigint[], $3::text[]) u (s, c, p)
			order by s, c, p
			on conflict do nothing`, pq.Array(sites), pq.Array(campaigns), pq.Array(since))
		if err != nil {
			return nil, fmt.Errorf("make budgets: %w", err)
		}
	}
	var rows []struct {
		SiteID     int64  `db:"site_id"`
		CampaignID int64  `db:"campaign_id"`
		Period     string `db:"period"`
		Spent      int64  `db:"spent"`
		Told       int    `db:"told"`
		ToldOf     int64  `db:"told_of"`
	}
	err := tx.SelectContext(ctx, &rows, `
		select b.site_id, b.campaign_id, b.period::text as period, b.spent, b.told, b.told_of
		from unnest($1::bigint[], $2::bigint[], $3::text[]) u (s, c, p)
		join referral.budget b on b.site_id = u.s and b.campaign_id = u.c and b.period = u.p::date
		order by b.site_id, b.campaign_id, b.period
		for update of b`, pq.Array(sites), pq.Array(campaigns), pq.Array(since))
	if err != nil {
		return nil, fmt.Errorf("lock budgets: %w", err)
	}
	out := pots{}
	for _, r := range rows {
		k := potKey{r.SiteID, r.CampaignID, r.Period}
		out[k] = &pot{potKey: k, spent: r.Spent, told: r.Told, toldOf: r.ToldOf}
	}
	return out, nil
}

// savePots writes locked budgets.
func savePots(ctx context.Context, tx *sqlx.Tx, locked pots) error {
	keys := sortedPots(locked)
	sites, campaigns, since := splitPots(keys)
	var spent, told, toldOf []int64
	for _, k := range keys {
		p := locked[k]
		spent, told, toldOf = append(spent, p.spent), append(told, int64(p.told)), append(toldOf, p.toldOf)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.budget b set spent = u.spent, told = u.told, told_of = u.told_of
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) u (s, c, p, spent, told, told_of)
		where b.site_id = u.s and b.campaign_id = u.c and b.period = u.p::date`,
		pq.Array(sites), pq.Array(campaigns), pq.Array(since), pq.Array(spent), pq.Array(told), pq.Array(toldOf))
	if err != nil {
		return fmt.Errorf("save budgets: %w", err)
	}
	return nil
}

// spentOf is what is spent of a budget; 0 if nothing was.
func spentOf(ctx context.Context, q sqlx.QueryerContext, k potKey) (int64, error) {
	var out []int64
	err := sqlx.SelectContext(ctx, q, &out, `
		select spent from referral.budget where site_id = $1 and campaign_id = $2 and period = $3::text::date`, k.site, k.campaign, k.since)
	if err != nil || len(out) == 0 {
		return 0, err
	}
	return out[0], nil
}

// insertBudgetEntries notes what rewards cost.
func insertBudgetEntries(ctx context.Context, tx *sqlx.Tx, list []budgetEntry) error {
	if len(list) == 0 {
		return nil
	}
	var sites, rewards, campaigns, costs []int64
	var since []string
	for _, e := range list {
		sites, rewards, campaigns = append(sites, e.SiteID), append(rewards, e.RewardID), append(campaigns, e.CampaignID)
		costs, since = append(costs, e.Cost), append(since, e.Period)
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.budget_entry (site_id, reward_id, campaign_id, period, cost)
		select s, r, c, p::date, cost from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) u (s, r, c, p, cost)`,
		pq.Array(sites), pq.Array(rewards), pq.Array(campaigns), pq.Array(since), pq.Array(costs))
	if err != nil {
		return fmt.Errorf("insert budget entries: %w", err)
	}
	return nil
}

// budgetEntriesOf reads what rewards took from budgets. Who changes them holds the locks of what the rewards are for.
func budgetEntriesOf(ctx context.Context, q sqlx.QueryerContext, rewards []reward) (map[key]budgetEntry, error) {
	if len(rewards) == 0 {
		return nil, nil
	}
	var sites, ids []int64
	for _, w := range rewards {
		sites, ids = append(sites, w.SiteID), append(ids, w.ID)
	}
	var rows []budgetEntry
	err := sqlx.SelectContext(ctx, q, &rows, `
		select e.site_id, e.reward_id, e.campaign_id, e.period::text as period, e.cost, e.back
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.budget_entry e on e.site_id = u.s and e.reward_id = u.r`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("budget entries: %w", err)
	}
	out := map[key]budgetEntry{}
	for _, e := range rows {
		out[key{e.SiteID, e.RewardID}] = e
	}
	return out, nil
}

// saveBudgetEntries writes what came back.
func saveBudgetEntries(ctx context.Context, tx *sqlx.Tx, list []budgetEntry) error {
	var sites, rewards, back []int64
	for _, e := range list {
		sites, rewards, back = append(sites, e.SiteID), append(rewards, e.RewardID), append(back, e.Back)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.budget_entry e set back = u.back
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, r, back)
		where e.site_id = u.s and e.reward_id = u.r`, pq.Array(sites), pq.Array(rewards), pq.Array(back))
	if err != nil {
		return fmt.Errorf("save budget entries: %w", err)
	}
	return nil
}
