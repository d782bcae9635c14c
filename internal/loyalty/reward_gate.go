package loyalty

import (
	"cmp"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// Why a member can't have a reward now.
const (
	notStarted   = "reward_not_started"
	over         = "reward_over"
	tierRequired = "reward_tier_required"
	outOfStock   = "reward_out_of_stock"
	limitReached = "reward_limit_reached"
	balanceLow   = "reward_balance_too_low"
)

const spanEver = "ever"

// countOf is what a count of redemptions counts: whose, and since when.
type countOf struct {
	Of    string `json:"of"`
	Per   string `json:"per"`
	Since string `json:"since"`
}

// countKey is a count of a batch's redemptions.
type countKey struct {
	SiteID   int64  `db:"site_id"`
	BatchID  int64  `db:"batch_id"`
	MemberID int64  `db:"member_id"` // 0: everybody's
	Span     string `db:"span"`
	Since    string `db:"since"`
}

func (c countOf) key(site, batch, member int64) countKey {
	if c.Of == ofAll {
		member = 0
	}
	return countKey{site, batch, member, c.Per, c.Since}
}

// rewardCount is how many of a batch are redeemed and not cancelled, and the limit that this was raised under last.
type rewardCount struct {
	countKey
	Taken int64 `db:"taken"`
	Most  int64 `db:"most"`
	dirty bool
}

// rewardLimit is a limit of a moment.
type rewardLimit struct {
	countOf
	most int64
	anew *time.Time // when counting begins anew; nil: never
}

// limitsAt are the limits that hold at a moment; the stock is one of everybody, for ever.
func (b *redemptionBatch) limitsAt(at time.Time) []rewardLimit {
	if b.Terms.RewardPlan == nil {
		return nil
	}
	zone := zoneNamed(b.Terms.Zone)
	since := func(per string) time.Time { return periods[per](at.In(zone)) }
	var out []rewardLimit
	if n := b.Terms.Stock; n != nil {
		out = append(out, rewardLimit{countOf{ofAll, spanEver, since(spanEver).Format(time.DateOnly)}, *n, nil})
	}
	for _, l := range b.Terms.Limits {
		first := since(l.Per)
		out = append(out, rewardLimit{countOf{l.Of, l.Per, first.Format(time.DateOnly)}, l.Times, nextPeriod(l.Per, first, zone)})
	}
	return out
}

// takenBy is what a limit's count has come to for a member and those that were merged into them.
func (l rewardLimit) takenBy(b *redemptionBatch, members []int64, taken func(countKey) int64) (n int64) {
	if l.Of == ofAll {
		members = members[:1]
	}
	for _, member := range members {
		n += taken(l.key(b.SiteID, b.ID, member))
	}
	return n
}

// nextPeriod is when the span of time ends that began on a day.
func nextPeriod(per string, first time.Time, zone *time.Location) *time.Time {
	years, months, days := 0, 0, 0
	switch per {
	case "year":
		years = 1
	case "month":
		months = 1
	case "day":
		days = 1
	default:
		return nil
	}
	ends := calendarDay(first.AddDate(years, months, days).Date()).begins(zone)
	return &ends
}

// candidate is who wants a reward, and for how many points.
type candidate struct {
	members []int64 // first who it is, then those that were merged into them: what these redeemed counts, too
	tier    string
	unmet   *string // why the condition refuses
	balance int64
	cost    int64
}

// saying notes a reason why not, in words.
type saying func(code string, r loyaltyapi.RewardRefusal, detail string, args ...any)

// refusals are all the reasons why a member can't have a reward at a moment, the first that is answered first. taken says what counts
// have come to.
func (b *redemptionBatch) refusals(p program, who candidate, now time.Time, taken func(countKey) int64) (out []loyaltyapi.RewardRefusal) {
	no := saying(func(code string, r loyaltyapi.RewardRefusal, detail string, args ...any) {
		r.Code, r.Detail = code, fmt.Sprintf(detail, args...)
		out = append(out, r)
	})
	if b.Terms.RewardPlan != nil {
		b.windowRefusals(p, who, now, no)
		if who.unmet != nil {
			no(conditionUnmet, loyaltyapi.RewardRefusal{}, "%s", *who.unmet)
		}
		for _, l := range b.limitsAt(now) {
			if l.takenBy(b, who.members, taken) >= l.most {
				l.refuse(no)
			}
		}
		if missing := b.Terms.MinBalance - who.balance; missing > 0 && b.Terms.MinBalance > 0 { // a debt alone is too few points
			no(balanceLow, loyaltyapi.RewardRefusal{Missing: &missing}, "The member needs a balance of %d points, and has %d.", b.Terms.MinBalance, who.balance)
		}
	}
	if missing := who.cost - who.balance; missing > 0 {
		no(errTooFew.Code, loyaltyapi.RewardRefusal{Missing: &missing}, "%s", errTooFew.Detail)
	}
	return out
}

// refuse says that there is no room any more.
func (l rewardLimit) refuse(no saying) {
	at := loyaltyapi.RewardRefusal{At: l.anew}
	switch {
	case l.Of == ofAll && l.Per == spanEver:
		no(outOfStock, at, "The reward is out of stock.")
	case l.Of == ofAll:
		no(limitReached, at, "The reward's limit of %d a %s is reached.", l.most, l.Per)
	case l.Per == spanEver:
		no(limitReached, at, "The member's limit of %d is reached.", l.most)
	default:
		no(limitReached, at, "The member's limit of %d a %s is reached.", l.most, l.Per)
	}
}

// windowRefusals says whether it is the batch's time, and the member's tier high enough.
func (b *redemptionBatch) windowRefusals(p program, who candidate, now time.Time, no saying) {
	t := b.Terms
	if t.StartsAt != nil && now.Before(*t.StartsAt) {
		no(notStarted, loyaltyapi.RewardRefusal{At: t.StartsAt}, "The reward can be redeemed from %s on.", t.StartsAt.Format(time.RFC3339))
	}
	if t.EndsAt != nil && !now.Before(*t.EndsAt) {
		no(over, loyaltyapi.RewardRefusal{At: t.EndsAt}, "The reward could be redeemed until %s.", t.EndsAt.Format(time.RFC3339))
	}
	if t.FromTier == "" {
		return
	}
	if needs := rankOf(p.Tiers, t.FromTier); needs == 0 || rankOf(p.Tiers, who.tier) < needs { // a tier that is gone opens to nobody
		no(tierRequired, loyaltyapi.RewardRefusal{Tier: &t.FromTier}, "The reward is for members of the tier %s and above.", t.FromTier)
	}
}

// open says that a moment is in the batch's time.
func (b *redemptionBatch) open(now time.Time) bool {
	t := b.Terms.RewardPlan
	return t == nil || (t.StartsAt == nil || !now.Before(*t.StartsAt)) && (t.EndsAt == nil || now.Before(*t.EndsAt))
}

// asFault is a refusal as redeeming answers it.
func asFault(r loyaltyapi.RewardRefusal) error {
	if r.Code == errTooFew.Code {
		return errTooFew
	}
	return fault.New(fault.Invalid, r.Code, "%s", r.Detail)
}

var errNoPayment = fault.New(fault.Invalid, "invalid_hold", "The hold is not valid.").At("/redemption_batch_id", "must be a batch whose kind is payment").Pointed()

func errSteps(why string, args ...any) error {
	return fault.New(fault.Invalid, "invalid_redemption", "The redemption is not valid.").At("/points", fmt.Sprintf(why, args...)).Pointed()
}

// price is what a redemption costs, and what it is worth; points are those that a payment is to take.
func (b *redemptionBatch) price(points int64) (cost, amount int64, err error) {
	if b.Kind != rewardPayment {
		if points != 0 {
			return 0, 0, errSteps("is for payments only: the batch costs %d", b.PointsCost)
		}
		if b.Terms.RewardPlan != nil {
			amount = b.Terms.Amount
		}
		return b.PointsCost, amount, nil
	}
	t := b.Terms
	least, most := max(t.MinPoints, b.PointsCost), cmp.Or(t.MaxPoints, maxPoints/b.PointsCost*b.PointsCost)
	if points < least || points > most || points%b.PointsCost != 0 {
		return 0, 0, errSteps("must be a multiple of %d, from %d to %d", b.PointsCost, least, most)
	}
	amount, ok := worthOfSteps(points, b.PointsCost, t.Amount)
	if !ok {
		return 0, 0, errSteps("would pay too much")
	}
	return points, amount, nil
}

// gives is what a redemption of the batch gives; nil: nothing beside what its description and coupon list say.
func (b *redemptionBatch) gives(amount int64, reference string, counted []countOf) *prize {
	var g prize
	if t := b.Terms.RewardPlan; t != nil {
		g = prize{Fulfilment: t.Fulfilment, Template: t.CodeTemplate, Amount: amount, Currency: t.Currency, SKU: t.SKU}
	}
	g.Reference, g.Counted = reference, counted
	if g.empty() {
		return nil
	}
	return &g
}

// waits says that a redemption isn't fulfilled by redeeming.
func (b *redemptionBatch) waits() bool {
	switch b.Kind {
	case rewardCoupon, rewardMade, rewardGiftCard:
		return true
	case rewardPayment:
		return false
	}
	return b.Terms.RewardPlan != nil && (b.Terms.Fulfilment == byMerchant || b.Terms.Fulfilment == byHook)
}

// count counts a redemption wherever a limit does, and says where; its caller has seen that there is room.
func (b *books) count(batch *redemptionBatch, member int64) (counted []countOf) {
	for _, l := range batch.limitsAt(b.now) {
		c := b.counts[l.key(batch.SiteID, batch.ID, member)]
		c.Taken, c.Most, c.dirty = c.Taken+1, l.most, true
		counted = append(counted, l.countOf)
	}
	return counted
}

// uncount gives stock and limits back what a redemption or a hold took of them. What is so old that it was swept isn't there any more.
func (b *books) uncount(counted []countOf, site, batch, member int64) {
	for _, of := range counted {
		if c := b.counts[of.key(site, batch, member)]; c != nil {
			c.Taken, c.dirty = c.Taken-1, true
		}
	}
}

// payment is what held points are worth.
type payment struct {
	batch    *int64
	amount   *int64
	currency *string
	counted  countedIn
}

// countedIn are counts that something is part of, as a column has them.
type countedIn []countOf

// Scan reads them.
func (c *countedIn) Scan(from any) error { return scanJSON(from, c) }

func (c countedIn) text() string {
	if len(c) == 0 {
		return ""
	}
	return text(c)
}

// pledge says what points are worth that a checkout holds for a payment, if the batch's terms let the member pay so.
func (b *books) pledge(h *holder, p program, batch *redemptionBatch, a action) (payment, error) {
	switch {
	case batch == nil || batch.Status != active:
		return payment{}, errNoBatch
	case batch.Kind != rewardPayment:
		return payment{}, errNoPayment
	}
	cost, amount, err := batch.price(a.points)
	if err != nil {
		return payment{}, err
	}
	who := candidate{members: h.tallied(), tier: h.self().Tier, unmet: a.unmet, balance: h.spendable(), cost: cost}
	if refused := batch.refusals(p, who, b.now, func(k countKey) int64 { return b.counts[k].taken() }); len(refused) > 0 {
		return payment{}, asFault(refused[0])
	}
	return payment{&batch.ID, &amount, &batch.Terms.Currency, b.count(batch, h.MemberID)}, nil
}
