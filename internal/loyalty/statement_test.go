package loyalty

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestStatement: periods that follow each other fit, each is what its entries add up to, and one that is over stays as it is.
func TestStatement(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements() // until March 32nd
	w.earns(7, 9, 700)
	read := func(from, to time.Time) (all []loyaltyapi.Entry, first loyaltyapi.Statement) {
		t.Helper()
		var after loyaltyapi.After
		for page := 0; ; page++ {
			s, more, err := w.Statement(t.Context(), 1, 7, from, to, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if page == 0 {
				first = s
			} else if len(s.Totals) > 0 || len(s.Expiring) > 0 || s.Opening != first.Opening || s.Closing != first.Closing || s.Count != first.Count {
				t.Errorf("page %d: %+v", page, s)
			}
			all = append(all, s.Entries...)
			if !more {
				return all, first
			}
			after.Seq = all[len(all)-1].Seq
		}
	}
	march, april, may := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	balance := int64(0)
	for _, p := range [][2]time.Time{{march.AddDate(0, -1, 0), march}, {march, april}, {april, may}, {may, may.AddDate(0, 1, 0)}} {
		all, s := read(p[0], p[1])
		if s.Opening != balance || s.Count != int64(len(all)) {
			t.Errorf("%s: opens with %d, want %d; %d entries, want %d", p[0], s.Opening, balance, len(all), s.Count)
		}
		totals := map[string]int64{}
		for _, e := range all {
			if balance += e.Points; e.Balance != balance || e.RecordedAt.Before(p[0]) || !e.RecordedAt.Before(p[1]) {
				t.Errorf("%+v, want a balance of %d", e, balance)
			}
			totals[e.Kind] += e.Points
		}
		for _, k := range s.Totals {
			if totals[k.Kind] != k.Points || k.Entries == 0 {
				t.Errorf("%s: %+v, want %d", p[0], k, totals[k.Kind])
			}
			delete(totals, k.Kind)
		}
		if s.Closing != balance || len(totals) > 0 {
			t.Errorf("%s: closes with %d, want %d; without a total: %v", p[0], s.Closing, balance, totals)
		}
	}
	if balance != w.balance(1, 7) {
		t.Errorf("%d in the end, the member has %d", balance, w.balance(1, 7))
	}
	_, before := read(march, april)
	if len(before.Expiring) == 0 {
		t.Error("nothing expires")
	}
	w.earns(7, 10, 100)
	if _, again := read(march, april); again.Closing != before.Closing || again.Count != before.Count {
		t.Errorf("%+v, before %+v", again, before)
	}
	if _, _, err := w.Statement(t.Context(), 2, 8, march, april, loyaltyapi.After{}, 5); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stranger: %v", err)
	}
}
