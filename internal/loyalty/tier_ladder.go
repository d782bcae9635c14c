package loyalty

import (
	"cmp"
	"slices"
)

// dayCounts are what counts of a day.
type dayCounts struct {
	Day    day
	Counts counts
}

// stretch is days in a row on which what counts reaches the same tier.
type stretch struct {
	from, to day
	level    int // place of the tier, from 1 on
}

// ladder says in which tier a member is on any day. It follows from what counts, the programme's tiers and its plan alone, whatever was
// heard first: that is why late purchases and refunds, in any order, have one end.
type ladder struct {
	program
	joined    day
	days      []dayCounts // by day
	stretches []stretch   // by day; where no tier is reached there is none
}

func (p program) ladder(joined day, days []dayCounts) ladder {
	l := ladder{program: p, joined: joined, days: days}
	// The sum changes on a day that counts, and on the day on which it leaves the window.
	steps := make([]dayCounts, 0, 2*len(days))
	for _, d := range days {
		from := d.Day
		if p.TierPlan.Window == lifetime {
			from = longAgo
		}
		steps = append(steps, dayCounts{from, d.Counts})
		if gone := p.TierPlan.leaves(d.Day, joined); gone < never {
			steps = append(steps, dayCounts{gone, counts{}.minus(d.Counts)})
		}
	}
	slices.SortStableFunc(steps, func(a, b dayCounts) int { return cmp.Compare(a.Day, b.Day) })
	var sum counts
	for i, s := range steps {
		if sum = sum.plus(s.Counts); i+1 < len(steps) && steps[i+1].Day == s.Day {
			continue
		}
		to := never
		if i+1 < len(steps) {
			to = steps[i+1].Day - 1
		}
		level, last := p.reached(sum), len(l.stretches)-1
		switch {
		case level == 0:
		case last >= 0 && l.stretches[last].level == level && l.stretches[last].to == s.Day-1:
			l.stretches[last].to = to
		default:
			l.stretches = append(l.stretches, stretch{s.Day, to, level})
		}
	}
	return l
}

// reached is the place of the highest tier that so much reaches; 0: none.
func (p program) reached(c counts) int {
	for i, t := range slices.Backward(p.Tiers) {
		if t.met(c) {
			return i + 1
		}
	}
	return 0
}

// on is the place of the tier on a day: the highest that was reached by then, less the levels that it has fallen by since.
func (l ladder) on(d day) (level int) {
	for _, s := range l.stretches {
		if s.from <= d {
			level = max(level, s.level-l.lost(s, d))
		}
	}
	return level
}

// lost is how many levels what a stretch reached has fallen by until a day.
func (l ladder) lost(s stretch, d day) int {
	if s.to >= d {
		return 0
	}
	if l.TierPlan.Downgrade != oneLevel {
		if l.TierPlan.falls(s.to, l.joined, 1) <= d {
			return s.level
		}
		return 0
	}
	k := 0
	for k < s.level && l.TierPlan.falls(s.to, l.joined, k+1) <= d {
		k++
	}
	return k
}

// next is the first day after d on which the tier is another, if nothing more counts; never: it stays.
func (l ladder) next(d day) day {
	var at []day
	for _, s := range l.stretches {
		at = append(at, s.from)
		if s.to == never {
			continue
		}
		falls := 1
		if l.TierPlan.Downgrade == oneLevel {
			falls = s.level
		}
		for k := range falls {
			at = append(at, l.TierPlan.falls(s.to, l.joined, k+1))
		}
	}
	slices.Sort(at)
	now := l.on(d)
	for _, next := range slices.Compact(at) {
		if next > d && next < never && l.on(next) != now {
			return next
		}
	}
	return never
}

// sum is what counts in the window that a day is in.
func (l ladder) sum(d day) (sum counts) {
	opens := l.TierPlan.opens(d, l.joined)
	for _, c := range l.days {
		if l.TierPlan.Window == lifetime || c.Day >= opens && c.Day <= d {
			sum = sum.plus(c.Counts)
		}
	}
	return sum
}
