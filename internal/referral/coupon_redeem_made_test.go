package referral

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// A generated coupon is made for its redemption, worth what its list says, and leaves the list's books in order.
func TestRedemptions_have_coupons_made(t *testing.T) {
	t.Parallel()
	p := setup(t)
	mine, theirs := p.list(p.one, "AAA"), p.list(p.two)
	made := func(site, id, list int64) loyaltyevent.PointsRedeemed {
		return loyaltyevent.PointsRedeemed{SiteID: site, RedemptionID: id, PersonID: 3, CouponListID: list, Kind: "generated_coupon", CouponTemplate: "POINTS-########"}
	}
	p.tell(made(1, 5, mine), made(1, 6, mine), made(1, 5, mine), loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 7, PersonID: 3, CouponListID: mine})
	p.tell(made(1, 5, mine), made(2, 5, theirs))
	if got := p.told(); !slices.Equal(got, []string{"coupon_issued redemption:5", "coupon_issued redemption:6", "coupon_issued redemption:7", "coupon_issued redemption:5"}) {
		t.Errorf("told %q", got)
	}
	form := regexp.MustCompile(`^POINTS-[A-Z0-9]{8}$`)
	for site, ids := range map[int64][]int64{1: {5, 6}, 2: {5}} {
		for _, id := range ids {
			s := p.one
			if site == 2 {
				s = p.two
			}
			c, err := p.RedemptionCoupon(t.Context(), s, id)
			if err != nil || c == nil || !form.MatchString(c.Code) || !c.SingleUse {
				t.Errorf("site %d, redemption %d: %+v, %v", site, id, c, err)
			}
		}
	}
	if n := p.count(`select count(*) from referral.coupon where redemption_id = 7 and code = 'AAA'`); n != 1 {
		t.Error("who asks for one of the list has another")
	}
	if _, err := p.root.Exec(`update referral.coupon_list set expires_at = now() - interval '9 years' where site_id = 1`); err != nil {
		t.Fatal(err)
	}
	p.tell(made(1, 8, mine))
	if n := p.count(`select count(*) from referral.coupon_wait where redemption_id = 8`); n != 1 {
		t.Error("a list that is over gives coupons")
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

// What is taken back is nobody's; what was used stays; and what is heard of afterwards gets nothing.
func TestTakeBack_of_coupons(t *testing.T) {
	t.Parallel()
	p := setup(t)
	mine, theirs := p.list(p.one, "AAA", "BBB"), p.list(p.two, "AAA", "BBB")
	for id := int64(5); id < 9; id++ {
		p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: id, PersonID: 3, CouponListID: mine})
		p.tell(loyaltyevent.PointsRedeemed{SiteID: 2, RedemptionID: id, PersonID: 3, CouponListID: theirs})
	}
	if _, err := p.root.Exec(`update referral.coupon set usages = 1 where redemption_id = 6`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for id, want := range map[int64]bool{5: false, 6: true, 7: false, 99: false} {
			if gone, err := p.TakeBack(t.Context(), 1, id); err != nil || gone != want {
				t.Errorf("redemption %d: gone %v, %v", id, gone, err)
			}
		}
	}
	p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 99, PersonID: 3, CouponListID: mine})
	p.stockUp(p.one, mine, "CCC", "DDD", "EEE")
	got := p.texts(`select c.redemption_id || ' ' || (c.withdrawn_at is not null) from referral.coupon c where c.site_id = 1 and c.redemption_id is not null order by 1`)
	same(t, "coupons", got, []string{"5 true", "6 false", "8 false"})
	if n := p.count(`select count(*) from referral.coupon where site_id = 2 and withdrawn_at is not null`) + p.count(`select count(*) from referral.redemption_cancelled where site_id = 2`); n != 0 {
		t.Error("the twin's are taken back")
	}
}

// Points that were spent on a gift card order one, unless they are taken back before: of both at once exactly one happens.
func TestTakeBack_of_gift_cards(t *testing.T) {
	t.Parallel()
	p := setup(t)
	shop := p.sellCards()
	for site := int64(1); site <= 2; site++ {
		p.known[key{site, 10}] = customerapi.Person{ID: 10, Email: "ann@shop.example", FirstName: "Ann"}
	}
	card := func(site, id int64) loyaltyevent.PointsRedeemed {
		return loyaltyevent.PointsRedeemed{SiteID: site, RedemptionID: id, PersonID: 10, Kind: giftCardKind, Amount: 500, Currency: "USD"}
	}
	p.tell(card(1, 5), card(1, 5))
	p.tell(card(1, 5))
	p.told()
	p.send(1)
	if got := p.told(); !slices.Equal(got, []string{"gift_card_sent redemption:5"}) || !strings.Contains(shop.bodies[0], `"external_id":"talkable-1-redemption-5"`) {
		t.Errorf("told %q, ordered %s", got, shop.bodies)
	}
	if gone, err := p.TakeBack(t.Context(), 1, 5); err != nil || !gone {
		t.Errorf("one that was sent: gone %v, %v", gone, err)
	}
	if code, _, body := p.call(p.one, "POST", "/api/v2/gift_cards/redemptions/5/retry", "{}", ""); code != 409 {
		t.Errorf("one that was sent is tried again: %d %v", code, body)
	}
	if code, _, body := p.call(p.two, "POST", "/api/v2/gift_cards/redemptions/5/retry", "{}", ""); code != 404 {
		t.Errorf("the twin's: %d %v", code, body)
	}
	if gone, err := p.TakeBack(t.Context(), 1, 6); err != nil || gone {
		t.Errorf("one that nobody has heard of: gone %v, %v", gone, err)
	}
	p.tell(card(1, 6), card(2, 6))
	same(t, "cards", p.texts(`select site_id || ' ' || redemption_id || ' ' || status from referral.giftcard order by 1`), []string{"1 5 sent", "2 6 queued"})
	p.send(1)

	shop.next = append(shop.next, says(400, "Campaign is unknown"))
	p.tell(card(1, 7))
	p.send(1)
	if gone, err := p.TakeBack(t.Context(), 1, 7); err != nil || gone {
		t.Errorf("one that failed: gone %v, %v", gone, err)
	}
	for id := int64(100); id < 110; id++ {
		p.tell(card(1, id))
		var wg sync.WaitGroup
		var gone bool
		wg.Go(func() {
			if _, err := p.SendGiftCards(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			var err error
			if gone, err = p.TakeBack(context.WithoutCancel(t.Context()), 1, id); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		p.clock.Move(time.Minute)
		if _, err := p.SendGiftCards(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.count(`select count(*) from referral.giftcard where redemption_id = $1 and status = 'sent'`, id); (n == 1) != gone {
			t.Errorf("redemption %d: %d sent, gone %v", id, n, gone)
		}
	}
}

// texts is what a query answers, a text a row.
func (p *place) texts(query string) (out []string) {
	p.t.Helper()
	if err := p.root.Select(&out, query); err != nil {
		p.t.Fatal(err)
	}
	return out
}
