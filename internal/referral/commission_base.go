package referral

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
)

// sale is what commissions are paid for. The subtotal is after discounts, without tax and shipping.
type sale struct {
	Subtotal int64
	Currency string
	Items    []customerevent.Item
}

// orderLine is a line of an order that commission may be paid for.
type orderLine struct {
	product, category string
	pieces, base      int64
}

// lines splits what commission is paid for among the order's lines, so that they add up to it exactly. What is paid for is the
// subtotal, or the sum of the lines if that is less: then the shop's subtotal holds more than goods. Lines with a negative price are
// discounts; they, and those of the subtotal, lower every line in proportion. An order without priced lines is one line.
func (o sale) lines() (base int64, out []orderLine) {
	var sum int64
	var weights []int64
	for _, i := range o.Items {
		price := lineTotal(i.Price, i.Quantity)
		if sum += price; price > 0 {
			out, weights = append(out, orderLine{product: i.ProductID, category: i.Category, pieces: i.Quantity}), append(weights, price)
		}
	}
	if len(out) == 0 {
		return o.Subtotal, []orderLine{{base: o.Subtotal}}
	}
	base = max(0, min(o.Subtotal, sum))
	for n, part := range apportion(base, weights) {
		out[n].base = part
	}
	return base, out
}

// lineTotal multiplies a price by a quantity; no product is larger than the largest amount.
func lineTotal(price, quantity int64) int64 {
	hi, lo := bits.Mul64(uint64(max(price, -price)), uint64(max(quantity, 0)))
	if hi > 0 || lo > uint64(money.Max) {
		lo = uint64(money.Max)
	}
	if price < 0 {
		return -int64(lo)
	}
	return int64(lo)
}

// apportion splits a total by positive weights, by largest remainder: each part is its exact share, rounded down or up, and they add up to
// the total.
func apportion(total int64, weights []int64) []int64 {
	var whole uint64
	for _, w := range weights {
		whole += uint64(w)
	}
	parts, rests, left := make([]int64, len(weights)), make([]uint64, len(weights)), total
	for n, w := range weights {
		hi, lo := bits.Mul64(uint64(total), uint64(w))
		q, rest := bits.Div64(hi, lo, whole) // hi < whole because total < 2^64 and w ≤ whole
		parts[n], rests[n] = int64(q), rest
		left -= parts[n]
	}
	return roundUp(parts, rests, left)
}

// roundUp gives one more to the left parts with the largest rests, the first of equals.
func roundUp(parts []int64, rests []uint64, left int64) []int64 {
	order := make([]int, len(parts))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rests[b], rests[a]) })
	for _, n := range order[:left] {
		parts[n]++
	}
	return parts
}

// percents are the shares of lines: their exact sum is rounded half up, and the lines add up to it.
func percents(bases, basisPoints []int64) (total int64, parts []int64) {
	const whole = 10_000
	parts, rests := make([]int64, len(bases)), make([]uint64, len(bases))
	var down, rest int64
	for n := range bases {
		exact := bases[n] * basisPoints[n] // at most money.Max × 10,000
		parts[n], rests[n] = exact/whole, uint64(exact%whole)
		down, rest = down+parts[n], rest+exact%whole
	}
	total = down + (rest+whole/2)/whole
	return total, roundUp(parts, rests, total-down)
}
