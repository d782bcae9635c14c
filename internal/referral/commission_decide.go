package referral

import (
	"encoding/json"
	"math"
	"math/big"
	"time"

	"github.com/talkable/talkable/internal/money"
)

// commissionExplained is why a commission is what it is: the terms that it was made by, the order as it was seen, and each step.
type commissionExplained struct {
	PlanVersion int             `json:"plan_version,omitempty"`
	HoldDays    int             `json:"hold_days,omitempty"`
	Caps        commissionCaps  `json:"caps"`
	Formula     string          `json:"formula"`
	Lines       []explainedLine `json:"lines,omitempty"`
	PerOrder    int64           `json:"per_order,omitempty"`
	Rate        *explainedRate  `json:"rate,omitempty"`
	Gross       int64           `json:"gross"` // before caps, in the currency that is paid
	CapsApplied []explainedCap  `json:"caps_applied,omitempty"`

	Refused *explainedRefusal `json:"refused,omitempty"` // by the campaign
}

// explainedRefusal is why the campaign has nothing left for a commission.
type explainedRefusal struct {
	Cause    string `json:"cause"`  // limit_30_days, limit_total, budget, budget_currency
	Amount   int64  `json:"amount"` // that it would have been
	Currency string `json:"currency,omitempty"`
	Budget   int64  `json:"budget,omitempty"`
	Spent    int64  `json:"spent_before,omitempty"`
	Since    string `json:"since,omitempty"` // the day on which the budget's period began, UTC
}

type explainedLine struct {
	ProductID   string `json:"product_id,omitempty"`
	Category    string `json:"category,omitempty"`
	Rule        string `json:"rule"` // product, category, default
	Pieces      int64  `json:"pieces,omitempty"`
	Base        int64  `json:"base"`
	BasisPoints int64  `json:"basis_points,omitempty"`
	PerItem     int64  `json:"per_item,omitempty"`
	Percent     int64  `json:"percent_amount,omitempty"` // in the order's currency
	Fixed       int64  `json:"fixed_amount,omitempty"`   // in the plan's
}

type explainedRate struct {
	Day  string `json:"day"`
	From string `json:"from"`
	To   string `json:"to"`
	Rate string `json:"rate"`
}

type explainedCap struct {
	Cap   string `json:"cap"` // order, friend, month
	Limit int64  `json:"limit"`
	Used  int64  `json:"used_before,omitempty"`
	Left  int64  `json:"amount_left"` // what was left of the commission
}

const commissionFormula = "base = min(subtotal, lines); percent of each line's part of base + per item + per order; converted; capped"

// commissionWorth is what an order is worth under a plan, before conversion and caps.
type commissionWorth struct {
	base, percent, fixed int64 // percent is in the order's currency, fixed in the plan's
	explained            commissionExplained
}

// worth applies the plan's rates to an order.
func (t commissionTerms) worth(o sale, version int) commissionWorth {
	base, lines := o.lines()
	rates, w := t.rates(), commissionWorth{base: base}
	bases, points := make([]int64, len(lines)), make([]int64, len(lines))
	e := commissionExplained{PlanVersion: version, HoldDays: t.HoldDays, Caps: t.Caps, Formula: commissionFormula, PerOrder: t.PerOrder}
	for n, l := range lines {
		rate, rule := rates.of(l.product, l.category)
		fixed := lineTotal(rate.PerItem, l.pieces)
		w.fixed = min(w.fixed+fixed, money.Max)
		bases[n], points[n] = l.base, rate.BasisPoints
		e.Lines = append(e.Lines, explainedLine{ProductID: l.product, Category: l.category, Rule: rule, Pieces: l.pieces, Base: l.base,
			BasisPoints: rate.BasisPoints, PerItem: rate.PerItem, Fixed: fixed})
	}
	total, parts := percents(bases, points)
	for n := range e.Lines {
		e.Lines[n].Percent = parts[n]
	}
	w.percent, w.fixed, w.explained = total, min(w.fixed+t.PerOrder, money.Max), e
	return w
}

// capRoom is how much of each cap is used up before a commission.
type capRoom struct{ friend, month int64 }

// capped lowers an amount to what the caps leave, and says which of them did something.
func (c commissionCaps) capped(amount int64, used capRoom) (left int64, applied []explainedCap) {
	left = amount
	for _, one := range []struct {
		name        string
		limit, used int64
	}{{"order", c.Order, 0}, {"friend", c.Friend, used.friend}, {"month", c.Month, used.month}} {
		if room := max(0, one.limit-one.used); one.limit > 0 && left > room {
			left = room
			applied = append(applied, explainedCap{one.name, one.limit, one.used, left})
		}
	}
	return left, applied
}

// rateUnit is one, as rates are stored.
const rateUnit = 10_000_000_000

// exchange is an amount in another currency, rounded half up, at most money.Max. rate is what one unit of from is worth, times rateUnit.
func exchange(amount, rate int64, from, to string) int64 {
	fromDigits, _ := money.Digits(from)
	toDigits, _ := money.Digits(to)
	above, below := big.NewInt(amount), big.NewInt(rateUnit)
	above.Mul(above, big.NewInt(rate)).Mul(above, pow10(toDigits))
	below.Mul(below, pow10(fromDigits))
	above.Mul(above, big.NewInt(2)).Add(above, below) // (2ab + c) / 2c = ab/c + 1/2
	above.Div(above, below.Mul(below, big.NewInt(2)))
	if !above.IsInt64() {
		return money.Max
	}
	return min(above.Int64(), money.Max)
}

func pow10(n int) *big.Int { return big.NewInt(int64(math.Pow10(n))) }

// monthNumber names the month of an order, for caps: 202611.
func monthNumber(at time.Time) int64 {
	at = at.UTC()
	return int64(at.Year())*100 + int64(at.Month())
}

func (e commissionExplained) text() string {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain fields
	}
	return string(text)
}
