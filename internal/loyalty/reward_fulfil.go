package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

var (
	errNotMerchants = fault.New(fault.Conflict, "redemption_not_merchants", "Coupons and gift cards are handed out by talkable itself.")
	errUsed         = fault.New(fault.Conflict, "redemption_used", "What the redemption got can't be had back: the coupon was used, or the gift card is on its way.")
	errAsking       = fault.New(fault.Conflict, "fulfilment_under_way", "The shop is asked at this moment whether it fulfils the redemption. Please try again in some seconds.")
	errSettled      = fault.New(fault.Conflict, "redemption_settled", "The redemption doesn't wait any more.")
	errWasCancelled = fault.New(fault.Conflict, "redemption_cancelled", "The redemption was cancelled: its points were given back.")
)

// byOthers says that somebody else than talkable hands out what was redeemed.
func (r *redemption) byOthers() bool {
	return r.Kind == rewardProduct || r.Kind == rewardCredit || r.Kind == rewardCustom
}

// mayFulfil says whether a merchant's word changes something: to say again what is done already changes nothing.
func (r *redemption) mayFulfil() (bool, error) {
	switch {
	case r.Status == cancelled:
		return false, errWasCancelled
	case !r.byOthers():
		return false, errNotMerchants
	}
	return r.Status == waiting, nil
}

// fulfilledEvent is what is told of a redemption that waited.
func (r *redemption) fulfilledEvent(personID int64) loyaltyevent.RedemptionFulfilled {
	return loyaltyevent.RedemptionFulfilled{SiteID: r.SiteID, RedemptionID: r.ID, MemberID: r.MemberID, PersonID: personID, BatchID: r.BatchID, Kind: r.Kind,
		Description: r.Description, Points: r.Points, CouponID: orZero(r.CouponID), CouponCode: deref(r.CouponCode), FulfilledAt: *r.FulfilledAt}
}

// Fulfil notes that a merchant has done what a redemption waits for.
func (m *Module) Fulfil(ctx context.Context, siteID, id int64, remark string, keyID int64, key idempotency.Key) (out loyaltyapi.Redemption, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			r, who, err := lockRedemption(ctx, u, siteID, id)
			if err != nil {
				return err
			}
			before := r.view()
			changed, err := m.fulfil(ctx, u, &r, who, remark)
			if out = r.view(); err != nil || !changed {
				return err
			}
			return note(ctx, u, siteID, keyID, "fulfilled", aboutRedemption, id, before, out)
		})
		return err
	})
	return out, replayed, err
}

// fulfil saves and tells that a locked redemption is fulfilled; false: it was before.
func (m *Module) fulfil(ctx context.Context, u *bus.Unit, r *redemption, personID int64, remark string) (bool, error) {
	changed, err := r.mayFulfil()
	if err != nil || !changed {
		return false, err
	}
	return true, m.deliver(ctx, u, r, personID, remark)
}

// deliver saves and tells that a locked redemption, which waited, is fulfilled.
func (m *Module) deliver(ctx context.Context, u *bus.Unit, r *redemption, personID int64, remark string) error {
	r.Status, r.FulfilledAt, r.Note = fulfilled, &u.Now, orNull(remark)
	u.Tell(r.SiteID, sourceOf("member", r.MemberID), r.fulfilledEvent(personID))
	m.m.Of(ctx).redemptions.WithLabelValues(r.Kind, fulfilled).Inc()
	return fulfilRedemption(ctx, u, u.Now, r.SiteID, r.ID, remark)
}
