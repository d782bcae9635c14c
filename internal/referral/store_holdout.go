package referral

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const heldOutColumns = `o.site_id, o.id, o.campaign_id, o.version, o.person_id, o.visitor_id`

// findHeldOut reads which of the people and visitors are held out.
func findHeldOut(ctx context.Context, q sqlx.QueryerContext, people []personKey, visitors []visitorKey) ([]offer, error) {
	return findIn(ctx, q, "referral.held_out", heldOutColumns, people, visitors)
}

// insertHeldOut writes those whom nobody wrote meanwhile, and returns them.
func insertHeldOut(ctx context.Context, tx *sqlx.Tx, now time.Time, list []offer) ([]offer, error) {
	slices.SortFunc(list, byOwner)
	n := len(list)
	sites, campaigns, versions, people, visitors := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	for i, o := range list {
		sites[i], campaigns[i], versions[i], people[i], visitors[i] = o.SiteID, o.CampaignID, int64(o.Version), deref(o.PersonID), deref(o.VisitorID)
	}
	var out []offer
	err := tx.SelectContext(ctx, &out, `
		insert into referral.held_out as o (site_id, campaign_id, version, person_id, visitor_id, held_at)
		select s, c, version, nullif(p, 0), nullif(v, '')::uuid, $6
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) with ordinality u (s, c, version, p, v, n)
		order by n
		on conflict do nothing
		returning `+heldOutColumns, pq.Array(sites), pq.Array(campaigns), pq.Array(versions), pq.Array(people), pq.Array(visitors), now)
	if err != nil {
		return nil, fmt.Errorf("hold out: %w", err)
	}
	return out, nil
}

// adoptHeldOut gives visitors' rows to the people that they turned out to be, and returns those that were still free.
func adoptHeldOut(ctx context.Context, tx *sqlx.Tx, list []offer) ([]offer, error) {
	return adoptIn(ctx, tx, "referral.held_out", heldOutColumns, list)
}
