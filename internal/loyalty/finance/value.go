// Package finance says what movements of points come to for whoever keeps the books: by day, and in closed months, in points and in money. It
// knows no database and no clock.
//
// Signs are those of accounts that owe: points which a member gets are a credit, above zero; where they come from, "issued" or "adjusted", has
// the debit. Entries of each kind of movement sum to zero, so debits are credits in points. In money they are, too, because only what members have is
// valued; the other side of each kind of movement is what that comes to.
package finance

import (
	"math"
	"math/big"
	"time"
)

// Value is what points are worth in the books from a day on.
type Value struct {
	Version  int       `db:"version" json:"version"`
	From     string    `db:"from_day" json:"from" format:"date" doc:"The first day, in the site's zone" example:"2026-01-01"`
	Points   int64     `db:"points" json:"points" doc:"So many points" example:"100"`
	Amount   int64     `db:"amount" json:"amount" doc:"are worth so much, in minor units" example:"100"`
	Breakage *int64    `db:"breakage_bp" json:"expected_breakage_bp" doc:"Of points that are owed, so many in 10,000 are expected never to be spent; null: nobody has said" example:"1500"`
	Currency string    `db:"currency" json:"currency" example:"USD"`
	SetAt    time.Time `db:"set_at" json:"set_at"`
	Wallet   string    `db:"wallet" json:"wallet" doc:"Whose points; points is the main one" example:"points"`
}

// On is the value of a wallet's points that holds on a day: of those that begin by then the one that was set last; nil: there is none. values are in the order in which
// they were set.
func On(values []Value, day string) *Value {
	for i := len(values) - 1; i >= 0; i-- {
		if values[i].From <= day {
			return &values[i]
		}
	}
	return nil
}

// ValuesOf are the values of one wallet's points.
func ValuesOf(values []Value, wallet string) (out []Value) {
	for _, v := range values {
		if v.Wallet == wallet {
			out = append(out, v)
		}
	}
	return out
}

// Of is what points are worth in minor units: rounded to the nearest, halves away from zero.
func (v Value) Of(points int64) int64 { return share(points, v.Amount, v.Points) }

// Broken is how many of points that are owed are expected never to be spent; nil: nobody has said.
func (v Value) Broken(points int64) *int64 {
	if v.Breakage == nil {
		return nil
	}
	n := share(max(points, 0), *v.Breakage, 10_000)
	return &n
}

// share is n × part ÷ whole, rounded to the nearest, halves away from zero.
func share(n, part, whole int64) int64 {
	twice, half := new(big.Int).Mul(big.NewInt(n), big.NewInt(2*part)), big.NewInt(whole)
	if n < 0 {
		half.Neg(half)
	}
	return twice.Quo(twice.Add(twice, half), big.NewInt(2*whole)).Int64()
}

// most is what all amounts of a wallet may come to: those of all ten together are below what an integer holds, and it is more than any money.
const most = 1 << 59

// size is about how much points are worth, of whatever sign: to see whether a report's amounts fit into integers.
func (v Value) size(points int64) float64 {
	return math.Abs(float64(points)) * float64(v.Amount) / float64(v.Points)
}
