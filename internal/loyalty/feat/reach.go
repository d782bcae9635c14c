package feat

import (
	"cmp"
	"slices"
)

// Span is how much counted in a span of the calendar; of different things: how often the one with this name.
type Span struct {
	Since  Day
	Name   string
	Amount int64
}

// Reach is a level that is met. Level, Since and Nth say which: of what is reached once they are always the same, so it is reached once.
type Reach struct {
	Level  int // from 1
	Since  Day
	Nth    int
	Period Day // the span, or the first of the streak, in which it was met first
	Amount int64
	Goal   int64
}

// From is the first span that has to be looked at when something changed in one: what lies before it neither changes nor matters. Where
// something was lowered, another span may have met the same.
func (a *Achievement) From(changed Day, lowered bool) Day {
	switch {
	case a.Kind == KindStreak, lowered && a.Repeat == Once:
		return Ever
	case a.Period == Rolling:
		return changed - Day(a.Days) + 1
	}
	return changed
}

// Met are the levels that are met by spans, in any order, in periods that go on until a day at least: what is long over was judged then.
func (a *Achievement) Met(spans []Span, until Day) (out []Reach) {
	for _, t := range a.totals(spans) {
		if t.last < until {
			continue
		}
		for _, r := range a.levels(t) {
			if !slices.ContainsFunc(out, r.Same) {
				out = append(out, r)
			}
		}
	}
	return out
}

// MetOn are the levels that are met in the period of a day, or by the streak that goes on then.
func (a *Achievement) MetOn(spans []Span, d Day) []Reach {
	t := total{since: a.Since(d), amount: a.Total(spans, d)}
	if a.Kind == KindStreak {
		r, alive := a.Alive(a.Runs(spans), d)
		if t = (total{since: r.First, amount: int64(r.Length)}); !alive {
			return nil
		}
	}
	return a.levels(t)
}

// total is what counts in a period, or the length of a streak.
type total struct {
	since, last Day
	amount      int64
}

// levels are those that a period meets.
func (a *Achievement) levels(t total) (out []Reach) {
	for i, l := range a.Goals() {
		if t.amount < l.Goal {
			break
		}
		r := Reach{Level: i + 1, Since: Ever, Nth: 1, Period: t.since, Amount: t.amount, Goal: l.Goal}
		switch {
		case a.Repeat == Again && a.Unit() == ever:
			for ; r.Goal <= t.amount && (a.Times == 0 || r.Nth <= a.Times) && r.Nth <= MostEver; r.Nth, r.Goal = r.Nth+1, r.Goal+l.Goal {
				out = append(out, r)
			}
			continue
		case a.Repeat == Again:
			r.Since = t.since
		}
		out = append(out, r)
	}
	return out
}

// MostEver bounds how often something of a small goal is reached ever.
const MostEver = 1000

// Same says that two are the same level, in the same span, for the same time.
func (r Reach) Same(o Reach) bool { return r.Level == o.Level && r.Since == o.Since && r.Nth == o.Nth }

// Had is what was reached before.
type Had struct {
	Reach
	Lost  bool // by a refund: it may be reached again
	Gone  bool // somebody took it back: it may not
	Given bool // by somebody
}

// Fresh are those of what is met that are not reached yet, as far as it may be reached so often.
func (a *Achievement) Fresh(met []Reach, had []Had) (out []Reach) {
	times := map[int]int{}
	for _, h := range had {
		if !h.Lost {
			times[h.Level]++
		}
	}
	for _, r := range met {
		if slices.ContainsFunc(had, func(h Had) bool { return h.Same(r) && (!h.Lost || h.Gone) }) {
			continue
		}
		if a.Repeat == Again && a.Times > 0 && times[r.Level] >= a.Times {
			continue
		}
		times[r.Level]++
		out = append(out, r)
	}
	return out
}

// Missed are those that were reached in periods from a day on, and whose goals of then aren't met any more, of an achievement that takes back what
// was undone. What somebody gave no refund takes back.
func (a *Achievement) Missed(spans []Span, had []Had, from Day) (out []Reach) {
	if !a.Revoke {
		return nil
	}
	totals := a.totals(spans)
	for _, h := range had {
		met := func(t total) bool { return t.amount >= h.Goal && (h.Since == Ever || h.Since == t.since) }
		if !h.Lost && !h.Given && h.Period >= from && !slices.ContainsFunc(totals, met) {
			out = append(out, h.Reach)
		}
	}
	return out
}

// totals are what counts in each period, or of each streak its length, by time. A rolling period is one that ends with a day on which
// something counted: no other has more.
func (a *Achievement) totals(spans []Span) (out []total) {
	if a.Kind == KindStreak {
		for _, r := range a.Runs(spans) {
			out = append(out, total{r.First, r.Last, int64(r.Length)})
		}
		return out
	}
	for _, s := range a.sums(spans) {
		if a.Period == Rolling {
			s.Amount = a.Total(spans, s.Since)
		}
		out = append(out, total{s.Since, s.Since, s.Amount})
	}
	return out
}

// sums are what counts in each span, by time: of different things, how many there are.
func (a *Achievement) sums(spans []Span) (out []Span) {
	slices.SortFunc(spans, func(x, y Span) int { return cmp.Compare(x.Since, y.Since) })
	for _, s := range spans {
		if a.Distinct() {
			s.Amount = min(s.Amount, 1)
		}
		if n := len(out); n > 0 && out[n-1].Since == s.Since {
			out[n-1].Amount += s.Amount
		} else {
			out = append(out, Span{Since: s.Since, Amount: s.Amount})
		}
	}
	return out
}

// Total is what counts in the period that a day is in.
func (a *Achievement) Total(spans []Span, d Day) (sum int64) {
	from, to := a.Since(d), a.Since(d)
	if a.Period == Rolling {
		from = d - Day(a.Days) + 1
	}
	names := map[string]bool{}
	for _, s := range spans {
		switch {
		case s.Since < from || s.Since > to || s.Amount == 0:
		case a.Distinct():
			names[s.Name] = true
		default:
			sum += s.Amount
		}
	}
	return sum + int64(len(names))
}

// PeriodOf are the first and last day of the period that a day is in; false: it is ever.
func (a *Achievement) PeriodOf(d Day) (from, to Day, some bool) {
	switch a.Period {
	case ever:
		return Ever, Ever, false
	case Rolling:
		return d - Day(a.Days) + 1, d, true
	}
	return a.Since(d), first(a.Unit(), number(a.Unit(), d)+1) - 1, true
}

// Next is the goal to go for: the first level that is neither met now nor, where it is reached once, was before; nil: there is none.
func (a *Achievement) Next(met []Reach, had []Had, counted int64) *Level {
	for i, l := range a.Goals() {
		if a.Repeat == Again && a.Unit() == ever {
			n := counted/l.Goal + 1
			if a.Times > 0 && n > int64(a.Times) || n > MostEver {
				return nil
			}
			return &Level{Name: l.Name, Goal: n * l.Goal}
		}
		has := func(r Reach) bool { return r.Level == i+1 }
		once := a.Repeat == Once && slices.ContainsFunc(had, func(h Had) bool { return has(h.Reach) && !h.Lost })
		if !once && !slices.ContainsFunc(met, has) {
			return &l
		}
	}
	return nil
}
