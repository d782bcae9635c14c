package gateway

import (
	"testing"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func TestSpendable(t *testing.T) {
	for _, c := range []struct {
		list         referralapi.CouponList
		amount, says string
	}{
		{referralapi.CouponList{BasisPoints: 1050}, "10.5", "10.5%"},
		{referralapi.CouponList{BasisPoints: 1000}, "10", "10%"},
		{referralapi.CouponList{Amount: 500, Currency: "CHF"}, "5.00", "CHF 5"},
		{referralapi.CouponList{Amount: 550, Currency: "USD"}, "5.50", "$5.50"},
	} {
		if got := spendable(c.list, site.Site{}); string(got.Amount) != c.amount || got.LocalizedAmount != c.says {
			t.Errorf("got %s and %s, want %s and %s", got.Amount, got.LocalizedAmount, c.amount, c.says)
		}
	}
}
