package referral

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// promised is the campaign with the incentives that a variant had in another version of it: what offers made then promise. All else (is
// it live, who may join, approval, where links lead) is as the version says that runs.
func (c *campaign) promised(then *campaign, variant string) *campaign {
	out := *c
	out.Version, out.Incentives = then.Version, then.incentivesOf(variant)
	return &out
}

// promises are campaigns as the offers of older versions have them.
type promises map[versionKey]*campaign

// of is the campaign as an offer of a version and variant has it.
func (p promises) of(c *campaign, version int, variant string) *campaign {
	then := p[versionKey{c.SiteID, c.ID, version}]
	if then == nil {
		then = c // the version that runs
	}
	if then == c && variant == "" {
		return c
	}
	return c.promised(then, variant)
}

// promisesOf reads the versions that are asked for. Versions never change, so they are kept in memory, unless they have coupons of
// lists, whose worth may change.
func (m *Module) promisesOf(ctx context.Context, q sqlx.QueryerContext, keys []versionKey) (promises, error) {
	out := promises{}
	var missing []versionKey
	for _, k := range keys {
		if then, ok := m.versions.Get(k); ok {
			out[k] = then
		} else if !slices.Contains(missing, k) {
			missing = append(missing, k)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	read, err := versionsByKey(ctx, q, missing)
	for k, then := range read {
		out[k] = then
		if !slices.ContainsFunc(then.Incentives, func(i incentive) bool { return i.CouponList != nil }) {
			m.versions.Add(k, then)
		}
	}
	return out, err
}

// under is the campaign as an offer of one version and variant has it.
func (m *Module) under(ctx context.Context, q sqlx.QueryerContext, c *campaign, version int, variant string) (*campaign, error) {
	var older []versionKey
	if version != c.Version && version != 0 {
		older = append(older, versionKey{c.SiteID, c.ID, version})
	}
	p, err := m.promisesOf(ctx, q, older)
	return p.of(c, version, variant), err
}

// campaignsOfOffers are the campaigns of offers as these have them, by offer.
func (m *Module) campaignsOfOffers(ctx context.Context, q sqlx.QueryerContext, at time.Time, offers map[key]*offer) (map[key]*campaign, error) {
	run, err := runningOfOffers(ctx, q, at, offers)
	if err != nil {
		return nil, err
	}
	return m.asPromised(ctx, q, run, offers)
}

// runningOfOffers are the campaigns of offers as they run at a moment.
func runningOfOffers(ctx context.Context, q sqlx.QueryerContext, at time.Time, offers map[key]*offer) (map[key]*campaign, error) {
	var sites, ids []int64
	for k, o := range offers {
		sites, ids = append(sites, k.site), append(ids, o.CampaignID)
	}
	return campaignsByID(ctx, q, sites, ids, at)
}

// asPromised are campaigns that run, as offers have them, by offer.
func (m *Module) asPromised(ctx context.Context, q sqlx.QueryerContext, run map[key]*campaign, offers map[key]*offer) (map[key]*campaign, error) {
	var older []versionKey
	for k, o := range offers {
		if c := run[key{k.site, o.CampaignID}]; c != nil && c.Version != o.Version {
			older = append(older, versionKey{k.site, o.CampaignID, o.Version})
		}
	}
	kept, err := m.promisesOf(ctx, q, older)
	out := make(map[key]*campaign, len(offers))
	for k, o := range offers {
		if c := run[key{k.site, o.CampaignID}]; c != nil {
			out[k] = kept.of(c, o.Version, o.Variant)
		}
	}
	return out, err
}

// promisedTo are the campaigns of referrals as the offers behind these have them, by offer. Of a campaign that was never changed and
// compares nobody that is the campaign itself, without a query.
func (m *Module) promisedTo(ctx context.Context, q sqlx.QueryerContext, made map[int]*referral, run map[key]*campaign) (map[key]*campaign, error) {
	out := map[key]*campaign{}
	var sites, ids []int64
	for _, r := range made {
		c := run[key{r.SiteID, r.CampaignID}]
		if out[key{r.SiteID, r.OfferID}] = c; c.Version > 1 || c.experiments() {
			sites, ids = append(sites, r.SiteID), append(ids, r.OfferID)
		}
	}
	offers, err := offersByID(ctx, q, sites, ids)
	if err != nil || len(offers) == 0 {
		return out, err
	}
	promised, err := m.asPromised(ctx, q, run, offers)
	maps.Copy(out, promised)
	return out, err
}
