package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// createCampaign makes a campaign; replayed says that the Idempotency-Key had made it before.
func (m *Module) createCampaign(ctx context.Context, s site.Site, in campaignInput, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	c, err := m.checked(ctx, s, in)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			c.SiteID, c.Version, c.UpdatedAt = s.ID, 1, u.Now
			if err := insertCampaign(ctx, u.Tx, &c); err != nil {
				return err
			}
			out, err = m.furnish(ctx, u, &c)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// replaceCampaign gives a campaign other settings and another set of incentives; replayed says that the Idempotency-Key had done it before.
func (m *Module) replaceCampaign(ctx context.Context, s site.Site, id int64, in campaignInput, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	c, err := m.checked(ctx, s, in)
	if err != nil {
		return out, false, err
	}
	c.SiteID, c.ID = s.ID, id
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			c.UpdatedAt = u.Now
			if err := updateCampaign(ctx, u.Tx, &c); err != nil {
				return err
			}
			out, err = m.furnish(ctx, u, &c)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// furnish gives a campaign that was just written its coupons and incentives, and reads what came of it.
func (m *Module) furnish(ctx context.Context, u *bus.Unit, c *campaign) (campaignJSON, error) {
	if err := bindCoupons(ctx, u, c); err != nil {
		return campaignJSON{}, err
	}
	if err := c.Attribution.Personal.check(ctx, u, c.SiteID); err != nil {
		return campaignJSON{}, err
	}
	if err := bindPlans(ctx, u, c); err != nil {
		return campaignJSON{}, err
	}
	if err := saveIncentives(ctx, u.Tx, c); err != nil {
		return campaignJSON{}, err
	}
	return m.readCampaign(ctx, u, c.SiteID, c.ID)
}

// checked is the campaign of an input, whose destination is one that the site allows.
func (m *Module) checked(ctx context.Context, s site.Site, in campaignInput) (campaign, error) {
	c, err := in.campaign(s.Currency)
	if err != nil || c.Destination == "" {
		return c, err
	}
	hosts, err := hostsOf(ctx, m.db, s.ID, s.URL)
	if err == nil && !hostAllowed(c.Destination, hosts) {
		var f findings
		f.add("/destination_url", "leads to a host that the site doesn't allow")
		err = f.err()
	}
	return c, err
}
