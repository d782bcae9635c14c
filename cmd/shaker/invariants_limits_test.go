package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// limit tells what limits, budgets, claims, plans and payouts do.
func (m *merchant) limit() {
	m.t.Helper()
	campaign := func(tag, mode string, incentives ...any) int64 {
		var made struct{ Campaign struct{ ID int64 } }
		m.ask(200, m.secret, "POST", "/api/v2/campaigns", map[string]any{"name": tag, "status": "Live", "tags": []string{tag}, "approval": map[string]any{"mode": mode},
			"destination_url": "https://shop.example/welcome", "incentives": incentives}, &made)
		return made.Campaign.ID
	}
	few := campaign("few", "automatic", map[string]any{"identifier": "points", "action_type": "referrer", "kind": "points", "points": 100, "terms": map[string]any{"cost": 250}})
	m.ask(200, m.secret, "PUT", fmt.Sprintf("/api/v2/campaigns/%d/limits", few), map[string]any{"limits": map[string]any{"advocate_total": 1, "budget": map[string]any{"amount": 800}}}, nil)
	for i, advocate := range []string{"ann@shop.example", "eve@shop.example"} {
		link := m.signUp(advocate, "few")
		for n := range 2 { // the second is one too many
			order := fmt.Sprintf("70%d%d", i, n)
			m.buy(m.secret, "few"+order+"@shop.example", m.open(link, "0190a0a0-0000-7000-8000-00000000"+order), order, "40.00", "")
			time.Sleep(100 * time.Millisecond)
		}
	}
	m.refund("7000", "10")
	m.refund("7010", "")
	m.claim(campaign("claim", "automatic", map[string]any{"identifier": "click", "action_type": "click", "kind": "coupon", "coupon_code": "WELCOME10"}))

	var plan struct {
		Plan struct{ ID int64 } `json:"commission_plan"`
	}
	m.ask(200, m.secret, "POST", "/api/v2/commission_plans", map[string]any{"name": "Partners", "currency": "GBP", "per_order": 500}, &plan)
	kept := plan
	m.ask(200, m.secret, "POST", "/api/v2/commission_plans", map[string]any{"name": "Later", "currency": "EUR", "per_order": 500, "hold_days": 30,
		"recurring": map[string]any{"orders": 2}, "caps": map[string]any{"friend": 900}}, &kept)
	campaign("partner", "automatic", map[string]any{"identifier": "now", "action_type": "referrer", "kind": "commission", "commission_plan_id": plan.Plan.ID},
		map[string]any{"identifier": "later", "action_type": "referrer", "kind": "commission", "commission_plan_id": kept.Plan.ID})
	link := m.signUp("ann@shop.example", "partner")
	for n, steps := range [][]string{{"approve", "settle"}, {"cancel"}, {"approve"}} {
		order := fmt.Sprint("800", n)
		m.buy(m.secret, "partner"+order+"@shop.example", m.open(link, "0190a0a0-0000-7000-8000-00000000"+order), order, "40.00", "")
		batch := m.batch()
		for _, step := range steps {
			body := map[string]any{}
			if step == "settle" {
				body["rest"] = "paid"
			}
			m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/payout_batches/%d/%s", batch, step), body, nil)
		}
	}
	m.buy(m.secret, "partner8000@shop.example", "", "8010", "40.00", "") // is paid for
	m.buy(m.secret, "partner8000@shop.example", "", "8011", "40.00", "") // isn't
	m.refund("8000", "20")
}

// batch makes a payout batch as soon as there is something to pay.
func (m *merchant) batch() int64 {
	m.t.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var made struct {
			Batch struct{ ID int64 } `json:"payout_batch"`
		}
		if m.ask(0, m.secret, "POST", "/api/v2/payout_batches", map[string]any{"currency": "GBP"}, &made); made.Batch.ID != 0 {
			return made.Batch.ID
		}
	}
	m.t.Fatal("there is nothing to pay")
	return 0
}

// claim lets friends claim an offer: as the shop says, and on its page.
func (m *merchant) claim(campaign int64) {
	m.t.Helper()
	m.ask(200, m.secret, "PUT", fmt.Sprintf("/api/v2/campaigns/%d/links", campaign), map[string]any{"claim_page": true, "gate": "email"}, nil)
	link := m.signUp("ann@shop.example", "claim")
	for _, friend := range []string{"kim@shop.example", "kim@shop.example", "ann@shop.example"} {
		m.ask(200, m.secret, "POST", "/api/v2/offer_claims", map[string]any{"advocate_email": "ann@shop.example", "friend_email": friend, "campaign_tag": "claim"}, nil)
	}
	form := url.Values{"email": {"lea@shop.example"}, "visitor": {"0190a0a0-0000-7000-8000-0000000000c1"}}
	req, err := http.NewRequestWithContext(m.t.Context(), "POST", link+"/claim", strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		m.t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusSeeOther {
		m.t.Fatalf("the claim page answered %s", res.Status)
	}
}
