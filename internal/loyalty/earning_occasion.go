package loyalty

import (
	"math/big"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

const factItems = 100 // lines of an order that conditions see

// occasion is something that may earn points, as rules see it.
type occasion struct {
	by       program // whose rules decide; its earner is not nil
	on       string
	category string // of an event; name of the tier reached, or of the day; key of the achievement
	level    int    // of an achievement
	subtotal int64
	currency string
	items    []customerevent.Item
	coupons  bool // one was used
	at       time.Time
	facts    criteria.Facts
}

// ofOrigin is a purchase or an event.
func ofOrigin(o customerevent.OriginRecorded) *occasion {
	out := &occasion{on: onPurchase, subtotal: o.Subtotal, currency: o.Currency, items: o.Items, coupons: len(o.CouponCodes) > 0, at: o.OccurredAt}
	if o.Type == customerevent.Event {
		out.on, out.category = onEvent, o.Category
	}
	out.facts = criteria.Facts{Person: criteria.Person{ID: o.PersonID, NewCustomer: o.FirstPurchase},
		Origin: criteria.Origin{ID: o.OriginID, Type: o.Type, Category: o.Category, Subtotal: o.Subtotal, Currency: o.Currency, CouponCodes: o.CouponCodes,
			CampaignTags: o.CampaignTags, TrafficSource: o.TrafficSource, FirstPurchase: o.FirstPurchase,
			Segments: o.Segments, OccurredAt: o.OccurredAt}}
	for _, i := range o.Items[:min(len(o.Items), factItems)] {
		out.facts.Items = append(out.facts.Items, criteria.Item{ProductID: i.ProductID, Category: i.Category, Price: i.Price, Quantity: i.Quantity})
	}
	return out
}

// speaksOf says that a rule is about such a thing at all.
func (r *earnRule) speaksOf(o *occasion) bool {
	if r.On == onTier && !slices.Contains(r.Tiers, o.category) {
		return false
	}
	if r.On == onAchievement && (r.Achievement != o.category || r.Level != 0 && r.Level != o.level) {
		return false
	}
	return r.On == o.on && (r.EventCategory == "" || r.EventCategory == o.category) && (r.Date == "" || r.Date == o.category)
}

// rates is the programme's own rate as the last of the rules; nil: it gives nothing on such a thing.
func (p program) rates(o *occasion) *earnRule {
	if o.on == onReferral && p.PointsPerReferral > 0 {
		return &earnRule{Key: defaultRule, On: o.on, Kind: kindFixed, Points: p.PointsPerReferral}
	}
	if p.PointsPerUnit == 0 || o.subtotal <= 0 {
		return nil
	}
	return &earnRule{Key: defaultRule, On: o.on, Kind: kindPerMoney, Points: p.PointsPerUnit}
}

// spoken says that a rule that gives points speaks of it, so that what it earns is to be decided and kept.
func (p program) spoken(o *occasion) bool {
	return p.rates(o) != nil || slices.ContainsFunc(p.earner.Rules, func(r earnRule) bool { return r.Kind != kindMultiplier && r.speaksOf(o) })
}

// names says that a line is of one of the products or categories.
func names(products, categories []string, i customerevent.Item) bool {
	return slices.Contains(products, i.ProductID) || slices.Contains(categories, i.Category)
}

// excluded says that a line earns nothing.
func (x earnExcluded) excluded(i customerevent.Item) bool { return names(x.Products, x.Categories, i) }

// amount is what qualifies of an order: its subtotal less the lines that are excluded, not below zero.
func (o *occasion) amount(x earnExcluded) int64 {
	left := big.NewInt(o.subtotal)
	for _, i := range o.items {
		if i.Price > 0 && x.excluded(i) {
			left.Sub(left, worthOf(i.Price, i.Quantity))
		}
	}
	return clamp(left, o.subtotal)
}

func worthOf(price, quantity int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(price), big.NewInt(quantity))
}

// clamp is n within 0 and most.
func clamp(n *big.Int, most int64) int64 {
	switch {
	case n.Sign() <= 0:
		return 0
	case n.IsInt64():
		return min(n.Int64(), max(most, 0))
	}
	return max(most, 0)
}

// lines are what a rule counts of an order: the amount, not above what qualifies of all of it, and the pieces.
type lines struct {
	some   bool // the rule names none, or there is such a line
	amount int64
	pieces int64
}

// counted are the lines that a rule counts. Discounts, which are lines below zero, lessen the amount of those that they belong to.
func (r *earnRule) counted(o *occasion, x earnExcluded) lines {
	all := len(r.Products) == 0 && len(r.Categories) == 0
	most := o.amount(x)
	out, sum := lines{some: all}, new(big.Int)
	for _, i := range o.items {
		if x.excluded(i) || !all && !names(r.Products, r.Categories, i) {
			continue
		}
		sum.Add(sum, worthOf(i.Price, i.Quantity))
		if i.Price >= 0 && i.Quantity > 0 {
			out.some, out.pieces = true, out.pieces+i.Quantity
		}
	}
	out.amount = clamp(sum, most)
	if all {
		out.amount = most
	}
	return out
}

// worth is what a rule gives for what it counts; unit is a whole unit of the programme's currency, in minor ones.
func (r *earnRule) worth(of lines, unit int64) *big.Rat {
	points := new(big.Rat).SetInt64(r.Points)
	switch r.Kind {
	case kindPerItem:
		return points.Mul(points, new(big.Rat).SetInt64(of.pieces))
	case kindPerMoney:
		per := unit
		if r.PerAmount > 0 {
			per = r.PerAmount
		}
		return points.Mul(points, big.NewRat(of.amount, per))
	}
	return points
}
