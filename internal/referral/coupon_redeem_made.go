package referral

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const (
	giftCardKind = "gift_card" // of a redemption, as module loyalty calls it

	mintTries = 5 // draws of a code, each two characters longer than the one before
)

// errStays ends the transaction that wanted to take something back which can't be.
var errStays = errors.New("what the redemption got stays")

// mint makes a coupon for each claim, in the list that says what it is worth, and says which claim it is for. Its code is drawn by the
// claim's template; where another coupon has it, a longer one is drawn.
func (m *Module) mint(ctx context.Context, u *bus.Unit, claims []claim) ([]handed, error) {
	var out []handed
	for try := 0; len(claims) > 0; try++ {
		if try == mintTries {
			return nil, errRaced
		}
		drawn := map[use]claim{}
		for _, c := range claims {
			drawn[use{c.site, draw(c.template+strings.Repeat("#", 2*try), 1)[0]}] = c
		}
		made, err := insertMade(ctx, u.Tx, u.Now, drawn)
		if err != nil {
			return nil, err
		}
		done := map[key]bool{}
		for _, t := range made {
			c := drawn[use{t.SiteID, t.Code}]
			done[key{c.site, c.redemption}] = true
			out = append(out, handed{claim: c, coupon: t, made: true})
		}
		claims = slices.DeleteFunc(claims, func(c claim) bool { return done[key{c.site, c.redemption}] })
	}
	slices.SortFunc(out, func(a, b handed) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.redemption, b.redemption))
	})
	return out, nil
}

// withRedemptions keeps those who would take redemptions back out until the transaction ends, and queues an order for each gift card among
// them, unless it was heard of before, or is cancelled already.
func (m *Module) withRedemptions(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.PointsRedeemed]) error {
	var cards []loyaltyevent.PointsRedeemed
	var sites, ids []int64
	for _, e := range batch {
		card := e.Body.Kind == giftCardKind && e.Body.Amount > 0
		if card {
			cards = append(cards, e.Body)
		}
		if card || e.Body.CouponListID != 0 {
			sites, ids = append(sites, e.Body.SiteID), append(ids, e.Body.RedemptionID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := aloneWithRedemptions(ctx, u, sites, ids); err != nil || len(cards) == 0 {
		return err
	}
	return queueRedeemedCards(ctx, u.Tx, u.Now, cards)
}

// TakeBack takes back what a redemption got, before its points are given back: gone says that it can't be had back, because the coupon was
// used, or the gift card is on its way. Either that, or nobody gets or uses it from now on; to ask again changes nothing.
func (m *Module) TakeBack(ctx context.Context, siteID, redemptionID int64) (gone bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		sites, ids := []int64{siteID}, []int64{redemptionID}
		if err := aloneWithRedemptions(ctx, u, sites, ids); err != nil {
			return err
		}
		if err := noteCancelled(ctx, u.Tx, u.Now, sites, ids); err != nil { // what is heard of later gets nothing
			return err
		}
		waits, err := lockWaitingRedemptions(ctx, u.Tx, sites, ids)
		if err != nil {
			return err
		}
		if gone, err = lockGone(ctx, u.Tx, siteID, redemptionID); err != nil {
			return err
		}
		if gone {
			return errStays
		}
		if err := deleteWaits(ctx, u.Tx, waits); err != nil {
			return err
		}
		return takeBack(ctx, u.Tx, u.Now, siteID, redemptionID)
	})
	if errors.Is(err, errStays) {
		return true, nil
	}
	return false, err
}
