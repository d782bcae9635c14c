package referral

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
)

func TestSale_lines_add_up_to_what_is_paid_for(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := sale{Subtotal: rapid.Int64Range(0, money.Max).Draw(t, "subtotal"), Currency: "USD"}
		priced, sum := 0, new(big.Int)
		for range rapid.IntRange(0, 20).Draw(t, "items") {
			i := customerevent.Item{Price: rapid.Int64Range(-1000, money.Max).Draw(t, "price"), Quantity: rapid.Int64Range(0, 1_000_000_000).Draw(t, "quantity")}
			s.Items = append(s.Items, i)
			if total := lineTotal(i.Price, i.Quantity); total > 0 {
				priced++
			}
			sum.Add(sum, big.NewInt(lineTotal(i.Price, i.Quantity)))
		}
		base, lines := s.lines()
		var parts int64
		for _, l := range lines {
			if parts += l.base; l.base < 0 {
				t.Fatalf("a line of %d", l.base)
			}
		}
		switch {
		case parts != base || base > s.Subtotal:
			t.Fatalf("lines of %d for %d of %d", parts, base, s.Subtotal)
		case priced == 0 && (base != s.Subtotal || len(lines) != 1):
			t.Fatalf("without prices: %d, %d lines", base, len(lines))
		case priced > 0 && sum.Sign() <= 0 && base != 0:
			t.Fatalf("discounts are more than goods, and %d is paid for", base)
		}
	})
}

// Each part is its exact share, rounded down or up.
func TestApportion_is_near_the_exact_share(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(1, money.Max), 1, 30).Draw(t, "weights")
		total := rapid.Int64Range(0, money.Max).Draw(t, "total")
		whole, left := new(big.Int), total
		for _, w := range weights {
			whole.Add(whole, big.NewInt(w))
		}
		for n, part := range apportion(total, weights) {
			down := new(big.Int).Mul(big.NewInt(total), big.NewInt(weights[n]))
			down.Div(down, whole)
			if left -= part; part != down.Int64() && part != down.Int64()+1 {
				t.Fatalf("part %d is %d, exactly %d", n, part, down)
			}
		}
		if left != 0 {
			t.Fatalf("%d is left", left)
		}
	})
}

// A naive reading of the terms comes to the same.
func TestTerms_worth_is_what_a_naive_reading_says(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := func(name string) commissionRate {
			if rapid.Bool().Draw(t, name) {
				return commissionRate{PerItem: rapid.Int64Range(0, 500).Draw(t, name+" per item")}
			}
			return commissionRate{BasisPoints: rapid.Int64Range(0, 10_000).Draw(t, name+" percent")}
		}
		terms := commissionTerms{Currency: "USD", Default: rate("default"), PerOrder: rapid.Int64Range(0, 300).Draw(t, "per order"),
			Rules: []commissionRule{{ProductID: "p1", commissionRate: rate("p1")}, {Category: "c1", commissionRate: rate("c1")}}}
		s := sale{Subtotal: rapid.Int64Range(0, 100_000).Draw(t, "subtotal"), Currency: "USD"}
		for range rapid.IntRange(0, 6).Draw(t, "items") {
			s.Items = append(s.Items, customerevent.Item{ProductID: rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "product"),
				Category: rapid.SampledFrom([]string{"", "c1", "c2"}).Draw(t, "category"), Price: rapid.Int64Range(-500, 5000).Draw(t, "price"),
				Quantity: rapid.Int64Range(0, 5).Draw(t, "quantity")})
		}
		w := terms.worth(s, 1)
		_, lines := s.lines()
		exact, fixed := int64(0), terms.PerOrder // of 10,000
		for _, l := range lines {
			r := terms.Default
			if l.product == "p1" {
				r = terms.Rules[0].commissionRate
			} else if l.category == "c1" {
				r = terms.Rules[1].commissionRate
			}
			exact, fixed = exact+l.base*r.BasisPoints, fixed+r.PerItem*l.pieces
		}
		var parts int64
		for _, l := range w.explained.Lines {
			parts += l.Percent
		}
		if want := (exact + 5000) / 10_000; w.percent != want || w.fixed != fixed || parts != want {
			t.Fatalf("%d in parts of %d and %d, want %d and %d", w.percent, parts, w.fixed, want, fixed)
		}
	})
}

func TestExchange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount   int64
		rate     string
		from, to string
		want     int64
	}{
		{1000, "1.0834", "EUR", "USD", 1083},
		{1000, "1.0835", "EUR", "USD", 1084}, // a half goes up
		{1000, "156.2", "USD", "JPY", 1562},
		{1562, "0.0064", "JPY", "USD", 1000}, // 999.68
		{1, "0.3", "USD", "KWD", 3},
		{0, "5", "USD", "EUR", 0},
		{money.Max, "99999999.9999999999", "JPY", "KWD", money.Max},
	} {
		if got := exchange(tt.amount, rateOf(tt.rate), tt.from, tt.to); got != tt.want {
			t.Errorf("%d %s at %s: %d %s, want %d", tt.amount, tt.from, tt.rate, got, tt.to, tt.want)
		}
	}
	for text, want := range map[string]string{"1": "1", "0.5000": "0.5", "12345678.1234567891": "12345678.1234567891", "0.0000000001": "0.0000000001"} {
		if got := rateText(rateOf(text)); got != want {
			t.Errorf("%s reads %s", text, got)
		}
	}
	for _, text := range []string{"", "0", "0.0", "-1", "1e3", "123456789", "1.00000000001", "NaN", "1,5", " 1", ".5", "1."} {
		if rateOf(text) != 0 {
			t.Errorf("%q is a rate", text)
		}
	}
}

func TestCaps(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caps    commissionCaps
		used    capRoom
		want    int64
		applied int
	}{
		"none":             {commissionCaps{}, capRoom{}, 1000, 0},
		"above":            {commissionCaps{Order: 1000, Friend: 2000, Month: 3000}, capRoom{}, 1000, 0},
		"order":            {commissionCaps{Order: 300}, capRoom{}, 300, 1},
		"friend's rest":    {commissionCaps{Friend: 2000}, capRoom{friend: 1500}, 500, 1},
		"month used up":    {commissionCaps{Month: 2000}, capRoom{month: 2000}, 0, 1},
		"lowered meantime": {commissionCaps{Month: 2000}, capRoom{month: 5000}, 0, 1},
		"each in turn":     {commissionCaps{Order: 900, Friend: 800, Month: 700}, capRoom{}, 700, 3},
	} {
		if got, applied := tt.caps.capped(1000, tt.used); got != tt.want || len(applied) != tt.applied {
			t.Errorf("%s: %d, %v", name, got, applied)
		}
	}
}

func TestCommissionPlanInput(t *testing.T) {
	t.Parallel()
	good := commissionPlanInput{Name: "Partners", Default: percent("10")}
	if p, err := good.plan("USD"); err != nil || p.terms.Currency != "" || p.terms.Recurs.Orders != 1 || !p.Active {
		t.Errorf("%+v, %v", p, err)
	}
	good.Caps = &commissionCapsInput{Order: 5}
	if p, err := good.plan("USD"); err != nil || p.terms.Currency != "USD" {
		t.Errorf("%+v, %v", p, err)
	}
	for pointer, change := range map[string]func(*commissionPlanInput){
		"/name":             func(in *commissionPlanInput) { in.Name = " " },
		"/default":          func(in *commissionPlanInput) { in.Default = nil },
		"/default/percent":  func(in *commissionPlanInput) { in.Default = percent("100.01") },
		"/default/per_item": func(in *commissionPlanInput) { in.Default.PerItem = 5 },
		"/per_order":        func(in *commissionPlanInput) { in.PerOrder = -1 },
		"/rules":            func(in *commissionPlanInput) { in.Rules = make([]commissionRuleInput, 501) },
		"/rules/0":          func(in *commissionPlanInput) { in.Rules = []commissionRuleInput{{}} },
		"/rules/1":          func(in *commissionPlanInput) { in.Rules = []commissionRuleInput{{ProductID: "a"}, {ProductID: "a"}} },
		"/caps/month":       func(in *commissionPlanInput) { in.Caps = &commissionCapsInput{Month: money.Max + 1} },
		"/recurring/months": func(in *commissionPlanInput) { in.Recurring = &recurringInput{Months: 121} },
		"/recurring/orders": func(in *commissionPlanInput) { in.Recurring = &recurringInput{Orders: -1} },
		"/hold_days":        func(in *commissionPlanInput) { in.HoldDays = 366 },
		"/currency":         func(in *commissionPlanInput) { c := "XXQ"; in.Currency = &c },
	} {
		in := commissionPlanInput{Name: "Partners", Default: percent("10")}
		change(&in)
		if _, err := in.plan("USD"); !points(err, pointer) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}

func TestCell_is_no_formula(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "ann@shop.example": "ann@shop.example", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@sum": "'@sum", "\tx": "'\tx", "Ann": "Ann"} {
		if got := cell(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	if (recurrence{Orders: 3}).until(epoch) != nil {
		t.Error("an end")
	}
	if end := (recurrence{Months: 1, Orders: 3}).until(epoch); !end.Equal(epoch.AddDate(0, 1, 0)) || monthNumber(*end) != 202612 || rateDay(end.In(time.FixedZone("", -86000))) != "2026-12-20" {
		t.Error(end)
	}
}

// points says whether an error is a fault about a place.
func points(err error, pointer string) bool {
	f, ok := fault.Of(err)
	return ok && slices.ContainsFunc(f.Fields, func(p fault.Field) bool { return p.Pointer == pointer })
}
