package loyalty

import (
	"time"

	"pgregory.net/rapid"
)

// draw chooses a programme's rules of pending points and debts.
func (o *oracle) draw(rt *rapid.T, s *settings) {
	s.pendingPolicy = o.drawWaiting(rt)
	o.debts = rapid.SampledFrom([]string{"", "", withinBalance, pendingOnly}).Draw(rt, "debts")
	s.DebtPolicy = o.debts
}

// drawWaiting chooses a wallet's rule of pending points.
func (o *oracle) drawWaiting(rt *rapid.T) (p pendingPolicy) {
	switch o.waits = rapid.SampledFrom([]int{0, 0, 3, -1}).Draw(rt, "pending"); {
	case o.waits > 0:
		p.PendingRule, p.PendingDays = untilDays, o.waits
	case o.waits < 0:
		p.PendingRule = untilEvent
	}
	if o.fresh = rapid.Bool().Draw(rt, "expiry from the activation"); o.fresh {
		p.PendingExpiry = fromActivation
	}
	return p
}

// promise gives points that can't be spent yet.
func (p *purse) promise(g *grant, n, days int, at time.Time) {
	g.pending, g.earned = true, at
	if days > 0 {
		g.activatesAt = at.AddDate(0, 0, days)
	}
	for range n {
		g.points = append(g.points, "waiting")
	}
	p.add(g)
}

// activate ends the waiting of those whose time has come, in the order of their times.
func (o *oracle) activate(now time.Time) {
	for _, p := range o.people {
		for {
			var next *grant
			for _, g := range p.grants {
				if g.count("waiting") > 0 && !g.activatesAt.IsZero() && !g.activatesAt.After(now) && (next == nil || g.activatesAt.Before(next.activatesAt)) {
					next = g
				}
			}
			if next == nil {
				break
			}
			o.arrive(p, next, now)
		}
	}
}

// arrive has the points of a grant be somebody's to spend.
func (o *oracle) arrive(p *purse, g *grant, now time.Time) {
	at := now
	if !g.activatesAt.IsZero() && g.activatesAt.Before(now) {
		at = g.activatesAt
	}
	if !p.lapses.IsZero() && !p.lapses.After(at) {
		p.expire(now)
	}
	if next := at.AddDate(0, 0, 10); (o.idle || !p.lapses.IsZero()) && next.After(p.lapses) {
		p.lapses = next
	}
	if g.pending, g.ends = false, g.earned.AddDate(0, 0, 10); o.fresh {
		g.ends = at.AddDate(0, 0, 10)
	}
	for p.debt > 0 && g.turn("waiting", "gone") {
		p.debt--
	}
	for g.turn("waiting", "live") {
	}
}

// call activates or cancels what is pending of an order, and has the oracle do it, too.
func (o *oracle) call(rt *rapid.T, w *world, site int64, source string, activate bool) {
	g := o.earned[source]
	if g == nil {
		return
	}
	var id int64
	if err := w.admin.Get(&id, `select id from loyalty.txn where site_id = $1 and kind = 'earn' and source = $2`, site, sourced(source, o.wallet)); err != nil {
		rt.Fatal(err)
	}
	_, _, err := w.endPending(w.t.Context(), site, id, activate, "", noKey)
	want := g.pending
	if activate {
		want = !g.pending || g.count("waiting") > 0
	}
	if want != (err == nil) {
		rt.Fatalf("activate %v %s: %v, want success %v", activate, source, err, want)
	}
	switch {
	case !want || !g.pending:
	case activate:
		o.arrive(o.keeper(g), g, w.clock.Now())
	default:
		for g.turn("waiting", "gone") {
			g.clawed++
		}
	}
}

// give moves points between people, and says whether they could be.
func (o *oracle) give(from, to int64, n int, now time.Time) bool {
	p, q := o.people[from], o.people[to]
	if p == nil || q == nil || p == q || o.states.is(from) != active || o.states.is(to) != active || p.spendable(now) < n {
		return false
	}
	p.expire(now)
	q.expire(now)
	var of, g *grant
	for range n {
		if next := p.next(); next != of {
			of, g = next, &grant{ends: p.ending(next), given: true}
			q.add(g)
		}
		of.turn("live", "gone")
		if q.debt > 0 {
			q.debt--
			g.points = append(g.points, "gone")
		} else {
			g.points = append(g.points, "live")
		}
	}
	return true
}

// spendable is what somebody has that isn't over.
func (p *purse) spendable(now time.Time) int {
	n := -p.debt
	for _, g := range p.grants {
		if !p.over(g, now) {
			n += g.count("live")
		}
	}
	return n
}

// adjust moves points by hand, which may count as earned ones do.
func (o *oracle) adjust(p *purse, a action, w *world) bool {
	if _, earned := o.balance(a.person); a.forTier && a.points != 0 && earned+a.points < 0 {
		p.expire(w.clock.Now())
		return false
	}
	ok := p.adjust(int(a.points), o.in(a.wallet).idle, w)
	if ok && a.forTier {
		o.people[a.person].counted += a.points
	}
	return ok
}
