package loyalty

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// originsRecorded: verified purchases and events of known people earn points.
func (m *Module) originsRecorded(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRecorded]) error {
	return earnings(ctx, m, u, batch,
		func(o customerevent.OriginRecorded) bool {
			return o.Verified && o.PersonID != 0 && (o.Type == customerevent.Purchase || o.Type == customerevent.Event)
		}, program.forOrigin)
}

// rewardsIssued: a points reward is posted to whom it was issued.
func (m *Module) rewardsIssued(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.RewardIssued]) error {
	return earnings(ctx, m, u, batch,
		func(w referralevent.RewardIssued) bool {
			return w.Kind == referralevent.Points && w.Points > 0 && w.PersonID != 0
		}, program.forReward)
}

// referralsApproved: the advocate earns the programme's points per referral.
func (m *Module) referralsApproved(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ReferralApproved]) error {
	return earnings(ctx, m, u, batch,
		func(r referralevent.ReferralApproved) bool { return r.AdvocateID != 0 }, program.forReferral)
}

// earnings decides what the wanted ones of a batch earn, by their sites' programmes, and posts it. A site without a programme
// earns nothing, now or later.
func earnings[T bus.Payload](ctx context.Context, m *Module, u *bus.Unit, batch []bus.Event[T],
	wanted func(T) bool, decide func(program, T) earning) error {
	events := make([]bus.Event[T], 0, len(batch))
	for _, e := range batch {
		if wanted(e.Body) {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return nil
	}
	if err := alone(ctx, u); err != nil {
		return err
	}
	programs, err := sharePrograms(ctx, u, sitesOf(events, func(e bus.Event[T]) int64 { return e.Site }))
	if err != nil {
		return err
	}
	if err := m.equip(ctx, u, programs); err != nil {
		return err
	}
	all := make([]earning, 0, len(events))
	for _, e := range events {
		p, ok := programs[e.Site]
		if !ok {
			m.m.Of(ctx).refused.WithLabelValues("no_program").Inc()
			continue
		}
		decided := decide(p, e.Body)
		if at := moment(decided.EffectiveAt, u.Now); !p.current(at) {
			if p, err = m.inForce(ctx, u, p, at); err != nil {
				return err
			}
			decided = decide(p, e.Body)
		}
		decided.SiteID = e.Site
		all = append(all, decided)
	}
	if len(all) == 0 {
		return nil
	}
	of := allowed(programs, all)
	if err := m.postEarnings(ctx, u, programs, all); err != nil || len(of) == 0 {
		return err
	}
	return goAhead(ctx, u, of, u.Now) // the timer activates them
}

// originsRefunded: what an order earned is taken back in the share that was refunded.
func (m *Module) originsRefunded(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRefunded]) error {
	claws := make([]clawBack, len(batch))
	for i, e := range batch {
		claws[i] = ofRefund(e.Body)
	}
	return m.postClawBacks(ctx, u, claws)
}

// rewardsClawedBack: module referral has decided how much of a points reward is gone.
func (m *Module) rewardsClawedBack(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.RewardClawedBack]) error {
	claws := make([]clawBack, 0, len(batch))
	for _, e := range batch {
		if e.Body.Kind == referralevent.Points {
			claws = append(claws, ofReward(e.Body))
		}
	}
	return m.postClawBacks(ctx, u, claws)
}

// referralsVoided: a referral that does not count earns its advocate nothing.
func (m *Module) referralsVoided(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ReferralVoided]) error {
	claws := make([]clawBack, 0, len(batch))
	for _, e := range batch {
		if e.Body.Was == referralevent.Approved {
			claws = append(claws, ofReferral(e.Body))
		}
	}
	return m.postClawBacks(ctx, u, claws)
}

// coupon is what module referral handed out for a redemption.
type coupon struct {
	site, redemption, id, person int64
	code                         string
	at                           time.Time
}

// giftCardsSent: redemptions' gift cards are on their way.
func (m *Module) giftCardsSent(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.GiftCardSent]) error {
	for _, e := range batch { // few: each was a call to the provider
		if e.Body.RedemptionID == 0 {
			continue
		}
		r, who, err := lockRedemption(ctx, u, e.Site, e.Body.RedemptionID)
		if err != nil {
			return err
		}
		if r.Status == waiting {
			if err := m.deliver(ctx, u, &r, who, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// couponsIssued: redemptions got what they waited for.
func (m *Module) couponsIssued(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.CouponIssued]) error {
	var got []coupon
	for _, e := range batch {
		if e.Body.RedemptionID != 0 {
			got = append(got, coupon{e.Site, e.Body.RedemptionID, e.Body.CouponID, e.Body.PersonID, e.Body.Code, moment(e.Body.IssuedAt, u.Now)})
		}
	}
	if len(got) == 0 {
		return nil
	}
	waited, err := giveCoupons(ctx, u, got)
	if err != nil {
		return err
	}
	for _, c := range got {
		r := waited[siteID{c.site, c.redemption}]
		if r == nil || r.Status != waiting || r.CouponID != nil {
			continue
		}
		r.Status, r.CouponID, r.CouponCode, r.FulfilledAt = fulfilled, &c.id, &c.code, &c.at
		u.Tell(c.site, sourceOf("member", r.MemberID), r.fulfilledEvent(c.person))
		m.m.Of(ctx).redemptions.WithLabelValues(r.Kind, fulfilled).Inc()
	}
	return nil
}
