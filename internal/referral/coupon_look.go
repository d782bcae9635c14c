package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// Coupon returns what is known of a code as somebody wrote it; nil if the site has no such coupon.
func (m *Module) Coupon(ctx context.Context, s site.Site, code string) (*referralapi.FoundCoupon, error) {
	if code = codeOfCoupon(code); codeFault(code) != "" {
		return nil, nil
	}
	c, err := couponByCode(ctx, m.db, s.ID, code)
	if err != nil || c == nil {
		return nil, err
	}
	now := m.now()
	out := &referralapi.FoundCoupon{Unissued: c.ListID != nil && c.SingleUse && c.IssuedAt == nil, Expired: c.expired(now), Used: c.used()}
	if c.PersonID != nil {
		out.Owners = []int64{*c.PersonID}
	}
	withdrawn := c.WithdrawnAt != nil
	if c.RewardID != nil {
		rewards, err := rewardsByID(ctx, m.db, []int64{s.ID}, []int64{*c.RewardID})
		if err != nil {
			return nil, err
		}
		if w := rewards[key{s.ID, *c.RewardID}]; w != nil {
			withdrawn = w.Status == rewardVoided
			if out.Reward, err = m.couponReward(ctx, s, w, now); err != nil {
				return nil, err
			}
			if c.PersonID == nil && w.VisitorID != nil {
				if out.Owners, err = personsOfVisitor(ctx, m.db, s.ID, *w.VisitorID); err != nil {
					return nil, err
				}
			}
		}
	}
	out.Expired = out.Expired || withdrawn
	out.Coupon = *c.present(now, s.Zone, withdrawn)
	return out, nil
}

func (m *Module) couponReward(ctx context.Context, s site.Site, w *reward, now time.Time) (*referralapi.CouponReward, error) {
	list, err := campaignsByID(ctx, m.db, []int64{s.ID}, []int64{w.CampaignID}, now)
	if err != nil {
		return nil, err
	}
	if _, err := m.catalog.of(ctx, s.ID); err != nil { // where the campaign is shown
		return nil, err
	}
	out := &referralapi.CouponReward{CreatedAt: w.IssuedAt, PersonID: deref(w.PersonID), Incentive: w.rule().Incentive.present(s.Currency)}
	if c := list[key{s.ID, w.CampaignID}]; c != nil {
		out.Campaign = m.presentCampaign(c, s.Zone)
		if w.FriendOfferID != nil && c.terms != nil {
			first, err := firstTouch(ctx, m.db, s.ID, *w.FriendOfferID)
			if err != nil {
				return nil, err
			}
			out.OfferLapsed = first != nil && c.lapsed(*first, now)
		}
	}
	return out, nil
}

// Coupons returns coupons of a site by their ids; unknown ones are left out.
func (m *Module) Coupons(ctx context.Context, s site.Site, ids []int64) (map[int64]referralapi.Coupon, error) {
	list, err := couponsByID(ctx, m.db, s.ID, ids)
	if err != nil {
		return nil, err
	}
	now, out := m.now(), make(map[int64]referralapi.Coupon, len(list))
	for _, c := range list {
		out[c.ID] = *c.present(now, s.Zone, false)
	}
	return out, nil
}

// RedemptionCoupon returns the coupon that a redemption got, and waits some seconds for it, since it comes by way of an event; nil if
// the list is empty and the redemption waits for a coupon.
func (m *Module) RedemptionCoupon(ctx context.Context, s site.Site, redemptionID int64) (*referralapi.Coupon, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		known, err := redemptionsKnown(ctx, m.db, []int64{s.ID}, []int64{redemptionID})
		if err == nil && known[key{s.ID, redemptionID}] { // asked first: who is known by now has the coupon by now, if there is one
			c, err := couponOfRedemption(ctx, m.db, s.ID, redemptionID)
			if c == nil || err != nil {
				return nil, err
			}
			return c.present(m.now(), s.Zone, false), nil
		}
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, &fault.Error{Kind: fault.Unavailable, Code: "coupon_pending", Retry: time.Second,
				Detail: "The coupon of this redemption is on its way; please repeat the request."}
		case <-time.After(pause):
		}
	}
}
