package loyalty

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// union is a merge that holds.
type union struct {
	id, survivor int64
	debts        map[string]int // of the duplicate, then, by wallet
	left         bool           // the duplicate was in a pool
	heir         int64          // who owns it since

	was, made, state string // of the survivor, before and by it, and of the duplicate; "": it was no member
}

var grantsMade, unionsMade atomic.Int64

// as is who somebody is by now.
func (o *oracle) as(who int64) int64 {
	if u := o.unions[who]; u != nil {
		return u.survivor
	}
	return who
}

func (o *oracle) join(who int64) *purse {
	for _, x := range o.each() {
		if x.people[who] == nil {
			x.people[who] = &purse{}
		}
	}
	return o.people[who]
}

func (p *purse) add(g *grant) {
	g.made = grantsMade.Add(1)
	p.grants = append(p.grants, g)
}

// all grants there are, the oldest first.
func (o *oracle) all() (all []*grant) {
	for _, p := range o.people {
		all = append(all, p.grants...)
	}
	sortGrants(all)
	return all
}

func sortGrants(of []*grant) {
	slices.SortFunc(of, func(x, y *grant) int { return cmp.Compare(x.made, y.made) })
}

// anew gives points that come back, and whose grants are another's.
func (o *oracle) anew(p *purse, n int, w *world) {
	if n == 0 {
		return
	}
	p.active(o.idle, w.clock.Now())
	g := &grant{ends: w.clock.Now().AddDate(0, 0, 10), given: true, idle: o.idle}
	for range n {
		g.points = append(g.points, "live")
	}
	p.add(g)
}

// merge makes two people one, if they can be.
func (o *oracle) merge(rt *rapid.T, w *world, site, survivor, duplicate int64) {
	if survivor == duplicate || o.unions[survivor] != nil || o.unions[duplicate] != nil {
		return
	}
	for _, u := range o.unions {
		if u.survivor == duplicate {
			return
		}
	}
	u := &union{id: unionsMade.Add(1), survivor: survivor, debts: map[string]int{}}
	twice(rt, w, w.merged, site, []customerevent.PersonMerged{{SiteID: site, MergeID: u.id, SurvivorID: survivor, DuplicateID: duplicate, MergedAt: w.clock.Now()}})
	o.unions[duplicate] = u
	o.mergePool(u, duplicate)
	if o.people[duplicate] == nil {
		return
	}
	o.join(survivor)
	o.mergeStates(u, duplicate)
	for _, x := range o.each() {
		x.unite(u, duplicate, w)
	}
}

// unite gives a duplicate's points of one wallet to the survivor.
func (o *oracle) unite(u *union, duplicate int64, w *world) {
	d := o.people[duplicate]
	s, now, paid := o.people[u.survivor], w.clock.Now(), fmt.Sprint("paid ", u.id)
	d.expire(now)
	s.expire(now)
	for u.debts[o.wallet] = d.debt; d.debt > 0; d.debt-- {
		if !s.take(paid) {
			s.debt++
		}
	}
	for ; s.debt > 0 && d.take(paid); s.debt-- {
	}
	for _, g := range d.grants {
		g.home = duplicate
	}
	s.grants, d.grants = append(s.grants, d.grants...), nil
	sortGrants(s.grants)
	if s.counted += d.counted; d.lapses.After(s.lapses) {
		s.lapses = d.lapses
	}
	d.lapses = time.Time{}
}

// part undoes the merge of a duplicate.
func (o *oracle) part(rt *rapid.T, w *world, site, duplicate int64) {
	u := o.unions[duplicate]
	if u == nil {
		return
	}
	twice(rt, w, w.unmerged, site, []customerevent.PersonUnmerged{{SiteID: site, MergeID: u.id, SurvivorID: u.survivor, DuplicateID: duplicate, UnmergedAt: w.clock.Now()}})
	delete(o.unions, duplicate)
	o.partPool(u, duplicate)
	if o.people[duplicate] == nil {
		return
	}
	if u.state != "" {
		o.partStates(u, duplicate)
	}
	for _, x := range o.each() {
		x.sever(u, duplicate, w)
	}
}

// sever gives a duplicate back its points of one wallet.
func (o *oracle) sever(u *union, duplicate int64, w *world) {
	d := o.people[duplicate]
	s, paid := o.people[u.survivor], fmt.Sprint("paid ", u.id)
	s.expire(w.clock.Now())
	var own, lent []*grant
	for _, g := range s.grants {
		if g.home == duplicate {
			lent = append(lent, g)
		} else {
			own = append(own, g)
		}
	}
	d.lapses = s.lapses // for the order in which they end
	s.grants, d.grants = own, lent
	for i, left := 0, d.live(); i < u.debts[o.wallet]; i++ { // before the duplicate has back what paid for the survivor: one of both had a debt only
		if i >= left || !d.take("gone") {
			d.debt++
		}
	}
	back := u.debts[o.wallet]
	for ; back > 0 && s.debt > 0; back-- {
		s.debt--
	}
	longest := slices.Clone(s.grants)
	slices.SortStableFunc(longest, func(x, y *grant) int { return s.ending(x).Compare(s.ending(y)) })
	for _, g := range slices.Backward(longest) {
		for ; back > 0 && g.turn(paid, "live"); back-- {
		}
	}
	o.anew(s, back, w)
	for _, g := range d.grants {
		for g.turn(paid, "live") {
			if !s.take("gone") {
				s.debt++
			}
		}
		g.home = 0
	}
	if s.counted -= d.counted; !slices.ContainsFunc(d.grants, func(g *grant) bool { return g.idle && g.count("live") > 0 }) {
		d.lapses = time.Time{}
	}
}
