package referral

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

var (
	identifierForm = regexp.MustCompile(`^[a-z0-9_]{1,50}$`)
	percentForm    = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,2}))?$`)
)

// incentiveInput is an incentive as the API takes it.
type incentiveInput struct {
	Identifier       string       `json:"identifier" doc:"Unique in the campaign; a changed incentive is recognised by it"`
	ActionType       string       `json:"action_type" doc:"referrer (the advocate, per approved referral), referred (the friend, likewise), click (the friend, for opening the link), signup (the advocate, for signing up) or sharing (the advocate, for sharing)"`
	Kind             string       `json:"kind" doc:"points, commission, coupon, other (in words), store_credit or gift_card"`
	Points           int64        `json:"points,omitempty" doc:"Of points"`
	Percent          money.Number `json:"percent,omitempty" doc:"Of a commission: of the order's subtotal, at most 2 decimals"`
	Amount           int64        `json:"amount,omitempty" doc:"Of a commission, instead of percent: minor units"`
	Currency         string       `json:"currency,omitempty" doc:"Of an amount, ISO 4217; the site's when left out"`
	CouponCode       string       `json:"coupon_code,omitempty" doc:"Of a coupon: a code that may be used many times; kept in upper case"`
	CouponListID     *int64       `json:"coupon_list_id,omitempty" nullable:"true" doc:"Of a coupon, instead of a code: each reward takes a coupon of this single-use list, which also says what it is worth"`
	CouponPercent    money.Number `json:"coupon_percent,omitempty" doc:"What the shop gives for the coupon, for its description"`
	CouponAmount     int64        `json:"coupon_amount,omitempty" doc:"The same, minor units"`
	CommissionPlanID *int64       `json:"commission_plan_id,omitempty" nullable:"true" doc:"Of an advocate's commission, instead of percent and amount: the plan that says what each order pays. Of the terms only a description goes with it"`
	SubtotalMin      *int64       `json:"subtotal_min,omitempty" nullable:"true" doc:"Smallest subtotal that is rewarded, minor units of the order's currency"`
	Terms            *terms       `json:"terms,omitempty" doc:"What it asks for besides, and how it grows"`
}

func (in incentiveInput) incentive(f *findings, at, currency string) incentive {
	i := incentive{Identifier: in.Identifier, Action: in.ActionType, Kind: in.Kind, Points: in.Points,
		Currency: in.Currency, CouponCode: upper(in.CouponCode), CouponList: in.CouponListID, CommissionPlan: in.CommissionPlanID, SubtotalMin: in.SubtotalMin, Active: true}
	if !identifierForm.MatchString(i.Identifier) {
		f.add(at+"/identifier", "must have 1 to 50 of a-z, 0-9 and _")
	}
	if !slices.Contains([]string{actionReferrer, actionReferred, actionClick, actionSignup, actionSharing}, i.Action) {
		f.add(at+"/action_type", "must be referrer, referred, click, signup or sharing")
	}
	if i.SubtotalMin != nil && (*i.SubtotalMin < 0 || *i.SubtotalMin > money.Max) {
		f.add(at+"/subtotal_min", "must be from 0 to %d", money.Max)
	}
	if i.SubtotalMin != nil && i.Action != actionReferrer && i.Action != actionReferred {
		f.add(at+"/subtotal_min", "has no meaning for %s", i.Action)
	}
	in.worth(f, at, &i, currency)
	i.byKind(f, at)
	if in.Terms != nil {
		i.Terms = *in.Terms
		i.Terms.check(f, at+"/terms", &i)
		if i.CommissionPlan != nil && i.Terms.asks() {
			f.add(at+"/terms", "of a commission_plan_id can be a description only: a plan pays for every referral, as its own rates and caps say")
		}
	} else if i.Kind == referralevent.Other {
		f.add(at+"/terms/description", "is needed by other: it is what is given")
	}
	if i.Kind == referralevent.Coupon && (in.Percent != "" || in.Amount != 0) {
		f.add(at+"/percent", "and amount belong to a commission; a coupon has coupon_percent and coupon_amount")
	}
	if i.Kind != referralevent.Coupon && (in.CouponCode != "" || in.CouponListID != nil || in.CouponPercent != "" || in.CouponAmount != 0) {
		f.add(at+"/coupon_code", "and its worth belong to a coupon")
	}
	return i
}

// worth reads the percentage or the amount of a commission or coupon.
func (in incentiveInput) worth(f *findings, at string, i *incentive, currency string) {
	prefix, text := "/", in.Percent
	if i.Amount = in.Amount; i.Kind == referralevent.Coupon {
		prefix, text, i.Amount = "/coupon_", in.CouponPercent, in.CouponAmount
	}
	if i.Amount < 0 || i.Amount > money.Max {
		f.add(at+prefix+"amount", "must be from 0 to %d", money.Max)
	}
	if text != "" {
		if i.BasisPoints = basisPoints(string(text)); i.BasisPoints <= 0 || i.BasisPoints > 10_000 {
			f.add(at+prefix+"percent", "must be more than 0 and at most 100, with at most 2 decimals")
		}
	}
	if i.Amount > 0 && text != "" {
		f.add(at+prefix+"amount", "can't be beside %spercent", prefix[1:])
	}
	switch {
	case i.Amount == 0 && i.Currency != "":
		f.add(at+"/currency", "has no meaning without an amount")
	case i.Amount > 0 && i.Currency == "":
		i.Currency = currency
	}
	if _, ok := money.Digits(i.Currency); i.Amount > 0 && !ok {
		f.add(at+"/currency", "must be an ISO 4217 code")
	}
}

// byKind checks that the incentive has what its kind needs.
func (i incentive) byKind(f *findings, at string) {
	if i.Kind != referralevent.Points && i.Points != 0 {
		f.add(at+"/points", "belongs to points only")
	}
	switch i.Kind {
	case referralevent.Points:
		if i.Points < 1 || i.Points > 1_000_000_000 {
			f.add(at+"/points", "must be from 1 to 1000000000")
		}
		if i.BasisPoints != 0 || i.Amount != 0 {
			f.add(at+"/amount", "belongs to a commission")
		}
	case referralevent.Commission:
		i.byPlan(f, at)
	case referralevent.Coupon:
		switch why := codeFault(i.CouponCode); {
		case i.CouponList == nil && why != "":
			f.add(at+"/coupon_code", "%s", why)
		case i.CouponList != nil && i.CouponCode != "":
			f.add(at+"/coupon_code", "can't be beside coupon_list_id")
		case i.CouponList != nil && (i.BasisPoints != 0 || i.Amount != 0):
			f.add(at+"/coupon_list_id", "says what the coupon is worth; leave coupon_percent and coupon_amount out")
		}
	case referralevent.Other:
		if i.BasisPoints != 0 || i.Amount != 0 {
			f.add(at+"/amount", "belongs to money; say in terms.description what is given")
		}
	case referralevent.StoreCredit:
		if i.BasisPoints == 0 && i.Amount == 0 {
			f.add(at+"/percent", "or amount is needed")
		}
	case referralevent.GiftCard:
		if i.BasisPoints != 0 || i.Amount == 0 {
			f.add(at+"/amount", "is needed by a gift card, and can't be a percentage")
		}
	default:
		f.add(at+"/kind", "must be points, commission, coupon, other, store_credit or gift_card")
	}
	if i.Action == actionClick && i.Kind != referralevent.Coupon && i.Kind != referralevent.Other {
		f.add(at+"/kind", "of a click must be coupon or other")
	}
	if i.BasisPoints > 0 && i.Kind != referralevent.Coupon && (i.Action == actionSignup || i.Action == actionSharing) {
		f.add(at+"/percent", "has no meaning without an order")
	}
}

// basisPoints reads a percentage with at most two decimals; 0 if it isn't one.
func basisPoints(s string) int64 {
	m := percentForm.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	frac, _ := strconv.ParseInt((m[2] + "00")[:2], 10, 64)
	return whole*100 + frac
}

// upper folds ASCII only: "ß" must not become another code.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
