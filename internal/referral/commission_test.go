package referral

import (
	"net/http"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// plan makes a commission plan of a site.
func (p *place) plan(s site.Site, in commissionPlanInput) commissionPlanJSON {
	p.t.Helper()
	if in.Name == "" {
		in.Name = "Partners"
	}
	out, _, err := p.saveCommissionPlan(p.t.Context(), s, 1, 0, in, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// pays makes a campaign whose advocates are paid by a plan.
func (p *place) pays(s site.Site, plan int64, change func(*campaignInput)) campaignJSON {
	p.t.Helper()
	return p.campaign(s, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "partner", ActionType: "referrer", Kind: "commission", CommissionPlanID: &plan}}
		if change != nil {
			change(c)
		}
	})
}

// due is a person's account; a zero one if there is none.
func (p *place) due(s site.Site, person int64, currency string) account {
	p.t.Helper()
	var list []account
	err := p.root.Select(&list, `select site_id, person_id, currency, seq, balance, held, reserved from referral.account
		where site_id = $1 and person_id = $2 and currency = $3`, s.ID, person, currency)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(list) == 0 {
		return account{}
	}
	return list[0]
}

func (p *place) commissionsOf(s site.Site, person int64) []commission {
	p.t.Helper()
	list, err := commissionsBefore(p.t.Context(), p.db, s.ID, []int64{person}, "", 0, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// sound checks what must hold of all accounts at any time.
func (p *place) sound() {
	p.t.Helper()
	for what, query := range map[string]string{
		"an account differs from its entries": `select count(*) from referral.account a left join (
			select site_id, person_id, currency, count(*) as n, sum(amount) as amount, sum(held) as held from referral.account_entry group by 1, 2, 3) e
			using (site_id, person_id, currency) where (a.seq, a.balance, a.held) is distinct from (coalesce(e.n, 0), coalesce(e.amount, 0), coalesce(e.held, 0))`,
		"an entry doesn't follow the one before": `select count(*) from (select *, lag(seq, 1, 0::bigint) over w ps, lag(balance_after, 1, 0::bigint) over w pb,
			lag(held_after, 1, 0::bigint) over w ph from referral.account_entry window w as (partition by site_id, person_id, currency order by seq)) x
			where seq <> ps + 1 or balance_after <> pb + amount or held_after <> ph + held`,
		"what is open differs from what is available": `select count(*) from referral.account a left join (
			select site_id, person_id, currency, sum(amount) filter (where not held) as free, sum(amount) filter (where held) as held from referral.open_entry group by 1, 2, 3) o
			using (site_id, person_id, currency) where a.balance - a.held - a.reserved <> coalesce(o.free, 0) or a.held <> coalesce(o.held, 0)`,
		"what is reserved isn't what lines say": `select count(*) from referral.account a where a.reserved <> coalesce((select sum(l.amount) from referral.payout_line l
			join referral.payout_batch b on b.site_id = l.site_id and b.id = l.batch_id
			where l.site_id = a.site_id and l.person_id = a.person_id and b.currency = a.currency and l.status in ('pending', 'sent')), 0)`,
		"a line isn't what its entries are": `select count(*) from referral.payout_line l where l.amount <> (select sum(e.amount) from referral.payout_entry p
			join referral.account_entry e on e.site_id = p.site_id and e.id = p.entry_id where p.site_id = l.site_id and p.line_id = l.id)`,
		"a batch isn't what its lines are": `select count(*) from referral.payout_batch b join (
			select site_id, batch_id, count(*) as lines, sum(amount) as amount from referral.payout_line group by 1, 2) l
			on l.site_id = b.site_id and l.batch_id = b.id where (b.lines, b.amount) <> (l.lines, l.amount)`,
		"a commission isn't what its entries are": `select count(*) from referral.commission c where c.amount - c.clawed <> coalesce((
			select sum(e.amount) from referral.account_entry e where e.site_id = c.site_id and e.commission_id = c.id), 0)`,
		"a reward isn't what its commission is": `select count(*) from referral.commission c join referral.reward w on w.site_id = c.site_id and w.id = c.reward_id
			where (w.amount, w.clawed, w.currency) is distinct from (c.amount, c.clawed, c.currency)`,
		"a reward of a commission has none": `select count(*) from referral.reward w where w.kind = 'commission' and not exists (
			select from referral.commission c where c.site_id = w.site_id and c.reward_id = w.id)`,
	} {
		if n := p.count(query); n != 0 {
			p.t.Errorf("%s (%d)", what, n)
		}
	}
}

func items(list ...customerevent.Item) []customerevent.Item { return list }

func percent(n string) *commissionRateInput {
	return &commissionRateInput{Percent: money.Number(n)}
}

func TestCommissions_plain_ones_are_in_the_account(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
		p.touchedAt(s, uuidOf(1), 10)
	}
	p.tell(p.purchase(p.one, 1, 20, 10_000, uuidOf(1)), p.purchase(p.two, 1, 20, 5_000, uuidOf(1)))
	if a, b := p.due(p.one, 10, "USD"), p.due(p.two, 10, "USD"); a.available() != 1000 || b.available() != 500 {
		t.Errorf("earned %+v and %+v", a, b)
	}
	refund := customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 10_000, RefundedTotal: 2_500}
	p.tell(refund)
	p.tell(refund)
	if a, b := p.due(p.one, 10, "USD"), p.due(p.two, 10, "USD"); a.Balance != 750 || a.Seq != 2 || b.Balance != 500 {
		t.Errorf("after a refund: %+v and %+v", a, b)
	}
	p.sound()
}

func TestCommissions_of_a_plan(t *testing.T) {
	t.Parallel()
	p := setup(t)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), PerOrder: 100, HoldDays: 30, Recurring: &recurringInput{Months: 2, Orders: 3},
		Rules: []commissionRuleInput{{ProductID: "p1", Percent: "50"},
			{Category: "books", PerItem: 25}}})
	p.pays(p.one, plan.ID, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.touchedAt(p.one, uuidOf(1), 10)
	first := p.purchase(p.one, 1, 20, 9_000, uuidOf(1)) // a tenth off
	first.Items = items(customerevent.Item{ProductID: "p1", Category: "books", Price: 2_000, Quantity: 2}, customerevent.Item{ProductID: "p2", Category: "books", Price: 1_000, Quantity: 3},
		customerevent.Item{ProductID: "p3", Price: 3_000, Quantity: 1})
	p.tell(first)
	p.clock.Move(24 * time.Hour)
	p.tell(p.purchase(p.one, 2, 20, 5_000)) // before the first is approved
	if got := p.commissionsOf(p.one, 10); len(got) != 2 || got[0].Status != commissionPending || got[1].Status != commissionPending {
		t.Fatalf("before the approval: %+v", got)
	}
	if _, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.tell(p.purchase(p.one, 3, 20, 1_000)) // after
	p.tell(p.purchase(p.one, 4, 20, 1_000)) // a fourth
	p.tell(p.purchase(p.one, 3, 20, 1_000)) // again
	var amounts []int64
	for _, c := range p.commissionsOf(p.one, 10) {
		amounts = append(amounts, c.Amount)
	}
	// 3600 × 50 % + 3 × 25 + 2700 × 10 % + 100; 5000 × 10 % + 100; 1000 × 10 % + 100
	if len(amounts) != 3 || amounts[2] != 1800+75+270+100 || amounts[1] != 600 || amounts[0] != 200 {
		t.Errorf("amounts %v", amounts)
	}
	if a := p.due(p.one, 10, "USD"); a.Balance != 2245+800 || a.Held != a.Balance || a.available() != 0 {
		t.Errorf("on hold: %+v", a)
	}
	if rewards := p.count(`select count(*) from referral.reward where kind = 'commission' and status = 'Unpaid' and amount = 2245`); rewards != 1 {
		t.Errorf("%d rewards", rewards)
	}
	p.sound()
	p.clock.Move(30 * 24 * time.Hour)
	if n, err := p.ReleaseDue(t.Context()); err != nil || n != 3 {
		t.Errorf("released %d, %v", n, err)
	}
	if a := p.due(p.one, 10, "USD"); a.available() != 3045 || a.Held != 0 {
		t.Errorf("released: %+v", a)
	}
	p.clock.Move(40 * 24 * time.Hour)
	p.sound()
}

// touchedAt opens the link of a person at a site.
func (p *place) touchedAt(s site.Site, visitor string, person int64) {
	p.t.Helper()
	if w := p.visitLink(p.join(s, person).ClaimURL, visitor); w.Code != http.StatusFound {
		p.t.Fatal(w.Code)
	}
	p.clock.Move(time.Minute)
}
