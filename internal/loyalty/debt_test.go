package loyalty

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/money"
)

// debtPolicies are all there are.
var debtPolicies = []string{"", withinBalance, pendingOnly}

// TestAnySplitOfRefundsHasTheSameEnd is the property without a database: whatever the debt policy, whatever was spent of the order's points, and
// whatever else the member has.
func TestAnySplitOfRefundsHasTheSameEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		granted := rapid.Int64Range(1, maxPoints).Draw(t, "granted")
		whole := rapid.Int64Range(1, money.Max).Draw(t, "whole")
		final := rapid.Int64Range(0, whole).Draw(t, "refunded")
		cuts := rapid.SliceOfN(rapid.Int64Range(0, final), 0, 5).Draw(t, "cuts")
		slices.Sort(cuts)
		spent := rapid.Int64Range(0, granted).Draw(t, "spent")
		expired := rapid.Int64Range(0, granted-spent).Draw(t, "expired")
		others := rapid.Int64Range(0, granted).Draw(t, "others")
		p := program{settings: settings{policy: policy{DebtPolicy: rapid.SampledFrom(debtPolicies).Draw(t, "debt policy")}}}
		play := func(parts ...int64) (*holder, *lot) {
			left := granted - spent - expired
			h := &holder{account: account{SiteID: 1, ID: 1, Balance: left + others}, Earned: granted + others}
			l := &lot{SiteID: 1, ID: 1, Granted: granted, Remaining: left, Expired: expired}
			h.lots = []*lot{l, {SiteID: 1, ID: 2, Granted: granted, Remaining: others}}
			b := &books{now: noon, ids: make([]int64, len(parts)), own: map[siteAccount]*account{{1, issued}: {SiteID: 1, ID: 2, Balance: -left - others}},
				programs: map[int64]program{1: p}}
			for _, part := range parts {
				if err := b.clawBack(h, l, txn{}, clawBack{Part: part, Whole: whole}); err != nil {
					t.Fatal(err)
				}
			}
			return h, l
		}
		once, own := play(final)
		many, l := play(append(cuts, final)...)
		if once.Balance != many.Balance || once.Earned != many.Earned || fmt.Sprint(*own) != fmt.Sprint(*l) || once.lots[1].Remaining != many.lots[1].Remaining {
			t.Fatalf("at once %d of %+v, in steps %d of %+v", once.Balance, *own, many.Balance, *l)
		}
		want := granted - spent + others - expired
		switch due := money.Share(granted, final, whole); p.DebtPolicy {
		case "":
			want -= due - l.Forgiven
		case withinBalance:
			want = max(0, want-(due-l.Forgiven))
		}
		if many.Balance != want || many.Earned != granted+others-money.Share(granted, final, whole) {
			t.Fatalf("a balance of %d, want %d; %+v", many.Balance, want, *l)
		}
	})
}

// TestDebtPolicies: a refund of an order whose points are pending, there, spent in part, or spent; the preview foretells it, and what is
// waived is kept.
func TestDebtPolicies(t *testing.T) {
	t.Parallel()
	type want struct{ balance, debt, waived int64 }
	for _, c := range []struct {
		policy string
		spend  int64 // of the 100 of the order and the 50 of another
		want   want
	}{
		{"", 0, want{50, 0, 0}}, {"", 80, want{-30, 30, 0}}, {"", 150, want{-100, 100, 0}},
		{withinBalance, 0, want{50, 0, 0}}, {withinBalance, 80, want{0, 0, 30}}, {withinBalance, 150, want{0, 0, 100}},
		{pendingOnly, 0, want{150, 0, 100}}, {pendingOnly, 80, want{70, 0, 100}}, {pendingOnly, 150, want{0, 0, 100}},
	} {
		t.Run(fmt.Sprint(c.policy, " ", c.spend), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			s := club()
			s.DebtPolicy = c.policy
			p := w.start(1, s)
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 7, 2, 500))
			if c.spend > 0 {
				if _, err := w.Redeem(t.Context(), 1, 7, w.offer(1, p.ID, c.spend, 0), "api", noKey); err != nil {
					t.Fatal(err)
				}
			}
			foretold, err := w.PreviewRefund(t.Context(), 1, 1, 1_000, 1_000)
			if got := (want{foretold.BalanceAfter, foretold.Debt, foretold.Waived}); err != nil || got != c.want {
				t.Errorf("foretold %+v, want %+v; %v", got, c.want, err)
			}
			for _, total := range []int64{300, 650, 300, 1_000, 1_000} {
				hear(w, w.originsRefunded, 1, w.refund(1, 1, total, total, 1_000))
			}
			w.expect(1, 7, fmt.Sprintf(`%d, 0 pending, 50 earned, tier ""`, c.want.balance))
			var waived int64
			if err := w.admin.Get(&waived, `select sum(waived) from loyalty.lot`); err != nil || waived != c.want.waived {
				t.Errorf("%d are waived, want %d; %v", waived, c.want.waived, err)
			}
		})
	}
}

// TestOrderOfRefunds: refunds of several orders end the same in any order, whatever the policy, and whether or not points were pending meanwhile.
func TestOrderOfRefunds(t *testing.T) {
	t.Parallel()
	w := setup(t)
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		s := club()
		s.DebtPolicy = rapid.SampledFrom(debtPolicies).Draw(rt, "policy")
		if rapid.Bool().Draw(rt, "pending") {
			s.PendingRule = untilEvent
		}
		spend := rapid.Int64Range(1, 60).Draw(rt, "spend")
		refunds := [][2]int64{{1, 100}, {1, 250}, {2, 50}, {2, 100}, {3, 299}}
		play := func(order []int) string {
			site++
			p := w.start(site, s)
			hear(w, w.originsRecorded, site, w.bought(site, 7, site*10+1, 250), w.bought(site, 7, site*10+2, 100), w.bought(site, 7, site*10+3, 300))
			if s.PendingRule == "" {
				if _, err := w.Redeem(t.Context(), site, 7, w.offer(site, p.ID, spend, 0), "api", noKey); err != nil {
					rt.Fatal(err)
				}
			}
			for _, i := range order {
				r := refunds[i]
				whole := map[int64]int64{1: 250, 2: 100, 3: 300}[r[0]]
				if err := tryHear(w, w.originsRefunded, site, w.refund(site, site*10+r[0], r[1], r[1], whole)); err != nil {
					rt.Fatal(err)
				}
			}
			return w.has(site, 7)
		}
		order := rapid.Permutation([]int{0, 1, 2, 3, 4}).Draw(rt, "order")
		if one, other := play([]int{0, 1, 2, 3, 4}), play(order); one != other {
			rt.Fatalf("in order %s, as %v %s", one, order, other)
		}
	})
}

// TestPendingPointsAreCounted: where tiers ask for points of a year, those that were pending count once they can be spent, for the day of the
// purchase, and a refund lowers that day; so does what is moved by hand, if it is to count.
func TestPendingPointsAreCounted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := waitingClub()
	s.TierPlan = tierPlan{Window: calendarYear}
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	w.expect(1, 7, `0, 1000 pending, 0 earned, tier ""`)
	w.days(3)
	w.activates(1)
	w.expect(1, 7, `1000, 0 pending, 1000 earned, tier "Silver"`)
	if _, err := w.AdjustForTier(t.Context(), 1, 7, 50, "", noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 500, 10_000))
	w.expect(1, 7, `1000, 0 pending, 1000 earned, tier "Silver"`)
	var counted string
	if err := w.admin.Get(&counted, `select string_agg(to_char(day, 'MM-DD') || ' ' || earned, ', ' order by day) from loyalty.merit_day`); err != nil || counted != "03-01 950, 03-04 50" {
		t.Errorf("%s, %v", counted, err)
	}
}
