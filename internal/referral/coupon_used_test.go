package referral

import (
	"fmt"
	"slices"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// used are the orders with coupons that were told, "origin codes advocate friend rewards", of both sites; what was told is forgotten.
func (p *place) used() (out []string) {
	p.t.Helper()
	err := p.root.Select(&out, `
		select concat_ws(' ', payload->>'site_id', payload->>'origin_id', payload->>'codes', case when payload->>'by_advocate' = 'true' then 'advocate' end,
			case when payload->>'by_friend' = 'true' then 'friend' end, payload->>'rewards_used')
		from referral.waiting where type = 'referral.coupons_used.v1' order by id, i`)
	if err != nil {
		p.t.Fatal(err)
	}
	p.told()
	return out
}

func TestCouponsUsed_are_told_once_an_order(t *testing.T) {
	t.Parallel()
	p := setup(t)
	earned, clicked := p.list(p.one, "EARNED-1"), p.list(p.one, "CLICK-1")
	p.campaign(p.one, func(in *campaignInput) {
		in.Incentives = []incentiveInput{{Identifier: "a", ActionType: "referrer", Kind: "coupon", CouponListID: &earned}, {Identifier: "b", ActionType: "click", Kind: "coupon", CouponListID: &clicked},
			{Identifier: "c", ActionType: "referred", Kind: "coupon", CouponCode: "THANKS"}, {Identifier: "d", ActionType: "sharing", Kind: "coupon", CouponCode: "BOTH"},
			{Identifier: "e", ActionType: "click", Kind: "coupon", CouponCode: "BOTH"}}
	})
	p.campaign(p.two, nil)
	p.touchedAt(p.one, uuidOf(1), 10)
	p.bought(p.purchase(p.one, 1, 20, 1_000, uuidOf(1))) // earns EARNED-1
	p.told()
	with := func(n int64, codes ...string) customerevent.OriginRecorded {
		o := p.purchase(p.one, n, 500+n, 1_000)
		o.CouponCodes = codes
		return o
	}
	event := with(8, "THANKS")
	event.Type = customerevent.Event
	twin := p.purchase(p.two, 2, 20, 1_000)
	twin.CouponCodes = []string{"EARNED-1", "WELCOME10"}
	list := []customerevent.OriginRecorded{with(2, "earned-1", "NOBODYS"), with(3, "EARNED-1"), with(4, "click-1", "THANKS", "thanks"), with(5, "BOTH"), with(6, "NOBODYS"), with(7), event, twin,
		with(9, "THANKS", "EARNED-1")}
	for range 2 {
		p.bought(list...)
	}
	want := []string{`1 2 ["EARNED-1"] advocate 1`, `1 3 ["EARNED-1"] advocate`, `1 4 ["CLICK-1", "THANKS"] friend`, `1 5 ["BOTH"]`, `2 2 ["WELCOME10"] friend`,
		`1 9 ["THANKS", "EARNED-1"] advocate friend`}
	if got := p.used(); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
	}
}
