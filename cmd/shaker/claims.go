package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// claim lets a friend claim an advocate's offer, as the shop tells of it.
func (t *tale) claim(a advocate, friend, what string) op {
	o := t.keyed(t.op(kindClaim, "claim "+what), "claim-"+what)
	o.Email, o.Advocate, o.Campaign = friend, a.email, tagClaim
	return o
}

// claimByPage is the same by the form of the claim page.
func (t *tale) claimByPage(a advocate, friend, what string) op {
	o := t.claim(a, friend, what)
	o.Key, o.Page, o.Code, o.Visitor = "", true, a.code, t.visitor(what)
	return o
}

// ownCode gives an advocate a code.
func (t *tale) ownCode(a advocate, n int) op {
	o := t.keyed(t.op(kindOwnCode, fmt.Sprint("own code ", n)), fmt.Sprint("own-code-", n))
	o.Email, o.Offer, o.Code = a.email, a.offer, ownCode(t.site, n)
	return o
}

// friendClaims has a friend claim an offer, by a page or through the shop, sometimes both, and then buy, perhaps with another browser.
func friendClaims(ctx context.Context, t *tale) {
	a, friend := t.link(tagClaim), t.purchase("a").Email
	p := t.purchase("a")
	switch t.rng.IntN(6) {
	case 0: // one's own offer: that is kept, and gives nothing
		t.tellOnce(ctx, t.claim(a, a.email, "own"))
		return
	case 1, 2:
		t.tellOnce(ctx, t.claim(a, friend, "a"))
	case 3:
		t.tellOnce(ctx, t.claim(a, friend, "a"))
		t.tellOnce(ctx, t.claimByPage(a, friend, "b"))
	default:
		opened := t.visit(a, tagClaim, "a")
		opened.Page = true
		t.do(ctx, opened, t.at())
		c := t.claimByPage(a, friend, "a")
		t.tellOnce(ctx, c)
		view := t.op(kindView, "view")
		view.Page, view.Email, view.Visitor, view.Code = true, friend, c.Visitor, a.code+"/claim"
		t.do(ctx, view, t.at())
		p.Visitor = c.Visitor
	}
	if t.rng.IntN(3) > 0 {
		if t.rng.IntN(2) == 0 {
			p.Visitor = ""
		}
		t.tellOnce(ctx, p)
		t.giveBack(ctx, p)
	}
	if t.rng.IntN(3) == 0 { // fewer than wait
		claimsCome(ctx, t)
	}
}

// claimsCome has a few coupons for friends who wait.
func claimsCome(ctx context.Context, t *tale) {
	o := t.keyed(t.op(kindStock, "restock"), "restock")
	o.Batch, o.Amount = claims, 1+t.rng.Int64N(2)
	o.Target = t.sites[t.site].Lists[o.Batch]
	t.tellOnce(ctx, o)
}

// codeBeatsLink has somebody open one advocate's link and order with another one's code.
func codeBeatsLink(ctx context.Context, t *tale) {
	p := t.purchase("a")
	if t.early || t.rng.IntN(3) > 0 {
		p = t.friend(ctx, t.link(tagAuto), tagAuto, "a")
	}
	n := t.rng.IntN(codesOf)
	p.Code, p.Advocate = strings.ToLower(ownCode(t.site, n)), fmt.Sprintf("ann-%s-%d@shop.example", tagCode, n)
	if t.tellOnce(ctx, p).Outcome == yes && p.Visitor != "" {
		t.tally.reach("codes against links", 1)
	}
	t.giveBack(ctx, p)
}

// claimDuels race for offers and their coupons.
var claimDuels = []duel{
	{"one claim four times over", 4, 4, func(_ context.Context, t *tale) []op {
		a, friend := t.link(tagClaim), t.purchase("a").Email
		return []op{t.claim(a, friend, "a"), t.claim(a, friend, "b"), t.claimByPage(a, friend, "c"), t.claimByPage(a, friend, "d")}
	}},
	{"coupons for eight who claim", 9, 9, func(_ context.Context, t *tale) []op {
		a, stock := t.link(tagClaim), t.keyed(t.op(kindStock, "restock"), "restock")
		stock.Batch, stock.Amount, stock.Target = claims, 2, t.sites[t.site].Lists[claims]
		ops := []op{stock}
		for i := range 8 {
			ops = append(ops, t.claim(a, t.purchase(fmt.Sprint(i)).Email, fmt.Sprint(i)))
		}
		return ops
	}},
}

// claimed is what is known of who claimed an offer.
type claimed struct {
	Advocate string
	Shown    map[string]bool // codes that were shown to the friend
}

// claim takes in that somebody claimed an offer, or saw a page about it.
func (l *ledger) claim(one *life) {
	c := l.Claims[one.Email]
	if c == nil {
		if one.Kind == kindView {
			return
		}
		l.person(one.Email)
		l.person(one.Advocate)
		c = &claimed{Advocate: one.Advocate, Shown: map[string]bool{}}
		l.Claims[one.Email] = c
	}
	for _, a := range one.tries {
		if a.Outcome == yes && a.Link != "" {
			c.Shown[a.Link] = true
		}
	}
}

// wantClaims: one of each friend, and no other.
func wantClaims(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for friend, c := range l.Claims {
		out[friend] = "of " + c.Advocate
		if c.Advocate == friend {
			out[friend] += " SELF_REFERRAL"
		}
	}
	return out
}

// wantClaimCoupons: each friend's claim gave one coupon, or a place in the queue, and what a page has shown is the coupon that is there.
func wantClaimCoupons(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for friend, c := range l.Claims {
		if c.Advocate == friend {
			continue
		}
		out[friend] = "one"
		for code := range c.Shown {
			if held := l.Coupons[friend]; held != code {
				out[friend] = fmt.Sprintf("one, %s, and not %q", code, held)
			}
		}
	}
	return out
}

const (
	claimsSQL = `
		select f.email as name, concat_ws(' ', 'of', a.email, nullif(c.reason, '')) as value from referral.offer_claim c
		left join customer.person f on f.site_id = c.site_id and f.id = c.friend_id
		left join customer.person a on a.site_id = c.site_id and a.id = c.advocate_id where c.site_id = $1`
	claimCouponsSQL = `
		select p.email as name, 'one' as value from referral.reward w
		join referral.coupon_list l on l.site_id = w.site_id and l.id = w.coupon_list_id and l.name = '` + claims + `'
		left join customer.person p on p.site_id = w.site_id and p.id = w.person_id
		where w.site_id = $1 and w.status in ('Paid', 'Waiting for coupon')`
	heldCouponsSQL = `
		select p.email as name, w.coupon_code as value from referral.reward w
		join referral.coupon_list l on l.site_id = w.site_id and l.id = w.coupon_list_id and l.name = '` + claims + `'
		join customer.person p on p.site_id = w.site_id and p.id = w.person_id where w.site_id = $1`
)

// watchQueue looks again and again who waits for a coupon of a claim: nobody leaves the queue before those in front of him.
func (w *world) watchQueue(ctx context.Context) {
	type place struct {
		List int64 `db:"list_id"`
		ID   int64 `db:"id"`
	}
	before := map[place]bool{}
	for said := false; ctx.Err() == nil && !said; wait(ctx, 200*time.Millisecond) {
		var rows []place
		err := w.admin.SelectContext(ctx, &rows, `
			select q.list_id, q.id from referral.coupon_wait q
			join referral.coupon_list l on l.site_id = q.site_id and l.id = q.list_id and l.name = $1`, claims)
		if err != nil {
			continue // PostgreSQL is away; what was seen before stands
		}
		now, first := map[place]bool{}, map[int64]int64{}
		for _, p := range rows {
			now[p] = true
			if before[p] && (first[p.List] == 0 || p.ID < first[p.List]) {
				first[p.List] = p.ID
			}
		}
		for p := range before {
			if still := first[p.List]; !now[p] && still != 0 && still < p.ID {
				w.tally.violate("coupons come in the order of waiting", fmt.Sprintf("list %d: %d has left the queue, and %d, who came before, waits", p.List, p.ID, still))
				said = true
			}
		}
		if before = now; len(now) > 0 {
			w.tally.reach("looks at who waits for a coupon of a claim", 1)
		}
	}
}
