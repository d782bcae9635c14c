package referral

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// What a reward is unique by, beside what it is for.
const (
	oncePerFriend  = "once_per_friend"
	oncePerPerson  = "once_per_person"  // who earns it
	oncePerChannel = "once_per_channel" // of sharing: the advocate's first share by each channel
)

const (
	maxTiers     = 20
	maxReferrals = 1_000_000
)

// terms are what an incentive asks for beside the smallest subtotal, and how it grows. The same shape is taken, kept and shown.
type terms struct {
	Criteria       string   `json:"criteria,omitempty" doc:"A condition in CEL, see docs/criteria.md; a text that it gives is the reason for which there is no reward"`
	NewCustomer    *bool    `json:"new_customer,omitempty" nullable:"true" doc:"true: only friends who had bought nothing before; false: only those who had"`
	NewOptin       *bool    `json:"new_optin,omitempty" nullable:"true" doc:"true: only friends who opted in to mail within the day before; false: only others"`
	SubtotalMax    *int64   `json:"subtotal_max,omitempty" nullable:"true" doc:"Largest subtotal that is rewarded, minor units of the order's currency"`
	ReferralsMin   *int64   `json:"referrals_min,omitempty" nullable:"true" doc:"Only from this approved referral of the advocate in the campaign on"`
	ReferralsMax   *int64   `json:"referrals_max,omitempty" nullable:"true" doc:"Only up to this one"`
	DivisibleBy    *int64   `json:"referrals_divisible_by,omitempty" nullable:"true" doc:"Only every so many: 5 means the fifth, the tenth and so on"`
	NotDivisibleBy *int64   `json:"referrals_not_divisible_by,omitempty" nullable:"true" doc:"All but every so many"`
	FriendCategory string   `json:"friend_event_category,omitempty" doc:"Only for events of this category, or for purchase"`
	ByHand         bool     `json:"manually_approved,omitempty" doc:"true: only referrals that a person approved"`
	Uniqueness     string   `json:"reward_uniqueness,omitempty" doc:"once_per_friend, once_per_person (who earns it) or, of sharing, once_per_channel. Rewards for signing up and sharing are once_per_person when left out"`
	Channels       []string `json:"sharing_channels,omitempty" nullable:"true" doc:"Of sharing: only these channels"`
	EmailShares    *bool    `json:"email_shares,omitempty" nullable:"true" doc:"Of sharing: true: only by e-mail; false: only by other channels"`
	SelfReferral   *bool    `json:"allow_on_self_referral,omitempty" nullable:"true" doc:"Of a click: false: not if the friend is known to be the advocate"`
	Milestone      int64    `json:"milestone,omitempty" doc:"Of referrer: given once, when the advocate has so many approved referrals in the campaign; taken back if refunds make them fewer"`
	Tiers          []tier   `json:"tiers,omitempty" nullable:"true" doc:"Other worths, from some number of approved referrals on"`
	Cost           int64    `json:"cost,omitempty" doc:"What one costs in the campaign's budget, minor units; when left out, an amount of money costs itself, all else nothing"`
	Description    string   `json:"description,omitempty" doc:"In the merchant's words; needed by other"`
}

// tier is another worth of an incentive.
type tier struct {
	From        int64 `json:"from" doc:"From this approved referral of the advocate in the campaign on"`
	Points      int64 `json:"points,omitempty"`
	BasisPoints int64 `json:"basis_points,omitempty" doc:"Of a commission: hundredths of a percent"`
	Amount      int64 `json:"amount,omitempty" doc:"Minor units, in the incentive's currency"`
}

// asks says whether the terms are more than a description.
func (t terms) asks() bool {
	t.Description = ""
	b, err := json.Marshal(t)
	return err != nil || string(b) != "{}"
}

// Scan reads the column.
func (t *terms) Scan(v any) error {
	switch v := v.(type) {
	case []byte:
		return json.Unmarshal(v, t)
	case string:
		return json.Unmarshal([]byte(v), t)
	}
	return fmt.Errorf("terms are %T", v)
}

// Value writes the column.
func (t terms) Value() (driver.Value, error) {
	b, err := json.Marshal(t)
	return string(b), err
}

// IsZero leaves terms out of answers that have none.
func (t terms) IsZero() bool {
	if len(t.Channels) == 0 {
		t.Channels = nil
	}
	if len(t.Tiers) == 0 {
		t.Tiers = nil
	}
	return reflect.ValueOf(t).IsZero()
}

// criteria are the condition, which was checked when it was saved.
func (t *terms) criteria() (*criteria.Criteria, error) { return criteria.Compile(t.Criteria) }

// condition is the same, where it is asked; nil if it isn't understood, since another version of us has checked it.
func (t *terms) condition() *criteria.Criteria {
	c, err := t.criteria()
	if err != nil {
		return nil
	}
	return c
}

// counts says whether the incentive has to know how many referrals the advocate has.
func (i incentive) counts() bool {
	t := i.Terms
	if t.Milestone > 0 || len(t.Tiers) > 0 || t.ReferralsMin != nil || t.ReferralsMax != nil || t.DivisibleBy != nil || t.NotDivisibleBy != nil {
		return true
	}
	c := t.condition()
	return c != nil && (c.Uses("advocate") || c.Uses("person"))
}

// at is the incentive as it is worth to an advocate with so many referrals, and the tier that says so.
func (i incentive) at(referrals int64) (out incentive, used *tier) {
	out = i
	for n := range i.Terms.Tiers {
		if t := &i.Terms.Tiers[n]; referrals >= t.From {
			out.Points, out.BasisPoints, out.Amount, used = t.Points, t.BasisPoints, t.Amount, t
		}
	}
	return out, used
}

// check finds what is wrong with terms.
func (t *terms) check(f *findings, at string, i *incentive) {
	if _, err := t.criteria(); err != nil {
		if wrong, ok := fault.Of(err); ok {
			f.add(at+"/criteria", "%s", wrong.Detail)
		}
	}
	for name, n := range map[string]*int64{"referrals_min": t.ReferralsMin, "referrals_max": t.ReferralsMax,
		"referrals_divisible_by": t.DivisibleBy, "referrals_not_divisible_by": t.NotDivisibleBy} {
		if n != nil && (*n < 1 || *n > maxReferrals) {
			f.add(at+"/"+name, "must be from 1 to %d", maxReferrals)
		}
	}
	if t.SubtotalMax != nil && (*t.SubtotalMax < 0 || *t.SubtotalMax > money.Max) {
		f.add(at+"/subtotal_max", "must be from 0 to %d", money.Max)
	}
	if t.Cost < 0 || t.Cost > money.Max {
		f.add(at+"/cost", "must be from 0 to %d", money.Max)
	}
	if t.Milestone < 0 || t.Milestone > maxReferrals {
		f.add(at+"/milestone", "must be from 1 to %d", maxReferrals)
	}
	if t.Description != "" {
		checkText(f, at+"/description", t.Description, 1, 500)
	}
	if t.FriendCategory != "" {
		checkText(f, at+"/friend_event_category", t.FriendCategory, 1, 100)
	}
	checkWords(f, at+"/sharing_channels", t.Channels)
	if t.Uniqueness != "" && !slices.Contains([]string{oncePerFriend, oncePerPerson, oncePerChannel}, t.Uniqueness) {
		f.add(at+"/reward_uniqueness", "must be once_per_friend, once_per_person or once_per_channel")
	}
	t.fits(f, at, i)
	t.checkTiers(f, at, i)
}

// fits refuses terms that mean nothing for the incentive's action, so that nobody waits for their effect.
func (t *terms) fits(f *findings, at string, i *incentive) {
	referral := i.Action == actionReferrer || i.Action == actionReferred
	for name, wrong := range map[string]bool{
		"milestone":                  t.Milestone > 0 && i.Action != actionReferrer,
		"tiers":                      len(t.Tiers) > 0 && !referral,
		"subtotal_max":               t.SubtotalMax != nil && !referral,
		"friend_event_category":      t.FriendCategory != "" && !referral,
		"manually_approved":          t.ByHand && !referral,
		"new_customer":               t.NewCustomer != nil && i.Action == actionSharing,
		"new_optin":                  t.NewOptin != nil && i.Action == actionSharing,
		"referrals_min":              t.ReferralsMin != nil && !referral,
		"referrals_max":              t.ReferralsMax != nil && !referral,
		"referrals_divisible_by":     t.DivisibleBy != nil && !referral,
		"referrals_not_divisible_by": t.NotDivisibleBy != nil && !referral,
		"sharing_channels":           len(t.Channels) > 0 && i.Action != actionSharing,
		"email_shares":               t.EmailShares != nil && i.Action != actionSharing,
		"allow_on_self_referral":     t.SelfReferral != nil && i.Action != actionClick,
	} {
		if wrong {
			f.add(at+"/"+name, "has no meaning for %s", i.Action)
		}
	}
	switch t.Uniqueness {
	case oncePerChannel:
		if i.Action != actionSharing {
			f.add(at+"/reward_uniqueness", "once_per_channel belongs to sharing")
		}
	case oncePerFriend:
		if !referral || t.Milestone > 0 {
			f.add(at+"/reward_uniqueness", "once_per_friend belongs to referrals")
		}
	}
	if i.Kind == referralevent.Other && t.Description == "" {
		f.add(at+"/description", "is needed by other: it is what is given")
	}
	if t.Milestone > 0 && i.BasisPoints > 0 && i.Kind == referralevent.Commission {
		f.add(at+"/milestone", "can't be a percentage: it belongs to no order")
	}
}

func (t *terms) checkTiers(f *findings, at string, i *incentive) {
	if i.Action != actionReferrer && i.Action != actionReferred {
		return // said already
	}
	if len(t.Tiers) > maxTiers {
		f.add(at+"/tiers", "must be at most %d", maxTiers)
		return
	}
	if len(t.Tiers) > 0 && (i.Kind == referralevent.Coupon || i.Kind == referralevent.Other || t.Milestone > 0) {
		f.add(at+"/tiers", "belong to points and money, and not to a milestone")
	}
	before := int64(1)
	for n, one := range t.Tiers {
		here := at + "/tiers/" + strconv.Itoa(n)
		if one.From <= before || one.From > maxReferrals {
			f.add(here+"/from", "must be from 2 to %d, and larger than the one before", maxReferrals)
		}
		before = one.From
		worth := *i
		worth.Points, worth.BasisPoints, worth.Amount, worth.Terms = one.Points, one.BasisPoints, one.Amount, terms{}
		if one.BasisPoints < 0 || one.BasisPoints > 10_000 || one.Amount < 0 || one.Amount > money.Max || one.Amount > 0 && one.BasisPoints > 0 ||
			one.BasisPoints > 0 && i.BasisPoints == 0 || one.Amount > 0 && i.Amount == 0 {
			f.add(here, "must be of the incentive's own kind: points, basis_points or amount")
			continue
		}
		worth.byKind(f, here)
	}
}
