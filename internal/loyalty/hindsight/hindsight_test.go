package hindsight

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"never": "never", " historic ": "historic", "when 500": "when 500", "when  7 ": "when 7", "when": "", "when 0": "", "when -3": "",
		"never 3": "", "": "", "when 1000000000001": ""} {
		got, err := ParseRedeem(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q is %v, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]Worth{"100=1.00": {100, 100}, "1 = 0.01": {1, 1}, "3=0": {3, 0}, "100": {}, "0=1": {}, "1=-1": {}, "1=0.001": {}, "x=1": {}} {
		got, err := ParseWorth(text, "USD")
		if (err == nil) != (want != Worth{}) || err == nil && got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestWorth_rounds_to_the_nearest(t *testing.T) {
	t.Parallel()
	for points, want := range map[int64]int64{0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 6: 2, -1: 0, -2: -1, -6: -2, 1_000_000_000_000: 333_333_333_333} {
		if got := (Worth{3, 1}).Of(points); got != want {
			t.Errorf("%d points are %d, want %d", points, got, want)
		}
	}
	for points, want := range map[int64]int64{math.MaxInt64: math.MaxInt64, -math.MaxInt64: -math.MaxInt64} {
		if got := (Worth{1, 100}).Of(points); got != want {
			t.Errorf("%d points are %d, want %d", points, got, want)
		}
	}
}

// TestKeep: whatever order a history is read in, it is the same; first purchases are the first that were heard of, also where they are cut off.
func TestKeep(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }
	h := History{}
	order := func(who, id int64, n int, first bool) {
		h.Take(customerevent.OriginRecorded{PersonID: who, OriginID: id, Type: customerevent.Purchase, OccurredAt: day(n), Subtotal: 10, FirstPurchase: first, Verified: true})
	}
	order(2, 1, 5, true)
	order(2, 2, 4, true) // told later, of an earlier day
	order(1, 3, 1, true) // before the first day
	order(1, 4, 6, true)
	order(3, 5, 6, false) // of who had bought before
	order(4, 6, 9, true)  // after the last day
	h.Take(customerevent.OriginRecorded{PersonID: 2, OriginID: 7, Type: customerevent.Purchase, OccurredAt: day(5)})
	h.TakeRefund(customerevent.OriginRefunded{PersonID: 2, OriginID: 2, RefundID: 9, RefundedAt: day(7), Refunded: 3})
	h.TakeRefund(customerevent.OriginRefunded{PersonID: 2, OriginID: 2, RefundID: 8, RefundedAt: day(6), Refunded: 2})
	h.TakeRefund(customerevent.OriginRefunded{PersonID: 2, OriginID: 2, RefundID: 10, RefundedAt: day(9), Refunded: 1})
	h.TakeRefund(customerevent.OriginRefunded{PersonID: 5, OriginID: 2})
	h.TakeRedemption(6, Redemption{ID: 1, At: day(5), Points: 3})
	h.Keep(day(3), day(8))
	var got []string
	for _, p := range h.People {
		for _, o := range p.Orders {
			got = append(got, strings.Join(numbers(p.ID, o.ID, p.Before, int64(len(o.Refunds))), " ")+map[bool]string{true: " first"}[o.First])
		}
	}
	want := "1 4 1 0,2 1 0 0 first,2 2 0 2,3 5 0 0"
	if strings.Join(got, ",") != want || len(h.People) != 4 || h.People[1].Orders[1].Refunds[0].ID != 8 {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestReport: sums, shares and who wins, and pages that escape what merchants write.
func TestReport(t *testing.T) {
	t.Parallel()
	from, until := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	h := &History{Source: "=orders.csv"}
	for who := range int64(4) {
		h.Take(customerevent.OriginRecorded{PersonID: who + 1, OriginID: who + 1, Type: customerevent.Purchase, OccurredAt: from, Subtotal: 5000, Currency: "USD", Verified: true})
	}
	h.Of(1).Name = "=SUM(A1)"
	h.Keep(from, until)
	one, other := NewTally(from, until, time.UTC, 1), NewTally(from, until, time.UTC, 2)
	one.Join(from)
	one.Add(from, Moved{Joined: 1, Issued: 100}, Held{Outstanding: 100})
	one.Add(from.AddDate(0, 1, 0), Moved{Redeemed: 40, Expired: 20, ClawedBack: 20}, Held{Outstanding: -80})
	one.Move(from, 0, 1)
	more := NewTally(from, until, time.UTC, 1)
	more.Join(until)
	more.Add(until, Moved{Joined: 1, Issued: 10}, Held{Pending: 10})
	one.Merge(more)
	r := NewReport(Played{Site: "shop", Zone: "UTC", Currency: "USD", From: from, Until: until, Terms: Terms{Redeem: Redeem{Kind: Historic}, Worth: Worth{100, 250}}, History: h,
		Assumptions: []string{"<b>none</b>"}, Programmes: []PlayedProgramme{
			{Label: "a", Name: "<script>", Tiers: []string{"Gold"}, Tally: one, Stands: []Stand{{Member: true, Tier: 1, Balance: 20, Redeemed: 40, Expired: 20}, {Pending: 10}, {}, {Balance: 5}}},
			{Label: "b", Name: "B", Tiers: []string{"Gold", "Top"}, Tally: other, Stands: []Stand{{Member: true, Tier: 2, Balance: 60}, {Pending: 1010}, {}, {Balance: -1}}},
		}})
	p := r.Programmes[0]
	if len(p.Months) != 3 || p.Months[0].Outstanding != 100 || p.Months[1].Outstanding != 20 || p.Months[1].Cost != 100 || p.Months[2].Liability != 75 || p.Months[2].Members != 2 ||
		p.Months[0].Tiers[1] != 1 || p.Months[2].Tiers[0] != 1 {
		t.Errorf("months %+v", p.Months)
	}
	if got := p.Totals; got.Cost != 100 || got.Spent != 4444 || got.Breakage != 2222 || got.OfSales != 50 || got.Liability != 75 || got.Members != 2 {
		t.Errorf("totals %+v", got)
	}
	c := r.Change
	if c.Winners != (Group{1, 1000, 2500}) || c.Losers != (Group{1, -6, -15}) || c.Same != 2 || len(c.Tiers) != 2 || c.Tiers[1] != (Cell{"Gold", "Top", 1}) ||
		len(c.Most) != 1 || c.Most[0].Person != 2 || len(c.Least) != 1 || c.Least[0].Person != 4 {
		t.Errorf("change %+v", c)
	}
	var people int64
	for _, b := range c.Spread {
		people += b.People
	}
	if people != 4 {
		t.Errorf("%d people in buckets", people)
	}
	var page, lines, months strings.Builder
	if err := r.HTML(&page); err != nil || strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "<b>none") || !strings.Contains(page.String(), "&lt;script&gt;") {
		t.Errorf("the page does not escape: %v", err)
	}
	if err := r.PeopleCSV(&lines); err != nil || !strings.Contains(lines.String(), "1,'=SUM(A1),true,0,40,20,20,0,Gold,true,0,0,0,60,0,Top,0\n") {
		t.Errorf("%v: %s", err, lines.String())
	}
	if err := r.MonthsCSV(&months); err != nil || strings.Count(months.String(), "\n") != 7 {
		t.Errorf("%v: %s", err, months.String())
	}
}

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64][2]string{0: {"0", "0"}, 999: {"999", "999"}, 1500: {"1.5k", "1,500"}, -20_000_000: {"−20M", "−20,000,000"}, 1_000: {"1k", "1,000"}} {
		if short(n) != want[0] || group(n) != want[1] {
			t.Errorf("%d is %s, %s; want %v", n, short(n), group(n), want)
		}
	}
}
