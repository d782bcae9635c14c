package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Causes of refusals that the load brings about.
const (
	byLimit  = "limit_total"
	byBudget = "budget"
)

// capped has friends buy of an advocate whose rewards are few, or of a budget that is small. What goes back makes room again.
func capped(ctx context.Context, t *tale) {
	tag := []string{tagCap, tagBudget}[t.rng.IntN(2)]
	for i := range 2 {
		if old, ok := t.oldOrder(); ok && tag == tagBudget {
			t.sendBack(ctx, old, fmt.Sprint("old-", i))
		}
		p := t.friend(ctx, t.link(tag), tag, fmt.Sprint(i))
		if t.tellOnce(ctx, p).Outcome != yes {
			continue
		}
		if t.tellOnce(ctx, t.approves(p, i)); t.rng.IntN(2) == 0 {
			t.sendBack(ctx, p, fmt.Sprint(i))
		}
	}
}

// sendBack refunds in up to three steps that are heard one by one, the last of which is all that is left.
func (t *tale) sendBack(ctx context.Context, p op, what string) {
	for i, part := range []int64{p.Amount / 3, p.Amount / 4, 0}[:1+t.rng.IntN(3)] {
		t.tellOnce(ctx, t.refund(p, part, fmt.Sprintf("%s-%d", what, i)))
		wait(ctx, 200*time.Millisecond)
	}
}

// oldOrder takes an order that a budget was spent on, to be sent back.
func (t *tale) oldOrder() (op, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := &t.rewarded[t.site]
	if len(*list) == 0 {
		return op{}, false
	}
	o := (*list)[0]
	*list = (*list)[1:]
	return o, true
}

// approves one of several referrals of a story.
func (t *tale) approves(p op, n int) op {
	o := t.status(p, "approved")
	o.ID += fmt.Sprint(" ", n)
	return o
}

// fiveBuy has five friends buy by an advocate's link, and returns their approvals.
func (t *tale) fiveBuy(ctx context.Context, a advocate, tag string) []op {
	if a.code == "" {
		return nil
	}
	ops, orders := make([]op, 5), make([]op, 5)
	var all sync.WaitGroup
	for i := range ops {
		v, p := t.visit(a, tag, fmt.Sprint(i)), t.purchase(fmt.Sprint(i))
		p.Visitor = v.Visitor
		ops[i], orders[i] = t.approves(p, i), p
		all.Go(func() {
			t.do(ctx, v, i%2)
			t.do(ctx, p, i%2)
		})
	}
	all.Wait()
	if tag == tagBudget {
		t.mu.Lock()
		t.rewarded[t.site] = append(t.rewarded[t.site], orders...)
		t.mu.Unlock()
	}
	return ops
}

// capDuels race for the last rewards of an advocate, and of a budget.
var capDuels = []duel{
	{"five friends of an advocate who is rewarded for three", 5, 5, func(ctx context.Context, t *tale) []op {
		return t.fiveBuy(ctx, t.advocate(ctx, "ann-"+t.base+"@shop.example", tagCap), tagCap)
	}},
	{"five friends for a small budget", 5, 5, func(ctx context.Context, t *tale) []op { return t.fiveBuy(ctx, t.link(tagBudget), tagBudget) }},
	{"a refund that makes room, and who wants it", 3, 3, func(ctx context.Context, t *tale) []op {
		tag := []string{tagCap, tagBudget}[t.n%2]
		a := t.link(tag)
		p, q, r := t.friend(ctx, a, tag, "a"), t.friend(ctx, a, tag, "b"), t.friend(ctx, a, tag, "c")
		for _, o := range []op{p, q, r, t.approves(p, 0)} {
			t.do(ctx, o, t.at())
		}
		return []op{t.refund(p, 0, "a"), t.approves(q, 1), t.approves(r, 2)}
	}},
}

// cappedRewards is what the oracle says of a campaign with a limit or a budget.
type cappedRewards struct {
	tag                 string
	asked, given, alive map[string]int // referrals, and their rewards, by advocate
	spent               int64
	back                bool // something was refunded, and made room
	rows                []string
}

// count takes in one referral of the campaign that was approved.
func (k *cappedRewards) count(l *ledger, r *referral, o *order) {
	k.asked[r.Advocate]++
	switch cause := l.Refused[o.Number]; {
	case cause == "":
		k.given[r.Advocate]++
	case k.tag == tagCap && cause != byLimit || k.tag == tagBudget && cause != byBudget:
		k.rows = append(k.rows, fmt.Sprintf("%s is refused its reward: %s", o.Number, cause))
	}
	for _, g := range l.gifts(r, o) {
		if k.back = k.back || g.Clawed > 0; g.Status != "Voided" {
			k.alive[r.Advocate]++
		}
		k.spent += capCost - share(capCost, g.Clawed, g.Value)
	}
}

// caps says what of a campaign with a limit or a budget is as it must not be. Which referrals are refused the platform may choose, how many
// it may not: of each advocate as many are rewarded as the limit allows, and in all as many as the budget does.
func (l *ledger) caps(tag string) *cappedRewards {
	k := &cappedRewards{tag: tag, asked: map[string]int{}, given: map[string]int{}, alive: map[string]int{}}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			if r.Campaign == tag && r.status(o) == "approved" {
				k.count(l, r, o)
			}
		}
	}
	wrong := func(format string, args ...any) { k.rows = append(k.rows, fmt.Sprintf(format, args...)) }
	asked, given := 0, 0
	for _, advocate := range slices.Sorted(maps.Keys(k.asked)) {
		asked, given = asked+k.asked[advocate], given+k.given[advocate]
		room := min(k.asked[advocate], capEach)
		if n := k.given[advocate]; tag == tagCap && (n < room || !k.back && n > room) {
			wrong("%s has %d rewards of %d referrals; there was room for %d", advocate, n, k.asked[advocate], room)
		}
		if n := k.alive[advocate]; tag == tagCap && n > capEach {
			wrong("%s has %d rewards; %d are the limit", advocate, n, capEach)
		}
	}
	room := min(asked, capRewards)
	if tag == tagBudget && (given < room || !k.back && given > room) {
		wrong("%d rewards of %d referrals were given; there was money for %d", given, asked, room)
	}
	if tag == tagBudget && k.spent > capBudget {
		wrong("%d of %d are spent", k.spent, capBudget)
	}
	return k
}

// checkCaps judges the campaigns with a limit and a budget.
func (l *ledger) checkCaps(ctx context.Context, db *sqlx.DB, siteID int64, c *checks) error {
	kept, err := pairs(ctx, db, `select 'spent' as name, coalesce(sum(spent), 0)::text as value from referral.budget where site_id = $1`, siteID)
	if err != nil {
		return fmt.Errorf("read a budget: %w", err)
	}
	limited, paid := l.caps(tagCap), l.caps(tagBudget)
	if l.Spent = paid.spent; kept["spent"] != fmt.Sprint(l.Spent) {
		paid.rows = append(paid.rows, fmt.Sprintf("the budget says that %s are spent; want %d", kept["spent"], l.Spent))
	}
	c.add(fmt.Sprintf("limits, site %d", l.Site), fmt.Sprintf("rewards of %d advocates", len(limited.given)), limited.rows)
	c.add(fmt.Sprintf("budgets, site %d", l.Site), fmt.Sprintf("rewards of %d advocates", len(paid.given)), paid.rows)
	l.checkRefused(c)
	return nil
}

// checkRefused: where there is neither limit nor budget, nothing is refused.
func (l *ledger) checkRefused(c *checks) {
	of := map[string]string{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			of[o.Number] = r.Campaign
		}
	}
	var rows []string
	for _, number := range slices.Sorted(maps.Keys(l.Refused)) {
		if of[number] != tagCap && of[number] != tagBudget {
			rows = append(rows, fmt.Sprintf("%s of campaign %q: %s", number, of[number], l.Refused[number]))
		}
	}
	c.add(fmt.Sprintf("rewards that were refused, site %d", l.Site), fmt.Sprintf("%d of them", len(l.Refused)), rows)
}

// refusedSQL are the orders whose referral was not rewarded, with the reason that was kept.
const refusedSQL = `
	select o.number as name, x.cause as value from referral.reward_refused x
	join customer.origin o on o.site_id = x.site_id and o.id = x.origin_id where x.site_id = $1`

// countChoices counts the dangers that only the tables know of.
func (w *world) countChoices(ctx context.Context) {
	var n struct{ Limit, Budget, Debts int }
	err := w.admin.GetContext(ctx, &n, `
		select (select count(*) from referral.reward_refused where cause = '`+byLimit+`') as limit,
			(select count(*) from referral.reward_refused where cause = '`+byBudget+`') as budget,
			(select count(*) from (select distinct site_id, person_id from referral.account_entry where balance_after < 0) a) as debts`)
	if err != nil {
		return // the gates say that nothing was seen
	}
	w.tally.reach("rewards refused by a limit", n.Limit)
	w.tally.reach("rewards refused by a budget", n.Budget)
	w.tally.reach("accounts in debt after a payout", n.Debts)
}
