package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// buys says whether a plan that goes on paying pays for the deed.
func (d deed) buys() bool { return d.body.Type == customerevent.Purchase && d.body.PersonID != 0 }

func (d deed) sale() sale {
	return sale{Subtotal: d.body.Subtotal, Currency: d.body.Currency, Items: d.body.Items}
}

// planned is an order that a plan is asked about.
type planned struct {
	site, origin, plan int64
}

// noteCommissions writes what the orders of a batch are worth: those that have just made a referral (by their place in the batch), and
// later ones that a friend's plan goes on paying for. What belongs to referrals that are approved already is earned.
func (m *Module) noteCommissions(ctx context.Context, u *bus.Unit, deeds []deed, made map[int]*referral, campaigns map[key]*campaign) error {
	promised, err := m.promisedTo(ctx, u, made, campaigns)
	if err != nil {
		return err
	}
	var wanted []key
	for _, r := range made {
		for _, i := range promised[key{r.SiteID, r.OfferID}].active(actionReferrer) {
			if i.CommissionPlan != nil {
				wanted = append(wanted, key{r.SiteID, *i.CommissionPlan})
			}
		}
	}
	plans, err := plansByID(ctx, u, wanted)
	if err != nil {
		return err
	}
	var first []commission
	noted := map[planned]bool{}
	for n, r := range made {
		for _, i := range promised[key{r.SiteID, r.OfferID}].active(actionReferrer) {
			if p := plans[key{r.SiteID, deref(i.CommissionPlan)}]; p != nil && p.Active {
				first = append(first, firstCommission(p, i, r, deeds[n].sale()))
				noted[planned{r.SiteID, r.OriginID, p.ID}] = true
			}
		}
	}
	slices.SortFunc(first, func(a, b commission) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ReferralID, b.ReferralID))
	})
	if _, err := insertCommissions(ctx, u.Tx, u.Now, first); err != nil {
		return err
	}
	return m.followUp(ctx, u, deeds, noted)
}

// followUp notes orders that plans go on paying for, each once for a plan: for the earliest advocate.
func (m *Module) followUp(ctx context.Context, u *bus.Unit, deeds []deed, noted map[planned]bool) error {
	firsts, err := lockFollowed(ctx, u.Tx, deeds)
	if err != nil || len(firsts) == 0 {
		return err
	}
	var wanted []key
	done := map[key]int{} // orders that were paid for, by the first commission
	for _, f := range firsts {
		wanted, done[key{f.SiteID, f.ID}] = append(wanted, key{f.SiteID, *f.PlanID}), f.Done
	}
	plans, err := plansByID(ctx, u, wanted)
	if err != nil {
		return err
	}
	var later []commission
	approved := map[key]bool{} // referrals
	for _, f := range firsts {
		p, k, one := plans[key{f.SiteID, *f.PlanID}], key{f.SiteID, f.ID}, planned{f.SiteID, deeds[f.N].body.OriginID, *f.PlanID}
		if !p.Active || noted[one] || done[k] >= f.Orders {
			continue
		}
		noted[one] = true
		done[k]++
		c := laterCommission(p, deeds[f.N].sale())
		c.PersonID, c.FriendID, c.OriginID, c.ReferralID, c.CampaignID, c.IncentiveID = f.PersonID, f.FriendID, one.origin, f.ReferralID, f.CampaignID, f.IncentiveID
		c.Nth, c.OccurredAt = done[k], deeds[f.N].body.OccurredAt
		later = append(later, c)
		approved[key{f.SiteID, f.ReferralID}] = f.Status == commissionWaiting || f.Status == commissionEarned
	}
	written, err := insertCommissions(ctx, u.Tx, u.Now, later)
	if err != nil {
		return err
	}
	return m.earn(ctx, u, slices.DeleteFunc(written, func(c commission) bool { return !approved[key{c.SiteID, c.ReferralID}] }), nil)
}

// earnApproved earns what referrals that were just approved, and are locked, are worth by plans; campaigns are theirs by offer.
func (m *Module) earnApproved(ctx context.Context, u *bus.Unit, list []referral, campaigns map[key]*campaign) error {
	var sites, ids []int64
	byID := map[key]*referral{}
	for i := range list {
		r := &list[i]
		if slices.ContainsFunc(campaigns[key{r.SiteID, r.OfferID}].Incentives, func(i incentive) bool { return i.CommissionPlan != nil }) {
			sites, ids, byID[key{r.SiteID, r.ID}] = append(sites, r.SiteID), append(ids, r.ID), r
		}
	}
	if len(ids) == 0 {
		return nil
	}
	due, err := lockPending(ctx, u.Tx, sites, ids)
	if err != nil {
		return err
	}
	return m.earn(ctx, u, due, byID)
}

// earn makes locked commissions of approved referrals what they come to, unless a rate is missing: those wait. The first order of a
// referral is a reward, too; referrals are those of first orders, locked.
func (m *Module) earn(ctx context.Context, u *bus.Unit, list []commission, referrals map[key]*referral) error {
	if len(list) == 0 {
		return nil
	}
	rates, err := ratesOf(ctx, u, list)
	if err != nil {
		return err
	}
	var ready, waiting []commission
	for _, c := range list {
		if c.ApprovedAt == nil {
			c.ApprovedAt = &u.Now
		}
		if c.converts() && rates[c.rateKey()] == 0 {
			if c.Status != commissionWaiting {
				c.Status = commissionWaiting
				waiting = append(waiting, c)
				m.metrics.Of(ctx).commissions.WithLabelValues(commissionWaiting).Inc()
			}
			continue
		}
		ready = append(ready, c)
	}
	if err := saveCommissions(ctx, u.Tx, u.Now, waiting); err != nil {
		return err
	}
	caps, err := m.lockCaps(ctx, u.Tx, ready)
	if err != nil {
		return err
	}
	ration, err := m.ration(ctx, u, ready)
	if err != nil {
		return err
	}
	for i := range ready {
		c := &ready[i]
		c.earn(rates[c.rateKey()], caps.room(c), u.Now)
		ration.grant(i, c, u.Now)
		caps.use(c)
	}
	if err := ration.settle(ctx, u, m, ready); err != nil {
		return err
	}
	if err := caps.save(ctx, u.Tx); err != nil {
		return err
	}
	if err := saveCommissions(ctx, u.Tx, u.Now, ready); err != nil {
		return err
	}
	if err := m.rewardFirst(ctx, u, ready, referrals); err != nil {
		return err
	}
	return m.credit(ctx, u, ready)
}

// rewardFirst issues the rewards of first orders. Limits and budgets of the campaign have been asked by then: see rations.
func (m *Module) rewardFirst(ctx context.Context, u *bus.Unit, list []commission, referrals map[key]*referral) error {
	if len(referrals) == 0 {
		return nil
	}
	var sites, ids []int64
	for _, r := range referrals {
		sites, ids = append(sites, r.SiteID), append(ids, r.OfferID)
	}
	offers, err := offersByID(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	campaigns, err := m.campaignsOfOffers(ctx, u, u.Now, offers)
	if err != nil {
		return err
	}
	var rewards []reward
	for i := range list {
		if c := &list[i]; c.Nth == 1 && c.Amount > 0 {
			r := referrals[key{c.SiteID, c.ReferralID}]
			_, deed := r.origin()
			rewards = append(rewards, c.reward(campaigns[key{c.SiteID, r.OfferID}], r.provenance(deed)))
		}
	}
	if len(rewards) == 0 {
		return nil
	}
	issued, err := insertRewards(ctx, u.Tx, u.Now, rewards)
	if err != nil {
		return err
	}
	if err := m.hand(ctx, u, issued, referrals); err != nil {
		return err
	}
	return rewardsBound(ctx, u, list)
}
