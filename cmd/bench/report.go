package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

const (
	disturbance = 0.10 // share of the machine that other programs may take in a pair, and by which its pace may differ
	enough      = 3    // undisturbed pairs
)

// pair is two figures that were measured one after the other: rates or times.
type pair struct {
	ours, theirs float64
	clients      int     // of pgbench at its best
	others       float64 // share of the machine that other programs took
	pace         float64 // of the processor, meanwhile; 0: not measured
}

func (p pair) ratio() float64 { return p.ours / p.theirs }

// line is one comparison.
type line struct {
	entry
	pairs []pair
}

// judged are the pairs that count: the undisturbed ones or, when they are too few, all.
func (l line) judged() (pairs []pair, doubtful bool) {
	pace := spreadOf(l.pairs, func(p pair) float64 { return p.pace }).median
	for _, p := range l.pairs {
		if p.others <= disturbance && p.pace >= pace*(1-disturbance) && p.pace <= pace*(1+disturbance) {
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

// verdict says where the median lies.
func (l line) verdict() string {
	pairs, _ := l.judged()
	ratio := spreadOf(pairs, pair.ratio).median
	switch {
	case len(pairs) == 0:
		return ""
	case !l.reached(ratio, l.floor):
		return under
	case l.goal == 0:
		return ""
	case l.reached(ratio, l.goal):
		return "goal"
	case l.floor == 0:
		return "short of its goal"
	}
	return "ok"
}

const under = "UNDER ITS FLOOR"

// report is all that a run found.
type report struct {
	about []string // machine and settings
	lines []*line
	notes []note
}

type note struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func (r *report) note(name, format string, args ...any) {
	r.notes = append(r.notes, note{name, fmt.Sprintf(format, args...)})
}

// add puts a pair to its line.
func (r *report) add(name string, p pair) *line {
	for _, l := range r.lines {
		if l.name == name {
			l.pairs = append(l.pairs, p)
			return l
		}
	}
	l := &line{lineOf(name), []pair{p}}
	r.lines = append(r.lines, l)
	return l
}

// scaled sets the bounds of a line whose yardstick's time grows with what is stored, for a share of it.
func (l *line) scaled(share float64) {
	e := lineOf(l.name)
	l.floor, l.goal = e.floor/share, e.goal/share
}

// under lists the lines that are.
func (r *report) under() (names []string) {
	for _, l := range r.lines {
		if l.verdict() == under {
			names = append(names, l.name)
		}
	}
	return names
}

// print writes the table and the notes.
func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.lines) > 0 {
		fmt.Fprintln(t, "\nRATIO\tMEDIAN\tMIN–MAX\tPAIRS\tOURS\tYARDSTICK\tCLIENTS\tFLOOR\tGOAL\t")
	}
	for _, l := range r.lines {
		pairs, doubtful := l.judged()
		ratio := spreadOf(pairs, pair.ratio)
		count := fmt.Sprintf("%d of %d", len(pairs), len(l.pairs))
		if doubtful {
			count += " ~"
		}
		fmt.Fprintf(t, "%s\t%.3g\t%.3g–%.3g\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.name, ratio.median, ratio.least, ratio.most, count,
			figure(spreadOf(pairs, func(p pair) float64 { return p.ours }).median), figure(spreadOf(pairs, func(p pair) float64 { return p.theirs }).median),
			sessions(pairs), l.bound(l.floor), l.bound(l.goal), l.verdict())
	}
	fmt.Fprintln(t)
	for _, n := range r.notes {
		fmt.Fprintf(t, "%s\t%s\n", n.Name, n.Text)
	}
	t.Flush()
	for _, name := range r.under() {
		fmt.Fprintf(w, "under its floor: %s (%s)\n", name, lineOf(name).how)
	}
}

// figure writes a rate or a time in milliseconds.
func figure(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// writeJSON writes the same for machines.
func (r *report) writeJSON(w io.Writer) error {
	type row struct {
		Name      string  `json:"name"`
		Median    float64 `json:"median"`
		Min       float64 `json:"min"`
		Max       float64 `json:"max"`
		Pairs     int     `json:"pairs"`
		Judged    int     `json:"judged"`
		Doubtful  bool    `json:"doubtful"`
		Ours      float64 `json:"ours"`
		Yardstick float64 `json:"yardstick"`
		Floor     float64 `json:"floor"`
		Goal      float64 `json:"goal"`
		Less      bool    `json:"less_is_better"`
		Verdict   string  `json:"verdict"`
	}
	out := struct {
		About []string `json:"about"`
		Lines []row    `json:"lines"`
		Notes []note   `json:"notes"`
		Under []string `json:"under"`
	}{r.about, []row{}, r.notes, append([]string{}, r.under()...)}
	for _, l := range r.lines {
		pairs, doubtful := l.judged()
		ratio := spreadOf(pairs, pair.ratio)
		out.Lines = append(out.Lines, row{l.name, ratio.median, ratio.least, ratio.most, len(l.pairs), len(pairs), doubtful,
			spreadOf(pairs, func(p pair) float64 { return p.ours }).median, spreadOf(pairs, func(p pair) float64 { return p.theirs }).median,
			l.floor, l.goal, l.less, l.verdict()})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
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
