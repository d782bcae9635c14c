package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// duel is what is told at once, to both replicas, and how many of it may be done.
type duel struct {
	name        string
	least, most int // how many are answered yes
	set         func(ctx context.Context, t *tale) []op
}

// duels are where races show: a uniform load never puts two refunds on one order.
var duels = append([]duel{
	{"three refunds of 60 %", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.bought(ctx, tagAuto)
		return []op{t.refund(p, p.Amount*6/10, "a"), t.refund(p, p.Amount*6/10, "b"), t.refund(p, p.Amount*6/10, "c")}
	}},
	{"two refunds of the rest", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.bought(ctx, tagAuto)
		return []op{t.refund(p, 0, "a"), t.refund(p, 0, "b")}
	}},
	{"approve against void", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.bought(ctx, tagManual)
		return []op{t.status(p, "approved"), t.status(p, "voided")}
	}},
	{"approved at both replicas", 2, 2, func(ctx context.Context, t *tale) []op {
		a := t.status(t.bought(ctx, tagManual), "approved")
		b := a
		b.ID += " too"
		return []op{a, b}
	}},
	{"approve against a refund of all", 1, 2, func(ctx context.Context, t *tale) []op {
		p := t.bought(ctx, tagManual)
		return []op{t.refund(p, 0, "a"), t.status(p, "approved")}
	}},
	{"the same order at both replicas", 2, 2, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		return []op{p, t.keyed(t.other(p), "other")}
	}},
	{"one order with two amounts", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		q := t.keyed(t.other(p), "other")
		q.Amount++
		return []op{p, q}
	}},
	{"one key with two orders", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		q := t.other(p)
		q.Order, q.Amount = "o-"+t.base+"-b", p.Amount+700
		return []op{p, q}
	}},
	{"a purchase and its refund", 1, 2, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		return []op{t.refund(p, p.Amount/2, "a"), p}
	}},
	{"two purchases of one friend", 2, 2, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		q := t.keyed(t.other(p), "other")
		q.Order = "o-" + t.base + "-b"
		return []op{p, q}
	}},
	{"one order of two buyers", 1, 1, func(ctx context.Context, t *tale) []op {
		p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
		q := t.keyed(t.other(p), "other")
		q.Email, q.Visitor = "eve-"+t.base+"@shop.example", ""
		return []op{p, q}
	}},
}, slices.Concat(pointsDuels, giftDuels, claimDuels, capDuels, payoutDuels, repeatDuels)...)

// fight tells a duel by the story's dice.
func fight(ctx context.Context, t *tale) {
	d := duels[t.turn()%len(duels)]
	t.duel = "" // what comes before is none
	ops := d.set(ctx, t)
	if ops == nil { // too late for it
		return
	}
	var all sync.WaitGroup
	first := t.at()
	for i, o := range ops {
		o.Duel = d.name + " @" + t.base
		all.Go(func() { t.do(ctx, o, (first+i)%len(t.replicas)) })
	}
	all.Wait()
	t.tally.reach("duel "+d.name, 1)
}

// turn counts the duels of all workers, as if each had told as many stories by now: so each kind comes soon, in both sites.
func (t *tale) turn() int {
	before := 0
	for i := range t.n {
		if t.tale(t.worker, i, 0).story() == duelling {
			before++
		}
	}
	return before*workers + t.worker + int(t.seed%uint64(len(duels)))
}

// bought is a friend's order that has been answered.
func (t *tale) bought(ctx context.Context, tag string) op {
	p := t.friend(ctx, t.link(tag), tag, "a")
	t.do(ctx, p, t.at())
	return p
}

// other is the same thing told by somebody else.
func (t *tale) other(o op) op {
	o.ID = strings.Replace(o.ID, "purchase a", "purchase b", 1)
	return o
}

// checkDuels counts the winners.
func checkDuels(all []*life) []violation {
	winners, undecided, fighters := map[string]int{}, map[string]int{}, map[string][]string{}
	for _, l := range all {
		if l.Duel == "" {
			continue
		}
		id := fmt.Sprintf("%s/%d", l.Duel, l.Site)
		fighters[id] = append(fighters[id], l.ID)
		switch l.fate() {
		case yes:
			winners[id]++
		case unknown: // the run was over before the answer came: it may be a yes
			undecided[id]++
		}
	}
	var out []violation
	for _, d := range duels {
		v := violation{Invariant: "duel: " + d.name}
		for id, ops := range fighters {
			if n := winners[id]; strings.HasPrefix(id, d.name+" @") && (n+undecided[id] < d.least || n > d.most) {
				v.Rows = append(v.Rows, fmt.Sprintf("%d were answered yes, want %d to %d: %s", n, d.least, d.most, strings.Join(ops, ", ")))
			}
		}
		if len(v.Rows) > 0 {
			v.Detail = "races decide otherwise than rules"
			out = append(out, v)
		}
	}
	return out
}
