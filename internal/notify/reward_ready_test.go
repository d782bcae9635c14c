package notify

import (
	"context"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// Who waited for a reward is written to once, with the code; a gift card comes by itself.
func TestRewardReady_one_mail_for_each_redemption(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "Demo Shop")
	b.site(2, "Twin")
	b.person(1, 7, "ann@shop.example", "Ann")
	b.person(2, 7, "twin@shop.example", "")
	ready := func(site, id int64, kind string) loyaltyevent.RedemptionFulfilled {
		return loyaltyevent.RedemptionFulfilled{SiteID: site, RedemptionID: id, PersonID: 7, Kind: kind, Description: "$5 off", CouponCode: "FIVE-1", FulfilledAt: start}
	}
	hear := func(all ...loyaltyevent.RedemptionFulfilled) {
		b.do(func(ctx context.Context, u *bus.Unit) error { return b.onRewardReady(ctx, u, events(all...)) })
	}
	hear(ready(1, 71, "coupon"), ready(1, 71, "coupon"), ready(2, 71, "product"), ready(1, 72, "gift_card"))
	hear(ready(1, 71, "coupon"))
	b.round()
	b.round()
	b.want(1, "sent - 1")
	b.want(2, "sent - 1")
	for _, m := range b.arrived() {
		if text := string(m.Data); !strings.Contains(text, "$5 off") || !strings.Contains(text, "FIVE-1") || strings.Contains(text, "nsubscribe") {
			t.Errorf("written: %s", text)
		}
	}
}
