package loyalty

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// oracle keeps every single point as a thing of its own. It is slow and simple.
type oracle struct {
	people map[int64]*purse
	earned map[string]*grant
	grace  int  // days
	idle   bool // points live by activity, for ten days
	waits  int  // days that points of purchases are pending; below zero: until somebody says so
	fresh  bool // and their ten days count from their activation
	debts  string
	unions map[int64]*union // by the duplicate
	pool   *household       // the last one
	loans  map[int64][]*lending

	states *states
	wallet string    // "": the main one
	others []*oracle // of the main one: those of the other wallets
	scores bool      // what is earned counts for tiers
}

type purse struct {
	grants              []*grant
	debt                int
	counted             int64     // of what was moved by hand, as if it were earned
	lapses              time.Time // when what lives by activity ends; zero: nothing does
	redeemed, cancelled map[int64]bool
	holds               map[int64]*kept
}

// kept is a hold.
type kept struct {
	points, restored int
	until            time.Time
	status           string
}

type grant struct {
	subtotal int64
	ends     time.Time
	points   []string // each: live, gone, expired, forgiven, spent by a redemption, paid for the debt of a merge
	home     int64    // whose it was before a merge
	made     int64    // counts grants
	clawed   int
	given    bool // by hand
	idle     bool // lives by activity, and has no end of its own
	lapses   []lapse

	pending             bool
	earned, activatesAt time.Time
}

func (o *oracle) earn(source string, who, subtotal int64, n int, at time.Time) {
	if n == 0 {
		return
	}
	p := o.join(o.as(who)) // who bought is a member, if it was told before, too: of whom a merge had made the same until then
	if o.earned[source] != nil || o.states.bars(o.as(who), sourced(source, o.wallet)) {
		return
	}
	if !p.lapses.IsZero() && !p.lapses.After(at) {
		p.expire(at)
	}
	g := &grant{subtotal: subtotal, ends: at.AddDate(0, 0, 10), idle: o.idle}
	o.earned[source] = g
	if o.waits != 0 && subtotal > 0 {
		p.active(false, at)
		p.promise(g, n, o.waits, at)
		return
	}
	p.active(o.idle, at)
	p.fill(g, n)
}

// fill puts n points into a new grant, of which a debt takes its part.
func (p *purse) fill(g *grant, n int) {
	for range n {
		if p.debt > 0 {
			p.debt--
			g.points = append(g.points, "gone")
		} else {
			g.points = append(g.points, "live")
		}
	}
	p.add(g)
}

// keeper is who has a grant: after a parting, what was earned while two were one stays with the survivor, and so does what is taken back of it.
func (o *oracle) keeper(g *grant) *purse {
	for _, p := range o.people {
		if slices.Contains(p.grants, g) {
			return p
		}
	}
	panic("a grant of nobody")
}

// claw takes points one by one until due of the earning are taken.
func (o *oracle) claw(source string, due int) {
	g := o.earned[source]
	if g == nil {
		return
	}
	p := o.keeper(g)
	for ; g.clawed < due; g.clawed++ {
		if g.turn("waiting", "gone") || o.debts == pendingOnly || g.turn("live", "gone") || g.turn("expired", "forgiven") {
			continue
		}
		if !p.take("gone") && o.debts == "" {
			p.debt++
		}
	}
}

// take takes the live point that expires next.
func (p *purse) take(to string) bool {
	g := p.next()
	return g != nil && g.turn("live", to)
}

// next has the live point that expires next; nil: there is none.
func (p *purse) next() *grant {
	order := slices.Clone(p.grants)
	slices.SortStableFunc(order, func(a, b *grant) int { return p.ending(a).Compare(p.ending(b)) })
	for _, g := range order {
		if g.count("live") > 0 {
			return g
		}
	}
	return nil
}

func (p *purse) live() (n int) {
	for _, g := range p.grants {
		n += g.count("live")
	}
	return n
}

func (g *grant) count(state string) (n int) {
	for _, s := range g.points {
		if s == state {
			n++
		}
	}
	return n
}

func (p *purse) expire(now time.Time) {
	for _, g := range p.grants {
		n := 0
		for ; p.over(g, now) && g.turn("live", "expired"); n++ {
		}
		g.lapsed(n, now)
	}
	if !p.lapses.After(now) {
		p.lapses = time.Time{}
	}
}

// active has what lives by activity live on.
func (p *purse) active(idle bool, now time.Time) {
	if idle || !p.lapses.IsZero() {
		p.lapses = now.AddDate(0, 0, 10)
	}
}

// ending is when a grant ends.
func (p *purse) ending(g *grant) time.Time {
	switch {
	case !g.idle:
		return g.ends
	case p.lapses.IsZero():
		return noon.AddDate(1000, 0, 0)
	}
	return p.lapses
}

// over says that a grant has ended: with its member, who has nothing of its kind any more.
func (p *purse) over(g *grant, now time.Time) bool {
	return g.idle && p.lapses.IsZero() || !p.ending(g).After(now)
}

func (g *grant) turn(from, to string) bool {
	i := slices.Index(g.points, from)
	if i >= 0 {
		g.points[i] = to
	}
	return i >= 0
}

func (o *oracle) expire(now time.Time) {
	for _, p := range o.people {
		p.expire(now)
	}
}

func (o *oracle) balance(who int64) (balance, earned int64) {
	p := o.people[who]
	earned = p.counted
	for _, x := range o.each() {
		for _, g := range x.people[who].grants {
			if x.scores && !g.given && !g.pending {
				earned += int64(len(g.points) - g.clawed)
			}
		}
	}
	return int64(p.live() - p.debt), earned
}

// TestLedgerAgainstOracle: whatever comes in whatever order, each person has what the oracle says, and a batch that is heard
// again changes nothing.
func TestLedgerAgainstOracle(t *testing.T) {
	t.Parallel()
	w := setup(t)
	site, seen := int64(0), census{}
	rapid.Check(t, func(rt *rapid.T) {
		site++
		s := club()
		idle := rapid.Bool().Draw(rt, "by activity")
		if idle {
			s.ExpiryRule = inactivity
		}
		o := &oracle{states: newStates(), people: map[int64]*purse{}, earned: map[string]*grant{}, idle: idle, unions: map[int64]*union{}, loans: map[int64][]*lending{}}
		o.draw(rt, &s)
		if o.states.earns = rapid.Bool().Draw(rt, "who is suspended earns"); o.states.earns {
			s.SuspendedEarning = earnsAlso
		}
		s.PoolSize = 3
		o.further(rt, &s)
		s.RestoreGraceDays = rapid.SampledFrom([]int{0, 3}).Draw(rt, "grace")
		s.ExpiresAfterDays, s.PointsPerUnit, s.Tiers = days(10), 1, []tier{{Name: "Low", Threshold: 5}, {Name: "Mid", Threshold: 12}, {Name: "High", Threshold: 30}}
		club := w.start(site, s)
		for _, cost := range costs {
			w.offer(site, club.ID, cost, 0)
		}
		for _, x := range o.others {
			w.offerIn(site, club.ID, x.wallet, 3)
		}
		made, redeemed, history := 0, []int64{}, past{}
		for _, x := range o.each() {
			x.grace = s.RestoreGraceDays
		}
		person := rapid.Int64Range(1, 3)
		small := rapid.Int64Range(4, 8)
		for range rapid.IntRange(6, 20).Draw(rt, "steps") {
			w.clock.Move(time.Duration(rapid.IntRange(0, 7200).Draw(rt, "seconds later")) * time.Second)
			switch seen.of(rapid.SampledFrom([]string{"buy", "buy", "refund", "refund", "reward", "claw", "wait", "extend", "give", "call", "reverse", "act", "act", "act", "act", "merge", "part", "pool", "pool", "turn"}).Draw(rt, "step")) {
			case "buy":
				var batch []customerevent.OriginRecorded
				for range rapid.IntRange(1, 4).Draw(rt, "n") {
					id := small.Draw(rt, "origin")
					who, subtotal := id%3+1, 100*id+50
					batch = append(batch, w.bought(site, who, id, subtotal))
					o.earn(sourceOf("origin", id), who, subtotal, int(subtotal/100), w.clock.Now())
					for _, x := range o.others {
						x.earn(sourceOf("origin", id), who, subtotal, int(subtotal*2/100), w.clock.Now())
					}
				}
				twice(rt, w, w.originsRecorded, site, batch)
			case "refund":
				var batch []customerevent.OriginRefunded
				for range rapid.IntRange(1, 3).Draw(rt, "n") {
					id := small.Draw(rt, "origin")
					subtotal := 100*id + 50
					total := rapid.Int64Range(1, subtotal).Draw(rt, "total")
					if rapid.Bool().Draw(rt, "all of it") {
						total = subtotal
					}
					batch = append(batch, w.refund(site, id, total, total, subtotal))
					for _, x := range o.each() {
						if g := x.earned[sourceOf("origin", id)]; g != nil {
							x.claw(sourceOf("origin", id), int(money.Share(int64(len(g.points)), total, subtotal)))
						}
					}
				}
				twice(rt, w, w.originsRefunded, site, batch)
			case "reward":
				id := small.Draw(rt, "reward")
				who := person.Draw(rt, "person")
				if o.earned[sourceOf("reward", id)] == nil { // a reward's facts do not change
					o.earn(sourceOf("reward", id), who, 0, int(id)*2, w.clock.Now())
					twice(rt, w, w.rewardsIssued, site, []referralevent.RewardIssued{w.rewarded(site, who, id, id*2)})
				}
			case "claw":
				id := small.Draw(rt, "reward")
				total := rapid.Int64Range(1, id*2).Draw(rt, "total")
				o.claw(sourceOf("reward", id), int(total))
				twice(rt, w, w.rewardsClawedBack, site, []referralevent.RewardClawedBack{{SiteID: site, RewardID: id, ReferralID: id,
					Kind: referralevent.Points, PointsTotal: total, Full: total == id*2, ClawedAt: w.clock.Now()}})
			case "wait":
				w.clock.Move(time.Duration(rapid.IntRange(1, 9).Draw(rt, "days")) * 24 * time.Hour)
				if rapid.Bool().Draw(rt, "the timer comes by") {
					if _, err := w.activateDue(t.Context()); err != nil {
						rt.Fatal(err)
					}
					for _, x := range o.each() {
						x.activate(w.clock.Now())
					}
					if _, err := w.ExpireDue(t.Context()); err != nil {
						rt.Fatal(err)
					}
					for _, x := range o.each() {
						x.expire(w.clock.Now())
					}
					if _, err := w.releaseDue(t.Context()); err != nil {
						rt.Fatal(err)
					}
					for _, x := range o.each() {
						x.release(w)
					}
					w.tiersDue()
				}
			case "merge":
				o.merge(rt, w, site, person.Draw(rt, "survivor"), person.Draw(rt, "duplicate"))
			case "part":
				o.part(rt, w, site, person.Draw(rt, "duplicate"))
			case "turn":
				o.turn(rt, w, site, o.as(person.Draw(rt, "person")))
			case "pool":
				o.draws(rt, w, site, person)
			case "extend":
				x, who, ends := o.pick(rt), o.as(person.Draw(rt, "person")), w.clock.Now().AddDate(0, 0, rapid.IntRange(1, 15).Draw(rt, "days"))
				_, _, err := w.ExtendIn(t.Context(), site, who, x.wallet, nil, &ends, "closed", noKey)
				if p := x.people[who]; (p != nil && p.extend(ends, w.clock.Now())) != (err == nil) {
					rt.Fatalf("extend: %v", err)
				}
			case "give":
				x, from, to, points := o.pick(rt), o.as(person.Draw(rt, "from")), o.as(person.Draw(rt, "to")), rapid.Int64Range(1, 15).Draw(rt, "points")
				_, _, err := w.TransferIn(t.Context(), site, x.wallet, from, to, points, "", noKey)
				if x.give(from, to, int(points), w.clock.Now()) != (err == nil) {
					rt.Fatalf("transfer of %d: %v", points, err)
				}
			case "reverse":
				o.reverse(rt, w, site, pastDay(rt, w.clock.Now()), rapid.IntRange(1, 6).Draw(rt, "good for"))
			case "call":
				o.pick(rt).call(rt, w, site, sourceOf("origin", small.Draw(rt, "origin")), rapid.Bool().Draw(rt, "activate"))
			case "act":
				batch := make([]action, rapid.IntRange(1, 5).Draw(rt, "n"))
				for i := range batch {
					made++
					a := action{site: site, person: o.as(person.Draw(rt, "person")), text: "test", key: idempotency.Key{Value: fmt.Sprint(made), Fingerprint: "f"}}
					switch a.kind = rapid.SampledFrom([]string{kindAdjust, kindRedeem, kindRedeem, kindCancel, kindCancel, kindHold, kindHold, kindCommit, kindRelease, kindRestore}).Draw(rt, "action"); {
					case a.kind == kindAdjust:
						a.points, a.forTier, a.wallet = rapid.Int64Range(-15, 15).Draw(rt, "points"), rapid.Bool().Draw(rt, "for tiers"), o.pick(rt).wallet
					case a.kind == kindRedeem:
						a.id = rapid.SampledFrom(offers(rt, w, site)).Draw(rt, "batch")
					case a.kind == kindHold:
						a.points, a.lasts, a.wallet = rapid.Int64Range(1, 15).Draw(rt, "points"), time.Duration(rapid.IntRange(1, 9).Draw(rt, "days"))*24*time.Hour, o.pick(rt).wallet
					case len(redeemed) == 0:
						a.id = 1 << 40
					default:
						a.id = rapid.SampledFrom(redeemed).Draw(rt, "redemption")
					}
					if a.kind == kindRestore {
						a.points = rapid.Int64Range(1, 5).Draw(rt, "points")
					}
					if a.kind == kindCancel || a.ends() {
						a.person = 0
					}
					batch[i] = a
				}
				redeemed = append(redeemed, o.act(rt, w, site, batch)...)
			}
			w.compare(rt, site, o)
			o.comparePool(rt, w, site)
			history = history.keep(w.clock.Now(), o)
		}
		w.remembered(rt, site, history)
		if site%someInvariants == 1 {
			w.invariant(rt)
		}
		w.over(rt)
	})
	w.audited(site)
	seen.ledger(w)
	t.Log("happened:", seen)
}
