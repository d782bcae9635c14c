package referral

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

func (p *place) approve(origin int64) {
	p.t.Helper()
	if _, _, err := p.SetStatus(p.t.Context(), p.one, origin, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
		p.t.Error(err)
	}
}

func (p *place) rate(day, from, to, rate string) {
	p.t.Helper()
	list, err := ratesBody{Rates: []rateInput{{From: from, To: to, Rate: money.Number(rate)}}}.rows(day)
	if err == nil {
		_, _, err = p.saveDay(p.t.Context(), p.one.ID, 1, day, list, idempotency.Key{})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// A friend's orders, their refunds, the approval and the rate come in any order, some of them twice: the account ends the same.
func TestCommissions_end_the_same_in_any_order(t *testing.T) {
	t.Parallel()
	p := setup(t)
	usd := "USD"
	plan := p.plan(p.one, commissionPlanInput{Default: percent("12.5"), Currency: &usd, Recurring: &recurringInput{}})
	p.pays(p.one, plan.ID, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	n := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		n++
		advocate, friend, visitor, origin := 10_000+n, 20_000+n, uuidOf(int(n)), n*10
		p.touchedAt(p.one, visitor, advocate)
		day := p.clock.Now()
		p.clock.Move(25 * time.Hour) // a day of its own for each try
		var orders []customerevent.OriginRecorded
		var want int64
		type step struct {
			name string
			do   func()
		}
		var later []step
		for i := range rapid.IntRange(1, 3).Draw(rt, "orders") {
			subtotal := rapid.Int64Range(1, 100_000).Draw(rt, "subtotal")
			o := p.purchase(p.one, origin+int64(i), friend, subtotal, visitor)
			o.OccurredAt, o.Currency = day, rapid.SampledFrom([]string{"USD", "EUR"}).Draw(rt, "currency")
			orders = append(orders, o)
			amount := (subtotal*1250 + 5000) / 10_000
			if o.Currency == "EUR" {
				amount = (amount*11_003 + 5_000) / 10_000
			}
			total, full := rapid.Int64Range(0, subtotal).Draw(rt, "refunded"), false
			for _, part := range []int64{total / 3, total} {
				if full = part == subtotal && rapid.Bool().Draw(rt, "full"); part > 0 {
					r := customerevent.OriginRefunded{SiteID: 1, OriginID: o.OriginID, Subtotal: subtotal, RefundedTotal: part, Full: full}
					later = append(later, step{"refund", func() { p.tell(r) }}, step{"refund again", func() { p.tell(r) }})
				}
			}
			want += amount - money.Share(amount, total, subtotal)
		}
		later = append(later, step{"approve", func() {
			_, _, err := p.SetStatus(t.Context(), p.one, origin, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{})
			if err != nil && !fault.Is(err, fault.Invalid) { // a full refund has voided it
				rt.Error(err)
			}
		}}, step{"rate", func() { p.rate(rateDay(day), "EUR", "USD", "1.1003") }},
			step{"convert", func() {
				if _, err := p.ConvertWaiting(t.Context()); err != nil {
					rt.Error(err)
				}
			}})
		for i, o := range orders {
			if i == 0 {
				p.tell(o)
			} else {
				later = append(later, step{"order", func() { p.tell(o) }})
			}
		}
		for _, s := range rapid.Permutation(later).Draw(rt, "order of events") {
			s.do()
		}
		if _, err := p.ConvertWaiting(t.Context()); err != nil {
			rt.Fatal(err)
		}
		voided := p.count(`select count(*) from referral.referral where origin_id = $1 and status = 'voided'`, origin)
		if a := p.due(p.one, advocate, "USD"); voided == 0 && a.Balance != want || voided == 1 && a.Balance != 0 {
			rt.Fatalf("balance %d, want %d (voided: %d); %v", a.Balance, want, voided, later)
		}
	})
	p.sound()
}

func TestCommissions_wait_for_the_rate_of_the_order_s_day(t *testing.T) {
	t.Parallel()
	p := setup(t)
	usd := "USD"
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), PerOrder: 50, Currency: &usd, Caps: &commissionCapsInput{Order: 1_000}})
	p.pays(p.one, plan.ID, nil)
	p.touchedAt(p.one, uuidOf(1), 10)
	o := p.purchase(p.one, 1, 20, 10_000, uuidOf(1))
	o.Currency = "EUR"
	p.tell(o)
	p.rate(rateDay(p.clock.Now().Add(24*time.Hour)), "EUR", "USD", "2")
	p.rate(rateDay(p.clock.Now()), "USD", "EUR", "2")
	if n, err := p.ConvertWaiting(t.Context()); n != 0 || err != nil {
		t.Errorf("converted %d by the wrong rate, %v", n, err)
	}
	accounts, err := p.accountsOf(t.Context(), 1, 10)
	if err != nil || len(accounts) != 1 || !slices.Equal(accounts[0].Waiting, []waitingJSON{{"EUR", 1, 1000}}) || accounts[0].Balance != 0 {
		t.Fatalf("while it waits: %+v, %v", accounts, err)
	}
	if n := p.count(`select count(*) from referral.reward`); n != 0 {
		t.Errorf("%d rewards while it waits", n)
	}
	p.rate(rateDay(p.clock.Now()), "EUR", "USD", "1.1")
	if n, err := p.ConvertWaiting(t.Context()); n != 1 || err != nil {
		t.Errorf("converted %d, %v", n, err)
	}
	c := p.commissionsOf(p.one, 10)[0]
	e := c.explained()
	if c.Amount != 1000 || e.Gross != 1150 || e.Rate.Rate != "1.1" || len(e.CapsApplied) != 1 || e.CapsApplied[0].Cap != "order" {
		t.Errorf("%d, %+v", c.Amount, e)
	}
	if n := p.count(`select count(*) from referral.reward where amount = 1000 and currency = 'USD' and status = 'Unpaid'`); n != 1 {
		t.Errorf("%d rewards", n)
	}
	p.rate(rateDay(p.clock.Now()), "EUR", "USD", "9")
	if n, err := p.ConvertWaiting(t.Context()); n != 0 || err != nil || p.due(p.one, 10, "USD").Balance != 1000 {
		t.Errorf("a changed rate changed what was converted: %d, %v", n, err)
	}
	p.sound()
}

// A month's cap holds when many referrals are approved at once, and is used up to the last cent.
func TestCommissions_caps_hold_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Caps: &commissionCapsInput{Month: 2_500}})
	p.pays(p.one, plan.ID, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	for i := range int64(12) {
		p.touchedAt(p.one, uuidOf(int(i)), 10)
		p.tell(p.purchase(p.one, i+1, 100+i, 4_000, uuidOf(int(i))))
	}
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range int64(12) {
		wg.Go(func() { <-gate; p.approve(i + 1) })
	}
	close(gate)
	wg.Wait()
	if a := p.due(p.one, 10, "USD"); a.Balance != 2_500 {
		t.Errorf("earned %d", a.Balance)
	}
	if n := p.count(`select count(*) from referral.commission where status = 'earned'`); n != 12 {
		t.Errorf("%d of 12 are earned", n)
	}
	if used := p.count(`select used from referral.commission_cap`); used != 2_500 {
		t.Errorf("%d of the cap is used", used)
	}
	p.sound()
}

func TestCommissions_end_with_their_referral_and_their_plan(t *testing.T) {
	t.Parallel()
	p := setup(t)
	in := commissionPlanInput{Name: "Partners", Default: percent("10"), Recurring: &recurringInput{Months: 1}}
	plan := p.plan(p.one, in)
	p.pays(p.one, plan.ID, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	for i := range int64(2) {
		p.touchedAt(p.one, uuidOf(int(i)), 10)
		p.tell(p.purchase(p.one, i+1, 20+i, 4_000, uuidOf(int(i))))
		p.tell(p.purchase(p.one, i+11, 20+i, 4_000))
	}
	if _, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "voided", Cause: "manual"}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.approve(2)
	p.tell(p.purchase(p.one, 21, 20, 4_000))
	p.tell(p.purchase(p.one, 22, 21, 4_000)) // the third that counts
	no := false
	in.Active = &no
	if _, _, err := p.saveCommissionPlan(t.Context(), p.one, 1, plan.ID, in, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.tell(p.purchase(p.one, 23, 21, 4_000))
	if _, _, err := p.saveCommissionPlan(t.Context(), p.one, 1, plan.ID, commissionPlanInput{Name: "Partners", Default: percent("20")}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.tell(p.purchase(p.one, 24, 21, 4_000)) // by today's rate, for as long as was promised
	p.clock.Move(32 * 24 * time.Hour)
	p.tell(p.purchase(p.one, 25, 21, 4_000))
	if a := p.due(p.one, 10, "USD"); a.Balance != 3*400+800 {
		t.Errorf("earned %d", a.Balance)
	}
	if n := p.count(`select count(*) from referral.commission where status = 'voided'`); n != 2 {
		t.Errorf("%d are voided", n)
	}
	p.sound()
}

// The role can add to the history, and not change it.
func TestAccountEntries_are_append_only(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, query := range []string{`update referral.account_entry set amount = 0`, `delete from referral.account_entry`, `delete from referral.account`,
		`delete from referral.commission`, `delete from referral.payout_entry`, `delete from referral.exchange_rate`} {
		if _, err := p.db.Exec(query); err == nil {
			t.Errorf("%s was done", query)
		}
	}
}

// A referral that turns out to be another advocate's takes its commissions along: what it earned is taken back, later orders are the other's.
func TestCommissions_go_with_a_referral_to_its_advocate(t *testing.T) {
	t.Parallel()
	p := setup(t)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Recurring: &recurringInput{Months: 1}})
	p.pays(p.one, plan.ID, nil)
	p.touchedAt(p.one, uuidOf(1), 10)
	p.bought(p.purchase(p.one, 5, 20, 10_000, uuidOf(1)))
	p.tell(p.purchase(p.one, 6, 20, 4_000))
	balances := func(what string, ten, eleven int64) {
		t.Helper()
		if a, b := p.due(p.one, 10, "USD").Balance, p.due(p.one, 11, "USD").Balance; a != ten || b != eleven {
			t.Errorf("%s: %d and %d, want %d and %d", what, a, b, ten, eleven)
		}
		p.sound()
	}
	balances("earned", 1_400, 0)
	if code, r, why := p.reattributed(p.one, 1, 11, false); code != 200 || r.Status != "approved" {
		t.Fatalf("%d %s %+v", code, why, r)
	}
	balances("given to another", 0, 1_000)
	p.tell(p.purchase(p.one, 7, 20, 2_000))
	balances("a later order", 0, 1_200)
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 6, Subtotal: 4_000, RefundedTotal: 4_000, Full: true},
		customerevent.OriginRefunded{SiteID: 1, OriginID: 5, Subtotal: 10_000, RefundedTotal: 5_000})
	balances("refunded", 0, 700)
}
