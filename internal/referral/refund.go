package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// refund is how far an origin has been taken back.
type refund struct {
	total int64
	full  bool
}

// refunded hears of refunds: a full one voids a referral that isn't approved yet; of an approved one, the rewards are taken back
// in proportion, and what recurring commissions paid for.
func (m *Module) refunded(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRefunded]) error {
	if err := m.noteRefunds(ctx, u, batch); err != nil {
		return err
	}
	refunds := map[key]refund{}
	for _, e := range batch {
		k := key{e.Body.SiteID, e.Body.OriginID}
		refunds[k] = refund{max(refunds[k].total, e.Body.RefundedTotal), refunds[k].full || e.Body.Full}
	}
	if err := keepRefunds(ctx, u.Tx, refunds); err != nil {
		return err
	}
	var sites, origins []int64
	for k := range refunds {
		sites, origins = append(sites, k.site), append(origins, k.id)
	}
	locked, err := lockReferrals(ctx, u.Tx, sites, origins)
	if err != nil {
		return err
	}
	var changed, approved, emptied, voided []referral
	for _, r := range locked {
		now := refunds[key{r.SiteID, r.OriginID}]
		if now.total <= r.RefundedTotal && (!now.full || r.RefundedFull) {
			continue // heard before
		}
		was, partly := r.Status, !r.RefundedFull
		r.RefundedTotal, r.RefundedFull = max(r.RefundedTotal, now.total), r.RefundedFull || now.full
		switch {
		case was == referralevent.Approved:
			if approved = append(approved, r); partly && r.RefundedFull {
				emptied = append(emptied, r)
			}
		case r.RefundedFull && allowed(was, referralevent.Voided):
			r.Status, r.Cause, r.KeyID, r.Note = referralevent.Voided, causeRefund, nil, nil
			u.Tell(r.SiteID, r.key(), r.voided(was, u.Now))
			voided = append(voided, r)
		}
		changed = append(changed, r)
	}
	if len(changed) > 0 {
		if err := saveReferrals(ctx, u.Tx, u.Now, changed); err != nil {
			return err
		}
	}
	if err := m.uncount(ctx, u, emptied); err != nil {
		return err
	}
	if err := m.clawBack(ctx, u, approved); err != nil {
		return err
	}
	if err := m.voidCommissionsOf(ctx, u, voided); err != nil {
		return err
	}
	return m.refundCommissions(ctx, u, refunds)
}

// clawBack takes back of the rewards of locked, approved referrals what their refunds ask for.
func (m *Module) clawBack(ctx context.Context, u *bus.Unit, list []referral) error {
	if len(list) == 0 {
		return nil
	}
	var sites, ids []int64
	byID := map[key]*referral{}
	for i := range list {
		sites, ids = append(sites, list[i].SiteID), append(ids, list[i].ID)
		byID[key{list[i].SiteID, list[i].ID}] = &list[i]
	}
	rewards, err := rewardsOfReferrals(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	return m.takeBack(ctx, u, rewards, func(w *reward) *referralevent.RewardClawedBack {
		return w.clawBack(byID[key{w.SiteID, deref(w.ReferralID)}], u.Now)
	})
}

// takeBack takes back of rewards what step says, and tells of it. Budgets come before coupons in the order of locks.
func (m *Module) takeBack(ctx context.Context, u *bus.Unit, rewards []reward, step func(*reward) *referralevent.RewardClawedBack) error {
	var clawed, waiting, cards []reward
	var steps []*referralevent.RewardClawedBack
	for _, w := range rewards {
		waits := w.Status == rewardWaiting
		if told := step(&w); told != nil {
			clawed, steps = append(clawed, w), append(steps, told)
			if waits {
				waiting = append(waiting, w)
			}
			if w.Kind == referralevent.GiftCard && w.Status == rewardVoided {
				cards = append(cards, w)
			}
		}
	}
	if len(clawed) == 0 {
		return nil
	}
	if err := m.giveBack(ctx, u, clawed); err != nil {
		return err
	}
	if len(cards) > 0 { // before the rewards, as whoever settles an order does
		if err := recallGiftCards(ctx, u.Tx, u.Now, cards); err != nil {
			return err
		}
	}
	untold, err := dequeue(ctx, u, waiting) // nobody has heard of them, so nobody hears that they are taken back
	if err != nil {
		return err
	}
	for i, w := range clawed {
		if untold[key{w.SiteID, w.ID}] {
			continue
		}
		u.Tell(w.SiteID, w.key(), *steps[i])
		m.metrics.Of(ctx).clawed.WithLabelValues(w.Kind).Inc()
	}
	return saveClawed(ctx, u.Tx, u.Now, clawed)
}
