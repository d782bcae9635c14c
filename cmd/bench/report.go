package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// The floors are what the trial of the design reached, less a third for what a platform does beside.
const (
	floorPurchases = 1.0
	floorSettled   = 0.4
	floorVisits    = 1.0
	floorStatic    = 0.2

	disturbance = 0.10 // share of the machine that other programs may take in a pair
	enough      = 3    // undisturbed pairs
)

// pair is two rates that were measured one after the other.
type pair struct {
	ours, theirs float64
	clients      int     // of pgbench at its best
	others       float64 // share of the machine that other programs took
}

func (p pair) ratio() float64 { return p.ours / p.theirs }

// line is one comparison.
type line struct {
	name  string
	floor float64 // 0: none
	pairs []pair
}

// judged are the pairs that count: the undisturbed ones or, when they are too few, all.
func (l line) judged() (pairs []pair, doubtful bool) {
	for _, p := range l.pairs {
		if p.others <= disturbance {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) < min(enough, len(l.pairs)) {
		return l.pairs, true
	}
	return pairs, false
}

// spread is a median with its extremes.
type spread struct{ median, least, most float64 }

func spreadOf(pairs []pair, value func(pair) float64) spread {
	all := make([]float64, len(pairs))
	for i, p := range pairs {
		all[i] = value(p)
	}
	return spreadOver(all)
}

func spreadOver(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return spread{median: (all[(n-1)/2] + all[n/2]) / 2, least: all[0], most: all[n-1]}
}

func (l line) under() bool {
	pairs, _ := l.judged()
	return len(pairs) > 0 && spreadOf(pairs, pair.ratio).median < l.floor
}

// report is all that a run found.
type report struct {
	lines []line
	notes []note
}

type note struct{ name, text string }

func (r *report) note(name, format string, args ...any) {
	r.notes = append(r.notes, note{name, fmt.Sprintf(format, args...)})
}

// print writes the table and says whether every line reached its floor.
func (r *report) print(w io.Writer) bool {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.lines) > 0 {
		fmt.Fprintln(t, "\nRATIO\tMEDIAN\tLEAST–MOST\tPAIRS\tOURS /s\tYARDSTICK /s\tCLIENTS\tFLOOR\t")
	}
	fine := true
	for _, l := range r.lines {
		pairs, doubtful := l.judged()
		ratio := spreadOf(pairs, pair.ratio)
		count := fmt.Sprintf("%d of %d", len(pairs), len(l.pairs))
		if doubtful {
			count += " ~"
		}
		verdict, floor := "", "–"
		if l.floor > 0 {
			verdict, floor = "ok", fmt.Sprintf("%.1f", l.floor)
		}
		if l.under() {
			verdict, fine = "UNDER ITS FLOOR", false
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f–%.2f\t%s\t%.0f\t%.0f\t%s\t%s\t%s\n", l.name, ratio.median, ratio.least, ratio.most, count,
			spreadOf(pairs, func(p pair) float64 { return p.ours }).median, spreadOf(pairs, func(p pair) float64 { return p.theirs }).median,
			sessions(pairs), floor, verdict)
	}
	fmt.Fprintln(t)
	for _, n := range r.notes {
		fmt.Fprintf(t, "%s\t%s\n", n.name, n.text)
	}
	t.Flush()
	return fine
}

// sessions lists with how many clients the yardstick was fastest.
func sessions(pairs []pair) string {
	var all []int
	for _, p := range pairs {
		if p.clients > 0 && !slices.Contains(all, p.clients) {
			all = append(all, p.clients)
		}
	}
	if len(all) == 0 {
		return "–"
	}
	slices.Sort(all)
	text := ""
	for i, n := range all {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(n)
	}
	return text
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// each is a processor time per item in microseconds.
func each(d time.Duration, n int64) float64 { return float64(d.Microseconds()) / float64(max(n, 1)) }
