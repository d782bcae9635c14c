package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
)

// awards are decisions about rewards that are carried out together.
type awards struct {
	given     []reward
	refused   []refusal
	campaigns map[key]*campaign
	referrals map[key]*referral // of the rewards that belong to one
}

func (a *awards) add(given []reward, refused []refusal) {
	a.given, a.refused = append(a.given, given...), append(a.refused, refused...)
}

func (a *awards) campaign(w *reward) *campaign { return a.campaigns[key{w.SiteID, w.CampaignID}] }

// refuse moves the given ones that have a cause to the refused.
func (a *awards) refuse(cause func(w *reward) string) {
	kept := a.given[:0]
	for i := range a.given {
		if why := cause(&a.given[i]); why != "" {
			a.refused = append(a.refused, refusal{reward: a.given[i], Cause: why})
			continue
		}
		kept = append(kept, a.given[i])
	}
	a.given = kept
}

// issue writes and tells the rewards that limits and budgets leave, and keeps why the others are not given. What they are for
// is locked by the transaction, so that nobody else decides about the same. Limits are looked at first: their rows are locked before
// those of budgets, and both before coupons.
func (m *Module) issue(ctx context.Context, u *bus.Unit, a *awards) error {
	if len(a.given)+len(a.refused) == 0 {
		return nil
	}
	if err := m.limit(ctx, u, a); err != nil {
		return err
	}
	purse, err := m.afford(ctx, u, a)
	if err != nil {
		return err
	}
	var issued []reward
	if len(a.given) > 0 {
		if issued, err = insertRewards(ctx, u.Tx, u.Now, a.given); err != nil {
			return err
		}
	}
	a.leave(issued)
	if err := m.charge(ctx, u, purse, issued, a); err != nil {
		return err
	}
	if err := insertRefusals(ctx, u.Tx, u.Now, a.refused); err != nil {
		return err
	}
	for _, no := range a.refused {
		m.metrics.Of(ctx).refused.WithLabelValues(no.Cause).Inc()
	}
	if err := orderGiftCards(ctx, u.Tx, u.Now, issued); err != nil {
		return err
	}
	return m.hand(ctx, u, issued, a.referrals)
}

// leave notes those that were not written because another reward has their place.
func (a *awards) leave(issued []reward) {
	if len(issued) == len(a.given) {
		return
	}
	written := map[rewardKey]bool{}
	for i := range issued {
		written[issued[i].source()] = true
	}
	a.refuse(func(w *reward) string {
		if w.Once != nil && !written[w.source()] {
			return refusedUniqueness
		}
		return ""
	})
}

// hand tells rewards that were just written, and takes coupons for those that need one. What refunds have taken back by then is clawed
// back at once, so that approval and refund have the same end in any order.
func (m *Module) hand(ctx context.Context, u *bus.Unit, issued []reward, referrals map[key]*referral) error {
	var clawed []reward
	var claims []claim
	for _, w := range issued {
		r, waits := referrals[key{w.SiteID, deref(w.ReferralID)}], w.Status == rewardWaiting
		if !waits { // else it is told with its coupon
			u.Tell(w.SiteID, w.key(), w.issued())
			m.metrics.Of(ctx).rewards.WithLabelValues(w.Side, w.Kind).Inc()
		}
		if r != nil {
			if told := w.clawBack(r, u.Now); told != nil {
				clawed = append(clawed, w)
				if !waits {
					u.Tell(w.SiteID, w.key(), *told)
				}
				continue
			}
		}
		if waits {
			claims = append(claims, claim{site: w.SiteID, list: *w.CouponListID, reward: w.ID, person: deref(w.PersonID)})
		}
	}
	if len(clawed) > 0 {
		if err := m.giveBack(ctx, u, clawed); err != nil {
			return err
		}
		if err := saveClawed(ctx, u.Tx, u.Now, clawed); err != nil {
			return err
		}
	}
	if err := m.handOut(ctx, u, claims); err != nil {
		return err
	}
	return m.creditRewards(ctx, u, issued)
}

// decideReferrals decides what approved referrals earn, in their order: each advocate's next one is the next of his referrals. campaigns
// are theirs as their offers have them, by offer.
func (m *Module) decideReferrals(ctx context.Context, u *bus.Unit, list []referral, campaigns map[key]*campaign) (*awards, error) {
	a := &awards{campaigns: map[key]*campaign{}, referrals: map[key]*referral{}}
	tallies, err := m.tally(ctx, u, list, campaigns)
	if err != nil {
		return nil, err
	}
	known, err := m.acquaint(ctx, list, campaigns)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r := &list[i]
		a.referrals[key{r.SiteID, r.ID}] = r
		a.campaigns[key{r.SiteID, r.CampaignID}] = campaigns[key{r.SiteID, r.OfferID}] // their limits are the same
		c, t := campaigns[key{r.SiteID, r.OfferID}], tallies[advocateKey{r.SiteID, r.CampaignID, r.AdvocateID}]
		facts, deed := known.of(c, r, u.Now)
		s := situation{subtotal: r.Subtotal, currency: r.Currency, automatic: r.Cause == causeAutomatic || r.Cause == causeDelay, facts: facts, from: r.provenance(deed)}
		if t != nil {
			t.count(r)
			s.referrals, s.facts.Advocate.Referrals = t.approved, t.approved
			s.reached = func(i incentive) bool { return t.reach(i, r) }
		}
		given, refused, err := referralRewards(ctx, c, r, s)
		if err != nil {
			return nil, err
		}
		a.add(given, refused)
	}
	return a, saveTallies(ctx, u.Tx, tallies)
}
