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

// link is what stands behind a code.
type link struct {
	SiteID     int64  `db:"site_id"`
	Code       string `db:"code"`
	OfferID    int64  `db:"offer_id"`
	CampaignID int64  `db:"campaign_id"`
	AdvocateID int64  `db:"advocate_id"` // 0 while only a visitor is known
	Kind       string `db:"kind"`
	Channel    string `db:"channel"`
}

// linkByCode reads a link; nil if the code is unknown. The code itself says which site's it is.
func linkByCode(ctx context.Context, q sqlx.QueryerContext, code string) (*link, error) {
	var out []link
	err := sqlx.SelectContext(ctx, q, &out, `
		select l.site_id, l.code, l.offer_id, o.campaign_id, coalesce(o.person_id, 0) as advocate_id, l.kind, l.channel
		from referral.link l
		join referral.offer o on o.site_id = l.site_id and o.id = l.offer_id
		where l.code = $1`, code)
	if err != nil {
		return nil, fmt.Errorf("read link: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// friendOffer is a visitor's claim of an offer.
type friendOffer struct {
	SiteID     int64  `db:"site_id"`
	ID         int64  `db:"id"`
	OfferID    int64  `db:"offer_id"`
	CampaignID int64  `db:"campaign_id"`
	VisitorID  string `db:"visitor_id"`
	Visits     int64  `db:"visits"` // so far
}

// touchOffers counts visits (each claim once, with how many visits it adds) and returns the friend offers as they are now.
func touchOffers(ctx context.Context, tx *sqlx.Tx, now time.Time, claims []friendOffer) ([]friendOffer, error) {
	slices.SortFunc(claims, func(a, b friendOffer) int { // one lock order for all batches
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.OfferID, b.OfferID), cmp.Compare(a.VisitorID, b.VisitorID))
	})
	n := len(claims)
	sites, offers, campaigns, visits := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	visitors := make([]string, n)
	for i, c := range claims {
		sites[i], offers[i], campaigns[i], visitors[i], visits[i] = c.SiteID, c.OfferID, c.CampaignID, c.VisitorID, c.Visits
	}
	var out []friendOffer
	err := tx.SelectContext(ctx, &out, `
		insert into referral.friend_offer as f (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at)
		select s, o, c, v, n, $6, $6
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[]) with ordinality u (s, o, c, v, n, i)
		order by i
		on conflict (site_id, visitor_id, offer_id) do update
			set visits = f.visits + excluded.visits, last_at = greatest(f.last_at, excluded.last_at)
		returning f.site_id, f.id, f.offer_id, f.campaign_id, f.visitor_id, f.visits`,
		pq.Array(sites), pq.Array(offers), pq.Array(campaigns), pq.Array(visitors), pq.Array(visits), now)
	if err != nil {
		return nil, fmt.Errorf("touch offers: %w", err)
	}
	return out, nil
}

// insertVisits writes the visits and returns their ids in the same order.
func insertVisits(ctx context.Context, tx *sqlx.Tx, now time.Time, visits []visit) ([]int64, error) {
	n := len(visits)
	sites, offers, campaigns := make([]int64, n), make([]int64, n), make([]int64, n)
	visitors, channels, live := make([]string, n), make([]string, n), make([]bool, n)
	for i, v := range visits {
		sites[i], offers[i], campaigns[i] = v.link.SiteID, v.link.OfferID, v.link.CampaignID
		visitors[i], channels[i], live[i] = v.visitor, v.link.Channel, v.live
	}
	var ids []int64
	err := tx.SelectContext(ctx, &ids, `
		insert into referral.visit (site_id, offer_id, campaign_id, visitor_id, channel, live, visited_at)
		select s, o, c, v, channel, live, $7
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::boolean[])
			with ordinality u (s, o, c, v, channel, live, i)
		order by i
		returning id`,
		pq.Array(sites), pq.Array(offers), pq.Array(campaigns), pq.Array(visitors), pq.Array(channels), pq.Array(live), now)
	if err != nil {
		return nil, fmt.Errorf("insert visits: %w", err)
	}
	slices.Sort(ids) // they were drawn in the order of the visits
	return ids, nil
}

// addVisitDays makes partitions for the days from first to last.
func addVisitDays(ctx context.Context, q sqlx.ExecerContext, first, last time.Time) error {
	_, err := q.ExecContext(ctx, `select referral.add_visit_days($1::date, $2::date)`, first.Format(time.DateOnly), last.Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("add days of visits: %w", err)
	}
	return nil
}

// dropVisitDays drops the partitions of days before keep.
func dropVisitDays(ctx context.Context, q sqlx.QueryerContext, keep time.Time) (int, error) {
	var n int
	if err := sqlx.GetContext(ctx, q, &n, `select referral.drop_visit_days($1::date)`, keep.Format(time.DateOnly)); err != nil {
		return 0, fmt.Errorf("drop days of visits: %w", err)
	}
	return n, nil
}
