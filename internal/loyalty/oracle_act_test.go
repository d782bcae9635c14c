package loyalty

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// costs are what the batches of the oracle's sites cost; a further one costs 3 points of the other wallet.
var costs = []int64{2, 5, 9}

// offerIn is a batch that costs points of a wallet.
func (w *world) offerIn(siteID, programID int64, wallet string, cost int64) {
	w.t.Helper()
	s := batchSettings{Status: active, Description: "$5 off", PointsCost: cost, Wallet: &wallet}
	if _, _, err := w.createBatch(context.WithoutCancel(w.t.Context()), siteID, programID, s, 0, noKey); err != nil {
		w.t.Fatal(err)
	}
}

func offers(rt *rapid.T, w *world, site int64) []int64 {
	var ids []int64
	if err := w.admin.Select(&ids, `select id from loyalty.redemption_batch where site_id = $1 order by id`, site); err != nil {
		rt.Fatal(err)
	}
	return ids
}

// act runs a batch of actions, compares each answer with what the oracle says, and runs the batch again, which must answer the
// same and change nothing. It returns the new redemptions.
func (o *oracle) act(rt *rapid.T, w *world, site int64, batch []action) (redeemed []int64) {
	out, err := w.act(w.t.Context(), batch)
	if err != nil {
		rt.Fatal(err)
	}
	ids := offers(rt, w, site)
	for i, a := range batch {
		cost := int64(0)
		for k, id := range ids {
			if a.kind == kindRedeem && id == a.id {
				cost = append(costs, 3)[k]
				a.wallet = o.each()[k/len(costs)].wallet
			}
		}
		p, ok := o.in(a.wallet).people[a.person], false
		switch {
		case a.kind == kindCancel:
			for _, x := range o.each() {
				for who, q := range x.people {
					if q.redeemed[a.id] {
						p, ok = x.people[o.as(who)], true
						x.cancel(q, p, a.id, w)
					}
				}
			}
		case a.ends():
			for _, x := range o.each() {
				for who, q := range x.people {
					if q.holds[a.id] != nil {
						p = x.people[o.as(who)]
						ok = x.end(q.holds[a.id], p, a, w)
					}
				}
			}
		case p == nil:
		case a.kind != kindAdjust && o.states.is(a.person) != active, o.states.is(a.person) == closed:
		case a.kind == kindHold:
			id := int64(0)
			if k := out[i].Value.Hold; k != nil {
				id = k.ID
			}
			if ok = o.in(a.wallet).hold(a.person, int(a.points), a.lasts, id, w); ok {
				redeemed = append(redeemed, id)
			}
		case a.kind == kindAdjust:
			ok = o.adjust(p, a, w)
		default:
			id := int64(0)
			if r := out[i].Value.Redemption; r != nil {
				id = r.ID
			}
			if ok = o.in(a.wallet).redeem(a.person, int(cost), id, w); ok {
				redeemed = append(redeemed, id)
			}
		}
		if ok != (out[i].Err == nil) {
			rt.Fatalf("%+v: %+v, %v; want success %v", a, out[i].Value, out[i].Err, ok)
		}
		if ok && out[i].Value.Balance != int64(p.live()-p.debt) {
			rt.Fatalf("%+v: %+v; want a balance of %d", a, out[i].Value, p.live()-p.debt)
		}
	}
	again, err := w.act(w.t.Context(), batch)
	if err != nil {
		rt.Fatal(err)
	}
	for i := range batch {
		if (out[i].Err == nil) != (again[i].Err == nil) || out[i].Err == nil && (!again[i].Value.Replayed || again[i].Value.Balance != out[i].Value.Balance) {
			rt.Fatalf("%+v: first %+v, %v; again %+v, %v", batch[i], out[i].Value, out[i].Err, again[i].Value, again[i].Err)
		}
	}
	return redeemed
}

func (p *purse) adjust(points int, idle bool, w *world) bool {
	if points == 0 {
		return false
	}
	p.expire(w.clock.Now())
	if p.live()-p.debt+points < 0 {
		return false
	}
	if points > 0 {
		p.active(idle, w.clock.Now())
		p.fill(&grant{ends: w.clock.Now().AddDate(0, 0, 10), given: true, idle: idle}, points)
	}
	for ; points < 0; points++ {
		p.take("gone")
	}
	return true
}

func (o *oracle) redeem(who int64, cost int, id int64, w *world) bool {
	p := o.people[who]
	if !o.affords(who, cost, w) {
		return false
	}
	p.active(false, w.clock.Now()) // spending is an activity first, so that what nothing prolongs is spent before what it prolongs
	o.spend(who, cost, id)
	if p.redeemed == nil {
		p.redeemed, p.cancelled = map[int64]bool{}, map[int64]bool{}
	}
	p.redeemed[id] = true
	return true
}

// extend gives all that is left another end; false, and nothing happened, where nothing is.
func (p *purse) extend(ends, now time.Time) bool {
	left := func(g *grant) bool { return g.count("live") > 0 && !p.over(g, now) }
	if !slices.ContainsFunc(p.grants, left) {
		return false
	}
	p.expire(now)
	for _, g := range p.grants {
		if g.count("live") > 0 {
			g.ends, g.idle = ends, false
		}
	}
	return true
}

// cancel gives back what a redemption of q's took, to p, who q is by now.
func (o *oracle) cancel(q, p *purse, id int64, w *world) {
	if !q.cancelled[id] {
		q.cancelled[id] = true
		o.back(p, id, math.MaxInt, w)
	}
}

// comeBack gives somebody back up to n points that went so, those of the newest grants first. Those of a grant that is another's by now come as new ones.
func (o *oracle) comeBack(p *purse, tag string, n int, w *world) {
	p.expire(w.clock.Now())
	anothers := 0
	for _, g := range slices.Backward(o.all()) {
		mine := slices.Contains(p.grants, g)
		if mine && n > 0 && o.grace > 0 && g.count(tag) > 0 && p.over(g, w.clock.Now()) {
			g.ends, g.idle = w.clock.Now().AddDate(0, 0, o.grace), false
		}
		for ; n > 0 && g.turn(tag, map[bool]string{true: "live", false: "gone"}[mine]); n-- {
			if !mine {
				anothers++
			}
		}
	}
	o.anew(p, anothers, w)
	for ; p.debt > 0 && p.take("gone"); p.debt-- {
	}
	p.expire(w.clock.Now())
}

func (o *oracle) hold(who int64, points int, lasts time.Duration, id int64, w *world) bool {
	p := o.people[who]
	if !o.affords(who, points, w) {
		return false
	}
	o.spend(who, points, id)
	if p.holds == nil {
		p.holds = map[int64]*kept{}
	}
	p.holds[id] = &kept{points: points, until: w.clock.Now().Add(lasts), status: held}
	return true
}

// end does with a hold what an action wants, for whose it is by now, and says whether that could be done.
func (o *oracle) end(k *kept, p *purse, a action, w *world) (ok bool) {
	over := !k.until.After(w.clock.Now())
	switch a.kind {
	case kindCommit:
		if ok = k.status == "committed" || k.status == held && !over; ok && k.status == held {
			k.status = "committed"
			p.expire(w.clock.Now())
			p.active(false, w.clock.Now())
		}
	case kindRelease:
		if ok = k.status != "committed"; k.status == held {
			k.status = "released"
			o.back(p, a.id, k.points, w)
		}
	default:
		if ok = k.status == "committed" && int(a.points) <= k.points-k.restored; ok {
			k.restored += int(a.points)
			o.back(p, a.id, int(a.points), w)
		}
	}
	return ok
}

// release ends the holds whose time is over.
func (o *oracle) release(w *world) {
	holds, whose := map[int64]*kept{}, map[int64]int64{}
	for who, p := range o.people {
		for id, k := range p.holds {
			holds[id], whose[id] = k, who
		}
	}
	due := slices.SortedFunc(maps.Keys(holds), func(x, y int64) int { return cmp.Or(holds[x].until.Compare(holds[y].until), cmp.Compare(x, y)) })
	for _, id := range due {
		if k := holds[id]; !k.until.After(w.clock.Now()) && k.status == held {
			o.end(k, o.people[o.as(whose[id])], action{kind: kindRelease, id: id}, w)
		}
	}
}
