package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// createCampaign makes a campaign; replayed says that the Idempotency-Key had made it before.
func (m *Module) createCampaign(ctx context.Context, s site.Site, in campaignInput, by publication, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	c, err := m.checked(ctx, s, in)
	if err != nil {
		return out, false, err
	}
	return m.saveNew(ctx, s, k, by, func(*bus.Unit) (*campaign, error) { return &c, nil })
}

// saveNew writes the first version of the campaign that make gives it.
func (m *Module) saveNew(ctx context.Context, s site.Site, k idempotency.Key, by publication, make func(u *bus.Unit) (*campaign, error)) (out campaignJSON, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			c, err := make(u)
			if err != nil {
				return err
			}
			c.SiteID, c.Version, c.CreatedAt, c.UpdatedAt, c.EffectiveAt = s.ID, 1, u.Now, u.Now, u.Now
			if err := insertCampaign(ctx, u.Tx, c); err != nil {
				return err
			}
			if err := m.furnish(ctx, u, c, by); err != nil {
				return err
			}
			if err := auditNew(ctx, u, c, by); err != nil {
				return err
			}
			out, err = m.readCampaign(ctx, u, c.SiteID, c.ID, u.Now)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// replaceCampaign publishes a version that takes effect at once; replayed says that the Idempotency-Key had done it before.
func (m *Module) replaceCampaign(ctx context.Context, s site.Site, id int64, in campaignInput, by publication, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	next, err := m.checked(ctx, s, in)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			c := next
			c.SiteID, c.ID = s.ID, id
			if err := m.publish(ctx, u, &c, by); err != nil {
				return err
			}
			out, err = m.readCampaign(ctx, u, s.ID, id, u.Now)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// furnish gives a campaign whose number was just drawn its coupons and incentives, and writes its version.
func (m *Module) furnish(ctx context.Context, u *bus.Unit, c *campaign, by publication) error {
	if err := bindCoupons(ctx, u, c); err != nil {
		return err
	}
	if err := c.Attribution.Personal.check(ctx, u, c.SiteID); err != nil {
		return err
	}
	if err := bindPlans(ctx, u, c); err != nil {
		return err
	}
	if err := saveIncentives(ctx, u.Tx, c); err != nil {
		return err
	}
	if err := insertVersion(ctx, u.Tx, c, by); err != nil {
		return err
	}
	if c.experiments() {
		if err := noteExperiment(ctx, u.Tx, c.SiteID); err != nil {
			return err
		}
		m.trials.forget()
	}
	m.metrics.Of(ctx).published.Inc()
	return noteChanges(ctx, u.Tx, c.SiteID)
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
