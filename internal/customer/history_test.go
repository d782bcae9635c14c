package customer

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// TestPastOrders: what a site's people did comes in the order of recording, with lines and refunds, and nothing of another site.
func TestPastOrders(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	first := purchase("1", "a@example.com", 5000)
	first.Items = []customerapi.Item{{ProductID: "chair", Category: "seats", Price: 2500, Quantity: 2}, {ProductID: "off", Price: -1, Quantity: 1}}
	first.CouponCodes = []string{"TEN"}
	b.must(first)
	b.must(customerapi.Origin{Type: customerevent.Event, Category: "review", Number: "1", Verified: true, Person: customerapi.Identity{Email: "b@example.com"}})
	unverified, nobody, signup := purchase("2", "a@example.com", 1), customerapi.Origin{Type: customerevent.Event, Category: "x", Number: "1", Verified: true}, customerapi.Origin{Type: customerevent.AffiliateMember, Verified: true,
		Person: customerapi.Identity{Email: "c@example.com"}}
	unverified.Verified = false
	b.must(unverified)
	b.must(nobody)
	b.must(signup)
	yes := true
	known := customerapi.Identity{Email: "d@example.com", ExistingCustomer: &yes}
	if _, err := b.SavePeople(t.Context(), b.a, []customerapi.Identity{known}, nil); err != nil {
		t.Fatal(err)
	}
	last := purchase("4", "d@example.com", 70)
	last.OccurredAt = noon.Add(-time.Hour)
	b.must(last)
	for _, amount := range []int64{1000, 500} {
		if _, err := b.Refund(t.Context(), b.a, "1", Refund{Amount: &amount}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Record(t.Context(), b.b, purchase("1", "a@example.com", 9)); err != nil {
		t.Fatal(err)
	}

	read := func(siteID int64, until time.Time) (orders []customerevent.OriginRecorded, refunds []customerevent.OriginRefunded) {
		t.Helper()
		if err := b.PastOrders(t.Context(), siteID, until, func(e customerevent.OriginRecorded) { orders = append(orders, e) }); err != nil {
			t.Fatal(err)
		}
		if err := b.PastRefunds(t.Context(), siteID, until, func(e customerevent.OriginRefunded) { refunds = append(refunds, e) }); err != nil {
			t.Fatal(err)
		}
		return orders, refunds
	}
	orders, refunds := read(1, noon.Add(time.Hour))
	if len(orders) != 3 || orders[0].Number != "1" || len(orders[0].Items) != 2 || orders[0].Items[0].Category != "seats" || orders[0].Items[1].Price != -1 ||
		orders[0].CouponCodes[0] != "TEN" || !orders[0].FirstPurchase || orders[1].Category != "review" || orders[2].Subtotal != 70 || orders[2].FirstPurchase {
		t.Errorf("orders %+v", orders)
	}
	if len(refunds) != 2 || refunds[0].Refunded != 1000 || refunds[1].Refunded != 500 || refunds[0].OriginID != orders[0].OriginID || refunds[0].PersonID != orders[0].PersonID {
		t.Errorf("refunds %+v", refunds)
	}
	if orders, refunds := read(1, noon); len(orders) != 1 || orders[0].Number != "4" || len(refunds) != 0 {
		t.Errorf("before noon: %+v, %+v", orders, refunds)
	}
	if orders, refunds := read(2, noon.Add(time.Hour)); len(orders) != 1 || orders[0].Subtotal != 9 || len(refunds) != 0 {
		t.Errorf("of the twin: %+v, %+v", orders, refunds)
	}
}

// TestPastOrders_pages: more than a page is read to its end.
func TestPastOrders_pages(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for _, number := range []string{"1", "2", "3", "4", "5"} {
		b.must(purchase(number, "a@example.com", 100))
	}
	var seen int
	for after := int64(0); ; {
		rows, err := pastOrders(t.Context(), b.db, 1, after, noon.Add(time.Hour), 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		seen, after = seen+len(rows), rows[len(rows)-1].ID
	}
	if seen != 5 {
		t.Errorf("%d of 5 orders", seen)
	}
	for most, want := range map[int64]int64{3: 3, 9: 5} {
		if n, err := b.CountPast(t.Context(), 1, noon.Add(time.Hour), most); err != nil || n != want {
			t.Errorf("counted %d of up to %d, %v", n, most, err)
		}
	}
}
