package referral

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

func TestRedemptions_get_a_coupon_once_and_of_a_list_of_their_site(t *testing.T) {
	t.Parallel()
	p := setup(t)
	mine, theirs := p.list(p.one, "AAA", "BBB", "CCC"), p.list(p.two, "AAA", "BBB")
	told := loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 5, PersonID: 3, CouponListID: mine}
	p.tell(told, told, loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 6, PersonID: 3})
	p.tell(told, loyaltyevent.PointsRedeemed{SiteID: 2, RedemptionID: 5, PersonID: 3, CouponListID: theirs})
	if got := p.told(); !slices.Equal(got, []string{"coupon_issued redemption:5", "coupon_issued redemption:5"}) {
		t.Errorf("told %q", got)
	}
	var id int64
	if err := p.root.Get(&id, `select id from referral.coupon where site_id = 1 and redemption_id = 5`); err != nil {
		t.Fatal(err)
	}
	if c, err := p.Coupons(t.Context(), p.one, []int64{id, 987654321}); err != nil || len(c) != 1 || c[id].Code != "AAA" || !c[id].SingleUse {
		t.Errorf("%+v %v", c, err)
	}
	if c, err := p.Coupons(t.Context(), p.two, []int64{id}); err != nil || len(c) == 1 && c[id].Code != "AAA" || len(c) > 1 {
		t.Errorf("%+v %v", c, err)
	}
	multi, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "Many", Kind: multiUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	p.stockUp(p.one, multi.ID, "MANY-TIMES")
	for n, list := range []int64{multi.ID, 987654321} { // nothing of the member is held up by it
		p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 70 + int64(n), PersonID: 3, CouponListID: list})
	}
	if _, err := p.ServeWaiting(t.Context()); err != nil {
		t.Error(err)
	}
	if n := p.count(`select count(*) from referral.coupon_wait where redemption_id in (70, 71)`); n != 2 || len(p.told()) != 0 {
		t.Errorf("%d wait for lists that give nothing", n)
	}
	p.tell(loyaltyevent.RedemptionCancelled{SiteID: 1, RedemptionID: 70, CouponListID: multi.ID}, loyaltyevent.RedemptionCancelled{SiteID: 1, RedemptionID: 71, CouponListID: 987654321})
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

// However a redemption and its cancelling, a delivery and repetitions follow each other, the redemption ends without a coupon that
// anybody may use, nobody else gets what it got, and the twin site's redemption of the same number keeps its own.
func TestRedemptions_that_are_cancelled_end_the_same_in_any_order(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]string{
		"before its coupon":                "rcd",
		"after its coupon":                 "rdc",
		"list full":                        "drc",
		"cancelled first":                  "crd",
		"cancelled first, list full":       "dcr",
		"cancelled twice":                  "rcdcr",
		"both in one batch":                "bd",
		"both in one batch, the list full": "db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			mine, theirs := p.list(p.one), p.list(p.two, "THEIRS")
			redeemed := loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 5, PersonID: 3, CouponListID: mine}
			cancelled := loyaltyevent.RedemptionCancelled{SiteID: 1, RedemptionID: 5, PersonID: 3, CouponListID: mine}
			p.tell(loyaltyevent.PointsRedeemed{SiteID: 2, RedemptionID: 5, PersonID: 3, CouponListID: theirs})
			for _, step := range steps {
				switch step {
				case 'r':
					p.tell(redeemed)
				case 'c':
					p.tell(cancelled)
				case 'b':
					p.tell(redeemed, cancelled)
				case 'd':
					p.stockUp(p.one, mine, "AAA", "BBB")
				}
			}
			p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 6, PersonID: 4, CouponListID: mine}) // the next gets one of its own
			if n := p.count(`select count(*) from referral.coupon where site_id = 1 and redemption_id = 5 and withdrawn_at is null`); n != 0 {
				t.Error("a coupon was left with a cancelled redemption")
			}
			if n := p.count(`select count(*) from referral.coupon_wait`); n != 0 {
				t.Errorf("%d wait", n)
			}
			if c, err := p.RedemptionCoupon(t.Context(), p.one, 5); err != nil || c != nil && c.Active {
				t.Errorf("the redemption's coupon is %+v, %v", c, err)
			}
			active := 0
			for _, code := range []string{"AAA", "BBB"} {
				found, err := p.Coupon(t.Context(), p.one, code)
				if err != nil || found == nil {
					t.Fatalf("%s: %v %v", code, found, err)
				}
				if slices.Equal(found.Owners, []int64{3}) && (!found.Expired || found.Coupon.Active) {
					t.Errorf("%s may still be used: %+v", code, found)
				}
				if slices.Equal(found.Owners, []int64{4}) && found.Coupon.Active && !found.Expired {
					active++
				}
			}
			if active != 1 {
				t.Errorf("%d coupons are with the next", active)
			}
			if found, err := p.Coupon(t.Context(), p.two, "THEIRS"); err != nil || found.Expired || !found.Coupon.Active {
				t.Errorf("the twin site's: %+v %v", found, err)
			}
			if wrong := p.books(); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// Redemptions are cancelled while deliveries serve them: each ends with no coupon, or with one that is withdrawn.
func TestCancelling_races_with_deliveries(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 4)
	list := p.list(p.one)
	const n = 60
	for i := int64(1); i <= n; i++ {
		p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: i, PersonID: i, CouponListID: list})
	}
	var done sync.WaitGroup
	done.Go(func() {
		for i := int64(1); i <= n; i += 2 {
			if err := other.hear(loyaltyevent.RedemptionCancelled{SiteID: 1, RedemptionID: i, CouponListID: list}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, c := range draw("R-########", n) {
		p.stockUp(p.one, list, c)
	}
	done.Wait()
	if _, err := p.ServeWaiting(t.Context()); err != nil {
		t.Error(err)
	}
	if got := p.count(`select count(*) from referral.coupon where redemption_id % 2 = 0 and withdrawn_at is null`); got != n/2 {
		t.Errorf("%d redemptions have a coupon, want %d", got, n/2)
	}
	if got := p.count(`select count(*) from referral.coupon where redemption_id % 2 = 1 and withdrawn_at is null`); got != 0 {
		t.Errorf("%d cancelled redemptions have a coupon", got)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

// A redemption that was not heard of yet is on its way, which is another answer than that it waits for its list.
func TestRedemptionCoupon_that_is_on_its_way(t *testing.T) {
	t.Parallel()
	p := setup(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	c, err := p.RedemptionCoupon(ctx, p.one, 5)
	if f, ok := fault.Of(err); c != nil || !ok || f.Kind != fault.Unavailable || f.Code != "coupon_pending" || f.Retry != time.Second {
		t.Errorf("nobody has heard of it: %+v %v", c, err)
	}
	p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 5, PersonID: 3, CouponListID: p.list(p.one)})
	if c, err := p.RedemptionCoupon(t.Context(), p.one, 5); c != nil || err != nil {
		t.Errorf("it waits: %+v %v", c, err)
	}
}
