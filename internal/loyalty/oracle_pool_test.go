package loyalty

import (
	"cmp"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// household is a pool.
type household struct {
	id, owner int64
	ownerOnly bool
	places    []roof
	open      bool
	closedBy  *union
}

// roof is a place in a pool, and the merge that gave it.
type roof struct {
	who int64
	by  *union
}

// lending is what somebody paid of what another spent.
type lending struct {
	who  int64
	left int
}

func (h *household) has(who int64) bool {
	return h != nil && slices.ContainsFunc(h.places, func(r roof) bool { return r.who == who })
}

func (h *household) drop(who int64) {
	h.places = slices.DeleteFunc(h.places, func(r roof) bool { return r.who == who })
}

// lenders are whose points somebody may spend besides.
func (o *oracle) lenders(who int64) (out []int64) {
	if h := o.pool; h.has(who) && o.people[who].debt == 0 && (!h.ownerOnly || h.owner == who) {
		for _, r := range h.places {
			if r.who != who && o.states.is(r.who) == active {
				out = append(out, r.who)
			}
		}
	}
	return out
}

// affords says whether somebody may spend so many points, once what is due has expired.
func (o *oracle) affords(who int64, n int, w *world) bool {
	p := o.people[who]
	p.expire(w.clock.Now())
	has := p.live() - p.debt
	for _, l := range o.lenders(who) {
		o.people[l].expire(w.clock.Now())
		has += o.people[l].live()
	}
	return has >= n
}

// spend takes points one by one, of all who may be asked the one that ends next.
func (o *oracle) spend(who int64, n int, id int64) {
	p, paid := o.people[who], map[int64]int{}
	var order []int64
	for range n {
		from, best := who, p.next()
		for _, l := range o.lenders(who) {
			g := o.people[l].next()
			if g == nil {
				continue
			}
			sooner := -1
			if best != nil {
				sooner = o.people[l].ending(g).Compare(o.people[from].ending(best))
			}
			if sooner < 0 || sooner == 0 && from != who && g.made < best.made {
				from, best = l, g
			}
		}
		if from == who {
			best.turn("live", fmt.Sprint("spent ", id))
			continue
		}
		if best.turn("live", lentBy(id, from)); paid[from] == 0 {
			order = append(order, from)
		}
		paid[from]++
	}
	for _, l := range order {
		o.loans[id] = append(o.loans[id], &lending{l, paid[l]})
		g := &grant{given: true}
		for range paid[l] {
			g.points = append(g.points, "gone")
		}
		p.add(g)
	}
}

func lentBy(id, who int64) string { return fmt.Sprint("lent ", id, " by ", who) }

// back gives back up to n points that were spent by something: first what others had paid, the last of them first, and to each their own.
func (o *oracle) back(p *purse, id int64, n int, w *world) {
	var parts []lending
	for _, l := range slices.Backward(o.loans[id]) {
		k := min(n, l.left)
		if l.left, n = l.left-k, n-k; k > 0 {
			parts = append(parts, lending{l.who, k})
		}
	}
	o.comeBack(p, fmt.Sprint("spent ", id), n, w)
	for _, l := range parts {
		o.comeBack(o.people[o.as(l.who)], lentBy(id, l.who), l.left, w)
	}
}

// draws does something with the pool: at most one at a time.
func (o *oracle) draws(rt *rapid.T, w *world, site int64, draw *rapid.Generator[int64]) {
	a, b := o.as(draw.Draw(rt, "one")), o.as(draw.Draw(rt, "other"))
	known := func(who int64) bool { return o.people[who] != nil && o.states.is(who) == active }
	ctx, h := w.t.Context(), o.pool
	if h == nil || !h.open && h.closedBy == nil {
		spending := rapid.SampledFrom([]string{spendAll, spendAll, spendOwner}).Draw(rt, "spending")
		p, _, err := w.CreatePool(ctx, site, loyaltyapi.NewPool{Name: "Home", Spending: spending, Owner: a, Members: []int64{b}}, 0, noKey)
		if ok := a != b && known(a) && known(b); ok != (err == nil) {
			rt.Fatalf("create: %v", err)
		} else if ok {
			o.pool = &household{id: p.ID, owner: a, ownerOnly: spending == spendOwner, places: []roof{{a, nil}, {b, nil}}, open: true}
		}
		return
	}
	var err error
	ok := h.open
	switch rapid.SampledFrom([]string{"join", "join", "leave", "change", "close"}).Draw(rt, "change") {
	case "join":
		if _, _, err = w.JoinPool(ctx, site, h.id, a, 0, noKey); h.open && known(a) && !h.has(a) {
			h.places = append(h.places, roof{a, nil})
		}
		ok = ok && known(a)
	case "leave":
		_, _, err = w.LeavePool(ctx, site, h.id, a, 0, noKey)
		if ok = ok && h.has(a) && h.owner != a; ok {
			h.drop(a)
		}
	case "change":
		_, _, err = w.ChangePool(ctx, site, h.id, loyaltyapi.PoolTerms{Name: "Home", Spending: spendAll, Owner: a}, 0, noKey)
		if ok = ok && h.has(a); ok {
			h.owner, h.ownerOnly = a, false
		}
	default:
		if _, _, err = w.ClosePool(ctx, site, h.id, 0, noKey); ok {
			h.open, h.places = false, nil
		}
	}
	if ok != (err == nil) {
		rt.Fatalf("pool: %v, want success %v", err, ok)
	}
}

// mergePool has the survivor take the duplicate's place.
func (o *oracle) mergePool(u *union, duplicate int64) {
	h := o.pool
	if !h.has(duplicate) {
		return
	}
	h.drop(duplicate)
	u.left = true
	if !h.has(u.survivor) {
		h.places = append(h.places, roof{u.survivor, u})
	}
	if h.owner == duplicate {
		h.owner, u.heir = u.survivor, u.survivor
	}
}

// partPool gives the duplicate its place back.
func (o *oracle) partPool(u *union, duplicate int64) {
	h := o.pool
	if !u.left || !h.open {
		return
	}
	h.places = slices.DeleteFunc(h.places, func(r roof) bool { return r.by == u })
	h.places = append(h.places, roof{duplicate, nil})
	if h.owner == u.heir || !h.has(h.owner) {
		h.owner = duplicate
	}
}

// comparePool holds the pool against the oracle's.
func (o *oracle) comparePool(rt *rapid.T, w *world, site int64) {
	if o.pool == nil {
		return
	}
	p, err := w.Pool(w.t.Context(), site, o.pool.id)
	if err != nil {
		rt.Fatal(err)
	}
	var got, want []string
	has := int64(0)
	for _, m := range p.Members {
		got = append(got, fmt.Sprint(m.PersonID, " owner ", m.Owner))
	}
	for _, r := range o.pool.places {
		want = append(want, fmt.Sprint(r.who, " owner ", r.who == o.pool.owner))
		if o.states.is(r.who) == active {
			has += int64(o.people[r.who].live())
		}
	}
	slices.SortFunc(got, cmp.Compare[string])
	slices.SortFunc(want, cmp.Compare[string])
	if !slices.Equal(got, want) || p.Balance != has {
		rt.Fatalf("pool %d of %d has %v with %d points, want %v with %d", p.ID, site, got, p.Balance, want, has)
	}
}
