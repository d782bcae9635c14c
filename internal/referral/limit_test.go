package referral

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func (p *place) limits(s site.Site, campaign int64, l limits) {
	p.t.Helper()
	if _, _, err := p.setLimits(p.t.Context(), s, campaign, 0, l, idempotency.Key{}); err != nil {
		p.t.Fatal(err)
	}
}

func TestLimits_97_98_of_an_advocate(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.promising(p.one, incentiveInput{Identifier: "points", ActionType: "referrer", Kind: "points", Points: 10},
		incentiveInput{Identifier: "money", ActionType: "referrer", Kind: "commission", Amount: 10},
		incentiveInput{Identifier: "friend", ActionType: "referred", Kind: "points", Points: 1})
	p.limits(p.one, c.ID, limits{Advocate30: is(int64(2)), Advocate: is(int64(3))})
	for n := range int64(3) {
		p.refer(10, n+1, 1000)
	}
	p.clock.Move(31 * 24 * time.Hour)
	p.refer(10, 4, 1000)
	p.refer(10, 5, 1000)
	p.refund(1, 1000) // makes room again
	p.refer(10, 6, 1000)
	p.refer(11, 7, 1000) // somebody else
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"points referral 1 10 Voided", "money referral 1 10 Voided", "friend referral 1 1 Voided",
		"points referral 2 10 Paid", "money referral 2 10 Unpaid", "friend referral 2 1 Paid", "friend referral 3 1 Paid",
		"points referral 4 10 Paid", "money referral 4 10 Unpaid", "friend referral 4 1 Paid", "friend referral 5 1 Paid",
		"points referral 6 10 Paid", "money referral 6 10 Unpaid", "friend referral 6 1 Paid",
		"points referral 7 10 Paid", "money referral 7 10 Unpaid", "friend referral 7 1 Paid"})
	same(t, "refused", refused, []string{"points referral 3 limit_30_days", "money referral 3 limit_30_days", "points referral 5 limit_total", "money referral 5 limit_total"})
}

func TestLimits_99_of_an_offer_hold_when_all_come_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.promising(p.one, incentiveInput{Identifier: "hello", ActionType: "click", Kind: "coupon", CouponCode: "HELLO"},
		incentiveInput{Identifier: "mug", ActionType: "click", Kind: "other", Terms: &terms{Description: "A mug"}})
	p.limits(p.one, c.ID, limits{Friends: is(int64(3))})
	offers := []string{p.join(p.one, 10).ClaimURL, p.join(p.one, 11).ClaimURL}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range 12 {
		done.Go(func() {
			gate.Wait()
			p.visitLink(offers[n%2], uuidOf(n))
		})
	}
	gate.Done()
	done.Wait()
	var got []int64
	if err := p.root.Select(&got, `select count(*) from referral.reward w join referral.friend_offer f on f.site_id = w.site_id and f.id = w.friend_offer_id
		group by f.offer_id, w.incentive_id`); err != nil || !slices.Equal(got, []int64{3, 3, 3, 3}) {
		t.Errorf("rewards by offer and incentive: %v %v", got, err)
	}
	if n := p.count(`select count(*) from referral.reward_refused where cause = 'limit_friends'`); n != 12 {
		t.Errorf("%d refusals", n)
	}
	p.visitLink(offers[0], uuidOf(0)) // one who came before comes again
	if n := p.count(`select count(*) from referral.reward_refused`); n != 12 {
		t.Errorf("%d refusals after another visit", n)
	}
}

func TestLimits_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 77
	c := p.campaign(p.one, nil)
	path := fmt.Sprintf("/api/v2/campaigns/%d/limits", c.ID)
	for body, want := range map[string]string{
		`{"limits":{"advocate_total":-1}}`:                                          "/limits/advocate_total",
		`{"limits":{"friends_per_offer":1000001}}`:                                  "/limits/friends_per_offer",
		`{"limits":{"budget":{"amount":-1}}}`:                                       "/limits/budget/amount",
		`{"limits":{"budget":{"amount":1,"currency":"XXY"}}}`:                       "/limits/budget/currency",
		`{"limits":{"budget":{"amount":1,"period":"week"}}}`:                        "/limits/budget/period",
		`{"limits":{"budget":{"amount":1000,"period":"month"},"advocate_total":5}}`: "",
	} {
		code, out, _ := p.call(p.one, "PUT", path, body, "")
		if want == "" && code != 200 || want != "" && (code != 400 || !strings.Contains(fmt.Sprint(out["errors"]), want)) {
			t.Errorf("%s: %d %v, want %q", body, code, out, want)
		}
	}
	code, out, _ := p.call(p.one, "GET", path, nil, "")
	if got := fmt.Sprint(out["result"]); code != 200 ||
		got != "map[limits:map[advocate_total:5 budget:map[amount:1000 currency:USD period:month] spent:map[amount:0 left:1000 since:2026-11-01]]]" {
		t.Errorf("%d %s", code, got)
	}
	for _, method := range []string{"GET", "PUT"} {
		if code, _, _ := p.call(p.two, method, path, `{"limits":{}}`, ""); code != 404 {
			t.Errorf("the other site's %s: %d", method, code)
		}
	}
	if got := p.text(`select string_agg(key_id || ' ' || limits::text, ', ') from referral.limit_log`); !strings.Contains(got, `77 {"budget"`) {
		t.Errorf("the log says %q", got)
	}
	for range 2 {
		if code, _, _ := p.call(p.one, "PUT", path, `{"limits":{}}`, "k"); code != 200 {
			t.Errorf("none: %d", code)
		}
	}
	if n := p.count(`select count(*) from referral.limit_log`); n != 2 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestBudget_stops_hard_and_tells(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.promising(p.one, incentiveInput{Identifier: "money", ActionType: "referrer", Kind: "commission", Percent: "10"},
		incentiveInput{Identifier: "points", ActionType: "referred", Kind: "points", Points: 10, Terms: &terms{Cost: 5}},
		incentiveInput{Identifier: "free", ActionType: "referred", Kind: "points", Points: 1})
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: 210, Period: budgetMonth}})
	p.refer(10, 1, 1000) // 105
	p.told()
	p.refer(10, 2, 700) // 180 of 210
	p.refer(10, 3, 400) // 40 don't fit, 5 do
	p.refund(1, 1000)   // 105 back
	p.refund(1, 1000)
	p.refer(10, 4, 400) // 45
	var told []string
	for _, e := range p.told() {
		if strings.HasPrefix(e, "budget") {
			told = append(told, e)
		}
	}
	same(t, "told", told, []string{fmt.Sprintf("budget_reached campaign:%d", c.ID), fmt.Sprintf("budget_reached campaign:%d", c.ID)})
	given, refused := p.ledger(1)
	same(t, "refused", refused, []string{"money referral 3 budget"})
	if len(given) != 11 {
		t.Errorf("given %v", given)
	}
	l, err := p.readLimits(t.Context(), p.db, 1, c.ID, p.clock.Now())
	if err != nil || l.Spent.Amount != 75+5+45 || l.Spent.Left != 85 || *l.Spent.Since != "2026-11-01" {
		t.Errorf("spent %+v, %v", l.Spent, err)
	}
	p.clock.Move(11 * 24 * time.Hour) // December
	p.refer(10, 5, 2000)
	p.refund(2, 700) // November's comes back to November
	if got := p.text(`select string_agg(period || ' ' || spent, ', ' order by period) from referral.budget`); got != "2026-11-01 50, 2026-12-01 205" {
		t.Errorf("got %s", got)
	}
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: 100, Currency: "EUR"}})
	p.refer(10, 6, 1000)
	if _, refused := p.ledger(1); refused[len(refused)-1] != "money referral 6 budget_currency" {
		t.Errorf("refused %v", refused)
	}
}

// However many approve and refund at once, no budget is exceeded, and what is spent is what the living rewards cost.
func TestBudget_holds_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	manually := func(c *campaignInput) {
		c.Approval = &approvalInput{Mode: manual}
		c.Incentives = []incentiveInput{{Identifier: "money", ActionType: "referrer", Kind: "commission", Amount: 30}, {Identifier: "thanks", ActionType: "referred", Kind: "store_credit", Amount: 20}}
	}
	c := p.campaign(p.one, manually)
	const many, most = 24, 500
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: most}})
	for n := range int64(many) {
		p.refer(10+n%3, n+1, 1000)
	}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range int64(many) {
		done.Go(func() {
			gate.Wait()
			if _, _, err := p.SetStatus(t.Context(), p.one, n+1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
				t.Error(err)
			}
			if n%4 == 0 {
				p.refund(n+1, 1000)
			}
		})
	}
	gate.Done()
	done.Wait()
	spent := p.count(`select spent from referral.budget`)
	living := p.count(`select coalesce(sum(amount), 0) from referral.reward where status <> 'Voided'`)
	if entries := p.count(`select sum(cost - back) from referral.budget_entry`); spent > most || spent != living || spent != entries {
		t.Errorf("spent %d of %d, the living rewards cost %d, the entries say %d", spent, most, living, entries)
	}
	if spent < most-30 && p.count(`select count(*) from referral.reward where status = 'Voided'`) == 0 {
		t.Errorf("only %d spent of %d though nothing came back", spent, most)
	}
	if n := p.count(`select (select count(*) from referral.reward) + (select count(*) from referral.reward_refused)`); n != 2*many {
		t.Errorf("%d decisions, want %d", n, 2*many)
	}
}

func TestPot_takes_no_more_than_it_has(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := pot{budget: budget{Amount: rapid.Int64Range(0, 1000).Draw(rt, "amount")}}
		sum, percent := int64(0), 0
		for _, cost := range rapid.SliceOfN(rapid.Int64Range(1, 1<<62), 0, 3).Draw(rt, "large") {
			p.take(cost)
			sum = p.spent
		}
		for _, cost := range rapid.SliceOfN(rapid.Int64Range(1, 400), 0, 20).Draw(rt, "costs") {
			if p.take(cost) {
				sum += cost
			} else if sum+cost <= p.budget.Amount {
				rt.Fatalf("%d of %d refused %d", sum, p.budget.Amount, cost)
			}
			if now := p.reached(); now != 0 && now <= percent {
				rt.Fatalf("told %d after %d", now, percent)
			} else if now != 0 {
				percent = now
			}
		}
		if p.spent != sum || sum > p.budget.Amount {
			rt.Fatalf("spent %d, want %d of %d", p.spent, sum, p.budget.Amount)
		}
	})
}

func TestLimits_refuse_what_they_cannot_mean(t *testing.T) {
	l := limits{Budget: &budget{Amount: 5}}
	if err := l.check("EUR"); err != nil || *l.Budget != (budget{5, "EUR", budgetTotal}) {
		t.Errorf("got %+v, %v", l.Budget, err)
	}
	l = limits{Advocate: is(int64(-1)), Budget: &budget{Amount: -1, Currency: "eur", Period: "day"}}
	f, _ := fault.Of(l.check("EUR"))
	if f == nil || len(f.Fields) != 4 {
		t.Errorf("got %v", f)
	}
}
