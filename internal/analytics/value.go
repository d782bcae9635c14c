package analytics

import (
	"math/big"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/money"
)

// number is an exact decimal on its way into JSON.
type number string

// MarshalJSON writes it as it is.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// UnmarshalJSON reads any JSON number.
func (n *number) UnmarshalJSON(b []byte) error { *n = number(b); return nil }

// Schema describes it to the API description.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Examples: []any{34.35}}
}

// MetricValue is a metric's number as Talkable's clients read it.
type MetricValue struct {
	Plain      number `json:"plain" doc:"The number itself; money in whole units of the currency with its decimals"`
	Formatted  string `json:"formatted" example:"34.35%"`
	ResultType string `json:"result_type" enum:"number,money,percent"`
}

// pair is what was counted under one key.
type pair struct{ count, sum int64 }

// value works the metric out. precision is the number of decimals of percentages, and the most that money shows; -1 is unsaid.
func (m metric) value(parts map[string]pair, currency string, precision int) MetricValue {
	v := MetricValue{ResultType: m.resultType()}
	of, over := parts[m.of], parts[m.over]
	switch m.kind {
	case moneyOf:
		v.Plain, v.Formatted = amount(ratio(of.sum, 1, 0), currency, precision)
	case averageOf:
		v.Plain, v.Formatted = amount(ratio(of.sum, of.count, 0), currency, precision)
	case noMoney:
		v.Plain, v.Formatted = amount(ratio(0, 1, 0), currency, precision)
	case percentOf, shareOf, liftOf, noPercent:
		if precision < 0 {
			precision = 2
		}
		part, whole := of.count, over.count
		if m.kind == shareOf || m.kind == liftOf {
			part, whole = of.sum, over.sum
		}
		if m.kind == liftOf {
			whole = max(whole-part, 0)
		}
		text := decimal(ratio(part, whole, precision+2), precision)
		v.Plain, v.Formatted = number(text), text+"%"
	case tallyOf:
		v.Plain = number(big.NewInt(of.sum).String())
		v.Formatted = string(v.Plain)
	default:
		v.Plain = number(big.NewInt(of.count).String())
		v.Formatted = string(v.Plain)
	}
	return v
}

// ratio is a × 10^digits ÷ b, rounded half away from zero; nothing of nothing is 0.
func ratio(a, b int64, digits int) *big.Int {
	if b == 0 {
		return new(big.Int)
	}
	n := new(big.Int).Mul(big.NewInt(a), pow10(digits))
	n.Mul(n, big.NewInt(2))
	d := big.NewInt(b)
	if n.Sign() < 0 {
		n.Sub(n, d)
	} else {
		n.Add(n, d)
	}
	return n.Quo(n, d.Mul(d, big.NewInt(2)))
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// amount writes minor units with at most precision decimals.
func amount(minor *big.Int, currency string, precision int) (number, string) {
	digits, _ := money.Digits(currency)
	if precision >= 0 && precision < digits && minor.IsInt64() {
		minor = ratio(minor.Int64(), pow10(digits-precision).Int64(), 0)
		digits = precision
	}
	text := decimal(minor, digits)
	sign, bare := "", text
	if strings.HasPrefix(text, "-") {
		sign, bare = "-", text[1:]
	}
	symbol, ok := money.Symbol(currency)
	if !ok {
		symbol = currency + " "
	}
	return number(text), sign + symbol + strings.TrimSuffix(bare, zeros(digits))
}

func zeros(n int) string {
	if n == 0 {
		return ""
	}
	return "." + strings.Repeat("0", n)
}

// decimal writes an integer with its last digits behind the point.
func decimal(n *big.Int, digits int) string {
	text := new(big.Int).Abs(n).String()
	if digits > 0 {
		if len(text) <= digits {
			text = strings.Repeat("0", digits+1-len(text)) + text
		}
		text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text
}
