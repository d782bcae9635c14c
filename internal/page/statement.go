package page

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// statementView is a member's statement, to be read on a phone and printed.
type statementView struct {
	frame
	Whose, Period            string
	OpeningText, ClosingText string
	Opening, Closing         string
	Lines                    []statementLine
	More                     string // where not all lines are shown
	Totals                   []statementLine
	Ends                     []string
}

// statementLine is a movement, or what all movements of a kind add up to.
type statementLine struct {
	What, Day, Note string
	Points, Balance string
	Up              bool
}

// Statement makes the page of a member's statement. languages are those that the reader would like, as browsers say it.
func (p *Pages) Statement(ctx context.Context, languages string, siteID int64, of gatewayapi.PrintedStatement) (gatewayapi.Document, error) {
	return p.document(statementPage(p.frameIn(ctx, languages, siteID), of))
}

func statementPage(f frame, of gatewayapi.PrintedStatement) statementView {
	last := of.To.Add(-time.Microsecond)
	f.kind, f.Title = "statement", f.say("statement_title")
	v := statementView{Period: f.say("statement_period", "from", f.day(of.From), "to", f.day(last)),
		Whose:       strings.TrimSpace(friendly(of.FirstName) + " " + friendly(of.LastName)),
		OpeningText: f.say("statement_opening", "date", f.day(of.From)), Opening: f.number(of.Opening),
		ClosingText: f.say("statement_closing", "date", f.day(last)), Closing: f.number(of.Closing)}
	for _, e := range of.Entries {
		line := statementLine{What: f.kindOf(e.Kind), Day: f.day(e.EffectiveAt), Points: f.change(e.Points), Balance: f.number(e.Balance), Up: e.Points > 0}
		if e.Description != nil {
			line.Note = *e.Description
		}
		v.Lines = append(v.Lines, line)
	}
	if shown := int64(len(of.Entries)); shown < of.Count {
		v.More = f.say("statement_more", "shown", f.number(shown), "all", f.number(of.Count))
	}
	for _, t := range of.Totals {
		v.Totals = append(v.Totals, statementLine{What: f.kindOf(t.Kind), Points: f.change(t.Points), Up: t.Points > 0})
	}
	v.Ends = f.ends(of.Expiring)
	v.frame = f
	return v
}

// ends says what ends when, a line for each day.
func (f frame) ends(of []loyaltyapi.Expiration) (lines []string) {
	days := map[string]int64{}
	var order []string
	for _, e := range of {
		if e.ExpiresAt == nil {
			continue
		}
		day := f.day(*e.ExpiresAt)
		if _, known := days[day]; !known {
			order = append(order, day)
		}
		days[day] += e.Points
	}
	for _, day := range order {
		lines = append(lines, f.say("statement_ends_on", "points", f.number(days[day]), "date", day))
	}
	return lines
}

// kindOf is a kind of movement in words; one that has none yet says what it is called.
func (f frame) kindOf(kind string) string {
	if text := f.say("kind_" + kind); text != "" {
		return text
	}
	return strings.ReplaceAll(kind, "_", " ")
}

// day is a date as the page's language writes it.
func (f frame) day(t time.Time) string {
	layouts := map[string]string{"de": "02.01.2006", "es": "02/01/2006", "fr": "02/01/2006"}
	if layout := layouts[f.Lang]; layout != "" {
		return t.Format(layout)
	}
	return t.Format("Jan 2, 2006")
}

// change is a number of points with its sign.
func (f frame) change(n int64) string {
	if n > 0 {
		return "+" + f.number(n)
	}
	return f.number(n)
}

// number is a number with a mark between its thousands, as the page's language writes it.
func (f frame) number(n int64) string {
	mark := map[string]string{"de": ".", "es": ".", "fr": "\u202f"}[f.Lang]
	if mark == "" {
		mark = ","
	}
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + mark + digits[i:]
	}
	return sign + digits
}
