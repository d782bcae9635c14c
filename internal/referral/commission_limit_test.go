package referral

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// charged checks that the budgets are spent by what commissions and rewards took of them and did not give back.
func (p *place) charged() {
	p.t.Helper()
	n := p.count(`select count(*) from (
		select b.site_id, b.campaign_id, b.spent,
			(select coalesce(sum(c.amount - c.clawed), 0) from referral.commission c
				where c.site_id = b.site_id and c.campaign_id = b.campaign_id and c.budget_since = b.period)
			+ (select coalesce(sum(e.cost - e.back), 0) from referral.budget_entry e
				where e.site_id = b.site_id and e.campaign_id = b.campaign_id and e.period = b.period) as used
		from referral.budget b) x where spent <> used`)
	if n != 0 {
		p.t.Errorf("%d budgets differ from what was taken of them", n)
	}
	p.sound()
}

// paidFor are the commissions of an advocate, by order: "origin amount", with the cause where the campaign refused it.
func (p *place) paidFor(person int64) (out []string) {
	p.t.Helper()
	list := p.commissionsOf(p.one, person)
	for i := len(list) - 1; i >= 0; i-- {
		text := fmt.Sprint(list[i].OriginID, " ", list[i].Amount-list[i].Clawed)
		if no := list[i].explained().Refused; no != nil {
			text += fmt.Sprint(" ", no.Cause, " ", no.Amount)
		}
		out = append(out, text)
	}
	return out
}

func TestBudget_stops_commissions_of_plans(t *testing.T) {
	t.Parallel()
	p := setup(t)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Recurring: &recurringInput{}})
	c := p.pays(p.one, plan.ID, nil)
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: 2_500}})
	p.touched(uuidOf(1), 10)
	order := func(origin, subtotal int64, currency string) {
		o := p.purchase(p.one, origin, 20, subtotal, uuidOf(1))
		o.Currency, o.OccurredAt = currency, p.clock.Now()
		p.tell(o)
		p.clock.Move(time.Hour)
	}
	order(1, 10_000, "USD")
	order(2, 10_000, "USD")
	order(3, 10_000, "USD") // 500 are left
	order(4, 5_000, "USD")
	order(5, 10_000, "EUR")
	same(t, "paid for", p.paidFor(10), []string{"1 1000", "2 1000", "3 0 budget 1000", "4 500", "5 0 budget_currency 1000"})
	p.charged()
	p.refund(1, 10_000)
	order(6, 10_000, "USD") // the room of the first
	same(t, "after a refund", p.paidFor(10), []string{"1 0", "2 1000", "3 0 budget 1000", "4 500", "5 0 budget_currency 1000", "6 1000"})
	p.charged()
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"partner referral 1 1000 Voided"})
	same(t, "refused", refused, []string{"partner referral 1 budget", "partner referral 1 budget_currency"})
	if n := p.count(`select count(*) from referral.waiting where type = 'referral.budget_reached.v1' and (payload ->> 'percent')::int = 100`); n != 1 {
		t.Errorf("told %d times that the budget is used up", n)
	}
	if due := p.due(p.one, 10, "USD"); due.Balance != 2_500 {
		t.Errorf("%+v", due)
	}
	no := p.commissionsOf(p.one, 10)[3]
	code, out, _ := p.call(p.one, "GET", fmt.Sprint("/api/v2/commissions/", no.ID), nil, "")
	const why = `"refused":{"amount":1000,"budget":2500,"cause":"budget","currency":"USD","since":"2000-01-01","spent_before":2000}`
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	if code != 200 || !strings.Contains(string(text), why) {
		t.Errorf("%d %s", code, text)
	}
}

func TestLimits_of_an_advocate_hold_for_commissions_of_plans(t *testing.T) {
	t.Parallel()
	p := setup(t)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Recurring: &recurringInput{}})
	c := p.promising(p.one, incentiveInput{Identifier: "points", ActionType: "referrer", Kind: "points", Points: 10},
		incentiveInput{Identifier: "partner", ActionType: "referrer", Kind: "commission", CommissionPlanID: &plan.ID})
	p.limits(p.one, c.ID, limits{Advocate: is(int64(1))})
	p.refer(10, 1, 1000)
	p.refer(10, 2, 1000)
	p.tell(p.purchase(p.one, 3, 1001, 500, uuidOf(1))) // the first friend again
	p.tell(p.purchase(p.one, 4, 1002, 500, uuidOf(2))) // the second
	same(t, "paid for", p.paidFor(10), []string{"1 100", "2 0 limit_total 100", "3 50", "4 0 limit_total 50"})
	code, out, _ := p.call(p.one, "GET", "/api/v2/origins/3/explain", nil, "")
	if list, _ := out["result"].(map[string]any)["commissions"].([]any); code != 200 || len(list) != 1 || list[0].(map[string]any)["amount"] != 50.0 {
		t.Errorf("an order that made no referral, but a commission: %d %v", code, out)
	}
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"points referral 1 10 Paid", "partner referral 1 100 Unpaid"})
	same(t, "refused", refused, []string{"points referral 2 limit_total", "partner referral 2 limit_total", "partner referral 2 limit_total"})
	p.charged()
}

// Twelve friends are approved at once, and a late rate brings more: the budget is enough for five, however they come.
func TestBudget_holds_when_commissions_come_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	usd := "USD"
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Currency: &usd})
	c := p.pays(p.one, plan.ID, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: 500}})
	for n := range int64(12) {
		p.refer(10+n%3, n+1, 1000, func(o *customerevent.OriginRecorded) {
			if n%4 == 0 {
				o.Currency = "EUR"
			}
		})
	}
	race(13, func(i int) {
		if i == 12 {
			p.rate(rateDay(p.clock.Now()), "EUR", "USD", "1")
			return
		}
		p.approve(int64(i + 1))
	})
	for n := 1; n > 0; {
		var err error
		if n, err = p.ConvertWaiting(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.count(`select count(*) from referral.commission where amount = 100`); n != 5 {
		t.Errorf("%d commissions", n)
	}
	if n := p.count(`select count(*) from referral.reward_refused where cause = 'budget'`); n != 7 {
		t.Errorf("%d refusals", n)
	}
	p.charged()
}
