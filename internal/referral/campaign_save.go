package referral

import (
	"context"
	"encoding/json"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// createCampaign makes a campaign; replayed says that the Idempotency-Key had made it before.
func (m *Module) createCampaign(ctx context.Context, s site.Site, in campaignInput, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	c, err := in.campaign(s.Currency)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		claim, err := idempotency.TakeOne(ctx, u.Tx, schema, u.Now, s.ID, k)
		if err != nil {
			return err
		}
		if replayed = claim.Replayed; replayed {
			return json.Unmarshal(claim.Answer, &out)
		}
		c.SiteID, c.Version, c.UpdatedAt = s.ID, 1, u.Now
		if err := insertCampaign(ctx, u.Tx, &c); err != nil {
			return err
		}
		if err := bindCoupons(ctx, u, &c); err != nil {
			return err
		}
		if err := saveIncentives(ctx, u.Tx, &c); err != nil {
			return err
		}
		if out, err = m.readCampaign(ctx, u, s.ID, c.ID); err != nil {
			return err
		}
		answer, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return idempotency.KeepOne(ctx, u.Tx, schema, s.ID, k, answer)
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// replaceCampaign gives a campaign other settings and another set of incentives; replayed says that the Idempotency-Key had done it before.
func (m *Module) replaceCampaign(ctx context.Context, s site.Site, id int64, in campaignInput, k idempotency.Key) (out campaignJSON, replayed bool, err error) {
	c, err := in.campaign(s.Currency)
	if err != nil {
		return out, false, err
	}
	c.SiteID, c.ID = s.ID, id
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		claim, err := idempotency.TakeOne(ctx, u.Tx, schema, u.Now, s.ID, k)
		if err != nil {
			return err
		}
		if replayed = claim.Replayed; replayed {
			return json.Unmarshal(claim.Answer, &out)
		}
		c.UpdatedAt = u.Now
		if err := updateCampaign(ctx, u.Tx, &c); err != nil {
			return err
		}
		if err := bindCoupons(ctx, u, &c); err != nil {
			return err
		}
		if err := saveIncentives(ctx, u.Tx, &c); err != nil {
			return err
		}
		if out, err = m.readCampaign(ctx, u, s.ID, id); err != nil {
			return err
		}
		answer, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return idempotency.KeepOne(ctx, u.Tx, schema, s.ID, k, answer)
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}
