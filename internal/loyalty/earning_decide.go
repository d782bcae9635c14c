package loyalty

import (
	"context"
	"maps"
	"math"
	"math/big"

	"github.com/talkable/talkable/internal/criteria"
)

// What became of a rule.
const (
	gave        = "gave"
	multiplied  = "multiplied"
	wasPaused   = "paused"
	wasNotTime  = "not_then"    // before it begins, after it ends, or not in its hours
	wasOtherOne = "other_tier"  // the member is in none of its tiers
	wasNoLine   = "no_line"     // of its products and categories
	wasNotMet   = "not_met"     // its condition
	wasNothing  = "nothing"     // of what it counts there is none
	wasLimit    = "limit"       // the member has had all that it gives
	wasCooldown = "cooldown"    // too soon after the last time
	wasBudget   = "budget"      // it has given all that it may
	wasLess     = "outranked"   // best: another one gives more
	wasLater    = "passed_over" // first: one before it gave
)

// trace is why something earned what it did: what each rule that speaks of it said.
type trace struct {
	Stacking string         `json:"stacking"`
	Amount   int64          `json:"amount" doc:"What qualified of the order, in minor units"`
	Barred   string         `json:"barred,omitempty" doc:"coupons: one was used, and orders with coupons earn nothing"`
	Tier     string         `json:"tier,omitempty" doc:"Of the member, before it"`
	Rules    []step         `json:"rules"`
	Seen     map[string]any `json:"seen,omitempty" doc:"What the conditions asked for"`
}

// step is what became of one rule.
type step struct {
	Rule   string            `json:"rule"`
	Kind   string            `json:"kind"`
	Result string            `json:"result" enum:"gave,multiplied,paused,not_then,other_tier,no_line,not_met,nothing,limit,cooldown,budget,outranked,passed_over"`
	Why    string            `json:"why,omitempty" doc:"In the words of its condition"`
	Value  string            `json:"value,omitempty" doc:"What it came to before rounding, to four places; of a multiplier, what it added"`
	Cut    string            `json:"cut,omitempty" enum:"limit,budget" doc:"Why that was not more"`
	Points int64             `json:"points,omitempty" doc:"Its part of the points"`
	Since  map[string]string `json:"since,omitempty" doc:"The spans of time that it counts in, by their first days"`
	Budget bool              `json:"budget,omitempty" doc:"It has a budget, which its points were taken from"`
}

// allowance says how much a rule may still give, and why not more.
type allowance func(r *earnRule) (left int64, why string)

// unbounded lets every rule give what it will.
func unbounded(*earnRule) (int64, string) { return math.MaxInt64, "" }

// verdict is what the rules decided.
type verdict struct {
	Points  int64
	Refused string // why nothing
	Trace   trace
}

// bid is what a rule would give; its value is nil when it gives nothing.
type bid struct {
	step
	rule  *earnRule
	value *big.Rat
}

// deciding is a decision under way.
type deciding struct {
	*occasion
	p    program
	who  criteria.Member
	room allowance
	unit int64
	seen map[string]any
}

// decide lets the rules speak of something. Of those that apply the stacking says which give; multipliers, by the same stacking, multiply
// their sum; what is less than a point in the end is dropped. The error is not an answer: ctx has ended.
func (p program) decide(ctx context.Context, o *occasion, who criteria.Member, room allowance) (verdict, error) {
	d := &deciding{occasion: o, p: p, who: who, room: room, unit: 1, seen: map[string]any{}}
	for range p.Digits {
		d.unit *= 10
	}
	v := verdict{Trace: trace{Stacking: p.earner.Stacking, Amount: o.amount(p.earner.Exclude), Tier: who.Tier, Rules: []step{}}}
	switch {
	case o.subtotal > 0 && o.currency != p.Currency:
		v.Refused = refusedCurrency
		return v, nil
	case o.coupons && p.earner.Exclude.Coupons:
		v.Refused, v.Trace.Barred = refusedNoRule, "coupons"
		return v, nil
	}
	bids, err := d.bids(ctx, new(big.Rat), false)
	if err != nil {
		return v, err
	}
	sum := total(bids)
	if sum.Sign() > 0 {
		more, err := d.bids(ctx, sum, true)
		if err != nil {
			return v, err
		}
		bids = append(bids, more...)
	}
	v.round(bids)
	if len(d.seen) > 0 {
		v.Trace.Seen = d.seen
	}
	return v, nil
}

// bids asks the rules that give, or the multipliers of a sum, in their order, and lets the stacking choose.
func (d *deciding) bids(ctx context.Context, sum *big.Rat, multipliers bool) ([]bid, error) {
	var out []bid
	done := false
	ask := func(r *earnRule, when *criteria.Criteria) error {
		b := bid{step: step{Rule: r.Key, Kind: r.Kind}, rule: r}
		if b.Result = wasLater; !done {
			if err := d.ask(ctx, &b, when, sum); err != nil {
				return err
			}
		}
		if b.value != nil && d.p.earner.Stacking == stackFirst {
			done = true
		}
		if b.value != nil && d.p.earner.Stacking == stackAll && multipliers {
			sum = new(big.Rat).Add(sum, b.value) // the next one multiplies what this one made
		}
		out = append(out, b)
		return nil
	}
	for i := range d.p.earner.Rules {
		if r := &d.p.earner.Rules[i]; r.speaksOf(d.occasion) && (r.Kind == kindMultiplier) == multipliers {
			if err := ask(r, d.p.earner.when[i]); err != nil {
				return nil, err
			}
		}
	}
	if r := d.p.rates(d.occasion); r != nil && !multipliers {
		if err := ask(r, nil); err != nil {
			return nil, err
		}
	}
	if d.p.earner.Stacking == stackBest {
		best(out)
	}
	return out, nil
}

// ask finds what a rule would give, or why it gives nothing.
func (d *deciding) ask(ctx context.Context, b *bid, when *criteria.Criteria, sum *big.Rat) (err error) {
	r := b.rule
	counted := r.counted(d.occasion, d.p.earner.Exclude)
	if b.Result, b.Why, err = d.applies(ctx, r, when, counted); err != nil || b.Result != "" {
		return err
	}
	value := r.worth(counted, d.unit)
	if r.Kind == kindMultiplier {
		value = new(big.Rat).Mul(sum, big.NewRat(r.Multiplier-wholeFactor, wholeFactor))
	}
	if value.Sign() == 0 {
		b.Result = wasNothing
		return nil
	}
	if left, why := d.room(r); left <= 0 {
		b.Result = why
		return nil
	} else if most := new(big.Rat).SetInt64(left); value.Cmp(most) > 0 {
		value, b.Cut = most, why
	}
	b.value, b.Value = value, value.FloatString(4)
	b.Since, b.Budget = d.p.earner.counts(r, d.at), r.Budget != nil
	if b.Result = gave; r.Kind == kindMultiplier {
		b.Result = multiplied
	}
	return nil
}

// applies says why a rule does not; "" when it does.
func (d *deciding) applies(ctx context.Context, r *earnRule, when *criteria.Criteria, counted lines) (result, why string, err error) {
	switch {
	case r.Paused:
		return wasPaused, "", nil
	case r.StartsAt != nil && d.at.Before(*r.StartsAt), r.EndsAt != nil && !d.at.Before(*r.EndsAt), !r.Hours.holds(d.at.In(d.p.earner.zone)):
		return wasNotTime, "", nil
	case !r.forTier(d.tier()):
		return wasOtherOne, "", nil
	case !counted.some:
		return wasNoLine, "", nil
	case when == nil:
		return "", "", nil
	}
	facts := d.facts
	facts.Member, facts.Today = d.who, criteria.DateOf(d.at.In(d.p.earner.zone))
	answer, err := when.Ask(ctx, facts)
	if err != nil {
		return "", "", err
	}
	maps.Copy(d.seen, when.Seen(facts))
	if !answer.Met {
		return wasNotMet, answer.Reason, nil
	}
	return "", "", nil
}

// best lets the highest bid stand, and of equal ones the first.
func best(bids []bid) {
	top := -1
	for i, b := range bids {
		if b.value != nil && (top < 0 || b.value.Cmp(bids[top].value) > 0) {
			top = i
		}
	}
	for i := range bids {
		if b := &bids[i]; b.value != nil && i != top {
			b.value, b.Result, b.Since, b.Budget = nil, wasLess, nil, false
		}
	}
}

func total(bids []bid) *big.Rat {
	sum := new(big.Rat)
	for _, b := range bids {
		if b.value != nil {
			sum.Add(sum, b.value)
		}
	}
	return sum
}

// round drops what is less than a point of the sum. A rule's part is what the sum of whole points grows by when its value is added, so
// that the parts add up, and none is above what a limit let the rule give.
func (v *verdict) round(bids []bid) {
	sum := total(bids)
	whole := new(big.Int).Quo(sum.Num(), sum.Denom())
	switch {
	case !whole.IsInt64() || whole.Int64() > maxPoints:
		v.Refused = refusedLarge
	case whole.Sign() > 0:
		v.Points = whole.Int64()
		share(bids)
	case sum.Sign() > 0:
		v.Refused = refusedSmall
	default:
		v.Refused = refusedNoRule
	}
	for _, b := range bids {
		v.Trace.Rules = append(v.Trace.Rules, b.step)
	}
}

func share(bids []bid) {
	sum, before := new(big.Rat), int64(0)
	for i := range bids {
		if b := &bids[i]; b.value != nil {
			sum.Add(sum, b.value)
			whole := new(big.Int).Quo(sum.Num(), sum.Denom()).Int64()
			b.Points, before = whole-before, whole
		}
	}
}

// tier is the member's, or that which is reached.
func (d *deciding) tier() string {
	if d.on == onTier {
		return d.category
	}
	return d.who.Tier
}

// forTier says that members in a tier may have what the rule gives.
func (r *earnRule) forTier(tier string) bool {
	if len(r.Tiers) == 0 {
		return true
	}
	for _, t := range r.Tiers {
		if t == tier {
			return true
		}
	}
	return false
}
