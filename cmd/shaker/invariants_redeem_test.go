package main

import (
	"fmt"
	"time"
)

// spend tells what is done with points and coupons: given and taken by hand, spent, cancelled, waited for.
func (m *merchant) spend(programme int64) {
	m.t.Helper()
	const bob = "/api/v2/loyalty/members/bob@shop.example"
	list := func(name string, codes int) int64 {
		var made struct {
			List struct {
				ID int64 `json:"id"`
			} `json:"coupon_list"`
		}
		m.ask(200, m.secret, "POST", "/api/v2/coupon_lists", map[string]any{"name": name, "kind": "single-use", "amount": 500}, &made)
		m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/coupon_lists/%d/generate", made.List.ID), map[string]any{"template": "FIVE-########", "count": codes}, nil)
		return made.List.ID
	}
	batch := func(cost int64, list any) int64 {
		var made struct {
			Batch struct {
				ID int64 `json:"id"`
			} `json:"redemption_batch"`
		}
		m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme),
			map[string]any{"description": "Off", "points_cost": cost, "coupon_list_id": list}, &made)
		return made.Batch.ID
	}
	redeem := func(batch int64) int64 {
		var done struct {
			Action struct {
				ID int64 `json:"redemption_id"`
			} `json:"action"`
		}
		m.ask(200, m.secret, "POST", bob+"/redeem_actions", map[string]any{"data": map[string]any{"redemption_batch_id": batch}}, &done)
		return done.Action.ID
	}
	m.ask(200, m.secret, "POST", bob+"/manual_adjustment_actions", map[string]any{"data": map[string]any{"points": 500}}, nil)
	m.ask(200, m.secret, "POST", bob+"/manual_adjustment_actions", map[string]any{"data": map[string]any{"points": -20}}, nil)
	m.ask(400, m.secret, "POST", bob+"/manual_adjustment_actions", map[string]any{"data": map[string]any{"points": -20_000}}, nil)
	mug, coupon := batch(50, nil), batch(30, list("two", 2))
	redeem(mug)
	for _, id := range []int64{redeem(mug), redeem(coupon)} {
		m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", id), map[string]any{"reason": "By mistake"}, nil)
	}
	redeem(coupon)
	redeem(coupon) // waits
	m.ask(200, m.secret, "POST", "/api/v2/campaigns", map[string]any{"name": "gifts", "status": "Live", "tags": []string{"gifts"},
		"destination_url": "https://shop.example/welcome", "incentives": []any{
			map[string]any{"identifier": "friend", "action_type": "referred", "kind": "coupon", "coupon_list_id": list("one", 1)}}}, nil)
	gifts := m.signUp("ann@shop.example", "gifts")
	for n := range 2 { // the second waits
		order := fmt.Sprint("600", n)
		m.buy(m.secret, "gift"+order+"@shop.example", m.open(gifts, "0190a0a0-0000-7000-8000-00000000"+order), order, "40.00", "")
		time.Sleep(100 * time.Millisecond)
	}
}
