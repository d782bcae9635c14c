package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// versionKey names a version of a campaign.
type versionKey struct {
	site, campaign int64
	version        int
}

// decodeTerms makes campaigns of stored versions. What a coupon is worth its list says, now.
func decodeTerms(ctx context.Context, q sqlx.QueryerContext, rows []versionRow) ([]*campaign, error) {
	out := make([]*campaign, len(rows))
	var sites, lists []int64
	var listed []*incentive
	for n, r := range rows {
		c := &campaign{}
		if err := json.Unmarshal([]byte(r.Terms), c); err != nil {
			return nil, fmt.Errorf("terms of version %d of campaign %d of site %d: %w", r.Version, r.CampaignID, r.SiteID, err)
		}
		c.SiteID, c.ID, c.Version, c.Salt, c.Limits = r.SiteID, r.CampaignID, r.Version, r.Salt, r.Limits
		c.EffectiveAt, c.UpdatedAt, c.CreatedAt = r.EffectiveAt, r.PublishedAt, r.CreatedAt
		for k := range c.Incentives {
			i := &c.Incentives[k]
			i.SiteID, i.CampaignID, i.Position, i.Active = c.SiteID, c.ID, k, true
			if i.CouponList != nil {
				sites, lists, listed = append(sites, i.SiteID), append(lists, *i.CouponList), append(listed, i)
			}
		}
		out[n] = c
	}
	if len(listed) == 0 {
		return out, nil
	}
	worth, err := worthOfLists(ctx, q, sites, lists)
	for _, i := range listed {
		if l, ok := worth[key{i.SiteID, *i.CouponList}]; ok {
			i.BasisPoints, i.Amount, i.Currency = l.BasisPoints, l.Amount, l.Currency
		}
	}
	return out, err
}

func worthOfLists(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64) (map[key]couponList, error) {
	var rows []couponList
	err := sqlx.SelectContext(ctx, q, &rows, `
		select l.site_id, l.id, l.basis_points, l.amount, l.currency
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.coupon_list l on l.site_id = u.s and l.id = u.i`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("worth of coupon lists: %w", err)
	}
	out := map[key]couponList{}
	for _, l := range rows {
		out[key{l.SiteID, l.ID}] = l
	}
	return out, nil
}

// insertVersion writes what c says under its number; its incentives get their ids first.
func insertVersion(ctx context.Context, tx *sqlx.Tx, c *campaign, by publication) error {
	if err := identify(ctx, tx, c); err != nil {
		return err
	}
	terms, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("terms of campaign: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		insert into referral.campaign_version (site_id, campaign_id, version, effective_at, published_at, key_id, reason, terms)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		c.SiteID, c.ID, c.Version, c.EffectiveAt, c.UpdatedAt, by.KeyID, by.Reason, string(terms))
	if err != nil {
		return fmt.Errorf("insert version of campaign: %w", err)
	}
	return nil
}

// identify gives the incentives of c the ids that they have by their identifiers.
func identify(ctx context.Context, q sqlx.QueryerContext, c *campaign) error {
	var rows []incentive
	err := sqlx.SelectContext(ctx, q, &rows, `
		select i.id, i.identifier from referral.incentive i where i.site_id = $1 and i.campaign_id = $2`, c.SiteID, c.ID)
	if err != nil {
		return fmt.Errorf("ids of incentives: %w", err)
	}
	for n := range c.Incentives {
		at := slices.IndexFunc(rows, func(i incentive) bool { return i.Identifier == c.Incentives[n].Identifier })
		if at < 0 {
			return fmt.Errorf("incentive %q of campaign %d was not saved", c.Incentives[n].Identifier, c.ID)
		}
		c.Incentives[n].ID = rows[at].ID
	}
	if c.Incentives == nil {
		c.Incentives = []incentive{}
	}
	return nil
}

const versionColumns = `v.site_id, v.campaign_id, v.version, v.effective_at, v.published_at, v.key_id, v.reason, v.terms, c.created_at, (
	select min(w.effective_at) from referral.campaign_version w
	where w.site_id = v.site_id and w.campaign_id = v.campaign_id and w.version > v.version) as next_at`

// versionsOf reads versions of a campaign, newest first, from before a number.
func versionsOf(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64, before, limit int) ([]versionRow, error) {
	if before == 0 {
		before = math.MaxInt32
	}
	var rows []versionRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+versionColumns+`
		from referral.campaign_version v
		join referral.campaign c on c.site_id = v.site_id and c.id = v.campaign_id
		where v.site_id = $1 and v.campaign_id = $2 and v.version < $3
		order by v.version desc limit $4`, siteID, campaignID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("versions of campaign: %w", err)
	}
	return rows, nil
}

// versionsByKey reads versions of several campaigns.
func versionsByKey(ctx context.Context, q sqlx.QueryerContext, keys []versionKey) (map[versionKey]*campaign, error) {
	var sites, campaigns, versions []int64
	for _, k := range keys {
		sites, campaigns, versions = append(sites, k.site), append(campaigns, k.campaign), append(versions, int64(k.version))
	}
	var rows []versionRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select v.site_id, v.campaign_id, v.version, v.effective_at, v.published_at, v.key_id, v.reason, v.terms, v.published_at as created_at
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, v)
		join referral.campaign_version v on v.site_id = u.s and v.campaign_id = u.c and v.version = u.v`,
		pq.Array(sites), pq.Array(campaigns), pq.Array(versions))
	if err != nil {
		return nil, fmt.Errorf("versions of campaigns: %w", err)
	}
	list, err := decodeTerms(ctx, q, rows)
	out := map[versionKey]*campaign{}
	for _, c := range list {
		out[versionKey{c.SiteID, c.ID, c.Version}] = c
	}
	return out, err
}
