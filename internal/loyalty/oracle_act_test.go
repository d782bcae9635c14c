package loyalty

import (
	"fmt"

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
		case p == nil:
		case a.kind == kindAdjust:
			ok = p.adjust(int(a.points), w)
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

func (p *purse) adjust(points int, w *world) bool {
	if points == 0 {
		return false
	}
	p.expire(w.clock.Now())
	if p.live()-p.debt+points < 0 {
		return false
	}
	if points > 0 {
		p.fill(&grant{ends: w.clock.Now().AddDate(0, 0, 10), given: true}, points)
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
	for range cost {
		p.take(fmt.Sprint("spent ", id))
	}
	if p.redeemed == nil {
		p.redeemed, p.cancelled = map[int64]bool{}, map[int64]bool{}
	}
	p.redeemed[id] = true
	return true
}

// cancel says whether the redemption is this person's.
func (p *purse) cancel(id int64, grace int, w *world) bool {
	if !p.redeemed[id] || p.cancelled[id] {
		return p.redeemed[id]
	}
	p.cancelled[id] = true
	p.expire(w.clock.Now())
	for _, g := range p.grants {
		if grace > 0 && g.count(fmt.Sprint("spent ", id)) > 0 && !g.ends.After(w.clock.Now()) {
			g.ends = w.clock.Now().AddDate(0, 0, grace)
		}
		for g.turn(fmt.Sprint("spent ", id), "live") {
		}
	}
	for ; p.debt > 0 && p.take("gone"); p.debt-- {
	}
	p.expire(w.clock.Now())
	return true
}
