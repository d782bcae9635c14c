package main

import (
	"context"
	"fmt"
	"strconv"
)

// What is paid for the orders of a friend who comes again: one plan has caps of an order and of a friend, another one of a month.
const (
	repeatOrders                    = 3 // of a friend are paid for
	repeatPercent                   = 10
	repeatOrderCap, repeatFriendCap = 900, 2000
	francs                          = "CHF"
	monthEach, monthCap             = 300, 1000 // francs
)

// makeRepeats makes the two plans.
func (w *world) makeRepeats(ctx context.Context, s shop) (ids [2]int64, err error) {
	for i, plan := range []object{
		{"name": "Again", "currency": currency, "default": object{"percent": repeatPercent}, "recurring": object{"orders": repeatOrders, "months": 12},
			"caps": object{"order": repeatOrderCap, "friend": repeatFriendCap}},
		{"name": "Month", "currency": francs, "default": object{"percent": 0}, "per_order": monthEach, "caps": object{"month": monthCap}},
	} {
		if ids[i], err = w.create(ctx, s, "/api/v2/commission_plans", "commission_plan", plan); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// comesAgain has a friend buy several times, of which some orders are paid for, and some go back. The first is decided sooner or later than
// the others are told.
func comesAgain(ctx context.Context, t *tale) {
	p := t.friend(ctx, t.link(tagRepeat), tagRepeat, "a")
	if t.tellOnce(ctx, p).Outcome != yes {
		return
	}
	decision := []string{"approved", "approved", "approved", "approved", ""}[t.rng.IntN(5)] // whose referral was voided may be referred again
	when, orders := t.rng.IntN(3), 1+t.rng.IntN(repeatOrders+1)
	if t.early {
		decision, orders = "approved", repeatOrders+1
	}
	for i := range orders {
		if i == when && decision != "" {
			t.tellOnce(ctx, t.status(p, decision))
		}
		q := t.again(p, fmt.Sprint("again-", i))
		if t.tellOnce(ctx, q).Outcome == yes && t.rng.IntN(3) == 0 {
			t.sendBack(ctx, q, fmt.Sprint("again-", i))
		}
	}
	if when >= orders && decision != "" {
		t.tellOnce(ctx, t.status(p, decision))
	}
	if decision != "" && t.rng.IntN(3) == 0 {
		t.sendBack(ctx, p, "first")
	}
}

// again is one more order of who has bought.
func (t *tale) again(of op, what string) op {
	q := t.purchase(what)
	q.Email = of.Email
	return q
}

// repeatDuels race for the orders that are paid for, and for what a month's cap leaves.
var repeatDuels = []duel{
	{"five orders of a friend, of which two are paid for", 6, 6, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagRepeat), tagRepeat, "a")
		if t.do(ctx, p, t.at()).Outcome != yes {
			return nil
		}
		ops := []op{t.approves(p, 0)}
		for i := range 5 { // alike: it doesn't matter which of them are paid for
			q := t.again(p, fmt.Sprint("again-", i))
			q.Amount = t.amount(7000)
			ops = append(ops, q)
		}
		return ops
	}},
	{"five friends of an advocate, whose month is full by then", 5, 5, func(ctx context.Context, t *tale) []op {
		return t.fiveBuy(ctx, t.advocate(ctx, "ann-"+t.base+"@shop.example", tagRepeat), tagRepeat)
	}},
}

// again is what the caps leave of an order's share, where so much was earned by the friend before.
func again(amount, before int64) int64 {
	return min((amount*repeatPercent+50)/100, repeatOrderCap, repeatFriendCap-before)
}

// again are the commissions of the orders that came after the first of a friend, who is approved.
func (l *ledger) again(r *referral, first *order) []gift {
	if !promises[r.Campaign].repeats || r.status(first) != "approved" {
		return nil
	}
	var out []gift
	used := again(first.Amount, 0)
	for _, o := range l.People[r.Friend].inOrder() {
		if o == first || !o.Verified || len(out) == repeatOrders-1 {
			continue
		}
		g := gift{Kind: "commission", Currency: currency, Value: again(o.Amount, used)}
		g.Clawed = share(g.Value, o.refunded(), o.Amount)
		used += g.Value
		out = append(out, g)
	}
	return out
}

// granted is what a month's cap left of an order's commission: who is first gets all, so the tables have to say who was.
func (l *ledger) granted(o *order) int64 {
	n, err := strconv.ParseInt(l.Granted[o.Number], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// wantAgain are the commissions of later orders, by the friend: of several orders at once any may be paid for.
func wantAgain(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			var sum, back int64
			list := l.again(r, o)
			for _, g := range list {
				sum, back = sum+g.Value, back+g.Clawed
			}
			if len(list) > 0 {
				out[r.Friend] = fmt.Sprintf("%d of %d for %s, %d taken back", len(list), sum, r.Advocate, back)
			}
		}
	}
	return out
}

const (
	againSQL = `
		select f.email as name, concat_ws(' ', count(*), 'of', sum(c.amount), 'for', p.email) || ', ' || sum(c.clawed) || ' taken back' as value
		from referral.commission c
		left join customer.person f on f.site_id = c.site_id and f.id = c.friend_id
		left join customer.person p on p.site_id = c.site_id and p.id = c.person_id
		where c.site_id = $1 and c.nth > 1 and c.status = 'earned' group by f.email, p.email`
	grantedSQL = `
		select o.number as name, c.amount::text as value from referral.commission c
		join customer.origin o on o.site_id = c.site_id and o.id = c.origin_id
		where c.site_id = $1 and c.currency = '` + francs + `' and c.status = 'earned'`
)

// checkMonths: the cap of a month leaves nothing out while there is room. That there is never too much, in whatever month, an invariant says.
func (l *ledger) checkMonths(c *checks) {
	asked, given := map[string]int64{}, map[string]int64{}
	var rows []string
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			if !promises[r.Campaign].repeats || r.status(o) != "approved" {
				continue
			}
			n := l.granted(o)
			asked[r.Advocate], given[r.Advocate] = asked[r.Advocate]+monthEach, given[r.Advocate]+n
			if l.Granted[o.Number] == "" || n > monthEach {
				rows = append(rows, fmt.Sprintf("%s earned %q of %d", o.Number, l.Granted[o.Number], monthEach))
			}
		}
	}
	for advocate, n := range given {
		if n < min(asked[advocate], monthCap) {
			rows = append(rows, fmt.Sprintf("%s got %d of %d; %d are the cap of a month", advocate, n, asked[advocate], monthCap))
		}
	}
	c.add(fmt.Sprintf("caps of months, site %d", l.Site), fmt.Sprintf("commissions of %d advocates", len(given)), rows)
}
