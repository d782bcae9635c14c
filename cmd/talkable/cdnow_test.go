package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// wholeCDNOW takes all of CDNOW through the months, 69,659 orders, instead of the sample of 6,919: go test ./cmd/talkable -run TestMonthsOfCDNOW -cdnow.whole
var wholeCDNOW = flag.Bool("cdnow.whole", false, "TestMonthsOfCDNOW takes the whole file, not the sample")

// monthEnd is what the independent calculation says of the end of a month.
type monthEnd struct {
	until  time.Time        // the first moment of the next
	orders []order          // of the month
	points map[string]int64 // by customer: a point for each whole dollar of an order
	owed   int64            // all of them
	tiers  map[string]string
}

// reckon goes through the days of a history by the demo programme's rules: 1 point for a dollar, Silver at 1,000 points, Gold at 5,000, nothing expires.
// It shares no code with the platform.
func reckon(orders []order) (ends []monthEnd) {
	byDay := map[string][]order{}
	first, last := orders[0].noon, orders[0].noon
	for _, o := range orders {
		byDay[o.noon.Format(time.DateOnly)] = append(byDay[o.noon.Format(time.DateOnly)], o)
		if o.noon.Before(first) {
			first = o.noon
		}
		if o.noon.After(last) {
			last = o.noon
		}
	}
	points, month, owed := map[string]int64{}, []order{}, int64(0)
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		for _, o := range byDay[day.Format(time.DateOnly)] {
			dollars := (o.cents - o.cents%100) / 100
			points[o.customer] += dollars
			owed += dollars
			month = append(month, o)
		}
		if tomorrow := day.AddDate(0, 0, 1); tomorrow.Day() != 1 && !tomorrow.After(last) {
			continue
		}
		end := monthEnd{until: time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC), orders: month, owed: owed, points: map[string]int64{}, tiers: map[string]string{}}
		for who, n := range points {
			end.points[who] = n
			if n >= 5000 {
				end.tiers[who] = "Gold"
			} else if n >= 1000 {
				end.tiers[who] = "Silver"
			}
		}
		ends, month = append(ends, end), nil
	}
	return ends
}

// TestMonthsOfCDNOW lives through eighteen months of a real shop on a test platform: its clock goes from month's end to month's end, the shop tells what was bought,
// and each time every member's balance and tier, and what the shop owes in points, are what was reckoned apart.
func TestMonthsOfCDNOW(t *testing.T) {
	t.Parallel()
	path, people, count := filepath.Join(filepath.Dir(cdnowFile), "cdnow_sample.txt"), 2357, 6919
	if *wholeCDNOW {
		path, people, count = cdnowFile, 23570, 69659
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Logf("NOT TESTED: %s is not there", path)
		return
	}
	orders := readOrders(t, path)
	ends := reckon(orders)
	if last := ends[len(ends)-1]; len(orders) != count || len(last.points) != people || len(ends) != 18 {
		t.Fatalf("%s is another file: %d orders of %d people in %d months", path, len(orders), len(last.points), len(ends))
	}
	s := newStageAt(t, time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), onTestClock)
	for i, end := range ends {
		if got := s.shop.moves(t, "", object{"to": end.until.Format(time.RFC3339)}); got.Advance.State != "done" || !s.shop.now(t).Equal(end.until) {
			t.Fatalf("to %v: %+v", end.until, got.Advance)
		}
		s.sells(i, end.orders)
		settled(t, nil, s.db)
		s.compare(end)
	}
	for _, end := range ends { // and the ledger says the same of each of these moments, long after
		var owed int64
		if err := s.db.Get(&owed, `select coalesce(sum(e.amount), 0) from loyalty.entry e join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
			join loyalty.txn x on x.site_id = e.site_id and x.id = e.txn_id where a.owner_id is not null and x.recorded_at <= $1`, end.until); err != nil || owed != end.owed {
			t.Errorf("owed as of %v: %d (%v), want %d", end.until, owed, err, end.owed)
		}
	}
}

// sells tells the orders of a month as a shop does that sends them at its end, five hundred at a time.
func (s *stage) sells(month int, orders []order) {
	for part, chunk := range slices.Collect(slices.Chunk(orders, 500)) {
		rows := []object{}
		for i, o := range chunk {
			rows = append(rows, object{"customer_id": o.customer, "order_number": fmt.Sprintf("%d-%d-%d", month, part, i), "subtotal": fmt.Sprintf("%d.%02d", o.cents/100, o.cents%100),
				"created_at": o.noon.Format(time.RFC3339)})
		}
		s.shop.must("POST", "/api/v2/origins/batch/purchases", object{"data": rows}, nil)
	}
}

// compare holds the members against what was reckoned of a month's end.
func (s *stage) compare(end monthEnd) {
	s.t.Helper()
	var members []struct {
		Customer string `db:"customer_id"`
		Balance  int64  `db:"balance"`
		Tier     string `db:"tier"`
	}
	if err := s.db.Select(&members, `select p.customer_id, a.balance, m.tier from loyalty.member m
		join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id join customer.person p on p.site_id = m.site_id and p.id = m.person_id`); err != nil {
		s.t.Fatal(err)
	}
	wrong, owed := 0, int64(0)
	for _, m := range members {
		owed += m.Balance
		if m.Balance != end.points[m.Customer] || m.Tier != end.tiers[m.Customer] {
			if wrong++; wrong <= 3 {
				s.t.Errorf("%s: customer %s has %d points and tier %q, want %d and %q", end.until.Format(time.DateOnly), m.Customer, m.Balance, m.Tier, end.points[m.Customer], end.tiers[m.Customer])
			}
		}
	}
	if len(members) != len(end.points) || wrong > 0 || owed != end.owed {
		s.t.Errorf("%s: %d members, of whom %d are wrong, are owed %d points; want %d and %d", end.until.Format(time.DateOnly), len(members), wrong, owed, len(end.points), end.owed)
	}
}
