package loyalty

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// life says in which tier a member is by living through every day of a life, with nothing of the ladder: dates are time.Time, each
// window is summed up anew, and a tier falls when its day has come.
type life struct {
	plan   tierPlan
	tiers  []tier
	joined time.Time
	facts  map[time.Time]counts // by day, net of what was refunded since
	known  map[time.Time]int
}

func (n life) months(t time.Time, back int) time.Time { // the same day some months before, or the last of a shorter one
	first := time.Date(t.Year(), t.Month()-time.Month(back), 1, 0, 0, 0, 0, time.UTC)
	day := t.Day()
	for first.AddDate(0, 0, day-1).Month() != first.Month() {
		day--
	}
	return first.AddDate(0, 0, day-1)
}

// start is the first day of the period that a day is in.
func (n life) start(t time.Time) time.Time {
	if n.plan.Window == calendarYear {
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	year := t.Year()
	for time.Date(year, n.joined.Month(), n.joined.Day(), 0, 0, 0, 0, time.UTC).After(t) {
		year--
	}
	return time.Date(year, n.joined.Month(), n.joined.Day(), 0, 0, 0, 0, time.UTC)
}

func (n life) counts(t time.Time) (sum counts) {
	for d, c := range n.facts {
		in := !d.After(t)
		switch n.plan.Window {
		case lifetime:
			in = true
		case rollingDays:
			in = in && d.After(t.AddDate(0, 0, -n.plan.Length))
		case rollingMonths:
			in = in && d.After(n.months(t, n.plan.Length))
		default:
			in = in && !d.Before(n.start(t))
		}
		if in {
			for i := range sum {
				sum[i] += c[i]
			}
		}
	}
	return sum
}

func (n life) reached(t time.Time) (level int) {
	if known, ok := n.known[t]; ok {
		return known
	}
	defer func() { n.known[t] = level }()
	sum := n.counts(t)
	for i, tier := range n.tiers {
		asked, got := 0, 0
		for k, need := range []int64{tier.Threshold, tier.Spend, tier.Orders, tier.Referrals, tier.Custom} {
			if need > 0 {
				if asked++; sum[k] >= need {
					got++
				}
			}
		}
		if got == asked || tier.Match == "any" && got > 0 {
			level = i + 1
		}
	}
	return level
}

// live is the tier of each day from the first to the last.
func (n life) live(first, last time.Time) map[time.Time]int {
	out := map[time.Time]int{}
	tier, quiet := 0, 0 // quiet: days since the tier was reached or fell last
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		now := n.reached(d)
		switch {
		case n.plan.Window == lifetime:
			tier = now
		case n.plan.Downgrade == neverDown:
			tier = max(tier, now)
		case n.plan.rolls() && n.plan.Downgrade == toQualified: // the best of the days of grace
			tier = 0
			for x := d.AddDate(0, 0, -n.plan.GraceDays); !x.After(d); x = x.AddDate(0, 0, 1) {
				tier = max(tier, n.reached(x))
			}
		case n.plan.rolls():
			if quiet++; now >= tier {
				tier, quiet = now, 0
			} else if quiet > n.plan.GraceDays {
				tier, quiet = tier-1, 1
				if now == tier {
					quiet = 0
				}
			}
		default:
			begun := d.AddDate(0, 0, -n.plan.GraceDays)
			if n.start(begun).Equal(begun) { // the grace is over, after the period that ended the day before it began
				best := n.reached(begun.AddDate(0, 0, -1))
				if n.plan.Downgrade == oneLevel {
					best = max(best, tier-1)
				}
				for x := begun; x.Before(d); x = x.AddDate(0, 0, 1) {
					best = max(best, n.reached(x))
				}
				tier = best
			}
			tier = max(tier, now)
		}
		out[d] = tier
	}
	return out
}

// plans are the ways in which tiers are kept, in small.
func plans(rt *rapid.T) tierPlan {
	p := tierPlan{Counted: true, Zone: "UTC", Window: rapid.SampledFrom([]string{lifetime, rollingDays, rollingMonths, calendarYear, joinYear}).Draw(rt, "window")}
	switch p.Window {
	case lifetime:
		return p
	case rollingDays:
		p.Length = rapid.IntRange(1, 60).Draw(rt, "days")
	case rollingMonths:
		p.Length = rapid.IntRange(1, 14).Draw(rt, "months")
	}
	if p.Downgrade = rapid.SampledFrom([]string{toQualified, oneLevel, neverDown}).Draw(rt, "downgrade"); p.Downgrade != neverDown {
		p.GraceDays = rapid.IntRange(1, 40).Draw(rt, "grace")
	}
	if p.Downgrade == toQualified && rapid.Bool().Draw(rt, "no grace") {
		p.GraceDays = 0
	}
	return p
}

var naiveTiers = []tier{{Name: "Low", Spend: 5}, {Name: "Mid", Spend: 12, Orders: 2}, {Name: "High", Spend: 30, Referrals: 2, Match: matchAny}}

func TestLadderAgainstALife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		first := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 400).Draw(rt, "first"))
		n := life{plan: plans(rt), tiers: naiveTiers, joined: first, facts: map[time.Time]counts{}, known: map[time.Time]int{}}
		n.plan.check(func(pointer, format string, args ...any) { rt.Fatalf(pointer+" "+format, args...) })
		at := 0
		for range rapid.IntRange(1, 12).Draw(rt, "facts") {
			at += rapid.SampledFrom([]int{0, 1, 3, 20, 100, 300}).Draw(rt, "later")
			n.facts[first.AddDate(0, 0, at)] = counts{countSpend: rapid.Int64Range(1, 30).Draw(rt, "spend"), countOrders: 1, countReferrals: rapid.Int64Range(0, 1).Draw(rt, "referral")}
		}
		last := first.AddDate(0, 0, at+rapid.IntRange(0, 1200).Draw(rt, "rest"))
		p := program{settings: settings{Tiers: n.tiers, policy: policy{TierPlan: n.plan}}}
		all := make([]dayCounts, 0, len(n.facts))
		for d, c := range n.facts {
			all = append(all, dayCounts{dayOf(d, time.UTC), c})
		}
		slices.SortFunc(all, func(a, b dayCounts) int { return cmp.Compare(a.Day, b.Day) })
		l := p.ladder(dayOf(first, time.UTC), all)
		lived := n.live(first, last)
		change := first // the first day after which next has to name a change
		for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
			if got := l.on(dayOf(d, time.UTC)); got != lived[d] {
				rt.Fatalf("%s: tier %d, want %d; %+v, %v", d.Format(time.DateOnly), got, lived[d], n.plan, n.facts)
			}
			if lived[d] != lived[change] {
				if next := l.next(dayOf(change, time.UTC)); next != dayOf(d, time.UTC) {
					rt.Fatalf("from %s next is %v, want %s; %+v, %v", change.Format(time.DateOnly), next, d.Format(time.DateOnly), n.plan, n.facts)
				}
				change = d
			}
			// What was long ago doesn't matter: who reads only the days since then says the same.
			if since := p.since(dayOf(d, time.UTC)); n.plan.Window != lifetime && d.Day() == 1 {
				recent := p.ladder(dayOf(first, time.UTC), slices.DeleteFunc(slices.Clone(all), func(c dayCounts) bool { return c.Day < since }))
				if recent.on(dayOf(d, time.UTC)) != lived[d] || recent.next(dayOf(d, time.UTC)) != l.next(dayOf(d, time.UTC)) {
					rt.Fatalf("on %s the days since %v say otherwise; %+v, %v", d.Format(time.DateOnly), since, n.plan, n.facts)
				}
			}
		}
		if next := l.next(dayOf(change, time.UTC)); next != never && !next.date().After(last) {
			rt.Fatalf("from %s next is %v, but nothing changes; %+v, %v", change.Format(time.DateOnly), next, n.plan, n.facts)
		}
	})
}
