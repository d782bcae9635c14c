package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// creditRewards notes rewards of commissions in the accounts of those who earned them: plain ones as commissions of their own, those of
// plans, which are there already, are given their reward.
func (m *Module) creditRewards(ctx context.Context, u *bus.Unit, issued []reward) error {
	var plain []commission
	var planned []reward
	for i := range issued {
		switch w := &issued[i]; {
		case w.Kind != referralevent.Commission || w.PersonID == nil:
		case w.planned:
			planned = append(planned, *w)
		default:
			plain = append(plain, plainCommission(w, u.Now))
		}
	}
	if err := bindRewards(ctx, u.Tx, planned); err != nil {
		return err
	}
	written, err := insertCommissions(ctx, u.Tx, u.Now, plain)
	if err != nil {
		return err
	}
	return m.credit(ctx, u, written)
}

// credit posts earned commissions to accounts, and takes back at once what refunds have taken back by now.
func (m *Module) credit(ctx context.Context, u *bus.Unit, list []commission) error {
	if len(list) == 0 {
		return nil
	}
	var entries []entry
	for i := range list {
		c := &list[i]
		if m.metrics.Of(ctx).commissions.WithLabelValues(commissionEarned).Inc(); c.Amount == 0 {
			continue
		}
		u.Tell(c.SiteID, accountKey(c.PersonID), c.earnedEvent(u.Now))
		entries = append(entries, c.entry(entryEarned, c.Amount, "commission:"+itoa(c.ID)))
	}
	refunds, err := refundsOf(ctx, u, list)
	if err != nil {
		return err
	}
	taken, err := m.take(ctx, u, list, refunds)
	if err != nil {
		return err
	}
	return post(ctx, u, append(entries, taken...))
}

// entry of an account about a commission. What a held commission loses, the held part loses.
func (c *commission) entry(kind string, amount int64, source string) entry {
	e := entry{SiteID: c.SiteID, PersonID: c.PersonID, Currency: c.Currency, Kind: kind, Amount: amount, Source: source, CommissionID: &c.ID}
	if c.Held {
		e.Held = amount
	}
	return e
}

// take takes back of locked commissions what refunds ask for, and returns the entries that do it.
func (m *Module) take(ctx context.Context, u *bus.Unit, list []commission, refunds map[key]refund) ([]entry, error) {
	var out []entry
	var changed []commission
	back := map[potKey]int64{}
	for _, c := range list {
		target := c.clawedBy(refunds[key{c.SiteID, c.OriginID}])
		step := target - c.Clawed
		if step <= 0 {
			continue
		}
		c.Clawed = target
		changed = append(changed, c)
		u.Tell(c.SiteID, accountKey(c.PersonID), c.clawedEvent(step, u.Now))
		m.metrics.Of(ctx).commissionsClawed.Inc()
		out = append(out, c.entry(entryClawed, -step, "clawed:"+itoa(c.ID)+":"+itoa(target)))
		if c.BudgetSince != nil {
			back[potKey{c.SiteID, c.CampaignID, *c.BudgetSince}] += step
		}
	}
	if err := m.spare(ctx, u, back); err != nil {
		return nil, err
	}
	return out, saveCommissions(ctx, u.Tx, u.Now, changed)
}

// refundCommissions takes back what refunds ask for.
func (m *Module) refundCommissions(ctx context.Context, u *bus.Unit, refunds map[key]refund) error {
	var sites, origins []int64
	for k := range refunds {
		sites, origins = append(sites, k.site), append(origins, k.id)
	}
	list, err := lockOfOrigins(ctx, u.Tx, sites, origins)
	if err != nil || len(list) == 0 {
		return err
	}
	entries, err := m.take(ctx, u, list, refunds)
	if err != nil {
		return err
	}
	return post(ctx, u, entries)
}

// voidCommissionsOf ends what referrals that were voided would have been paid for.
func (m *Module) voidCommissionsOf(ctx context.Context, u *bus.Unit, list []referral) error {
	var sites, ids []int64
	for _, r := range list {
		sites, ids = append(sites, r.SiteID), append(ids, r.ID)
	}
	return voidCommissions(ctx, u.Tx, u.Now, sites, ids)
}

// supersedeCommissions takes back all that a referral was paid for, and will not be: it is another advocate's.
func (m *Module) supersedeCommissions(ctx context.Context, u *bus.Unit, r *referral) error {
	list, err := lockOfReferral(ctx, u.Tx, r.SiteID, r.ID)
	if err != nil || len(list) == 0 {
		return err
	}
	whole := map[key]refund{}
	for _, c := range list {
		whole[key{c.SiteID, c.OriginID}] = refund{full: true}
	}
	entries, err := m.take(ctx, u, list, whole)
	if err != nil {
		return err
	}
	if err := supersedeCommissions(ctx, u.Tx, u.Now, r.SiteID, r.ID); err != nil {
		return err
	}
	return post(ctx, u, entries)
}
