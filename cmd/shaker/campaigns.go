package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Tags of the campaigns that ask more of the platform than a link and a purchase.
const (
	tagClaim   = "claim"   // friends claim it, and get a coupon of a list that runs dry
	tagCap     = "cap"     // of few rewards an advocate
	tagBudget  = "budget"  // of little money
	tagPartner = "partner" // paid by plans
	tagCode    = "code"    // advocates have codes of their own
	tagRepeat  = "repeat"  // paid for several orders of a friend, by plans with caps
)

const (
	claims, firstClaims = "Claims", 3 // the list of that name, and how many codes it has at first
	ownCodes            = "Own codes"
	capEach             = 3      // referrals of an advocate that are rewarded
	capCost, capRewards = 250, 4 // of one reward, and for how many of them the budget suffices
	capBudget           = capCost*capRewards + 70
	toEUR               = 9137 // of ten thousand
	planPerOrder        = 150  // EUR cents
	heldPence           = 100  // of the second plan, which nobody is paid before a month is over
	heldDays            = 30
	codesOf             = 4 // advocates have codes
)

// promise is what a campaign gives an advocate for an approved referral.
type promise struct {
	manual          bool
	points, percent int64
	plans           bool
	repeats         bool
}

var promises = map[string]promise{
	tagAuto:    {points: pointsAuto, percent: percentAuto},
	tagManual:  {manual: true, points: pointsManual, percent: percentManual},
	tagClaim:   {points: 200},
	tagCap:     {manual: true, points: 100},
	tagBudget:  {manual: true, points: 100},
	tagPartner: {manual: true, plans: true},
	tagCode:    {points: 150},
	tagRepeat:  {manual: true, repeats: true},
}

// planPercent is another one in each site.
func planPercent(site int) int64 { return int64(8 - 2*site) }

// ownCode is the code of an advocate's own: the twins' advocates have each other's.
func ownCode(site, advocate int) string { return fmt.Sprintf("FRIENDS-%d", (advocate+site)%codesOf) }

// makeCampaigns makes the campaigns of this file's tags.
func (w *world) makeCampaigns(ctx context.Context, site int, s *shop) error {
	list, err := w.list(ctx, *s, claims, firstClaims)
	if err != nil {
		return err
	}
	s.Lists[claims] = list
	codes, err := w.create(ctx, *s, "/api/v2/coupon_lists", "coupon_list", object{"name": ownCodes, "kind": "multi-use", "amount": 500})
	if err != nil {
		return err
	}
	plans, err := w.makePlans(ctx, site, *s)
	if err != nil {
		return err
	}
	repeats, err := w.makeRepeats(ctx, *s)
	if err != nil {
		return err
	}
	s.Campaigns = map[string]int64{}
	points := func(tag string) object {
		return object{"identifier": "points", "action_type": "referrer", "kind": "points", "points": promises[tag].points}
	}
	costly := points(tagBudget)
	costly["terms"] = object{"cost": capCost}
	for tag, c := range map[string]object{
		tagClaim:  {"incentives": []object{points(tagClaim), {"identifier": "gift", "action_type": "click", "kind": "coupon", "coupon_list_id": list}}},
		tagCap:    {"approval": object{"mode": "manual"}, "incentives": []object{points(tagCap)}}, // requests decide, at both replicas at once
		tagBudget: {"approval": object{"mode": "manual"}, "incentives": []object{costly}},
		tagPartner: {"approval": object{"mode": "manual"}, "incentives": []object{
			{"identifier": "share", "action_type": "referrer", "kind": "commission", "commission_plan_id": plans[0]},
			{"identifier": "later", "action_type": "referrer", "kind": "commission", "commission_plan_id": plans[1]}}},
		tagRepeat: {"approval": object{"mode": "manual"}, "incentives": []object{
			{"identifier": "again", "action_type": "referrer", "kind": "commission", "commission_plan_id": repeats[0]},
			{"identifier": "month", "action_type": "referrer", "kind": "commission", "commission_plan_id": repeats[1]}}},
		tagCode: {"incentives": []object{points(tagCode)}, "attribution": object{"personal_coupons": object{"coupon_list_id": codes}}},
	} {
		c["name"], c["tags"], c["status"], c["destination_url"] = tag, []string{tag}, "Live", "https://shop.example/welcome"
		if s.Campaigns[tag], err = w.create(ctx, *s, "/api/v2/campaigns", "campaign", c); err != nil {
			return err
		}
	}
	if err := w.put200(ctx, *s, fmt.Sprintf("/api/v2/campaigns/%d/links", s.Campaigns[tagClaim]), object{"claim_page": true, "gate": "email"}); err != nil {
		return err
	}
	for tag, limits := range map[string]object{tagCap: {"advocate_total": capEach}, tagBudget: {"budget": object{"amount": capBudget, "currency": currency}}} {
		if err := w.put200(ctx, *s, fmt.Sprintf("/api/v2/campaigns/%d/limits", s.Campaigns[tag]), object{"limits": limits}); err != nil {
			return err
		}
	}
	return nil
}

// makePlans makes a plan of a share and an amount, in another currency, and one that holds back what it pays; and tells the rates.
func (w *world) makePlans(ctx context.Context, site int, s shop) (ids [2]int64, err error) {
	for day := range 3 {
		at := time.Now().UTC().AddDate(0, 0, day-1).Format(time.DateOnly)
		err := w.put200(ctx, s, "/api/v2/exchange_rates/"+at, object{"rates": []object{{"from": currency, "to": "EUR", "rate": json.RawMessage(fmt.Sprintf("0.%d", toEUR))}}})
		if err != nil {
			return ids, err
		}
	}
	for i, plan := range []object{
		{"name": "Share", "currency": "EUR", "default": object{"percent": planPercent(site)}, "per_order": planPerOrder},
		{"name": "Later", "currency": "GBP", "default": object{"percent": 0}, "per_order": heldPence, "hold_days": heldDays},
	} {
		if ids[i], err = w.create(ctx, s, "/api/v2/commission_plans", "commission_plan", plan); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// put200 changes something while nothing is done to the world yet.
func (w *world) put200(ctx context.Context, s shop, path string, body object) error {
	r := w.replicas[0].send(ctx, s.Key, "PUT", path, body, "")
	if r.err == nil && r.status != 200 {
		r.err = fmt.Errorf("%d %s", r.status, r.body)
	}
	if r.err != nil {
		return errors.Join(fmt.Errorf("PUT %s", path), r.err)
	}
	return nil
}
