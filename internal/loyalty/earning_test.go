package loyalty

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// ruled is the tests' programme with rules.
func ruled(stacking string, rules ...earnRule) settings {
	s := club()
	s.Earning = &earnPlan{EarnTerms: EarnTerms{Stacking: stacking, Rules: rules}}
	return s
}

// equipped is a programme as it decides, without a database.
func equipped(t testing.TB, s settings) program {
	t.Helper()
	s, err := s.of(shop(1))
	if err == nil {
		err = s.check()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := program{SiteID: 1, ID: 1, Version: 1, settings: s}
	if p.earner, err = newEarner(s.Earning); err != nil {
		t.Fatal(err)
	}
	return p
}

// ordered is an order of two chairs at 20.00, a gift card at 50.00 and a discount of 5.00 on chairs, on a Sunday at noon.
func ordered() customerevent.OriginRecorded {
	return customerevent.OriginRecorded{SiteID: 1, OriginID: 1, Type: customerevent.Purchase, PersonID: 7, Subtotal: 8500, Currency: "USD", Verified: true,
		FirstPurchase: true, OccurredAt: noon, Items: []customerevent.Item{{ProductID: "chair", Category: "seats", Price: 2000, Quantity: 2},
			{ProductID: "card", Category: "gift cards", Price: 5000, Quantity: 1}, {ProductID: "off", Category: "seats", Price: -500, Quantity: 1}}}
}

// TestDecide: what rules give for one order. The rate of the programme gives 850 points, or as many as ten times the dollars that qualify.
func TestDecide(t *testing.T) {
	t.Parallel()
	soon, gone := noon.Add(time.Hour), noon.Add(-time.Hour)
	fixed := func(key string, points int64) earnRule { return earnRule{Key: key, Kind: kindFixed, Points: points} }
	times := func(key string, factor int64) earnRule {
		return earnRule{Key: key, Kind: kindMultiplier, Multiplier: factor}
	}
	with := func(r earnRule, change func(*earnRule)) earnRule { change(&r); return r }
	for what, c := range map[string]struct {
		stacking string
		exclude  earnExcluded
		rules    []earnRule
		order    func(*customerevent.OriginRecorded)
		tier     string
		want     string // points or the refusal, then what became of each rule
	}{
		"the rate alone":          {want: "850: default gave 850", exclude: earnExcluded{Products: []string{"table"}}},
		"gift cards are left out": {want: "350: default gave 350", exclude: earnExcluded{Categories: []string{"gift cards"}}},
		"orders with coupons":     {want: "no_rule", exclude: earnExcluded{Coupons: true}, order: func(o *customerevent.OriginRecorded) { o.CouponCodes = []string{"x"} }},
		"all":                     {rules: []earnRule{fixed("a", 5), fixed("b", 7)}, want: "862: a gave 5, b gave 7, default gave 850"},
		"first":                   {stacking: stackFirst, rules: []earnRule{fixed("a", 5), fixed("b", 7)}, want: "5: a gave 5, b passed_over, default passed_over"},
		"first that gives": {stacking: stackFirst, rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.Paused = true }), fixed("b", 7)},
			want: "7: a paused, b gave 7, default passed_over"},
		"best": {stacking: stackBest, rules: []earnRule{fixed("a", 5), fixed("b", 900)}, want: "900: a outranked, b gave 900, default outranked"},
		"multipliers after sums, one on the other": {rules: []earnRule{times("x", 15_000), fixed("a", 1), times("y", 20_000)},
			want: "2553: a gave 1, default gave 850, x multiplied 425, y multiplied 1277"},
		"the best multiplier": {stacking: stackBest, rules: []earnRule{times("x", 15_000), times("y", 20_000)}, want: "1700: default gave 850, x outranked, y multiplied 850"},
		"per item":            {rules: []earnRule{{Key: "a", Kind: kindPerItem, Points: 3, Products: []string{"chair"}}}, want: "856: a gave 6, default gave 850"},
		"per money of a category, less its discount": {rules: []earnRule{{Key: "a", Kind: kindPerMoney, Points: 1, Categories: []string{"seats"}}},
			want: "885: a gave 35, default gave 850"},
		"fractions are dropped once": {rules: []earnRule{{Key: "a", Kind: kindPerMoney, Points: 1, PerAmount: 1000}, {Key: "b", Kind: kindPerMoney, Points: 1, PerAmount: 1000}},
			want: "867: a gave 8, b gave 9, default gave 850"},
		"no such line":   {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.Products = []string{"table"} })}, want: "850: a no_line, default gave 850"},
		"not begun":      {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.StartsAt = &soon })}, want: "850: a not_then, default gave 850"},
		"over":           {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.EndsAt = &gone })}, want: "850: a not_then, default gave 850"},
		"a happy hour":   {rules: []earnRule{with(times("a", 20_000), func(r *earnRule) { r.Hours = &earnHours{Weekdays: []string{"sun"}, From: "11:00", To: "13:00"} })}, want: "1700: default gave 850, a multiplied 850"},
		"another's tier": {rules: []earnRule{with(times("a", 20_000), func(r *earnRule) { r.Tiers = []string{"Gold"} })}, tier: "Silver", want: "850: default gave 850, a other_tier"},
		"the tier":       {rules: []earnRule{with(times("a", 20_000), func(r *earnRule) { r.Tiers = []string{"Gold"} })}, tier: "Gold", want: "1700: default gave 850, a multiplied 850"},
		"a condition":    {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.When = "origin.first_purchase && items.exists(i, i.category == 'seats')" })}, want: "855: a gave 5, default gave 850"},
		"a condition in words": {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.When = `origin.subtotal > 10000 ? "" : "spend more"` })},
			want: "850: a not_met (spend more), default gave 850"},
		"a condition about the member": {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.When = `member.tier == "Gold"` })}, tier: "Gold", want: "855: a gave 5, default gave 850"},
		"events are others'":           {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.On = onEvent })}, want: "850: default gave 850"},
		"an event": {rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.On, r.EventCategory = onEvent, "review" })},
			order: func(o *customerevent.OriginRecorded) {
				o.Type, o.Category, o.Subtotal = customerevent.Event, "review", 0
			}, want: "5: a gave 5"},
		"other money":    {order: func(o *customerevent.OriginRecorded) { o.Currency = "EUR" }, rules: []earnRule{fixed("a", 5)}, want: "currency"},
		"less than one":  {order: func(o *customerevent.OriginRecorded) { o.Subtotal = 9 }, rules: []earnRule{times("a", 11_000)}, want: "below_one_point: default gave, a multiplied"},
		"nothing at all": {order: func(o *customerevent.OriginRecorded) { o.Subtotal = 0 }, rules: []earnRule{with(fixed("a", 5), func(r *earnRule) { r.Paused = true })}, want: "no_rule: a paused"},
		"too much": {rules: []earnRule{times("a", 1_000_000), times("b", 1_000_000), times("c", 1_000_000), times("d", 1_000_000), times("e", 1_000_000)},
			want: "too_many_points: default gave, a multiplied, b multiplied, c multiplied, d multiplied, e multiplied"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := ruled(c.stacking, c.rules...)
			s.Earning.Exclude = c.exclude
			o := ordered()
			if c.order != nil {
				c.order(&o)
			}
			v, err := equipped(t, s).decide(t.Context(), ofOrigin(o), criteria.Member{Tier: c.tier}, unbounded)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.said(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// said is a verdict in short.
func (v verdict) said() string {
	out := v.Refused
	if v.Points > 0 {
		out = fmt.Sprint(v.Points)
	}
	var steps []string
	for _, s := range v.Trace.Rules {
		text := s.Rule + " " + s.Result
		if s.Points > 0 {
			text += fmt.Sprint(" ", s.Points)
		}
		if s.Why != "" {
			text += " (" + s.Why + ")"
		}
		steps = append(steps, text)
	}
	if len(steps) > 0 {
		out += ": " + strings.Join(steps, ", ")
	}
	return out
}

// TestDecide_equals_a_naive_reference, which works in ten-thousandths of ten-thousandths of ... points, without fractions.
func TestDecide_equals_a_naive_reference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var rules []earnRule
		left := map[string]int64{}
		for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
			r := earnRule{Key: fmt.Sprint("r", i), Kind: rapid.SampledFrom([]string{kindFixed, kindPerMoney, kindPerItem, kindMultiplier}).Draw(t, "kind")}
			if r.Kind == kindMultiplier {
				r.Multiplier = rapid.Int64Range(wholeFactor+1, 30_000).Draw(t, "factor")
			} else {
				r.Points = rapid.Int64Range(1, 50).Draw(t, "points")
			}
			if rapid.Bool().Draw(t, "capped") {
				left[r.Key] = rapid.Int64Range(0, 300).Draw(t, "left")
			}
			rules = append(rules, r)
		}
		o := ordered()
		o.Subtotal = rapid.Int64Range(0, 20_000).Draw(t, "subtotal")
		stacking := rapid.SampledFrom([]string{stackAll, stackFirst, stackBest}).Draw(t, "stacking")
		s := ruled(stacking, rules...)
		s.Earning.Exclude.Products = []string{"table"} // so that there is a plan
		s, err := s.of(shop(1))
		if err != nil {
			t.Fatal(err)
		}
		p := program{settings: s}
		if p.earner, err = newEarner(s.Earning); err != nil {
			t.Fatal(err)
		}
		v, err := p.decide(t.Context(), ofOrigin(o), criteria.Member{}, func(r *earnRule) (int64, string) {
			if n, ok := left[r.Key]; ok {
				return n, wasLimit
			}
			return 1 << 60, ""
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := naive(stacking, rules, o.Subtotal, left); v.Points != want {
			t.Fatalf("%s: got %d, want %d: %s", stacking, v.Points, want, v.said())
		}
		var parts int64
		for _, s := range v.Trace.Rules {
			parts += s.Points
			if n, ok := left[s.Rule]; ok && s.Points > n {
				t.Fatalf("%s gave %d, and might %d", s.Rule, s.Points, n)
			}
		}
		if parts != v.Points {
			t.Fatalf("the parts are %d of %d", parts, v.Points)
		}
	})
}

// naive counts in units of 10^-34 of a point: enough for eight multipliers, none of which leaves a rest then.
func naive(stacking string, rules []earnRule, subtotal int64, left map[string]int64) int64 {
	one := new(big.Int).Exp(big.NewInt(10), big.NewInt(34), nil)
	pick := func(values []*big.Int) *big.Int {
		sum := new(big.Int)
		for _, v := range values {
			switch {
			case stacking == stackFirst && sum.Sign() == 0, stacking == stackBest && v.Cmp(sum) > 0:
				sum = v
			case stacking == stackAll:
				sum = new(big.Int).Add(sum, v)
			}
		}
		return sum
	}
	cut := func(key string, v *big.Int) *big.Int {
		if n, ok := left[key]; ok {
			if most := new(big.Int).Mul(one, big.NewInt(n)); v.Cmp(most) > 0 {
				return most
			}
		}
		return v
	}
	var values []*big.Int
	for _, r := range append(rules, earnRule{Key: defaultRule, Kind: kindPerMoney, Points: 10}) {
		v := new(big.Int).Mul(one, big.NewInt(r.Points))
		switch r.Kind {
		case kindMultiplier:
			continue
		case kindPerMoney:
			v.Div(v.Mul(v, big.NewInt(subtotal)), big.NewInt(100))
		case kindPerItem:
			v.Mul(v, big.NewInt(3)) // pieces of the order
		}
		values = append(values, cut(r.Key, v))
	}
	sum := pick(values)
	values = nil
	running := new(big.Int).Set(sum)
	for _, r := range rules {
		if r.Kind == kindMultiplier {
			v := new(big.Int).Mul(running, big.NewInt(r.Multiplier-wholeFactor))
			v = cut(r.Key, v.Div(v, big.NewInt(wholeFactor)))
			if values = append(values, v); stacking == stackAll {
				running.Add(running, v)
			}
		}
	}
	sum.Add(sum, pick(values))
	return sum.Div(sum, one).Int64()
}

func TestHours(t *testing.T) {
	t.Parallel()
	night := &earnHours{Weekdays: []string{"fri"}, From: "22:00", To: "02:00"}
	for at, want := range map[string]bool{
		"2026-02-27T21:59:00Z": false, "2026-02-27T22:00:00Z": true, "2026-02-28T01:59:00Z": true, "2026-02-28T02:00:00Z": false,
		"2026-02-28T22:00:00Z": false, "2026-02-27T01:00:00Z": false,
	} {
		if local, _ := time.Parse(time.RFC3339, at); night.holds(local) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}

// TestRulesAreChecked: each mistake has its place.
func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	many := make([]earnRule, maxRules+1)
	for place, c := range map[string]earnRule{
		"key":              {Key: "Big", Kind: kindFixed, Points: 1},
		"name":             {Key: "a", Name: " x", Kind: kindFixed, Points: 1},
		"on":               {Key: "a", On: "rain", Kind: kindFixed, Points: 1},
		"kind":             {Key: "a", Kind: "some"},
		"points":           {Key: "a", Kind: kindFixed},
		"multiplier":       {Key: "a", Kind: kindMultiplier, Multiplier: wholeFactor},
		"per_amount":       {Key: "a", Kind: kindFixed, Points: 1, PerAmount: 5},
		"products/0":       {Key: "a", Kind: kindFixed, Points: 1, Products: []string{""}},
		"categories":       {Key: "a", Kind: kindFixed, Points: 1, Categories: make([]string, maxLines+1)},
		"event_category":   {Key: "a", Kind: kindFixed, Points: 1, EventCategory: "review"},
		"tiers/0":          {Key: "a", Kind: kindFixed, Points: 1, Tiers: []string{"Lead"}},
		"ends_at":          {Key: "a", Kind: kindFixed, Points: 1, StartsAt: &noon, EndsAt: &noon},
		"hours/weekdays/1": {Key: "a", Kind: kindFixed, Points: 1, Hours: &earnHours{Weekdays: []string{"mon", "mon"}}},
		"hours/from":       {Key: "a", Kind: kindFixed, Points: 1, Hours: &earnHours{From: "7:00", To: "08:00"}},
		"hours/to":         {Key: "a", Kind: kindFixed, Points: 1, Hours: &earnHours{From: "07:00", To: "07:00"}},
		"when":             {Key: "a", Kind: kindFixed, Points: 1, When: "origin.subtotl > 5"},
		"limits/0/per":     {Key: "a", Kind: kindFixed, Points: 1, Limits: []earnLimit{{Per: "week", Times: 1}}},
		"limits/0":         {Key: "a", Kind: kindFixed, Points: 1, Limits: []earnLimit{{Per: "day"}}},
		"cooldown_minutes": {Key: "a", Kind: kindFixed, Points: 1, Cooldown: -1},
		"budget":           {Key: "a", Kind: kindFixed, Points: 1, Budget: new(int64)},
	} {
		s, _ := ruled(stackAll, c).of(shop(1))
		if b, _ := json.Marshal(s.check()); !strings.Contains(string(b), `"/earning/rules/0/`+place+`"`) {
			t.Errorf("%s: %s", place, b)
		}
	}
	for place, s := range map[string]settings{
		"/earning/rules": ruled(stackAll, many...), "/earning/stacking": ruled("some", earnRule{Key: "a", Kind: kindFixed, Points: 1}),
		"/earning/rules/1/key": ruled(stackAll, earnRule{Key: "a", Kind: kindFixed, Points: 1}, earnRule{Key: "a", Kind: kindFixed, Points: 1}),
	} {
		s, _ := s.of(shop(1))
		if b, _ := json.Marshal(s.check()); !strings.Contains(string(b), `"`+place+`"`) {
			t.Errorf("%s: %s", place, b)
		}
	}
}
