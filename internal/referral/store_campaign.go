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

type campaignRow struct {
	SiteID          int64           `db:"site_id"`
	ID              int64           `db:"id"`
	Version         int             `db:"version"`
	Name            string          `db:"name"`
	Status          string          `db:"status"`
	Tags            pq.StringArray  `db:"tags"`
	Categories      pq.StringArray  `db:"categories"`
	Destination     string          `db:"destination"`
	AttributionDays int             `db:"attribution_days"`
	Attribution     attributionRule `db:"attribution"`
	ApprovalMode    string          `db:"approval_mode"`
	ApprovalDelay   int64           `db:"approval_delay"`
	StartsAt        *time.Time      `db:"starts_at"`
	EndsAt          *time.Time      `db:"ends_at"`
	Limits          limits          `db:"limits"`
	CreatedAt       time.Time       `db:"created_at"`
	UpdatedAt       time.Time       `db:"updated_at"`
}

const campaignColumns = `c.site_id, c.id, c.version, c.name, c.status, c.tags, c.categories, c.destination, c.attribution_days, c.attribution,
	c.approval_mode, c.approval_delay, c.starts_at, c.ends_at, c.limits, c.created_at, c.updated_at`

const incentiveColumns = `i.site_id, i.id, i.campaign_id, i.identifier, i.position, i.action, i.kind, i.points, i.basis_points,
	i.amount, i.currency, i.coupon_code, i.coupon_list_id, i.commission_plan_id, i.subtotal_min, i.terms, i.active`

// campaignsOf reads all campaigns of a site, newest first.
func campaignsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) ([]*campaign, error) {
	var rows []campaignRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+campaignColumns+` from referral.campaign c where c.site_id = $1 order by c.id desc`, siteID)
	if err != nil {
		return nil, fmt.Errorf("campaigns: %w", err)
	}
	return withIncentives(ctx, q, rows)
}

// campaignsByID reads the campaigns with these ids, of several sites.
func campaignsByID(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64) (map[key]*campaign, error) {
	out := map[key]*campaign{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []campaignRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+campaignColumns+`
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.campaign c on c.site_id = u.s and c.id = u.i`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("campaigns by id: %w", err)
	}
	list, err := withIncentives(ctx, q, rows)
	for _, c := range list {
		out[key{c.SiteID, c.ID}] = c
	}
	return out, err
}

func withIncentives(ctx context.Context, q sqlx.QueryerContext, rows []campaignRow) ([]*campaign, error) {
	out := make([]*campaign, len(rows))
	byID := map[key]*campaign{}
	var sites, ids []int64
	for n, r := range rows {
		out[n] = &campaign{SiteID: r.SiteID, ID: r.ID, Version: r.Version, Name: r.Name, Status: r.Status, Tags: r.Tags,
			Categories: r.Categories, Destination: r.Destination, AttributionDays: r.AttributionDays, Attribution: r.Attribution, ApprovalMode: r.ApprovalMode,
			ApprovalDelay: r.ApprovalDelay, StartsAt: instant(r.StartsAt), EndsAt: instant(r.EndsAt), Limits: r.Limits, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
		byID[key{r.SiteID, r.ID}] = out[n]
		sites, ids = append(sites, r.SiteID), append(ids, r.ID)
	}
	if len(rows) == 0 {
		return out, nil
	}
	var incentives []incentive
	err := sqlx.SelectContext(ctx, q, &incentives, `
		select `+incentiveColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, c)
		join referral.incentive i on i.site_id = u.s and i.campaign_id = u.c
		order by i.active desc, i.position, i.id`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("incentives: %w", err)
	}
	for _, i := range incentives {
		c := byID[key{i.SiteID, i.CampaignID}]
		c.Incentives = append(c.Incentives, i)
	}
	return out, withTerms(ctx, q, byID, sites, ids)
}

// insertCampaign gives c its id.
func insertCampaign(ctx context.Context, tx *sqlx.Tx, c *campaign) error {
	err := tx.GetContext(ctx, &c.ID, `
		insert into referral.campaign (site_id, version, name, status, tags, categories, destination, attribution_days,
			approval_mode, approval_delay, starts_at, ends_at, created_at, updated_at, attribution)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14::jsonb)
		returning id`,
		c.SiteID, c.Version, c.Name, c.Status, pq.Array(c.Tags), pq.Array(c.Categories), c.Destination, c.AttributionDays,
		c.ApprovalMode, c.ApprovalDelay, c.StartsAt, c.EndsAt, c.UpdatedAt, c.Attribution.text())
	if err != nil {
		return fmt.Errorf("insert campaign: %w", err)
	}
	return nil
}

// updateCampaign replaces the settings of c and makes its version one more; not found is a fault.
func updateCampaign(ctx context.Context, tx *sqlx.Tx, c *campaign) error {
	done, err := tx.ExecContext(ctx, `
		update referral.campaign set version = version + 1, name = $3, status = $4, tags = $5, categories = $6, destination = $7,
			attribution_days = $8, approval_mode = $9, approval_delay = $10, starts_at = $11, ends_at = $12, updated_at = $13, attribution = $14::jsonb
		where site_id = $1 and id = $2`,
		c.SiteID, c.ID, c.Name, c.Status, pq.Array(c.Tags), pq.Array(c.Categories), c.Destination, c.AttributionDays,
		c.ApprovalMode, c.ApprovalDelay, c.StartsAt, c.EndsAt, c.UpdatedAt, c.Attribution.text())
	if err != nil {
		return fmt.Errorf("update campaign: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errNoCampaign.Because(err)
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
