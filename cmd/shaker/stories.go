package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// story is something that happens to people.
type story struct {
	name  string
	share int
	tell  func(ctx context.Context, t *tale)
}

// stories are what the load is made of, each with its share.
var stories = []story{
	{"a friend buys", 30, friendBuys},
	{"somebody buys", 12, somebodyBuys},
	{"a friend buys of a VIP", 16, vipFriendBuys},
	{"a page says that a friend buys", 10, pageSays},
	{"a new advocate", 6, newAdvocate},
	{"an advocate buys by the own link", 5, selfReferral},
	{"somebody spends points", 13, spendsPoints},
	{"coupons come", 3, restocks},
	{"members give points, and pay with them", 6, givesPoints},
	{"a friend claims an offer", 10, friendClaims},
	{"coupons come for those who claim", 3, claimsCome},
	{"a code beats a link", 5, codeBeatsLink},
	{"friends of an advocate with a limit buy", 8, capped},
	{"a friend of a partner buys", 8, partnerSells},
	{"partners are paid", 4, partnersArePaid},
	{"a friend comes again", 7, comesAgain},
	{"somebody looks at pages", 4, looksAround},
	{"nonsense", 3, nonsense},
}

const (
	duelShare = 45 // beside the stories
	duelling  = -1
)

// story is which of the stories the dice choose, or duelling.
func (t *tale) story() int {
	if i := t.n*workers + t.worker; t.early && i < len(stories) {
		return i
	} else if t.early {
		return duelling
	}
	total := duelShare
	for _, s := range stories {
		total += s.share
	}
	t.rng.IntN(3) // that of load.tell
	dice := t.rng.IntN(total)
	for i, s := range stories {
		if dice -= s.share; dice < 0 {
			return i
		}
	}
	return duelling
}

func (t *tale) tell(ctx context.Context) {
	if i := t.story(); i != duelling {
		stories[i].tell(ctx, t)
		return
	}
	fight(ctx, t)
}

func friendBuys(ctx context.Context, t *tale) {
	p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
	if t.tellOnce(ctx, p).Outcome != yes {
		return
	}
	t.read(ctx, p)
	t.giveBack(ctx, p)
}

func somebodyBuys(ctx context.Context, t *tale) {
	p := t.purchase("a")
	t.tellOnce(ctx, p)
	t.giveBack(ctx, p)
}

// vipFriendBuys needs a decision, which comes sooner or later than the refunds, or never.
func vipFriendBuys(ctx context.Context, t *tale) {
	p := t.friend(ctx, t.link(tagManual), tagManual, "a")
	t.tellOnce(ctx, p)
	decisions := []string{"approved", "approved", "approved", "voided", ""}
	decision, early := decisions[t.rng.IntN(len(decisions))], t.rng.IntN(2) == 0
	if t.early { // once in every run: refunded in part, and approved when that is known
		t.tellOnce(ctx, t.refund(p, p.Amount/3, "first"))
		wait(ctx, time.Second)
		t.tellOnce(ctx, t.status(p, "approved"))
		return
	}
	if early && decision != "" {
		t.tellOnce(ctx, t.status(p, decision))
	}
	t.giveBack(ctx, p)
	if !early && decision != "" {
		if t.rng.IntN(4) == 0 { // until the refunds have been heard of
			wait(ctx, time.Second)
		}
		t.tellOnce(ctx, t.status(p, decision))
	}
}

// pageSays tells of an order with the public key, which anybody can do: it earns nothing until the shop's server says the same. What
// the server says counts, where they differ.
func pageSays(ctx context.Context, t *tale) {
	p := t.friend(ctx, t.link(tagAuto), tagAuto, "a")
	server := t.keyed(t.other(p), "other")
	p.Public = true
	dice := t.rng.IntN(5)
	if t.early {
		dice = 0
	}
	switch dice {
	case 0: // a lie that nobody confirms; nor can it be refunded
		t.tellOnce(ctx, p)
		t.tellOnce(ctx, t.refund(p, p.Amount/2, "0"))
		return
	case 1: // one that the server corrects
		p.Amount *= 10
		t.tellOnce(ctx, p)
		t.tellOnce(ctx, server)
	case 2: // the server doesn't know the browser
		server.Visitor = ""
		t.tellOnce(ctx, p)
		t.tellOnce(ctx, server)
	default: // both at once
		var page sync.WaitGroup
		at := t.at()
		page.Go(func() { t.do(ctx, p, at) })
		t.do(ctx, server, 1-at)
		page.Wait()
	}
	t.giveBack(ctx, server)
}

func newAdvocate(ctx context.Context, t *tale) {
	a := t.advocate(ctx, "ann-"+t.base+"@shop.example", tagAuto)
	if a.code == "" {
		return
	}
	t.read(ctx, op{ID: t.op(kindSignUp, "sign-up").ID, Site: t.site, Email: a.email})
	p := t.friend(ctx, a, tagAuto, "a")
	t.tellOnce(ctx, p)
	t.giveBack(ctx, p)
}

// selfReferral earns nothing.
func selfReferral(ctx context.Context, t *tale) {
	a := t.advocate(ctx, "ann-"+t.base+"@shop.example", tagAuto)
	if a.code == "" {
		return
	}
	p := t.friend(ctx, a, tagAuto, "a")
	p.Email = a.email
	t.tellOnce(ctx, p)
}

// nonsense is refused and changes nothing, however often it is told.
func nonsense(ctx context.Context, t *tale) {
	o := t.keyed(t.purchase("h"), "nonsense")
	o.Kind, o.Amount = kindHostile, -o.Amount
	t.tellOnce(ctx, o)
}

// giveBack refunds in up to three parts, of which the last may be all that is left, or too much.
func (t *tale) giveBack(ctx context.Context, p op) {
	left := p.Amount
	for i := range t.rng.IntN(4) {
		part := 1 + t.rng.Int64N(max(p.Amount/3, 1))
		what := fmt.Sprint(i)
		switch t.rng.IntN(8) {
		case 0:
			part, left = 0, 0
		case 1:
			part = left + 1
		default:
			if part <= left {
				left -= part
			}
		}
		t.tellOnce(ctx, t.refund(p, part, what))
	}
}

// read asks for somebody whom the platform has just acknowledged, mostly at the other replica.
func (t *tale) read(ctx context.Context, of op) {
	if t.rng.IntN(3) != 0 {
		return
	}
	o := t.op(kindRead, "read")
	o.Email = of.Email
	if a := t.do(ctx, o, t.at()); a.Outcome == no {
		t.tally.violate("read your writes", "somebody who was acknowledged is not there", a.String())
	}
}
