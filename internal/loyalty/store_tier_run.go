package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// lockingMembers locks those of a site ($1) whom a condition picks, with their accounts, passing by those that somebody is at.
func lockingMembers(pick string) string {
	return `
		select ` + holderColumns + `
		from unnest(array(select id from loyalty.member where site_id = $1 and ` + pick + ` limit $3)) as u (id)
		cross join lateral (select * from loyalty.member m where m.site_id = $1 and m.id = u.id for update skip locked) m
		cross join lateral (select * from loyalty.account a where a.site_id = $1 and a.owner_id = m.id and a.asset = 'points'
			for update skip locked) a`
}

// lockBehind locks up to limit members of a site whose tier was decided by older tiers.
func lockBehind(ctx context.Context, tx sqlx.QueryerContext, p program, _ time.Time, limit int) (rows []*holder, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, lockingMembers(`tiers_version < $2 order by tiers_version`), p.SiteID, p.TiersVersion, limit)
	if err != nil {
		return nil, fmt.Errorf("lock members to re-tier: %w", err)
	}
	return rows, nil
}

// sitesBehind are the sites that have members whose tier was decided by older tiers.
func sitesBehind(ctx context.Context, db sqlx.QueryerContext, _ time.Time) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, db, &sites, `
		select p.site_id from loyalty.program p
		where exists (select from loyalty.member m where m.site_id = p.site_id and m.tiers_version < p.tiers_version)
		order by p.site_id`)
	if err != nil {
		return nil, fmt.Errorf("find sites to re-tier: %w", err)
	}
	return sites, nil
}

const tiersDueBy = `tier_due_at <= $2 order by tier_due_at`

// lockTiersDue locks up to limit members of a site whose tier changes by time alone, and has by now.
func lockTiersDue(ctx context.Context, tx sqlx.QueryerContext, p program, now time.Time, limit int) (rows []*holder, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, lockingMembers(tiersDueBy), p.SiteID, now, limit)
	if err != nil {
		return nil, fmt.Errorf("lock members whose tier is due: %w", err)
	}
	return rows, nil
}

// sitesDue are the sites that have such members.
func sitesDue(ctx context.Context, db sqlx.QueryerContext, now time.Time) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, db, &sites, `
		select p.site_id from loyalty.program p
		where p.policy ? 'tier_plan' and exists (select from loyalty.member m where m.site_id = p.site_id and m.tier_due_at <= $1 offset 0)
		order by p.site_id`, now)
	if err != nil {
		return nil, fmt.Errorf("find sites whose tiers are due: %w", err)
	}
	return sites, nil
}

// tierDue is when time alone changes a member's tier, as it is saved.
func (h *holder) tierDue() string {
	if h.score == nil || h.score.due.IsZero() {
		return ""
	}
	return stamp(h.score.due)
}
