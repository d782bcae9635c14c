package loyalty

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// costs are what the batches of the oracle's sites cost.
var costs = []int64{2, 5, 9}

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
		p, ok := o.people[a.person], false
		switch {
		case a.kind == kindCancel:
			for _, q := range o.people {
				if q.cancel(a.id, o.grace, w) {
					p, ok = q, true
				}
			}
		case a.ends():
			for _, q := range o.people {
				if mine, done := q.end(a, o.grace, w); mine {
					p, ok = q, done
				}
			}
		case p == nil:
		case a.kind == kindHold:
			id := int64(0)
			if k := out[i].Value.Hold; k != nil {
				id = k.ID
			}
			if ok = p.hold(int(a.points), a.lasts, id, w); ok {
				redeemed = append(redeemed, id)
			}
		case a.kind == kindAdjust:
			ok = o.adjust(p, a, w)
		default:
			cost := int64(0)
			for k, id := range ids {
				if id == a.id {
					cost = costs[k]
				}
			}
			id := int64(0)
			if r := out[i].Value.Redemption; r != nil {
				id = r.ID
			}
			if ok = p.redeem(int(cost), id, w); ok {
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

func (p *purse) redeem(cost int, id int64, w *world) bool {
	p.expire(w.clock.Now())
	if p.live()-p.debt < cost {
		return false
	}
	p.active(false, w.clock.Now()) // spending is an activity first, so that what nothing prolongs is spent before what it prolongs
	p.spend(cost, id)
	if p.redeemed == nil {
		p.redeemed, p.cancelled = map[int64]bool{}, map[int64]bool{}
	}
	p.redeemed[id] = true
	return true
}

func (p *purse) spend(cost int, id int64) {
	for range cost {
		p.take(fmt.Sprint("spent ", id))
	}
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

// cancel says whether the redemption is this person's.
func (p *purse) cancel(id int64, grace int, w *world) bool {
	if !p.redeemed[id] || p.cancelled[id] {
		return p.redeemed[id]
	}
	p.cancelled[id] = true
	p.back(id, math.MaxInt, grace, w)
	return true
}

// back gives back up to n points that were spent by something, those of the newest grants first.
func (p *purse) back(id int64, n, grace int, w *world) {
	tag := fmt.Sprint("spent ", id)
	p.expire(w.clock.Now())
	for _, g := range slices.Backward(p.grants) {
		if n > 0 && grace > 0 && g.count(tag) > 0 && p.over(g, w.clock.Now()) {
			g.ends, g.idle = w.clock.Now().AddDate(0, 0, grace), false
		}
		for ; n > 0 && g.turn(tag, "live"); n-- {
		}
	}
	for ; p.debt > 0 && p.take("gone"); p.debt-- {
	}
	p.expire(w.clock.Now())
}

func (p *purse) hold(points int, lasts time.Duration, id int64, w *world) bool {
	p.expire(w.clock.Now())
	if p.live()-p.debt < points {
		return false
	}
	p.spend(points, id)
	if p.holds == nil {
		p.holds = map[int64]*kept{}
	}
	p.holds[id] = &kept{points: points, until: w.clock.Now().Add(lasts), status: held}
	return true
}

// end does with a hold what an action wants, and says whether it is this person's and that could be done.
func (p *purse) end(a action, grace int, w *world) (mine, ok bool) {
	k := p.holds[a.id]
	if k == nil {
		return false, false
	}
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
			p.back(a.id, k.points, grace, w)
		}
	default:
		if ok = k.status == "committed" && int(a.points) <= k.points-k.restored; ok {
			k.restored += int(a.points)
			p.back(a.id, int(a.points), grace, w)
		}
	}
	return true, ok
}

// release ends the holds whose time is over.
func (o *oracle) release(w *world) {
	for _, p := range o.people {
		for _, id := range slices.Sorted(maps.Keys(p.holds)) {
			if k := p.holds[id]; !k.until.After(w.clock.Now()) && k.status == held {
				p.end(action{kind: kindRelease, id: id}, o.grace, w)
			}
		}
	}
}
