package feat

// Run is a streak: periods in which enough was done, one after the other, but for those that a freeze forgave.
type Run struct {
	First, Last Day // first days of its first and its last period
	Length      int // periods in which enough was done
	Missed      int // that were forgiven
}

// Runs are the streaks that spans make, by time. What is missed is forgiven as soon as it is, so each streak uses up its freezes first.
func (a *Achievement) Runs(spans []Span) (out []Run) {
	for _, n := range a.held(spans) {
		at := first(a.Unit(), n)
		if len(out) > 0 {
			r := &out[len(out)-1]
			if missed := n - number(a.Unit(), r.Last) - 1; r.Missed+missed <= a.Freezes {
				r.Last, r.Length, r.Missed = at, r.Length+1, r.Missed+missed
				continue
			}
		}
		out = append(out, Run{First: at, Last: at, Length: 1})
	}
	return out
}

// held are the numbers of the periods in which enough was done, by time.
func (a *Achievement) held(spans []Span) (out []int) {
	for _, s := range a.sums(spans) {
		if s.Amount >= a.Each {
			out = append(out, number(a.Unit(), s.Since))
		}
	}
	return out
}

// Breaks is the day that begins with a streak broken, if nothing more is done.
func (a *Achievement) Breaks(r Run) Day {
	return first(a.Unit(), number(a.Unit(), r.Last)+a.Freezes-r.Missed+2)
}

// Left is how many more periods may be missed.
func (a *Achievement) Left(r Run) int { return max(a.Freezes-r.Missed, 0) }

// Alive is the streak that goes on on a day; false: there is none. Periods that are to come don't count yet.
func (a *Achievement) Alive(runs []Run, today Day) (Run, bool) {
	for i := len(runs) - 1; i >= 0; i-- {
		if r := runs[i]; r.First <= today {
			return r, today < a.Breaks(r)
		}
	}
	return Run{}, false
}

// Longest is how many periods the longest streak has.
func Longest(runs []Run) (n int) {
	for _, r := range runs {
		n = max(n, r.Length)
	}
	return n
}
