package hindsight

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/talkable/talkable/internal/money"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"group": group, "percent": percent, "tier": tierName}).Parse(pageText))

// HTML writes the report as one page that needs nothing else: no script, no font, no picture.
func (r *Report) HTML(w io.Writer) error {
	var out bytes.Buffer
	if err := page.Execute(&out, r.view()); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// view is what the page shows.
type view struct {
	*Report
	Title  string
	Rows   []row
	Charts []chart
	Spread *chart
	Matrix *matrix
	Worth  string

	Walleted bool // there are wallets beside the main one
	Achieved bool // there are achievements
}

// row is a line of the table of totals.
type row struct {
	Name, About string
	Values      []string
	Change      string
	Head        bool // begins a new part of the table
}

// matrix is how many people have which tier in the one programme and which in the other.
type matrix struct {
	To   []string
	Rows []matrixRow
}

type matrixRow struct {
	From  string
	Cells []matrixCell
}

type matrixCell struct {
	People int64
	Class  string // of where it leads: up, down, same
}

func (r *Report) view() view {
	v := view{Report: r, Worth: group(r.PointValue.Points) + " points = " + r.Money(r.PointValue.Amount)}
	names := make([]string, len(r.Programmes))
	for i, p := range r.Programmes {
		names[i] = p.Label
	}
	v.Title = strings.Join(names, " → ")
	v.Rows, v.Walleted, v.Achieved = r.rows(), r.walleted(), r.achieved()
	points, amount := "points", r.Currency
	v.Charts = drawn(
		r.lines("Liability", amount+", of points outstanding and pending at the end of each month", func(m Month) int64 { return m.Liability }, r.brief),
		r.lines("Cost", amount+", of points redeemed in each month", func(m Month) int64 { return m.Cost }, r.brief),
		r.lines("Issued", points+" in each month", func(m Month) int64 { return m.Issued }, short),
		r.lines("Redeemed", points+" in each month, less what was given back", func(m Month) int64 { return m.Redeemed - m.Restored }, short),
		r.lines("Expired", points+" in each month", func(m Month) int64 { return m.Expired }, short),
		r.lines("Taken back by refunds", points+" in each month", func(m Month) int64 { return m.ClawedBack }, short),
		r.lines("Members", "at the end of each month", func(m Month) int64 { return m.Members }, short),
		r.lines("Members with a tier", "at the end of each month", func(m Month) int64 { return m.Members - m.Tiers[0] }, short))
	if r.Change != nil {
		c := r.spread()
		v.Spread, v.Matrix = &c, r.matrix()
	}
	return v
}

// rows are the totals, with what changes from the first programme to the second.
func (r *Report) rows() (rows []row) {
	addOf := func(name, about string, of func(Outcome) int64, text func(int64) string) {
		x := row{Name: name, About: about}
		var all []int64
		for _, p := range r.Programmes {
			all = append(all, of(p))
			x.Values = append(x.Values, text(of(p)))
		}
		if len(all) == 2 {
			if x.Change = text(all[1] - all[0]); all[1] > all[0] {
				x.Change = "+" + x.Change
			}
		}
		rows = append(rows, x)
	}
	add := func(name, about string, of func(Totals) int64, text func(int64) string) {
		addOf(name, about, func(p Outcome) int64 { return of(p.Totals) }, text)
	}
	add("Cost", "of what was redeemed", func(t Totals) int64 { return t.Cost }, r.Money)
	add("Cost of sales", "less refunds", func(t Totals) int64 { return t.OfSales }, percent)
	add("Liability at the end", "of what is outstanding and pending", func(t Totals) int64 { return t.Liability }, r.Money)
	if r.achieved() {
		addOf("Given for achievements", "value of these points, less what was taken back", Outcome.forFeats, r.Money)
	}
	add("Members", "", func(t Totals) int64 { return t.Members }, group)
	rows[len(rows)-1].Head = true
	add("Issued", "points", func(t Totals) int64 { return t.Issued }, group)
	add("Taken back", "by refunds", func(t Totals) int64 { return t.ClawedBack }, group)
	add("Redeemed", "less what was given back", func(t Totals) int64 { return t.Redeemed - t.Restored }, group)
	add("Expired", "", func(t Totals) int64 { return t.Expired }, group)
	add("Outstanding at the end", "that could be spent", func(t Totals) int64 { return t.Outstanding }, group)
	add("Pending at the end", "", func(t Totals) int64 { return t.Pending }, group)
	add("Debt at the end", "of members below zero", func(t Totals) int64 { return t.Debt }, group)
	add("Redemption rate", "of what was issued and not taken back", func(t Totals) int64 { return t.Spent }, percent)
	rows[len(rows)-1].Head = true
	add("Breakage so far", "expired, of the same", func(t Totals) int64 { return t.Breakage }, percent)
	if r.Redeem == Historic {
		add("Redemptions that can't be", "real ones, for want of points", func(t Totals) int64 { return t.Impossible }, group)
	}
	return rows
}

// Lines are the totals as a table for a terminal.
func (r *Report) Lines() [][]string {
	head := []string{""}
	for _, p := range r.Programmes {
		head = append(head, p.Label)
	}
	if r.Change != nil {
		head = append(head, "change")
	}
	out := [][]string{head}
	for _, x := range r.rows() {
		line := append([]string{x.Name}, x.Values...)
		if r.Change != nil {
			line = append(line, x.Change)
		}
		out = append(out, line)
	}
	return out
}

func (r *Report) matrix() *matrix {
	var m matrix
	people := map[[2]string]int64{}
	for _, c := range r.Change.Tiers {
		people[[2]string{c.From, c.To}] = c.Members
	}
	for _, to := range r.Programmes[1].Tiers {
		m.To = append(m.To, to.Name)
	}
	for i, from := range r.Programmes[0].Tiers {
		line := matrixRow{From: from.Name}
		for k, to := range r.Programmes[1].Tiers {
			c := matrixCell{People: people[[2]string{from.Name, to.Name}], Class: "same"}
			switch {
			case k > i:
				c.Class = "gain"
			case k < i:
				c.Class = "loss"
			}
			if c.People == 0 {
				c.Class = "none"
			}
			line.Cells = append(line.Cells, c)
		}
		m.Rows = append(m.Rows, line)
	}
	return &m
}

// Money writes minor units for people.
func (r *Report) Money(minor int64) string {
	text := money.Format(minor, r.Currency)
	whole, rest, cents := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if cents {
		whole += "." + rest
	}
	return sign + whole + " " + r.Currency
}

// brief writes minor units in few digits of major ones.
func (r *Report) brief(minor int64) string {
	digits, _ := money.Digits(r.Currency)
	unit := pow10(digits)
	if minor%unit != 0 && minor < 100*unit && minor > -100*unit {
		return money.Format(minor, r.Currency)
	}
	return short(minor / unit)
}

// percent writes basis points: 12.34 %.
func percent(bp int64) string {
	sign := ""
	if bp < 0 {
		sign, bp = "−", -bp
	}
	return sign + money.Rate(bp) + " %"
}

// tierName is what is shown for no tier.
func tierName(name string) string {
	if name == "" {
		return "none"
	}
	return name
}
