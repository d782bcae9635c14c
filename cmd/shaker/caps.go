package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jmoiron/sqlx"
)

// Causes of refusals that the load brings about.
const (
	byLimit  = "limit_total"
	byBudget = "budget"
)

// capped has friends buy of an advocate whose rewards are few, of a budget that is small. What goes back makes room again.
func capped(ctx context.Context, t *tale) {
	a := t.link(tagCap)
	if t.rng.IntN(2) == 0 {
		a = t.advocate(ctx, "ann-"+t.base+"@shop.example", tagCap)
	}
	if a.code == "" {
		return
	}
	for i := range 2 {
		p := t.friend(ctx, a, tagCap, fmt.Sprint(i))
		if t.tellOnce(ctx, p).Outcome != yes {
			continue
		}
		if t.tellOnce(ctx, t.approves(p, i)); t.rng.IntN(3) == 0 {
			for _, part := range []int64{p.Amount / 3, p.Amount / 4, 0}[:1+t.rng.IntN(3)] {
				t.tellOnce(ctx, t.refund(p, part, fmt.Sprint(i, " ", part)))
			}
		}
	}
}

// approves one of several referrals of a story.
func (t *tale) approves(p op, n int) op {
	o := t.status(p, "approved")
	o.ID += fmt.Sprint(" ", n)
	return o
}

// capDuels race for the last rewards of an advocate, and of a budget.
var capDuels = []duel{
	{"five friends of an advocate who is rewarded for three", 5, 5, func(ctx context.Context, t *tale) []op {
		a := t.advocate(ctx, "ann-"+t.base+"@shop.example", tagCap)
		if a.code == "" {
			return nil
		}
		ops := make([]op, 5)
		var all sync.WaitGroup
		for i := range ops {
			v, p := t.visit(a, tagCap, fmt.Sprint(i)), t.purchase(fmt.Sprint(i))
			p.Visitor, ops[i] = v.Visitor, t.approves(p, i)
			all.Go(func() {
				t.do(ctx, v, i%2)
				t.do(ctx, p, i%2)
			})
		}
		all.Wait()
		return ops
	}},
	{"a refund that makes room, and who wants it", 3, 3, func(ctx context.Context, t *tale) []op {
		a := t.link(tagCap)
		p, q, r := t.friend(ctx, a, tagCap, "a"), t.friend(ctx, a, tagCap, "b"), t.friend(ctx, a, tagCap, "c")
		for _, o := range []op{p, q, r, t.approves(p, 0)} {
			t.do(ctx, o, t.at())
		}
		return []op{t.refund(p, 0, "a"), t.approves(q, 1), t.approves(r, 2)}
	}},
}

// checkCaps: limits and budgets refused what they had no room for, and nothing else.
func (l *ledger) checkCaps(ctx context.Context, db *sqlx.DB, siteID int64, c *checks) error {
	var rows []string
	asked, given, alive := map[string]int{}, map[string]int{}, map[string]int{}
	var spent int64
	refused, back := 0, false
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			cause := l.Refused[o.Number]
			if r.Campaign != tagCap || r.status(o) != "approved" {
				if cause != "" {
					rows = append(rows, fmt.Sprintf("%s is refused its reward: %s", o.Number, cause))
				}
				continue
			}
			asked[r.Advocate]++
			switch cause {
			case "":
				given[r.Advocate]++
			case byBudget:
				refused++
			case byLimit:
			default:
				rows = append(rows, fmt.Sprintf("%s is refused its reward: %s", o.Number, cause))
			}
			for _, g := range l.gifts(r, o) {
				if back = back || g.Clawed > 0; g.Status != "Voided" {
					alive[r.Advocate]++
				}
				spent += capCost - share(capCost, g.Clawed, g.Value)
			}
		}
	}
	due, got := 0, 0
	for _, advocate := range slices.Sorted(maps.Keys(asked)) {
		least := min(asked[advocate], capEach)
		if due, got = due+least, got+given[advocate]; alive[advocate] > capEach {
			rows = append(rows, fmt.Sprintf("%s has %d rewards; %d are the limit", advocate, alive[advocate], capEach))
		} else if refused == 0 && given[advocate] < least {
			rows = append(rows, fmt.Sprintf("%s has %d rewards of %d referrals; %d are the limit, and there was money", advocate, given[advocate], asked[advocate], capEach))
		}
	}
	least := min(due, capRewards)
	if got < least || !back && got > least {
		rows = append(rows, fmt.Sprintf("%d rewards were given; there was room for %d", got, least))
	}
	if spent > capBudget {
		rows = append(rows, fmt.Sprintf("%d of %d are spent", spent, capBudget))
	}
	kept, err := pairs(ctx, db, `
		select 'spent' as name, coalesce(sum(b.spent), 0)::text as value from referral.budget b where b.site_id = $1`, siteID)
	if err != nil {
		return fmt.Errorf("read a budget: %w", err)
	}
	if kept["spent"] != fmt.Sprint(spent) {
		rows = append(rows, fmt.Sprintf("the budget says that %s are spent; want %d", kept["spent"], spent))
	}
	l.Spent = spent
	c.add(fmt.Sprintf("limits and budgets, site %d", l.Site), fmt.Sprintf("%d referrals, %d rewards", len(asked), got), rows)
	return nil
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
