package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
)

// shop is the projection of a site.
type shop struct {
	SiteID   int64  `db:"site_id"`
	Name     string `db:"name"`
	Currency string `db:"currency"`
	URL      string `db:"url"`
}

// versionRow is a version of a campaign as it is stored.
type versionRow struct {
	SiteID      int64      `db:"site_id"`
	CampaignID  int64      `db:"campaign_id"`
	Type        string     `db:"type"` // read where it is needed
	Version     int        `db:"version"`
	EffectiveAt time.Time  `db:"effective_at"`
	PublishedAt time.Time  `db:"published_at"`
	KeyID       int64      `db:"key_id"`
	Reason      string     `db:"reason"`
	Limits      limits     `db:"limits"` // of the campaign; read with what runs
	Salt        string     `db:"salt"`   // of the campaign; read where people are drawn
	Terms       string     `db:"terms"`
	CreatedAt   time.Time  `db:"created_at"` // of the campaign
	NextAt      *time.Time `db:"next_at"`    // when the first of the later versions takes effect; read where it is shown
}

const incentiveColumns = `i.site_id, i.id, i.campaign_id, i.identifier, i.position, i.action, i.kind, i.points, i.basis_points,
	i.amount, i.currency, i.coupon_code, i.coupon_list_id, i.commission_plan_id, i.subtotal_min, i.terms, i.active`

// running joins the version of campaign c that runs at the moment $1: the last one whose time has come. The first one's has in any
// case, whatever the clocks of two replicas say.
const running = `
	cross join lateral (
		select version, effective_at, published_at, key_id, reason, terms from referral.campaign_version
		where site_id = c.site_id and campaign_id = c.id and (effective_at <= $1 or version = 1)
		order by version desc limit 1) v`

const runningColumns = `c.site_id, c.id as campaign_id, v.version, v.effective_at, v.published_at, v.key_id, v.reason, v.terms, c.created_at, c.salt, c.limits`

// campaignsOf reads all campaigns of a site as they run at a moment, newest first.
func campaignsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, at time.Time) ([]*campaign, error) {
	var rows []versionRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+runningColumns+` from referral.campaign c`+running+`
		where c.site_id = $2 order by c.id desc`, at, siteID)
	if err != nil {
		return nil, fmt.Errorf("campaigns: %w", err)
	}
	list, err := decodeTerms(ctx, q, rows)
	if err != nil || len(list) == 0 {
		return list, err
	}
	byID, sites, ids := map[key]*campaign{}, make([]int64, len(list)), make([]int64, len(list))
	for i, c := range list {
		byID[key{c.SiteID, c.ID}], sites[i], ids[i] = c, c.SiteID, c.ID
	}
	return list, withTerms(ctx, q, byID, sites, ids)
}

// campaignsByID reads the campaigns with these ids, of several sites, as they run at a moment.
func campaignsByID(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64, at time.Time) (map[key]*campaign, error) {
	out := map[key]*campaign{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []versionRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+runningColumns+`
		from (select distinct s, i from unnest($2::bigint[], $3::bigint[]) u (s, i)) u
		join referral.campaign c on c.site_id = u.s and c.id = u.i`+running, at, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("campaigns by id: %w", err)
	}
	list, err := decodeTerms(ctx, q, rows)
	for _, c := range list {
		out[key{c.SiteID, c.ID}] = c
	}
	if err != nil {
		return nil, err
	}
	return out, withTerms(ctx, q, out, sites, ids)
}

// retiredIncentives are those of a campaign that no running or coming version has, as they were last.
func retiredIncentives(ctx context.Context, q sqlx.QueryerContext, c *campaign) ([]incentive, error) {
	kept := make([]int64, len(c.Incentives))
	for n, i := range c.Incentives {
		kept[n] = i.ID
	}
	var out []incentive
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+incentiveColumns+` from referral.incentive i
		where i.site_id = $1 and i.campaign_id = $2 and not i.active and i.id <> all ($3::bigint[])
		order by i.position, i.id`, c.SiteID, c.ID, pq.Array(kept))
	if err != nil {
		return nil, fmt.Errorf("retired incentives: %w", err)
	}
	return out, nil
}

// insertCampaign gives c its id.
func insertCampaign(ctx context.Context, tx *sqlx.Tx, c *campaign) error {
	err := tx.GetContext(ctx, &c.ID, `
		insert into referral.campaign (site_id, type, version, created_at) values ($1, $2, $3, $4) returning id`, c.SiteID, c.Type, c.Version, c.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert campaign: %w", err)
	}
	return nil
}

// nextVersion locks the campaign of c and gives c the number after its last; not found, or another type, is a fault.
func nextVersion(ctx context.Context, tx *sqlx.Tx, c *campaign) error {
	var rows []versionRow
	err := tx.SelectContext(ctx, &rows, `
		update referral.campaign set version = version + 1 where site_id = $1 and id = $2
		returning type, version, created_at`, c.SiteID, c.ID)
	if err != nil {
		return fmt.Errorf("next version of campaign: %w", err)
	}
	if len(rows) == 0 {
		return errNoCampaign
	}
	if rows[0].Type != c.Type {
		return errTypeStays
	}
	c.Version, c.CreatedAt = rows[0].Version, rows[0].CreatedAt
	return nil
}

// campaignExists is a fault if the site has no such campaign.
func campaignExists(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) error {
	var found bool
	err := sqlx.GetContext(ctx, q, &found, `select exists (select from referral.campaign where site_id = $1 and id = $2)`, siteID, id)
	switch {
	case err != nil:
		return fmt.Errorf("find campaign: %w", err)
	case !found:
		return errNoCampaign
	}
	return nil
}

var errNoCampaign = fault.New(fault.NotFound, "campaign_not_found", "No such campaign.")

// saveIncentives makes the campaign's active incentives those of c: matched by identifier, the others become inactive.
func saveIncentives(ctx context.Context, tx *sqlx.Tx, c *campaign) error {
	n := len(c.Incentives)
	identifiers, actions, kinds := make([]string, n), make([]string, n), make([]string, n)
	currencies, coupons, conditions := make([]string, n), make([]string, n), make([]terms, n)
	points, percents, amounts, minima, lists, plans := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for k, i := range c.Incentives {
		identifiers[k], actions[k], kinds[k], currencies[k], coupons[k], conditions[k] = i.Identifier, i.Action, i.Kind, i.Currency, i.CouponCode, i.Terms
		points[k], percents[k], amounts[k], minima[k], lists[k], plans[k] = i.Points, i.BasisPoints, i.Amount, -1, deref(i.CouponList), deref(i.CommissionPlan)
		if i.SubtotalMin != nil {
			minima[k] = *i.SubtotalMin
		}
	}
	_, err := tx.ExecContext(ctx, `
		update referral.incentive set active = false
		where site_id = $1 and campaign_id = $2 and active and identifier <> all ($3::text[])`, c.SiteID, c.ID, pq.Array(identifiers))
	if err != nil {
		return fmt.Errorf("retire incentives: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		insert into referral.incentive as old (site_id, campaign_id, identifier, position, action, kind, points, basis_points,
			amount, currency, coupon_code, coupon_list_id, subtotal_min, terms, commission_plan_id, active)
		select $1, $2, u.identifier, u.o, u.action, u.kind, u.points, u.percent, u.amount, u.currency, u.coupon, nullif(u.list, 0),
			nullif(u.least, -1), u.terms::jsonb, nullif(u.plan, 0), true
		from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
			$12::bigint[], $13::text[], $14::bigint[]) with ordinality
			u (identifier, action, kind, currency, coupon, points, percent, amount, least, list, terms, plan, o)
		on conflict (site_id, campaign_id, identifier) do update set position = excluded.position, action = excluded.action,
			kind = excluded.kind, points = excluded.points, basis_points = excluded.basis_points, amount = excluded.amount,
			currency = excluded.currency, coupon_code = excluded.coupon_code, coupon_list_id = excluded.coupon_list_id,
			subtotal_min = excluded.subtotal_min, terms = excluded.terms, commission_plan_id = excluded.commission_plan_id, active = true`,
		c.SiteID, c.ID, pq.Array(identifiers), pq.Array(actions), pq.Array(kinds), pq.Array(currencies), pq.Array(coupons),
		pq.Array(points), pq.Array(percents), pq.Array(amounts), pq.Array(minima), pq.Array(lists), pq.Array(conditions), pq.Array(plans))
	if err != nil {
		return fmt.Errorf("save incentives: %w", err)
	}
	return nil
}

// shopOf reads the projection of a site; false while it hasn't been heard of.
func shopOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (shop, bool, error) {
	var list []shop
	err := sqlx.SelectContext(ctx, q, &list, `
		select site_id, name, currency, url from referral.site where site_id = $1`, siteID)
	if err != nil || len(list) == 0 {
		return shop{}, false, err
	}
	return list[0], true, nil
}

// saveSites takes over what the gateway told; what is older than the row changes nothing.
func saveSites(ctx context.Context, tx *sqlx.Tx, sites []gatewayevent.SiteChanged) error {
	for _, s := range sites {
		_, err := tx.ExecContext(ctx, `
			insert into referral.site as old (site_id, slug, name, currency, zone, url, changed_at)
			values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (site_id) do update set slug = excluded.slug, name = excluded.name, currency = excluded.currency,
				zone = excluded.zone, url = excluded.url, changed_at = excluded.changed_at
			where old.changed_at <= excluded.changed_at`,
			s.SiteID, s.Slug, s.Name, s.Currency, s.TimeZone, s.URL, s.ChangedAt)
		if err != nil {
			return fmt.Errorf("save site: %w", err)
		}
	}
	return nil
}

// noteChanges tells every replica that what it keeps of these sites' campaigns is no longer so. It comes last in its transaction: until the
// commit others wait for it.
func noteChanges(ctx context.Context, tx *sqlx.Tx, sites ...int64) error {
	_, err := tx.ExecContext(ctx, `
		with drawn as (update referral.catalog_change set n = n + cardinality($1::bigint[]) where site_id = 0 returning n - cardinality($1::bigint[]) as n)
		insert into referral.catalog_change (site_id, n)
		select u.s, d.n + u.i from unnest($1::bigint[]) with ordinality u (s, i) cross join drawn d
		on conflict (site_id) do update set n = excluded.n`, pq.Array(sites))
	if err != nil {
		return fmt.Errorf("note change of campaigns: %w", err)
	}
	return nil
}

// changesSince are the sites that changed after a number, and the last number.
func changesSince(ctx context.Context, q sqlx.QueryerContext, last int64) (sites []int64, n int64, err error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		N      int64 `db:"n"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `select site_id, n from referral.catalog_change where n > $1 and site_id > 0 order by n`, last); err != nil {
		return nil, last, fmt.Errorf("changes of campaigns: %w", err)
	}
	for _, r := range rows {
		sites, last = append(sites, r.SiteID), r.N
	}
	return sites, last, nil
}

// nextEffect is when the first of the versions that wait takes effect; nil if none does.
func nextEffect(ctx context.Context, q sqlx.QueryerContext, siteID int64, at time.Time) (*time.Time, error) {
	var next *time.Time
	err := sqlx.GetContext(ctx, q, &next, `select min(effective_at) from referral.campaign_version where site_id = $1 and effective_at > $2`, siteID, at)
	if err != nil {
		return nil, fmt.Errorf("next version: %w", err)
	}
	return next, nil
}
