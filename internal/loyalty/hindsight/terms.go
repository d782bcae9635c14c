package hindsight

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/money"
)

// How members are taken to spend their points.
const (
	Never    = "never"
	When     = "when"     // all whole multiples of a number, as soon as they have it
	Historic = "historic" // as they really did, where they have that much
)

// Redeem is how members are taken to spend their points.
type Redeem struct {
	Kind   string
	Points int64 // of When
}

const mostPoints = 1_000_000_000_000 // of one redemption

// ParseRedeem reads never, historic, or "when 500".
func ParseRedeem(text string) (Redeem, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch {
	case (kind == Never || kind == Historic) && rest == "":
		return Redeem{Kind: kind}, nil
	case kind == When:
		n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		if err == nil && n > 0 && n <= mostPoints {
			return Redeem{When, n}, nil
		}
	}
	return Redeem{}, fmt.Errorf("%q must be never, historic, or when N: so many points as often as a member has them", text)
}

func (r Redeem) String() string {
	if r.Kind == When {
		return fmt.Sprintf("%s %d", When, r.Points)
	}
	return r.Kind
}

// Worth is what points cost the shop when they are spent: so many points so much, in minor units.
type Worth struct {
	Points int64 `json:"points"`
	Amount int64 `json:"amount"`
}

// ParseWorth reads "100=1.00": a hundred points cost 1.00 of the currency.
func ParseWorth(text, currency string) (Worth, error) {
	points, amount, ok := strings.Cut(text, "=")
	n, err := strconv.ParseInt(strings.TrimSpace(points), 10, 64)
	if !ok || err != nil || n < 1 || n > mostPoints {
		return Worth{}, fmt.Errorf("%q must be points=amount, as 100=1.00", text)
	}
	minor, err := money.Parse(strings.TrimSpace(amount), currency)
	digits, _ := money.Digits(currency)
	_, fraction, _ := strings.Cut(strings.TrimSpace(amount), ".")
	switch {
	case err != nil:
	case minor < 0:
		err = errors.New("must not be below zero")
	case len(strings.TrimRight(fraction, "0")) > digits:
		err = fmt.Errorf("is finer than %s: name more points", currency)
	}
	if err != nil {
		return Worth{}, fmt.Errorf("%q: amount %w", text, err)
	}
	return Worth{n, minor}, nil
}

// Of is what points come to, rounded to the nearest minor unit, halves away from zero; what no integer holds is the most that one does.
func (w Worth) Of(points int64) int64 {
	twice, half := new(big.Int).Mul(big.NewInt(points), new(big.Int).Mul(big.NewInt(2), big.NewInt(w.Amount))), big.NewInt(w.Points)
	if points < 0 {
		half.Neg(half)
	}
	twice.Add(twice, half)
	switch twice.Quo(twice, new(big.Int).Mul(big.NewInt(2), big.NewInt(w.Points))); {
	case twice.IsInt64():
		return twice.Int64()
	case points < 0:
		return -math.MaxInt64
	}
	return math.MaxInt64
}

// Terms are what a backtest assumes.
type Terms struct {
	Redeem  Redeem
	Worth   Worth
	GoAhead int // days after an order when points that wait for an event are taken to get it
}
