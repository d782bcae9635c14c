package referral

import (
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// States of a commission. One of a plan is pending until its referral is approved, and waits while the rate of the order's day isn't known.
const (
	commissionPending = "pending"
	commissionWaiting = "waiting"
	commissionEarned  = "earned"
	commissionVoided  = "voided"
)

// commission is what an order comes to for the one who earns by it.
type commission struct {
	SiteID        int64      `db:"site_id" json:"site_id"`
	ID            int64      `db:"id" json:"id"`
	PersonID      int64      `db:"person_id" json:"person_id"`
	FriendID      int64      `db:"friend_id" json:"friend_id"`
	OriginID      int64      `db:"origin_id" json:"origin_id"`
	ReferralID    int64      `db:"referral_id" json:"referral_id"`
	CampaignID    int64      `db:"campaign_id" json:"campaign_id"`
	IncentiveID   int64      `db:"incentive_id" json:"incentive_id"`
	PlanID        *int64     `db:"plan_id" json:"plan_id"`     // nil: of a plain incentive
	RewardID      *int64     `db:"reward_id" json:"reward_id"` // of the first order
	Nth           int        `db:"nth" json:"nth"`             // order of the friend that the plan pays for
	Orders        int        `db:"orders" json:"orders"`       // of the first: how many it pays for in all
	Until         *time.Time `db:"until" json:"until"`         // of the first: those before this
	Status        string     `db:"status" json:"status"`
	Subtotal      int64      `db:"subtotal" json:"subtotal"`
	OrderCurrency string     `db:"order_currency" json:"order_currency"`
	Base          int64      `db:"base" json:"base"`
	PercentAmount int64      `db:"percent_amount" json:"percent_amount"` // in the order's currency
	FixedAmount   int64      `db:"fixed_amount" json:"fixed_amount"`     // in that which is paid
	Currency      string     `db:"currency" json:"currency"`             // that is paid
	Amount        int64      `db:"amount" json:"amount"`                 // 0 until it is earned
	Clawed        int64      `db:"clawed" json:"clawed"`                 // by all refunds so far
	BudgetSince   *string    `db:"budget_since" json:"budget_since"`     // period of the campaign's budget that paid for it; nil: it has none
	Held          bool       `db:"held" json:"held"`
	HoldUntil     *time.Time `db:"hold_until" json:"hold_until"` // nil of a held one: until somebody releases it
	Explain       rawJSON    `db:"explain" json:"explain"`
	OccurredAt    time.Time  `db:"occurred_at" json:"occurred_at"`
	ApprovedAt    *time.Time `db:"approved_at" json:"approved_at"`
	CreatedAt     time.Time  `db:"created_at" json:"created_at"`
	UpdatedAt     time.Time  `db:"updated_at" json:"updated_at"`
}

// rawJSON is a column of JSON.
type rawJSON string

// MarshalJSON passes it on as it is.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// explained is why the commission is what it is.
func (c *commission) explained() commissionExplained {
	var out commissionExplained
	if err := json.Unmarshal([]byte(c.Explain), &out); err != nil {
		return commissionExplained{} // the column is written by us only
	}
	return out
}

// firstCommission is what a referral's order is worth to its advocate under a plan.
func firstCommission(p *commissionPlan, i incentive, r *referral, s sale) commission {
	c := laterCommission(p, s)
	c.PersonID, c.FriendID, c.OriginID, c.ReferralID, c.CampaignID, c.IncentiveID = r.AdvocateID, r.FriendID, r.OriginID, r.ID, r.CampaignID, i.ID
	c.Nth, c.Orders, c.Until, c.OccurredAt = 1, p.terms.Recurs.Orders, p.terms.Recurs.until(r.OccurredAt), r.OccurredAt
	return c
}

// laterCommission is what any order is worth under a plan; the caller says whose it is.
func laterCommission(p *commissionPlan, s sale) commission {
	w := p.terms.worth(s, p.Version)
	c := commission{SiteID: p.SiteID, PlanID: &p.ID, Orders: 1, Status: commissionPending, Subtotal: s.Subtotal, OrderCurrency: s.Currency, Base: w.base,
		PercentAmount: w.percent, FixedAmount: w.fixed, Currency: p.terms.Currency, Explain: rawJSON(w.explained.text())}
	if c.Currency == "" {
		c.Currency = s.Currency
	}
	return c
}

// plainCommission stands for a reward of a plain percentage or amount. It is earned with the reward and isn't held.
func plainCommission(w *reward, now time.Time) commission {
	seen := w.rule()
	e := commissionExplained{Formula: "percent of subtotal, or the incentive's amount", Gross: w.Amount,
		Lines: []explainedLine{{Rule: "incentive", Base: seen.Subtotal, BasisPoints: seen.Incentive.BasisPoints}}}
	return commission{SiteID: w.SiteID, PersonID: deref(w.PersonID), FriendID: deref(w.FriendID), OriginID: deref(w.OriginID), ReferralID: deref(w.ReferralID),
		CampaignID: w.CampaignID, IncentiveID: w.IncentiveID, RewardID: &w.ID, Nth: 1, Orders: 1, Status: commissionEarned, Subtotal: seen.Subtotal,
		OrderCurrency: seen.Currency, Base: seen.Subtotal, Currency: w.Currency, Amount: w.Amount, Explain: rawJSON(e.text()),
		OccurredAt: w.OccurredAt, ApprovedAt: &now}
}

// converts says whether a rate is needed.
func (c *commission) converts() bool { return c.PercentAmount > 0 && c.OrderCurrency != c.Currency }

// earn makes a commission what it comes to. rate is that of the order's day where one is needed; used is what its caps were used up by.
func (c *commission) earn(rate int64, used capRoom, now time.Time) {
	e := c.explained()
	percent := c.PercentAmount
	if c.converts() {
		percent = exchange(percent, rate, c.OrderCurrency, c.Currency)
		e.Rate = &explainedRate{Day: rateDay(c.OccurredAt), From: c.OrderCurrency, To: c.Currency, Rate: rateText(rate)}
	}
	e.Gross = min(percent+c.FixedAmount, money.Max)
	c.Amount, e.CapsApplied = e.Caps.capped(e.Gross, used)
	c.Status, c.Explain = commissionEarned, rawJSON(e.text())
	if end := c.ApprovedAt.AddDate(0, 0, e.HoldDays); c.Amount > 0 && end.After(now) {
		c.Held, c.HoldUntil = true, &end
	}
}

// clawedBy is how much of the commission refunds have taken back: its share of the cumulative refund, so every split has the same end.
func (c *commission) clawedBy(r refund) int64 {
	switch {
	case r.full:
		return c.Amount
	case r.total <= 0 || c.Subtotal <= 0:
		return 0
	default:
		return money.Share(c.Amount, r.total, c.Subtotal)
	}
}

// rateKey is the rate that the commission needs.
func (c *commission) rateKey() rateKey {
	return rateKey{c.SiteID, rateDay(c.OccurredAt), c.OrderCurrency, c.Currency}
}

// reward is that of a first order, which came from there.
func (c *commission) reward(of *campaign, from provenance) reward {
	i := incentive{ID: c.IncentiveID, Action: actionReferrer, Kind: referralevent.Commission}
	for _, one := range of.Incentives {
		if one.ID == c.IncentiveID {
			i = one
		}
	}
	rule, err := json.Marshal(rewardRule{Incentive: i, CampaignVersion: of.Version, Subtotal: c.Subtotal, Currency: c.OrderCurrency, Amount: c.Amount, From: from})
	if err != nil {
		panic(err) // plain fields
	}
	return reward{SiteID: c.SiteID, CampaignID: c.CampaignID, IncentiveID: c.IncentiveID, ReferralID: &c.ReferralID, OriginID: &c.OriginID, PersonID: &c.PersonID,
		FriendID: &c.FriendID, Side: sideAdvocate, Reason: actionReferrer, Kind: referralevent.Commission, Status: rewardUnpaid, Amount: c.Amount,
		Currency: c.Currency, Rule: string(rule), OccurredAt: c.OccurredAt, planned: true}
}

// accountKey is the key of events about what a person earns.
func accountKey(personID int64) string { return "account:" + itoa(personID) }

func (c *commission) earnedEvent(now time.Time) referralevent.CommissionEarned {
	return referralevent.CommissionEarned{SiteID: c.SiteID, CommissionID: c.ID, PersonID: c.PersonID, FriendID: c.FriendID, OriginID: c.OriginID,
		ReferralID: c.ReferralID, CampaignID: c.CampaignID, PlanID: deref(c.PlanID), RewardID: deref(c.RewardID), Nth: int64(c.Nth), Amount: c.Amount,
		Currency: c.Currency, HoldUntil: deref(c.HoldUntil), OccurredAt: c.OccurredAt, EarnedAt: now}
}

func (c *commission) clawedEvent(step int64, now time.Time) referralevent.CommissionClawedBack {
	return referralevent.CommissionClawedBack{SiteID: c.SiteID, CommissionID: c.ID, PersonID: c.PersonID, OriginID: c.OriginID, ReferralID: c.ReferralID,
		Amount: step, AmountTotal: c.Clawed, Currency: c.Currency, Cause: causeRefund, ClawedAt: now}
}
