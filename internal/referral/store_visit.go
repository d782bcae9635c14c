package referral

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	Version    int    `db:"version"`     // of the campaign, whose incentives the offer promises
	Variant    string `db:"variant"`     // "" in no experiment
	AdvocateID int64  `db:"advocate_id"` // 0 while only a visitor is known
	Kind       string `db:"kind"`
	Channel    string `db:"channel"`
}

// linkByCode reads a link; nil if the code is unknown. The code itself says which site's it is.
func linkByCode(ctx context.Context, q sqlx.QueryerContext, code string) (*link, error) {
	var out []link
	err := sqlx.SelectContext(ctx, q, &out, `
		select l.site_id, l.code, l.offer_id, o.campaign_id, o.version, o.variant, coalesce(o.person_id, 0) as advocate_id, l.kind, l.channel
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

// visitRow is a visit as it is written. It adds to its friend offer; of the visits of one, the first of a batch adds for all.
type visitRow struct {
	*visit
	place int   // in its batch
	adds  int64 // 0: another one does, or the campaign isn't live
}

// compare orders by friend offer.
func (v visitRow) compare(w visitRow) int {
	return cmp.Or(cmp.Compare(v.link.SiteID, w.link.SiteID), cmp.Compare(v.link.OfferID, w.link.OfferID), strings.Compare(v.visitor, w.visitor))
}

// insertVisits writes visits, in the order of their friend offers, and counts them there. It returns the ids of the visits, and the
// friend offers of those that add, as they are now: both in the same order.
func insertVisits(ctx context.Context, tx *sqlx.Tx, now time.Time, visits []visitRow) ([]int64, []friendOffer, error) {
	n := len(visits)
	numbers, texts := make([]int64, 4*n), make([]string, 2*n)
	sites, offers, campaigns, adds := numbers[:n], numbers[n:2*n], numbers[2*n:3*n], numbers[3*n:]
	visitors, channels, live := texts[:n], texts[n:], make([]bool, n)
	var touched []friendOffer
	for i, v := range visits {
		sites[i], offers[i], campaigns[i], adds[i] = v.link.SiteID, v.link.OfferID, v.link.CampaignID, v.adds
		visitors[i], channels[i], live[i] = v.visitor, v.link.Channel, v.live
		if v.adds > 0 {
			touched = append(touched, friendOffer{SiteID: v.link.SiteID, OfferID: v.link.OfferID, CampaignID: v.link.CampaignID, VisitorID: v.visitor})
		}
	}
	var ids, offerIDs, counts pq.Int64Array
	var whose pq.StringArray
	err := tx.QueryRowContext(ctx, `
		with v as materialized (
			select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::boolean[], $7::bigint[])
				with ordinality u (site, offer, campaign, visitor, channel, live, adds, i)
		), kept as (
			insert into referral.visit (site_id, offer_id, campaign_id, visitor_id, channel, live, visited_at)
			select site, offer, campaign, visitor, channel, live, $8 from v order by i
			returning id
		), touched as (
			insert into referral.friend_offer as f (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at, channel)
			select site, offer, campaign, visitor, adds, $8, $8, channel from v where adds > 0 order by i
			on conflict (site_id, visitor_id, offer_id) do update
				set visits = f.visits + excluded.visits, last_at = greatest(f.last_at, excluded.last_at)
			returning f.id, f.visits, f.visitor_id
		)
		select array(select id from kept), array(select id from touched), array(select visits from touched), array(select visitor_id::text from touched)`,
		pq.Array(sites), pq.Array(offers), pq.Array(campaigns), pq.Array(visitors), pq.Array(channels), pq.Array(live), pq.Array(adds), now).
		Scan(&ids, &offerIDs, &counts, &whose)
	if err != nil {
		return nil, nil, fmt.Errorf("insert visits: %w", err)
	}
	if len(ids) != n || len(offerIDs) != len(touched) || len(counts) != len(touched) {
		return nil, nil, fmt.Errorf("insert visits: %d and %d came back of %d and %d", len(ids), len(offerIDs), n, len(touched))
	}
	for i := range touched {
		if whose[i] != touched[i].VisitorID { // they come in the order in which they went in, though no manual promises it
			return nil, nil, errors.New("insert visits: friend offers came back in another order")
		}
		touched[i].ID, touched[i].Visits = offerIDs[i], counts[i]
	}
	slices.Sort(ids) // they were drawn in the order of the visits
	return ids, touched, nil
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
