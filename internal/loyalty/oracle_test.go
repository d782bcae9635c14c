package loyalty

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// oracle keeps every single point as a thing of its own. It is slow and simple.
type oracle struct {
	people map[int64]*purse
	earned map[string]*grant
}

type purse struct {
	grants []*grant
	debt   int
}

type grant struct {
	owner    int64
	subtotal int64
	ends     time.Time
	points   []string // each: live, gone, expired, forgiven
	clawed   int
}

func (o *oracle) earn(source string, who, subtotal int64, n int, at time.Time) {
	if o.earned[source] != nil || n == 0 {
		return
	}
	p := o.people[who]
	if p == nil {
		p = &purse{}
		o.people[who] = p
	}
	g := &grant{owner: who, subtotal: subtotal, ends: at.AddDate(0, 0, 10)}
	for range n {
		if p.debt > 0 {
			p.debt--
			g.points = append(g.points, "gone")
		} else {
			g.points = append(g.points, "live")
		}
	}
	p.grants = append(p.grants, g)
	o.earned[source] = g
}

// claw takes points one by one until due of the earning are taken.
func (o *oracle) claw(source string, due int) {
	g := o.earned[source]
	if g == nil {
		return
	}
	p := o.people[g.owner]
	order := slices.Clone(p.grants)
	slices.SortStableFunc(order, func(a, b *grant) int { return a.ends.Compare(b.ends) })
	for ; g.clawed < due; g.clawed++ {
		if g.turn("live", "gone") || g.turn("expired", "forgiven") {
			continue
		}
		if !slices.ContainsFunc(order, func(other *grant) bool { return other.turn("live", "gone") }) {
			p.debt++
		}
	}
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
		for _, g := range p.grants {
			for !g.ends.After(now) && g.turn("live", "expired") {
			}
		}
	}
}

func (o *oracle) balance(who int64) (balance, earned int64) {
	p := o.people[who]
	for _, g := range p.grants {
		for _, s := range g.points {
			if s == "live" {
				balance++
			}
		}
		earned += int64(len(g.points) - g.clawed)
	}
	return balance - int64(p.debt), earned
}

// TestLedgerAgainstOracle: whatever comes in whatever order, each person has what the oracle says, and a batch that is heard
// again changes nothing.
func TestLedgerAgainstOracle(t *testing.T) {
	t.Parallel()
	w := setup(t)
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		site++
		s := club()
		s.ExpiresAfterDays, s.PointsPerUnit, s.Tiers = days(10), 1, []tier{{"Low", 5}, {"Mid", 12}, {"High", 30}}
		w.start(site, s)
		o := &oracle{people: map[int64]*purse{}, earned: map[string]*grant{}}
		person := rapid.Int64Range(1, 3)
		small := rapid.Int64Range(1, 8)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"buy", "buy", "refund", "refund", "reward", "claw", "wait"}).Draw(rt, "step") {
			case "buy":
				var batch []customerevent.OriginRecorded
				for range rapid.IntRange(1, 4).Draw(rt, "n") {
					id := small.Draw(rt, "origin")
					who, subtotal := id%3+1, 100*id+50
					batch = append(batch, w.bought(site, who, id, subtotal))
					o.earn(sourceOf("origin", id), who, subtotal, int(subtotal/100), w.clock.Now())
				}
				twice(rt, w, w.originsRecorded, site, batch)
			case "refund":
				var batch []customerevent.OriginRefunded
				for range rapid.IntRange(1, 3).Draw(rt, "n") {
					id := small.Draw(rt, "origin")
					subtotal := 100*id + 50
					total := rapid.Int64Range(1, subtotal).Draw(rt, "total")
					batch = append(batch, w.refund(site, id, total, total, subtotal))
					if g := o.earned[sourceOf("origin", id)]; g != nil {
						o.claw(sourceOf("origin", id), int(money.Share(int64(len(g.points)), total, subtotal)))
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
				if _, err := w.ExpireDue(t.Context()); err != nil {
					rt.Fatal(err)
				}
				o.expire(w.clock.Now())
			}
			w.compare(rt, site, o)
		}
	})
}

// twice hears a batch, and hears it again, which must change nothing.
func twice[T bus.Payload](rt *rapid.T, w *world, h bus.Handler[T], site int64, batch []T) {
	if err := tryHear(w, h, site, batch...); err != nil {
		rt.Fatal(err)
	}
	var before, after int64
	const moved = `select coalesce(sum(seq), 0) + (select count(*) from loyalty.waiting) + (select count(*) from loyalty.txn)
		+ (select count(*) from loyalty.refusal) from loyalty.account`
	if err := w.admin.Get(&before, moved); err != nil {
		rt.Fatal(err)
	}
	if err := tryHear(w, h, site, batch...); err != nil {
		rt.Fatal(err)
	}
	if err := w.admin.Get(&after, moved); err != nil {
		rt.Fatal(err)
	}
	if before != after {
		rt.Fatalf("a replay of %+v changed something", batch)
	}
}

func (w *world) compare(rt *rapid.T, site int64, o *oracle) {
	for who := range o.people {
		balance, earned := o.balance(who)
		m, err := w.Member(w.t.Context(), site, who)
		if err != nil {
			rt.Fatal(err)
		}
		if m.Balance != balance || m.Earned != earned {
			rt.Fatalf("site %d person %d has %d of %d earned, want %d of %d", site, who, m.Balance, m.Earned, balance, earned)
		}
		var tier string
		if err := w.admin.Get(&tier, `select tier from loyalty.member where site_id = $1 and person_id = $2`, site, who); err != nil || tier != m.Tier {
			rt.Fatalf("tier %q is kept, %q is so; %v", tier, m.Tier, err)
		}
	}
	for _, name := range []string{"INV-02", "INV-04", "INV-06", "INV-07", "INV-22"} {
		for full, query := range invariants {
			if len(full) > len(name) && full[:len(name)] == name {
				var n int
				if err := w.admin.Get(&n, fmt.Sprintf(`select count(*) from (%s) broken`, query)); err != nil || n > 0 {
					rt.Fatalf("%s: %d rows, %v", full, n, err)
				}
			}
		}
	}
}

// TestAnySplitOfRefundsHasTheSameEnd is the property without a database.
func TestAnySplitOfRefundsHasTheSameEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		granted := rapid.Int64Range(1, maxPoints).Draw(t, "granted")
		whole := rapid.Int64Range(1, money.Max).Draw(t, "whole")
		final := rapid.Int64Range(0, whole).Draw(t, "refunded")
		cuts := rapid.SliceOfN(rapid.Int64Range(0, final), 0, 5).Draw(t, "cuts")
		slices.Sort(cuts)
		play := func(parts ...int64) (*holder, *lot) {
			h := &holder{account: account{SiteID: 1, ID: 1, Balance: granted}, Earned: granted}
			l := &lot{SiteID: 1, ID: 1, Granted: granted, Remaining: granted}
			h.lots = []*lot{l}
			b := &books{now: noon, ids: make([]int64, len(parts)), own: map[siteAccount]*account{{1, issued}: {SiteID: 1, ID: 2, Balance: -granted}}}
			for _, part := range parts {
				if err := b.clawBack(h, l, txn{}, clawBack{Part: part, Whole: whole}); err != nil {
					t.Fatal(err)
				}
			}
			return h, l
		}
		once, _ := play(final)
		many, l := play(append(cuts, final)...)
		if once.Balance != many.Balance || once.Earned != many.Earned || l.Remaining != many.Balance {
			t.Fatalf("at once %d, in steps %d", once.Balance, many.Balance)
		}
		if final == whole && many.Balance != 0 {
			t.Fatalf("%d are left of a full refund", many.Balance)
		}
	})
}
