package loyalty

import (
	"context"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

// days moves the clock.
func (w *world) days(n int) { w.clock.Move(time.Duration(n) * 24 * time.Hour) }

func (w *world) expireAll() int {
	w.t.Helper()
	n, err := w.ExpireDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestGrace: what comes back to a lot that has lapsed is good for the stated days, and every change of its date is kept.
func TestGrace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace, wait int // days; the lot lives for 30
		want        int64
		kept        int
	}{
		"in time":                      {7, 10, 100, 0},
		"lapsed, within the grace":     {7, 40, 100, 1},
		"lapsed, and no grace":         {0, 40, 0, 0},
		"lapsed this moment":           {7, 30, 100, 1},
		"lapsed long ago, short grace": {1, 4000, 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			s := club()
			s.ExpiresAfterDays, s.RestoreGraceDays = days(30), c.grace
			for _, site := range []int64{1, 2} {
				batch := w.offer(site, w.start(site, s).ID, 100, 0)
				hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1000))
				if _, err := w.Redeem(t.Context(), site, 7, batch, "api", noKey); err != nil {
					t.Fatal(err)
				}
			}
			w.days(c.wait)
			var id int64
			if err := w.admin.Get(&id, `select id from loyalty.redemption where site_id = 1`); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if a, err := w.Cancel(t.Context(), 1, id, "Sorry", noKey); err != nil || a.Redemption.Status != cancelled {
					t.Fatalf("%+v, %v", a, err)
				}
			}
			if got := w.balance(1, 7); got != c.want || w.balance(2, 7) != 0 {
				t.Errorf("balance %d, want %d; the twin's %d", got, c.want, w.balance(2, 7))
			}
			var kept int
			if err := w.admin.Get(&kept, `select count(*) from loyalty.lot_date where site_id = 1 and cause = 'restored'`); err != nil || kept != c.kept {
				t.Errorf("%d changes of dates are kept, want %d; %v", kept, c.kept, err)
			}
			if c.kept > 0 {
				w.days(c.grace)
				if w.expireAll() != 1 || w.balance(1, 7) != 0 {
					t.Errorf("%d points outlive the grace", w.balance(1, 7))
				}
			}
		})
	}
}

func TestPreviewRefund(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	for _, site := range []int64{1, 2} {
		batch := w.offer(site, w.start(site, s).ID, 1200, 0)
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 10_000), w.bought(site, 7, 2, 5_000))
		if _, err := w.Redeem(t.Context(), site, 7, batch, "api", noKey); err != nil { // all of the first order's points, 200 of the second's
			t.Fatal(err)
		}
	}
	before := w.dump()
	for _, c := range []struct {
		origin, part, whole int64
		want                [6]int64 // due, own, forgiven, others, debt, balance after
	}{
		{1, 1_000, 10_000, [6]int64{100, 0, 0, 100, 0, 200}},
		{1, 10_000, 10_000, [6]int64{1000, 0, 0, 300, 700, -700}},
		{2, 5_000, 5_000, [6]int64{500, 300, 0, 0, 200, -200}},
		{2, 0, 5_000, [6]int64{0, 0, 0, 0, 0, 300}},
	} {
		p, err := w.PreviewRefund(t.Context(), 1, c.origin, c.part, c.whole)
		if got := [6]int64{p.Due, p.FromOrder, p.Forgiven, p.FromOthers, p.Debt, p.BalanceAfter}; err != nil || got != c.want || p.Balance != 300 {
			t.Errorf("%+v: %+v, %v", c, p, err)
		}
	}
	if p, err := w.PreviewRefund(t.Context(), 1, 1, 10_000, 10_000); err != nil || *p.Tier != "Silver" || p.TierAfter != nil {
		t.Errorf("tiers %+v, %v", p, err)
	}
	if w.dump() != before {
		t.Error("looking changed something")
	}
	for _, c := range [][2]int64{{1, 99}, {3, 1}} {
		if _, err := w.PreviewRefund(t.Context(), c[0], c[1], 1, 1); !fault.Is(err, fault.NotFound) {
			t.Errorf("order %d of site %d: %v", c[1], c[0], err)
		}
	}
	w.days(40) // what expires meanwhile is forgiven
	w.expireAll()
	p, err := w.PreviewRefund(context.WithoutCancel(t.Context()), 1, 2, 5_000, 5_000)
	if err != nil || p.Due != 500 || p.Forgiven != 300 || p.Debt != 200 {
		t.Errorf("after expiry: %+v, %v", p, err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 5_000, 5_000))
	if got := w.balance(1, 7); got != p.BalanceAfter {
		t.Errorf("balance %d, foretold %d", got, p.BalanceAfter)
	}
}
