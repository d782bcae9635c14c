package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// redeemed hears of points that were spent: on a gift card, or on a coupon. A list that isn't there, or hands out nothing, is no reason to park all that
// follows of the member: the redemption waits, as for an empty list, until the list gives coupons or the merchant cancels it.
func (m *Module) redeemed(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.PointsRedeemed]) error {
	byID := map[key]claim{}
	var sites, ids, lists []int64
	if err := m.withRedemptions(ctx, u, batch); err != nil {
		return err
	}
	for _, e := range batch {
		k := key{e.Body.SiteID, e.Body.RedemptionID}
		if _, again := byID[k]; again || e.Body.CouponListID == 0 {
			continue
		}
		byID[k] = claim{site: k.site, list: e.Body.CouponListID, redemption: k.id, person: e.Body.PersonID, template: e.Body.CouponTemplate}
		sites, ids, lists = append(sites, k.site), append(ids, k.id), append(lists, e.Body.CouponListID)
	}
	if len(byID) == 0 {
		return nil
	}
	known, err := redemptionsKnown(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	giving, err := openLists(ctx, u, u.Now, sites, lists)
	if err != nil {
		return err
	}
	var claims, toMake []claim
	for i := range ids {
		c := byID[key{sites[i], ids[i]}]
		if known[key{c.site, c.redemption}] {
			continue
		}
		open, single := giving[key{c.site, c.list}]
		if c.template != "" && open {
			toMake = append(toMake, c)
			continue
		}
		if !single {
			m.log.Error().Int64("site.id", c.site).Int64("redemption.id", c.redemption).Int64("coupon_list.id", c.list).
				Msg("a redemption waits for a coupon of a list that is no single-use list of the site")
		}
		claims = append(claims, c)
	}
	made, err := m.mint(ctx, u, toMake)
	if err != nil {
		return err
	}
	return m.handOut(ctx, u, claims, made...)
}

// redemptionCancelled hears that redemptions' points were given back: who waits leaves the queue, and a coupon that was handed out
// is withdrawn. What is noted keeps a redemption that is heard of later from getting one. Whoever serves the queue meanwhile has
// locked its place there: its coupon is seen below.
func (m *Module) redemptionCancelled(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.RedemptionCancelled]) error {
	var sites, ids []int64
	for _, e := range batch {
		if e.Body.CouponListID != 0 || e.Body.Kind == giftCardKind {
			sites, ids = append(sites, e.Body.SiteID), append(ids, e.Body.RedemptionID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := noteCancelled(ctx, u.Tx, u.Now, sites, ids); err != nil {
		return err
	}
	waits, err := lockWaitingRedemptions(ctx, u.Tx, sites, ids)
	if err != nil {
		return err
	}
	if err := deleteWaits(ctx, u.Tx, waits); err != nil {
		return err
	}
	return withdrawCoupons(ctx, u.Tx, u.Now, sites, ids)
}
