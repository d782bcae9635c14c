package loyalty

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/money"
)

// Kinds of redemption batch.
const (
	rewardCoupon   = "coupon"           // one of a list's
	rewardMade     = "generated_coupon" // made for the redemption, worth what its list says
	rewardGiftCard = "gift_card"
	rewardProduct  = "product"
	rewardCredit   = "store_credit"
	rewardPayment  = "payment" // of part of an order
	rewardCustom   = "custom"  // the merchant hands out what was bought
)

// Who fulfils what talkable itself can't.
const (
	atOnce     = "at_once" // nobody: it is fulfilled when it is redeemed
	byMerchant = "merchant"
	byHook     = "hook"
)

// Whose redemptions a limit counts.
const (
	ofMember = "member"
	ofAll    = "all"
)

const (
	maxRewardLimits = 8
	maxRewardTimes  = 1_000_000
	maxStock        = 1_000_000_000
	maxWorth        = 1_000_000_000_000 // minor units
	leastDrawn      = 8                 // # of a template, as for lists of coupons
)

// plan is the terms of a redemption batch; nil: its cost is all.
type plan struct{ *loyaltyapi.RewardPlan }

// Value writes terms into a column of JSON.
func (p plan) Value() (driver.Value, error) {
	if p.RewardPlan == nil {
		return nil, nil
	}
	return text(p.RewardPlan), nil
}

// Scan reads them.
func (p *plan) Scan(from any) error { return scanJSON(from, &p.RewardPlan) }

// scanJSON reads a column of JSON, which may be null.
func scanJSON(from, into any) error {
	switch v := from.(type) {
	case nil:
		return nil
	case []byte:
		return json.Unmarshal(v, into)
	case string:
		return json.Unmarshal([]byte(v), into)
	}
	return fmt.Errorf("JSON of a %T", from)
}

// planned is terms as they are kept: in the zone of their site, where its days count; nothing for nothing.
func planned(in *loyaltyapi.RewardTerms, zone *time.Location) plan {
	if in == nil {
		return plan{}
	}
	out := &loyaltyapi.RewardPlan{RewardTerms: *in}
	out.CodeTemplate = strings.ToUpper(out.CodeTemplate)
	for _, l := range in.Limits {
		if l.Per != spanEver && zone != nil {
			out.Zone = zone.String()
		}
	}
	if empty := text(loyaltyapi.RewardPlan{}); text(out) == empty {
		return plan{}
	}
	return plan{out}
}

// kindOf is what a batch is that doesn't say so.
func kindOf(kind string, list *int64) string {
	switch {
	case kind != "":
		return kind
	case list != nil:
		return rewardCoupon
	}
	return rewardCustom
}

// checkReward says what is wrong with the kind of a batch and its terms; tiers are those of the programme.
func (s batchSettings) checkReward(at finding) {
	t := loyaltyapi.RewardTerms{}
	if s.Terms.RewardPlan != nil {
		t = s.Terms.RewardTerms
	}
	within := func(pointer, format string, args ...any) { at("/terms"+pointer, format, args...) }
	listed, worth, byOther := false, false, false
	switch s.Kind {
	case rewardCoupon, rewardMade:
		listed = true
	case rewardGiftCard, rewardPayment:
		worth = true
	case rewardCredit:
		worth, byOther = true, true
	case rewardProduct, rewardCustom:
		byOther = true
	default:
		at("/kind", "must be coupon, generated_coupon, gift_card, product, store_credit, payment or custom")
		return
	}
	if listed != (s.CouponListID != nil) {
		at("/coupon_list_id", "must be the id of a coupon list where the kind is coupon or generated_coupon, and null else")
	}
	checkTemplate(s.Kind == rewardMade, t.CodeTemplate, within)
	checkWorth(worth, t, within)
	switch t.Fulfilment {
	case "":
	case atOnce, byMerchant, byHook:
		if !byOther {
			within("/fulfilment", "is for products, store credit and custom only")
		}
	default:
		within("/fulfilment", "must be at_once, merchant or hook")
	}
	if t.SKU != "" && (s.Kind != rewardProduct || utf8.RuneCountInString(t.SKU) > 100 || !printable(t.SKU)) {
		within("/sku", "must have at most 100 printable characters, of a product only")
	}
	s.checkSteps(t, within)
	checkGate(t, within)
}

func checkTemplate(wanted bool, template string, at finding) {
	switch {
	case !wanted && template == "":
	case !wanted:
		at("/code_template", "is for generated coupons only")
	case len(template) < leastDrawn || len(template) > 60 || strings.Trim(template, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_#") != "" || strings.Count(template, "#") < leastDrawn:
		at("/code_template", "must have at least %d of #, and at most 60 of A-Z 0-9 - _ #", leastDrawn)
	}
}

func checkWorth(wanted bool, t loyaltyapi.RewardTerms, at finding) {
	if !wanted {
		if t.Amount != 0 || t.Currency != "" {
			at("/amount", "is for gift cards, store credit and payments only, like the currency")
		}
		return
	}
	if t.Amount < 1 || t.Amount > maxWorth {
		at("/amount", "must be 1 to %d", int64(maxWorth))
	}
	if _, known := money.Digits(t.Currency); !known {
		at("/currency", "must be a currency of ISO 4217")
	}
}

// checkSteps looks at how many points a payment takes.
func (s batchSettings) checkSteps(t loyaltyapi.RewardTerms, at finding) {
	if s.Kind != rewardPayment {
		if t.MinPoints != 0 || t.MaxPoints != 0 {
			at("/min_points", "is for payments only, like max_points")
		}
		return
	}
	cost := max(s.PointsCost, 1)
	for name, n := range map[string]int64{"/min_points": t.MinPoints, "/max_points": t.MaxPoints} {
		if n < 0 || n > maxPoints || n%cost != 0 {
			at(name, "must be a multiple of points_cost, at most %d", int64(maxPoints))
		}
	}
	if t.MaxPoints != 0 && t.MaxPoints < t.MinPoints {
		at("/max_points", "must not be below min_points")
	}
}

// checkGate looks at who may have it, when, and how often.
func checkGate(t loyaltyapi.RewardTerms, at finding) {
	if t.StartsAt != nil && t.EndsAt != nil && !t.EndsAt.After(*t.StartsAt) {
		at("/ends_at", "must be after starts_at")
	}
	checkWhen(t.When, at)
	if t.MinBalance < 0 || t.MinBalance > maxPoints {
		at("/min_balance", "must be 0 to %d", int64(maxPoints))
	}
	if t.Stock != nil && (*t.Stock < 0 || *t.Stock > maxStock) {
		at("/stock", "must be 0 to %d, or null", maxStock)
	}
	if len(t.Limits) > maxRewardLimits {
		at("/limits", "must be at most %d", maxRewardLimits)
		return
	}
	seen := map[[2]string]bool{}
	for i, l := range t.Limits {
		here := "/limits/" + strconv.Itoa(i)
		if l.Of != ofMember && l.Of != ofAll {
			at(here+"/of", "must be member or all")
		}
		if _, ok := periods[l.Per]; !ok {
			at(here+"/per", "must be day, month, year or ever")
		}
		if l.Of == ofAll && l.Per == spanEver {
			at(here+"/per", "must be day, month or year: what there is in all is the stock")
		}
		if l.Times < 1 || l.Times > maxRewardTimes {
			at(here+"/times", "must be 1 to %d", maxRewardTimes)
		}
		if of := [2]string{l.Of, l.Per}; seen[of] {
			at(here, "has a limit already")
		} else {
			seen[of] = true
		}
	}
}

// checkTier says whether the tier that is asked for is one of the programme's.
func (s batchSettings) checkTier(tiers []tier) error {
	if s.Terms.RewardPlan == nil || s.Terms.FromTier == "" || rankOf(tiers, s.Terms.FromTier) > 0 {
		return nil
	}
	return errBatch().At("/terms/from_tier", "is no tier of the programme").Pointed()
}

// rankOf is the place of a tier, from 1; 0: there is none of that name.
func rankOf(tiers []tier, name string) int {
	for i, t := range tiers {
		if t.Name == name {
			return i + 1
		}
	}
	return 0
}

// prize is what a redemption gives, and which counts it is part of: of the moment, whatever becomes of the batch.
type prize struct {
	Fulfilment string    `json:"fulfilment,omitempty"`
	Template   string    `json:"code_template,omitempty"`
	Amount     int64     `json:"amount,omitempty"`
	Currency   string    `json:"currency,omitempty"`
	SKU        string    `json:"sku,omitempty"`
	Reference  string    `json:"reference,omitempty"`
	Counted    []countOf `json:"counted,omitempty"`
}

func (g prize) empty() bool { return len(g.Counted) == 0 && text(g) == "{}" }

// award is a prize as the column of a redemption has it; nil: nothing beside its points.
type award struct{ *prize }

// Scan reads it.
func (g *award) Scan(from any) error { return scanJSON(from, &g.prize) }

func (g award) text() string {
	if g.prize == nil {
		return ""
	}
	return text(g.prize)
}

// of is the prize, which is empty where there is none.
func (g award) of() prize {
	if g.prize == nil {
		return prize{}
	}
	return *g.prize
}

// worthOfSteps is what points pay by a batch: exactly, for they come in whole steps. False: that is more than can be said.
func worthOfSteps(points, step, amount int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(points/step), uint64(amount))
	return int64(lo), hi == 0 && lo <= maxWorth
}
