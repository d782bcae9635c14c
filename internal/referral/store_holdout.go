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

const heldOutColumns = `o.site_id, o.id, o.campaign_id, o.version, o.person_id, o.visitor_id`

// findHeldOut reads which of the people and visitors are held out.
func findHeldOut(ctx context.Context, q sqlx.QueryerContext, people []personKey, visitors []visitorKey) ([]offer, error) {
	return findIn(ctx, q, "referral.held_out", heldOutColumns, people, visitors)
}

// insertHeldOut writes those whom nobody wrote meanwhile, and returns them.
func insertHeldOut(ctx context.Context, tx *sqlx.Tx, now time.Time, list []offer) ([]offer, error) {
	slices.SortFunc(list, func(a, b offer) int { // one lock order for all batches
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.CampaignID, b.CampaignID),
			cmp.Compare(deref(a.PersonID), deref(b.PersonID)), cmp.Compare(deref(a.VisitorID), deref(b.VisitorID)))
	})
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
	slices.SortFunc(list, func(a, b offer) int { return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ID, b.ID)) })
	var sites, ids, people []int64
	for _, o := range list {
		sites, ids, people = append(sites, o.SiteID), append(ids, o.ID), append(people, *o.PersonID)
	}
	var out []offer
	err := tx.SelectContext(ctx, &out, `
		update referral.held_out o set person_id = u.p
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, i, p)
		where o.site_id = u.s and o.id = u.i and o.person_id is null
		returning `+heldOutColumns, pq.Array(sites), pq.Array(ids), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("hold out people: %w", err)
	}
	return out, nil
}
