package hindsight

import (
	"fmt"
	"strings"
)

// chart is lines over months, or bars, ready to be drawn: every number is a place on the paper.
type chart struct {
	Title, Note string
	Width       int
	Height      int
	Left, Right int
	Base        int // y of the lowest line
	Ticks       []mark
	Labels      []mark
	Lines       []line
	Bars        []bar
	empty       bool // all is nothing
}

// mark is a text at a place of an axis.
type mark struct {
	At   string
	Text string
}

// line is a programme's.
type line struct {
	Class  string
	Points string
	Dots   []dot
}

type dot struct{ X, Y, Text string }

type bar struct {
	X, Y, Width, Height string
	LabelX, LabelY      string
	Text, Class         string
}

const (
	chartWidth, chartHeight = 560, 220
	chartLeft, chartRight   = 62, 548
	chartTop, chartBase     = 14, 186
	mostLabels              = 8
	dotsUpTo                = 60
	firstClass, secondClass = "one", "two"
	barGap                  = 6
)

var classes = []string{firstClass, secondClass}

// drawn are the charts of which something is to be seen.
func drawn(all ...chart) (out []chart) {
	for _, c := range all {
		if !c.empty {
			out = append(out, c)
		}
	}
	return out
}

// lines draws a number of each month of all programmes.
func (r *Report) lines(title, note string, of func(Month) int64, text func(int64) string) chart {
	c := chart{Title: title, Note: note, Width: chartWidth, Height: chartHeight, Left: chartLeft, Right: chartRight, Base: chartBase}
	least, most, n := int64(0), int64(0), 0
	for _, p := range r.Programmes {
		n = len(p.Months)
		for _, m := range p.Months {
			least, most = min(least, of(m)), max(most, of(m))
		}
	}
	c.empty = least == 0 && most == 0
	y := c.scale(least, max(most, 1), text)
	x := func(i int) float64 {
		if n < 2 {
			return float64(chartLeft+chartRight) / 2
		}
		return chartLeft + float64(i)*(chartRight-chartLeft)/float64(n-1)
	}
	for k, p := range r.Programmes {
		l := line{Class: classes[k]}
		var points []string
		for i, m := range p.Months {
			d := dot{place(x(i)), place(y(of(m))), p.Label + ", " + m.Month + ": " + text(of(m))}
			if points = append(points, d.X+","+d.Y); n <= dotsUpTo {
				l.Dots = append(l.Dots, d)
			}
		}
		l.Points = strings.Join(points, " ")
		c.Lines = append(c.Lines, l)
	}
	every := (n + mostLabels - 1) / mostLabels
	for i := 0; i < n; i += max(every, 1) {
		c.Labels = append(c.Labels, mark{place(x(i)), r.Programmes[0].Months[i].Month})
	}
	return c
}

// scale draws four or five lines across, and says where a number is between them.
func (c *chart) scale(least, most int64, text func(int64) string) func(int64) float64 {
	span := most - least
	unit := int64(1)
	for steps := 0; span/unit > 5; steps++ {
		unit = []int64{1, 2, 5}[(steps+1)%3] * pow10((steps+1)/3)
	}
	low := -(-least + unit - 1) / unit * unit
	high := (most + unit - 1) / unit * unit
	y := func(n int64) float64 {
		return chartBase - float64(n-low)*(chartBase-chartTop)/float64(high-low)
	}
	for n := low; n <= high; n += unit {
		c.Ticks = append(c.Ticks, mark{place(y(n)), text(n)})
	}
	return y
}

func pow10(n int) int64 {
	out := int64(1)
	for range min(n, 18) {
		out *= 10
	}
	return out
}

// spread draws how many people gain and lose how much.
func (r *Report) spread() chart {
	c := chart{Title: "People by what changes for them", Note: "points kept in " + r.Programmes[1].Label + " less points kept in " + r.Programmes[0].Label,
		Width: chartWidth, Height: chartHeight, Left: chartLeft, Right: chartRight, Base: chartBase}
	most := int64(1)
	for _, b := range r.Change.Spread {
		most = max(most, b.People)
	}
	y := c.scale(0, most, short)
	width := float64(chartRight-chartLeft) / float64(len(r.Change.Spread))
	for i, b := range r.Change.Spread {
		left, top := chartLeft+float64(i)*width, y(b.People)
		x := bar{X: place(left + barGap/2), Y: place(top), Width: place(width - barGap), Height: place(chartBase - top), LabelX: place(left + width/2),
			LabelY: place(top - 3), Text: group(b.People), Class: "same"}
		switch {
		case b.From != nil && *b.From > 0:
			x.Class = "gain"
		case b.To != nil && *b.To < 0:
			x.Class = "loss"
		}
		c.Bars = append(c.Bars, x)
		c.Labels = append(c.Labels, mark{x.LabelX, b.text()})
	}
	return c
}

// text is a bucket's range in few letters.
func (b Bucket) text() string {
	switch {
	case b.From == nil:
		return "≤ " + short(*b.To)
	case b.To == nil:
		return "≥ " + short(*b.From)
	case *b.From == *b.To:
		return short(*b.From)
	}
	return short(*b.From) + "…" + short(*b.To)
}

func place(x float64) string { return fmt.Sprintf("%.1f", x) }

// short writes a number in few digits: 1.5k, 20M.
func short(n int64) string {
	if n < 0 {
		return "−" + short(-n)
	}
	for _, u := range []struct {
		size int64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + u.name
		}
	}
	return fmt.Sprint(n)
}

// group writes a number with its thousands apart.
func group(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
