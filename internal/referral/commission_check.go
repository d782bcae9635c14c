package referral

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/web"
)

const maxCommissionRules = 500

// commissionPlanInput is a plan as the API takes it.
type commissionPlanInput struct {
	web.SiteBody
	Name      string                `json:"name" example:"Partners"`
	Active    *bool                 `json:"active,omitempty" nullable:"true" doc:"A plan that isn't active pays for no more orders; true when left out"`
	Currency  *string               `json:"currency,omitempty" nullable:"true" doc:"What it pays in, ISO 4217; null: percentages only, in each order's currency. The site's when left out and amounts are named"`
	Default   *commissionRateInput  `json:"default,omitempty" doc:"For lines without a rule of their own, and orders without lines"`
	PerOrder  int64                 `json:"per_order,omitempty" doc:"For each order, on top: minor units"`
	Rules     []commissionRuleInput `json:"rules,omitempty" nullable:"true" doc:"At most 500. The rule of a line's product goes before that of its category"`
	Caps      *commissionCapsInput  `json:"caps,omitempty"`
	Recurring *recurringInput       `json:"recurring,omitempty" doc:"Left out: the referred order only"`
	HoldDays  int                   `json:"hold_days,omitempty" doc:"How long after its approval no payout takes a commission: 0 to 365 days"`
}

type commissionRateInput struct {
	Percent money.Number `json:"percent,omitempty" doc:"0 to 100, at most 2 decimals"`
	PerItem int64        `json:"per_item,omitempty" doc:"For each piece, instead of percent: minor units"`
}

type commissionRuleInput struct {
	ProductID string       `json:"product_id,omitempty"`
	Category  string       `json:"category,omitempty" doc:"Instead of product_id"`
	Percent   money.Number `json:"percent,omitempty" doc:"0 to 100, at most 2 decimals"`
	PerItem   int64        `json:"per_item,omitempty" doc:"For each piece, instead of percent: minor units"`
}

type commissionCapsInput struct {
	Order  int64 `json:"order,omitempty" doc:"Most for an order, minor units; 0: no end"`
	Friend int64 `json:"friend,omitempty" doc:"Most for all orders of a friend"`
	Month  int64 `json:"month,omitempty" doc:"Most to an advocate for the orders of a month (UTC)"`
}

type recurringInput struct {
	Months int `json:"months,omitempty" doc:"Orders within so many months of the referred one: at most 120; 0: no end"`
	Orders int `json:"orders,omitempty" doc:"The first so many orders, the referred one included: at most 1000; 0: no end"`
}

// plan checks the input and fills in what was left out. currency is the site's.
func (in commissionPlanInput) plan(currency string) (commissionPlan, error) {
	var f findings
	p := commissionPlan{Name: in.Name, Active: in.Active == nil || *in.Active}
	checkText(&f, "/name", in.Name, 1, 200)
	t := &p.terms
	if in.Default != nil {
		t.Default = in.Default.rate(&f, "/default")
	}
	if len(in.Rules) > maxCommissionRules {
		f.add("/rules", "must be at most %d", maxCommissionRules)
	} else {
		in.rules(&f, t)
	}
	t.PerOrder = f.amount("/per_order", in.PerOrder)
	if c := in.Caps; c != nil {
		t.Caps = commissionCaps{f.amount("/caps/order", c.Order), f.amount("/caps/friend", c.Friend), f.amount("/caps/month", c.Month)}
	}
	t.Recurs = recurrence{Orders: 1}
	if r := in.Recurring; r != nil {
		if t.Recurs = (recurrence{r.Months, r.Orders}); r.Orders == 0 {
			t.Recurs.Orders = everyOrder
		}
		f.within("/recurring/months", r.Months, 0, 120)
		f.within("/recurring/orders", r.Orders, 0, 1000)
	}
	t.HoldDays = in.HoldDays
	f.within("/hold_days", in.HoldDays, 0, 365)
	if t.Default == (commissionRate{}) && t.PerOrder == 0 && len(t.Rules) == 0 {
		f.add("/default", "or rules or per_order are needed: the plan would pay nothing")
	}
	in.currency(&f, t, currency)
	return p, f.refusal("invalid_commission_plan", "commission plan")
}

func (in commissionPlanInput) rules(f *findings, t *commissionTerms) {
	seen := map[commissionRule]bool{}
	for n, r := range in.Rules {
		at := "/rules/" + itoa(int64(n))
		one := commissionRule{ProductID: r.ProductID, Category: r.Category}
		switch {
		case (r.ProductID == "") == (r.Category == ""):
			f.add(at, "must have a product_id or a category")
		case seen[one]:
			f.add(at, "is there twice")
		}
		seen[one] = true
		f.name(at+"/product_id", r.ProductID)
		f.name(at+"/category", r.Category)
		one.commissionRate = commissionRateInput{r.Percent, r.PerItem}.rate(f, at)
		t.Rules = append(t.Rules, one)
	}
}

func (in commissionRateInput) rate(f *findings, at string) (r commissionRate) {
	if r.PerItem = f.amount(at+"/per_item", in.PerItem); in.Percent == "" {
		return r
	}
	if !percentForm.MatchString(string(in.Percent)) {
		f.add(at+"/percent", "must be from 0 to 100, with at most 2 decimals")
		return r
	}
	if r.BasisPoints = basisPoints(string(in.Percent)); r.BasisPoints > 10_000 {
		f.add(at+"/percent", "must be from 0 to 100, with at most 2 decimals")
	}
	if in.PerItem != 0 {
		f.add(at+"/per_item", "can't be beside percent")
	}
	return r
}

// currency is what the plan pays in. One that names amounts needs one.
func (in commissionPlanInput) currency(f *findings, t *commissionTerms, site string) {
	if t.Currency = deref(in.Currency); t.Currency == "" && t.amounts() {
		t.Currency = site
	}
	if _, ok := money.Digits(t.Currency); t.Currency != "" && !ok {
		f.add("/currency", "must be an ISO 4217 code")
	}
}

// amount checks minor units that may be left out.
func (f *findings) amount(at string, n int64) int64 {
	if n < 0 || n > money.Max {
		f.add(at, "must be from 0 to %d", money.Max)
	}
	return n
}

func (f *findings) within(at string, n, least, most int) {
	if n < least || n > most {
		f.add(at, "must be from %d to %d", least, most)
	}
}

// name checks what the shop calls a thing, which may be left out.
func (f *findings) name(at, s string) {
	if utf8.RuneCountInString(s) > 255 || strings.ContainsFunc(s, unicode.IsControl) {
		f.add(at, "must have at most 255 characters and no control characters")
	}
}

// refusal is what is wrong with a thing, nil if nothing.
func (f *findings) refusal(code, thing string) error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, code, "The %s can't be like this: %s %s.", thing, f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

// byPlan checks what a commission is worth.
func (i incentive) byPlan(f *findings, at string) {
	switch {
	case i.CommissionPlan == nil:
		if i.BasisPoints == 0 && i.Amount == 0 {
			f.add(at+"/percent", "or amount or commission_plan_id is needed")
		}
	case i.BasisPoints != 0 || i.Amount != 0:
		f.add(at+"/commission_plan_id", "can't be beside percent or amount")
	case i.Action != actionReferrer:
		f.add(at+"/commission_plan_id", "belongs to referrer only")
	case i.SubtotalMin != nil:
		f.add(at+"/subtotal_min", "can't be beside commission_plan_id")
	}
}
