package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// insertExperimentOffers notes which of the offers that were just made are in an experiment.
func insertExperimentOffers(ctx context.Context, tx *sqlx.Tx, offers []offer) error {
	var sites, campaigns, ids []int64
	var variants []string
	for _, o := range offers {
		if o.Variant != "" {
			sites, campaigns, ids, variants = append(sites, o.SiteID), append(campaigns, o.CampaignID), append(ids, o.ID), append(variants, o.Variant)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.experiment_offer (site_id, campaign_id, offer_id, variant)
		select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])`,
		pq.Array(sites), pq.Array(campaigns), pq.Array(ids), pq.Array(variants))
	if err != nil {
		return fmt.Errorf("note offers of experiments: %w", err)
	}
	return nil
}

// countFriends adds a friend to an offer for each time it is named. Offers come in the order of their friend offers, which is the one lock
// order.
func countFriends(ctx context.Context, tx *sqlx.Tx, offers []key) error {
	if len(offers) == 0 {
		return nil
	}
	var sites, ids []int64
	for _, o := range offers {
		sites, ids = append(sites, o.site), append(ids, o.id)
	}
	_, err := tx.ExecContext(ctx, `
		with u as (
			select s, o, count(*) as n from unnest($1::bigint[], $2::bigint[]) u (s, o) group by 1, 2
		), locked as (
			select e.site_id, e.offer_id from u join referral.experiment_offer e on e.site_id = u.s and e.offer_id = u.o
			order by e.site_id, e.offer_id for no key update of e
		)
		update referral.experiment_offer e set friends = e.friends + u.n
		from u join locked l on l.site_id = u.s and l.offer_id = u.o
		where e.site_id = u.s and e.offer_id = u.o`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("count friends of experiments: %w", err)
	}
	return nil
}

// noteExperiment makes the purchases of a site be looked at from now on.
func noteExperiment(ctx context.Context, tx *sqlx.Tx, siteID int64) error {
	if _, err := tx.ExecContext(ctx, `insert into referral.experiment_site (site_id) values ($1) on conflict do nothing`, siteID); err != nil {
		return fmt.Errorf("note experiment: %w", err)
	}
	return nil
}

// experimentSites are the sites that ever had one.
func experimentSites(ctx context.Context, q sqlx.QueryerContext) (map[int64]bool, error) {
	var ids []int64
	if err := sqlx.SelectContext(ctx, q, &ids, `select site_id from referral.experiment_site`); err != nil {
		return nil, fmt.Errorf("sites with experiments: %w", err)
	}
	out := make(map[int64]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}

// insertExperimentPurchases notes the purchases of people who are in experiments by then, with their variants. Who has an offer isn't held
// out, even if two requests at the same moment saw it differently.
func insertExperimentPurchases(ctx context.Context, tx *sqlx.Tx, deeds []deed) error {
	n := len(deeds)
	sites, people, origins, subtotals := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	currencies, at := make([]string, n), make([]sqlTime, n)
	for i, d := range deeds {
		sites[i], people[i], origins[i], subtotals[i] = d.body.SiteID, d.body.PersonID, d.body.OriginID, d.body.Subtotal
		currencies[i], at[i] = d.body.Currency, sqlTime{&d.body.OccurredAt}
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.experiment_purchase (site_id, campaign_id, origin_id, variant, person_id, subtotal, currency, occurred_at)
		select u.s, e.campaign_id, u.o, e.variant, u.p, u.subtotal, u.currency, u.at
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[]) u (s, p, o, subtotal, currency, at)
		cross join lateral (
			select o.campaign_id, o.variant from referral.offer o
			where o.site_id = u.s and o.person_id = u.p and o.variant <> '' and o.created_at <= u.at
			union all
			select h.campaign_id, '`+heldOut+`' from referral.held_out h
			where h.site_id = u.s and h.person_id = u.p and h.held_at <= u.at
				and not exists (select from referral.offer o where o.site_id = u.s and o.campaign_id = h.campaign_id and o.person_id = u.p)) e
		order by 1, 2, 3
		on conflict do nothing`,
		pq.Array(sites), pq.Array(people), pq.Array(origins), pq.Array(subtotals), pq.Array(currencies), pq.Array(at))
	if err != nil {
		return fmt.Errorf("note purchases of experiments: %w", err)
	}
	return nil
}

// refundExperimentPurchases takes over how much of purchases was refunded.
func refundExperimentPurchases(ctx context.Context, tx *sqlx.Tx, sites, origins, refunded []int64) error {
	_, err := tx.ExecContext(ctx, `
		with u as (
			select s, o, max(r) as r from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, o, r) group by 1, 2
		), locked as (
			select e.site_id, e.campaign_id, e.origin_id from u join referral.experiment_purchase e on e.site_id = u.s and e.origin_id = u.o
			order by 1, 2, 3 for no key update of e
		)
		update referral.experiment_purchase e set refunded = greatest(e.refunded, u.r)
		from u join locked l on l.site_id = u.s and l.origin_id = u.o
		where e.site_id = l.site_id and e.campaign_id = l.campaign_id and e.origin_id = l.origin_id`,
		pq.Array(sites), pq.Array(origins), pq.Array(refunded))
	if err != nil {
		return fmt.Errorf("refund purchases of experiments: %w", err)
	}
	return nil
}

const experimentDays = 800 // that purchases are compared

// dropExperimentPurchases forgets up to limit purchases that are older than before.
func dropExperimentPurchases(ctx context.Context, q sqlx.ExecerContext, before time.Time, limit int) (int64, error) {
	done, err := q.ExecContext(ctx, `
		delete from referral.experiment_purchase where ctid = any(array(
			select ctid from referral.experiment_purchase where occurred_at < $1 limit $2 for update skip locked))`, before, limit)
	if err != nil {
		return 0, fmt.Errorf("drop old purchases of experiments: %w", err)
	}
	return done.RowsAffected()
}

// armRow is what became of the people of one variant; of money, in one currency.
type armRow struct {
	Variant   string `db:"variant"`
	People    int64  `db:"people"`
	Friends   int64  `db:"friends"`
	Referrals int64  `db:"referrals"`
	Approved  int64  `db:"approved"`
	Purchases int64  `db:"purchases"`
	Buyers    int64  `db:"buyers"`
	Revenue   int64  `db:"revenue"`
	Currency  string `db:"currency"`
}

// experimentPeople counts the people of each variant, and who is held out.
func experimentPeople(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) ([]armRow, error) {
	var out []armRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select variant, count(*) as people, sum(friends)::bigint as friends from referral.experiment_offer
		where site_id = $1 and campaign_id = $2 group by 1
		union all
		select '`+heldOut+`', count(*), 0 from referral.held_out h
		where h.site_id = $1 and h.campaign_id = $2
			and not exists (select from referral.offer o where o.site_id = $1 and o.campaign_id = $2 and o.person_id = h.person_id)
		having count(*) > 0
		order by 1`, siteID, campaignID)
	if err != nil {
		return nil, fmt.Errorf("people of experiment: %w", err)
	}
	return out, nil
}

// experimentReferrals are the referrals of each variant's offers, and what the friends paid and kept.
func experimentReferrals(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) ([]armRow, error) {
	var out []armRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select e.variant, r.currency, count(*) as referrals, count(*) filter (where r.status = 'approved') as approved,
			sum(r.subtotal - least(r.subtotal, r.refunded_total))::bigint as revenue
		from referral.experiment_offer e
		join referral.offer o on o.site_id = e.site_id and o.id = e.offer_id
		join referral.referral r on r.site_id = o.site_id and r.advocate_id = o.person_id and r.offer_id = o.id
		where e.site_id = $1 and e.campaign_id = $2 and r.status in ('pending', 'flagged', 'approved')
		group by 1, 2 order by 1, 2`, siteID, campaignID)
	if err != nil {
		return nil, fmt.Errorf("referrals of experiment: %w", err)
	}
	return out, nil
}

// experimentRevenue is what the people of each variant bought themselves and kept.
func experimentRevenue(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) ([]armRow, error) {
	var out []armRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select variant, currency, count(*) as purchases, count(distinct person_id) as buyers, sum(subtotal - least(subtotal, refunded))::bigint as revenue
		from referral.experiment_purchase
		where site_id = $1 and campaign_id = $2
		group by 1, 2 order by 1, 2`, siteID, campaignID)
	if err != nil {
		return nil, fmt.Errorf("revenue of experiment: %w", err)
	}
	return out, nil
}
