package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Why a reward is not given. refusedCriteria comes with the merchant's words.
const (
	refusedSubtotal   = "subtotal"
	refusedCustomer   = "new_customer"
	refusedOptin      = "new_optin"
	refusedReferrals  = "referrals"
	refusedCategory   = "friend_event_category"
	refusedChannel    = "sharing_channel"
	refusedSelf       = "self_referral"
	refusedAutomatic  = "auto_approved" // approved by itself, where a person is asked for
	refusedCriteria   = "criteria"
	refusedNothing    = "nothing" // its share of the order is less than the smallest coin
	refusedNobody     = "nobody"  // points and money need a person
	refusedUnverified = "unverified"
	refusedUniqueness = "uniqueness"
	refusedMonth      = "limit_30_days"
	refusedTotal      = "limit_total"
	refusedFriends    = "limit_friends"
	refusedBudget     = "budget"
	refusedHook       = "hook"
	refusedCurrency   = "budget_currency"
)

// situation is what a decision about rewards looks at.
type situation struct {
	subtotal  int64
	currency  string
	automatic bool           // approved by itself
	referrals int64          // approved ones of the advocate in the campaign, the one at hand included
	facts     criteria.Facts // for conditions that merchants write; gathered only if one asks
	share     *share
	reached   func(i incentive) bool // a milestone of the advocate's, which isn't rewarded yet
	from      provenance
}

// provenance is what reports take a reward apart by: where that came from which it is for. It is kept with the reward, because a reward may be told
// long after it was decided, and taken back later still.
type provenance struct {
	Channel  string `json:"channel,omitempty"`
	Source   string `json:"traffic_source,omitempty"`
	Device   string `json:"device_type,omitempty"`
	Category string `json:"event_category,omitempty"`
	Variant  string `json:"variant,omitempty"`
	QA       bool   `json:"qa_generated,omitempty"`
	UTM      utm    `json:"utm,omitzero"`
}

// provenance is that of the referral, whose order d is.
func (r *referral) provenance(d deedFacts) provenance {
	return provenance{d.Channel, d.Source, d.Device, categoryOf(d.Type, d.Category), d.Variant, r.QA, d.UTM}
}

// refusal is a reward that is not given, and why.
type refusal struct {
	reward
	Cause  string
	Detail string
}

// rewardRule is why a reward is what it is.
type rewardRule struct {
	Incentive       incentive      `json:"incentive"`
	CampaignVersion int            `json:"campaign_version"`
	Subtotal        int64          `json:"subtotal_seen"`
	Currency        string         `json:"currency_seen,omitempty"`
	Referrals       int64          `json:"referrals_seen,omitempty"`
	Seen            map[string]any `json:"criteria_seen,omitempty"` // what the condition named; nothing personal
	Tier            *tier          `json:"tier,omitempty"`
	Points          int64          `json:"points,omitempty"`
	Amount          int64          `json:"amount,omitempty"`
	From            provenance     `json:"from,omitzero"`
}

// consider decides what the campaign's incentives of some actions give; source says what for and to whom.
func consider(ctx context.Context, c *campaign, s situation, source func(*reward), actions ...string) (given []reward, refused []refusal, err error) {
	for _, i := range c.Incentives {
		if !i.Active || !slices.Contains(actions, i.Action) || i.Terms.Milestone > 0 && !s.reached(i) || i.CommissionPlan != nil {
			continue // what a plan pays it decides itself: see earnApproved
		}
		w, cause, detail, err := earn(ctx, i, c.Version, s)
		if err != nil {
			return nil, nil, err
		}
		source(&w)
		if i.Terms.Milestone > 0 { // it belongs to all of the referrals, not to this one
			w.Milestone, w.ReferralID, w.OriginID, w.FriendID = &i.Terms.Milestone, nil, nil, nil
		}
		if cause == "" && w.PersonID == nil && w.Kind != referralevent.Coupon && w.Kind != referralevent.Other {
			cause = refusedNobody
		}
		if cause != "" {
			refused = append(refused, refusal{w, cause, detail})
			continue
		}
		w.Once = i.once(w)
		given = append(given, w)
	}
	return given, refused, nil
}

// earn is what one incentive gives, or why it gives nothing. A percentage has the order's currency, a fixed amount its own.
func earn(ctx context.Context, i incentive, version int, s situation) (w reward, cause, detail string, err error) {
	worth, tier := i.at(s.referrals)
	w = reward{SiteID: i.SiteID, CampaignID: i.CampaignID, IncentiveID: i.ID, Side: i.side(), Reason: i.reason(), Kind: i.Kind, Status: rewardPaid}
	seen, cause, detail, err := i.met(ctx, s)
	if err != nil {
		return w, "", "", err
	}
	switch i.Kind {
	case referralevent.Points:
		w.Points = worth.Points
	case referralevent.Commission, referralevent.StoreCredit, referralevent.GiftCard:
		if i.Kind != referralevent.StoreCredit {
			w.Status = rewardUnpaid
		}
		if w.Amount, w.Currency = worth.Amount, worth.Currency; worth.BasisPoints > 0 {
			w.Amount, w.Currency = money.Percent(s.subtotal, worth.BasisPoints), s.currency
		}
		if w.Amount == 0 && cause == "" {
			cause = refusedNothing
		}
	case referralevent.Coupon:
		if w.CouponCode, w.CouponListID = i.CouponCode, i.CouponList; w.CouponListID != nil {
			w.Status = rewardWaiting // until it is handed out, in the same transaction if the list has one
		}
	}
	if w.cost = i.Terms.Cost; w.cost == 0 {
		w.cost, w.costIn = w.Amount, w.Currency
	}
	rule, err := json.Marshal(rewardRule{Incentive: i, CampaignVersion: version, Subtotal: s.subtotal, Currency: s.currency,
		Referrals: s.referrals, Seen: seen, Tier: tier, Points: w.Points, Amount: w.Amount, From: s.from})
	if err != nil {
		return w, "", "", fmt.Errorf("rule of a reward: %w", err)
	}
	w.Rule = string(rule)
	return w, cause, detail, nil
}

// met says why the incentive's conditions don't hold; "" if they do. The condition that the merchant wrote is asked last.
func (i incentive) met(ctx context.Context, s situation) (seen map[string]any, cause, detail string, err error) {
	if cause = i.refuses(s); cause != "" {
		return nil, cause, "", nil
	}
	c := i.Terms.condition()
	if c == nil {
		return nil, refusedCriteria, "the criteria are no longer understood", nil
	}
	f := s.facts
	if f.Person = f.Advocate; i.side() == sideFriend {
		f.Person = f.Friend
	}
	said, err := c.Ask(ctx, f)
	if err == nil && !said.Met {
		cause, detail = refusedCriteria, said.Reason
	}
	return c.Seen(f), cause, detail, err
}

// refuses is the condition of the terms that doesn't hold; "" if all do.
func (i incentive) refuses(s situation) string {
	t, n := i.Terms, s.referrals
	friend := s.facts.Friend
	switch {
	case i.SubtotalMin != nil && s.subtotal < *i.SubtotalMin, t.SubtotalMax != nil && s.subtotal > *t.SubtotalMax:
		return refusedSubtotal
	case t.ByHand && s.automatic:
		return refusedAutomatic
	case t.FriendCategory != "" && s.facts.Origin.Category != t.FriendCategory:
		return refusedCategory
	case t.NewCustomer != nil && *t.NewCustomer != friend.NewCustomer:
		return refusedCustomer
	case t.NewOptin != nil && *t.NewOptin != friend.NewSubscriber:
		return refusedOptin
	case t.ReferralsMin != nil && n < *t.ReferralsMin, t.ReferralsMax != nil && n > *t.ReferralsMax,
		t.DivisibleBy != nil && n%*t.DivisibleBy != 0, t.NotDivisibleBy != nil && n%*t.NotDivisibleBy == 0:
		return refusedReferrals
	case t.SelfReferral != nil && !*t.SelfReferral && s.facts.Click.Self:
		return refusedSelf
	case s.share != nil && len(t.Channels) > 0 && !slices.Contains(t.Channels, s.share.Channel),
		s.share != nil && t.EmailShares != nil && *t.EmailShares != (s.share.Kind == referralevent.Email):
		return refusedChannel
	}
	return ""
}

// once is what the reward is unique by beside its source; nil for nothing.
func (i incentive) once(w reward) *string {
	who := "visitor:" + deref(w.VisitorID)
	if w.PersonID != nil {
		who = "person:" + itoa(*w.PersonID)
	}
	var key string
	switch {
	case i.Terms.Milestone > 0:
		key = milestoneKey(deref(w.PersonID), i.Terms.Milestone)
	case i.Terms.Uniqueness == oncePerFriend:
		key = "friend:" + itoa(deref(w.FriendID))
	case i.Terms.Uniqueness == oncePerChannel:
		key = who + ":" + w.channel
	case i.Terms.Uniqueness == oncePerPerson, i.Action == actionSignup, i.Action == actionSharing:
		key = who
	default:
		return nil
	}
	return &key
}

func milestoneKey(person, referrals int64) string {
	return "milestone:" + itoa(person) + ":" + itoa(referrals)
}

// clickRewards are what a new friend offer earns the visitor, and what it doesn't.
func clickRewards(ctx context.Context, c *campaign, f friendOffer, s situation, friend int64, now time.Time) ([]reward, []refusal, error) {
	return consider(ctx, c, s, func(w *reward) {
		w.FriendOfferID, w.VisitorID, w.OccurredAt, w.offer = &f.ID, &f.VisitorID, now, f.OfferID
		w.PersonID = orNull(friend)
	}, actionClick)
}

// referralRewards are what an approved referral earns both sides, and what it doesn't.
func referralRewards(ctx context.Context, c *campaign, r *referral, s situation) ([]reward, []refusal, error) {
	return consider(ctx, c, s, func(w *reward) {
		w.ReferralID, w.OriginID, w.FriendID, w.OccurredAt = &r.ID, &r.OriginID, &r.FriendID, r.OccurredAt
		if w.PersonID = &r.FriendID; w.Side == sideAdvocate {
			w.PersonID = &r.AdvocateID
		}
	}, actionReferrer, actionReferred)
}
