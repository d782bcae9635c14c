package loyalty

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// waitingClub is a club whose points of purchases are pending for three days.
func waitingClub() settings {
	s := club()
	s.ExpiresAfterDays, s.PendingRule, s.PendingDays = days(30), untilDays, 3
	return s
}

// has says what a person has, and has pending.
func (w *world) has(site, person int64) string {
	w.t.Helper()
	m, err := w.Member(w.t.Context(), site, person)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%d, %d pending, %d earned, tier %q", m.Balance, m.Pending, m.Earned, m.Tier)
}

func (w *world) expect(site, person int64, want string) {
	w.t.Helper()
	if got := w.has(site, person); got != want {
		w.t.Errorf("person %d of site %d has %s; want %s", person, site, got, want)
	}
}

func (w *world) activates(want int) {
	w.t.Helper()
	if n, err := w.activateDue(w.t.Context()); err != nil || n != want {
		w.t.Errorf("%d were activated, want %d; %v", n, want, err)
	}
}

// TestPendingPoints: a life of points that wait three days.
func TestPendingPoints(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, waitingClub()).ID, 30, 0)
	w.start(2, waitingClub())
	w.earns(7, 1, 10_000)
	w.earns(7, 2, 5_000)
	began := w.clock.Now()
	w.expect(1, 7, `0, 1500 pending, 0 earned, tier ""`)
	if _, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey); !fault.Is(err, fault.Invalid) {
		t.Errorf("spent pending points: %v", err)
	}
	if m, err := w.Member(t.Context(), 1, 7); err != nil || m.Next == nil || m.Next.Points != 1500 || !m.Next.At.Equal(noon.AddDate(0, 0, 3)) || m.Expiring != nil {
		t.Errorf("%+v, %v", m, err)
	}
	preview, err := w.PreviewRefund(t.Context(), 1, 1, 2_500, 10_000)
	if err != nil || !preview.Pending || preview.Due != 250 || preview.FromOrder != 250 || preview.BalanceAfter != 0 || preview.Debt != 0 {
		t.Errorf("%+v, %v", preview, err)
	}
	var first int64
	if err := w.admin.Get(&first, `select min(id) from loyalty.lot where pending and site_id = 1`); err != nil {
		t.Fatal(err)
	}
	if x, err := explained(t.Context(), w.db, 1, first); err != nil || x.Entry != nil || x.Pending == nil || x.Pending.Amount != 1000 || !x.Lot.Pending || x.Against != issued {
		t.Errorf("%+v, %v", x, err)
	}
	w.clock.Move(24 * time.Hour)
	for range 2 {
		hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 2_500, 10_000), w.refund(1, 2, 2, 5_000, 5_000))
	}
	w.expect(1, 7, `0, 750 pending, 0 earned, tier ""`)
	if all, more, err := w.Pending(t.Context(), 1, 7, loyaltyapi.AfterExpiration{}, 5); err != nil || more || len(all) != 1 || all[0].Points != 750 || all[0].Granted != 1000 {
		t.Errorf("%+v %v, %v", all, more, err)
	}
	w.activates(0)
	w.days(2)
	w.activates(3) // two are the twin's
	w.activates(0)
	w.expect(1, 7, `750, 0 pending, 750 earned, tier ""`)
	w.expect(2, 7, `1500, 0 pending, 1500 earned, tier "Silver"`)
	for at, want := range map[time.Time][2]int64{began: {0, 1500}, began.Add(25 * time.Hour): {0, 750}, w.clock.Now(): {750, 0}, began.Add(-time.Second): {0, 0}} {
		if b, err := w.BalanceAt(t.Context(), 1, 7, at); err != nil || b.Points != want[0] || b.Pending != want[1] {
			t.Errorf("at %s: %+v, %v; want %v", at, b, err, want)
		}
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 3, 10_000, 10_000))
	w.expect(1, 7, `0, 0 pending, 0 earned, tier ""`)
	told := w.told(1)
	if told["loyalty.points_earned.v1"] != 2 || told["loyalty.points_activated.v1"] != 1 || told["loyalty.points_clawed_back.v1"] != 3 {
		t.Errorf("told %v", told)
	}
	entries, _, err := w.Entries(t.Context(), 1, 7, loyaltyapi.After{}, 10)
	if err != nil || len(entries) != 2 || entries[1].Kind != kindActivate || entries[1].Points != 750 || entries[0].Kind != kindClawBack {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestPendingDates: what an activation gives, by the rule that says from when the days count.
func TestPendingDates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*settings)
		want   int // days from the purchase
	}{
		"from the earning":    {func(*settings) {}, 30},
		"from the activation": {func(s *settings) { s.PendingExpiry = fromActivation }, 33},
		"by activity":         {func(s *settings) { s.ExpiryRule = inactivity }, 33},
		"never":               {func(s *settings) { s.ExpiresAfterDays = nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			s := waitingClub()
			c.change(&s)
			w.start(1, s)
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
			w.days(4)
			w.activates(1)
			m, err := w.Member(t.Context(), 1, 7)
			if err != nil || (m.Expiring == nil) != (c.want == 0) || m.Expiring != nil && !m.Expiring.At.Equal(noon.AddDate(0, 0, c.want)) {
				t.Errorf("%+v, %v", m.Expiring, err)
			}
			late := w.bought(1, 8, 2, 1_000) // so late that it need not wait
			late.OccurredAt = noon
			hear(w, w.originsRecorded, 1, late)
			w.expect(1, 8, `100, 0 pending, 100 earned, tier ""`)
			if l, err := w.Member(t.Context(), 1, 8); err != nil || (l.Expiring == nil) != (m.Expiring == nil) || l.Expiring != nil && !l.Expiring.At.Equal(m.Expiring.At) {
				t.Errorf("told late: %+v, %v", l.Expiring, err)
			}
		})
	}
}

// TestPendingRepaysNothing until it is activated; then a debt comes first.
func TestPendingRepaysNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	p := w.start(1, s)
	batch := w.offer(1, p.ID, 100, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
	if _, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1_000, 1_000))
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, waitingClub(), 0, noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 1_500))
	w.expect(1, 7, `-100, 150 pending, 0 earned, tier ""`)
	w.days(3)
	w.activates(1)
	w.expect(1, 7, `50, 0 pending, 150 earned, tier ""`)
	if got := w.lots(1, 7); got != "0 50" {
		t.Errorf("lots %s", got)
	}
}

// TestPendingCalls: what may be done by hand with points that wait for it, and what that changes.
func TestPendingCalls(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.PendingRule, s.ExpiresAfterDays = untilEvent, nil
	w.start(1, s)
	w.start(2, s)
	w.earns(7, 1, 1_000)
	w.earns(7, 2, 2_000)
	w.earns(7, 3, 3_000)
	hear(w, w.originsRefunded, 1, w.refund(1, 3, 1, 3_000, 3_000))
	w.clock.Move(1000 * 24 * time.Hour)
	w.activates(0)
	ids := map[int64]int64{}
	for origin := range int64(3) {
		var id int64
		if err := w.admin.Get(&id, `select id from loyalty.txn where site_id = 1 and kind = 'earn' and source = $1`, sourceOf("origin", origin+1)); err != nil {
			t.Fatal(err)
		}
		ids[origin+1] = id
	}
	call, twin := w.serve(1), w.serve(2)
	for i, c := range []struct {
		id         int64
		what, want string
		code       int
		balance    int64
	}{
		{ids[1], "activate", `"status":"active","points":100,"balance":100,"points_pending":200`, 200, 100},
		{ids[1], "activate", `"end_transaction_id":null,"member_id":1,"status":"active","points":0`, 200, 100},
		{ids[1], "cancel", "not_pending", 409, 100},
		{ids[2], "cancel", `"status":"cancelled","points":200,"balance":100,"points_pending":0`, 200, 100},
		{ids[2], "cancel", `"end_transaction_id":null,"member_id":1,"status":"cancelled","points":0`, 200, 100},
		{ids[2], "activate", "points_cancelled", 409, 100},
		{ids[3], "activate", "points_cancelled", 409, 100},
		{ids[3], "cancel", `"points":0`, 200, 100},
		{987654321, "cancel", "transaction_not_found", 404, 100},
		{987654321, "activate", "transaction_not_found", 404, 100},
	} {
		path := fmt.Sprintf("/api/v2/loyalty/transactions/%d/%s", c.id, c.what)
		if code, body, _ := call("POST", path, "", `{"note":"Delivered"}`); code != c.code || !strings.Contains(body, c.want) || w.balance(1, 7) != c.balance {
			t.Errorf("step %d, %s: %d %s and a balance of %d", i, c.what, code, body, w.balance(1, 7))
		}
		if code, body, _ := twin("POST", path, "", `{}`); code != 404 {
			t.Errorf("step %d, the twin's: %d %s", i, code, body)
		}
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 2, 2_000, 2_000)) // of a cancelled one nothing is left to take
	w.expect(1, 7, `100, 0 pending, 100 earned, tier ""`)
	w.expect(2, 7, `0, 600 pending, 0 earned, tier ""`)
	if code, body, _ := call("POST", fmt.Sprintf("/api/v2/loyalty/transactions/%d/cancel", ids[1]), "", `{"note":"`+strings.Repeat("x", 501)+`"}`); code != 400 {
		t.Errorf("%d %s", code, body)
	}
	for i, key := range []string{"k", "k"} {
		if code, body, replayed := call("POST", fmt.Sprintf("/api/v2/loyalty/transactions/%d/activate", ids[1]), key, `{}`); code != 200 || replayed != (i == 1) {
			t.Errorf("try %d: %d %s %v", i, code, body, replayed)
		}
	}
}

// TestGoAhead: a referral's approval lets the order's points go, whether the order is heard of before it or after it, and however often.
func TestGoAhead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.PendingRule = untilEvent
	for site := range int64(2) {
		w.start(site+1, s)
	}
	approved := func(origin int64) referralevent.ReferralApproved {
		return referralevent.ReferralApproved{SiteID: 1, ReferralID: origin, OriginID: origin, AdvocateID: 9, FriendID: 7, OccurredAt: noon, ApprovedAt: w.clock.Now()}
	}
	w.earns(7, 1, 1_000)
	for range 2 {
		hear(w, w.referralsApproved, 1, approved(1), approved(2))
	}
	w.activates(1)
	w.earns(7, 2, 2_000)
	w.earns(7, 3, 3_000)
	w.activates(0)
	w.expect(1, 7, `300, 300 pending, 300 earned, tier ""`)
	w.expect(2, 7, `0, 600 pending, 0 earned, tier ""`)
	w.expect(1, 9, `100, 0 pending, 100 earned, tier ""`)
	if err := sweepGoAheads(t.Context(), w.db, w.clock.Now().Add(time.Second), 1); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.admin.Get(&n, `select count(*) from loyalty.go_ahead`); err != nil || n != 1 {
		t.Errorf("%d are left, %v", n, err)
	}
}

// TestPendingRace: whoever comes first, the points are activated once or cancelled once.
func TestPendingRace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, waitingClub())
	const orders = 20
	for o := range int64(orders) {
		hear(w, w.originsRecorded, 1, w.bought(1, o%3+1, o+1, 1_000))
	}
	var ids []int64
	if err := w.admin.Select(&ids, `select id from loyalty.lot where pending order by id`); err != nil || len(ids) != orders {
		t.Fatal(ids, err)
	}
	w.days(3)
	ctx := context.WithoutCancel(t.Context())
	gate := make(chan struct{})
	var wg sync.WaitGroup
	run := func(do func() error) {
		wg.Go(func() {
			<-gate
			if err := do(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, activate := range []bool{true, false} {
		run(func() error {
			for _, id := range ids {
				if _, _, err := w.endPending(ctx, 1, id, activate, "", noKey); err != nil && !fault.Is(err, fault.Conflict) {
					return err
				}
			}
			return nil
		})
		run(func() error { _, err := w.activateDue(ctx); return err })
	}
	run(func() error {
		for o := range int64(orders) {
			if err := tryHear(w, w.originsRefunded, 1, w.refund(1, o+1, 1, 500, 1_000)); err != nil {
				return err
			}
		}
		return nil
	})
	close(gate)
	wg.Wait()
	w.activates(0)
	for who := range int64(3) {
		m, err := w.Member(t.Context(), 1, who+1)
		if err != nil || m.Pending != 0 || m.Balance != m.Earned {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

func TestPendingPolicyIsChecked(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*settings){
		"/pending_rule":         func(s *settings) { s.PendingRule = "later" },
		"/pending_days":         func(s *settings) { s.PendingRule = untilDays },
		"/pending_days ":        func(s *settings) { s.PendingDays = 1 },
		"/pending_days  ":       func(s *settings) { s.PendingRule, s.PendingDays = untilEvent, 1 },
		"/pending_days   ":      func(s *settings) { s.PendingRule, s.PendingDays = untilDays, maxGrace+1 },
		"/pending_days    ":     func(s *settings) { s.PendingRule, s.PendingDays = untilDays, 365 },
		"/pending_expiry":       func(s *settings) { s.PendingExpiry = "never" },
		"/debt_policy":          func(s *settings) { s.DebtPolicy = "prison" },
		"/transfer_limit":       func(s *settings) { s.TransferLimit = -1 },
		"/transfer_daily_limit": func(s *settings) { s.TransferDaily = maxPoints + 1 },
	} {
		s := club()
		spoil(&s)
		f, ok := fault.Of(s.check())
		if !ok || len(f.Fields) != 1 || f.Fields[0].Pointer != strings.TrimSpace(want) {
			t.Errorf("want a finding at %s: %+v", want, f)
		}
	}
	for _, good := range []func(*settings){
		func(s *settings) { s.PendingRule, s.PendingDays, s.PendingExpiry = untilDays, 365, fromActivation },
		func(s *settings) { s.PendingRule, s.PendingDays, s.ExpiresAfterDays = untilDays, 365, nil },
		func(s *settings) { s.PendingRule, s.DebtPolicy, s.TransferLimit = untilEvent, pendingOnly, 5 },
	} {
		s := club()
		good(&s)
		if err := s.check(); err != nil {
			t.Error(err)
		}
	}
}
