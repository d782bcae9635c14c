package main

import (
	"fmt"
	"time"
)

// shares tells what members do together and are: a pool that spends and thinks again, a suspension, an invitation, an achievement and its loss.
func (m *merchant) shares(programme int64) {
	m.t.Helper()
	const uma, una, ina, members = "uma@shop.example", "una@shop.example", "ina@shop.example", "/api/v2/loyalty/members/"
	m.buy(m.secret, uma, "", "8801", "40.00", "")
	m.buy(m.secret, una, "", "8802", "40.00", "")
	m.buy(m.secret, una, "", "8803", "10.00", "")
	for _, email := range []string{uma, una} {
		m.awaitBalance(email, 120)
	}
	m.refund("8803", "")
	m.ask(200, m.secret, "POST", "/api/v2/loyalty/pools", map[string]any{"name": "Sisters", "owner": uma, "members": []string{una}}, nil)
	var made struct {
		Batch struct {
			ID int64 `json:"id"`
		} `json:"redemption_batch"`
	}
	m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme),
		map[string]any{"description": "Tent", "kind": "product", "points_cost": 200, "terms": map[string]any{"fulfilment": "at_once"}}, &made)
	var done struct {
		Action struct {
			ID int64 `json:"redemption_id"`
		} `json:"action"`
	}
	redeem := map[string]any{"data": map[string]any{"redemption_batch_id": made.Batch.ID}}
	m.ask(200, m.secret, "POST", members+uma+"/redeem_actions", redeem, &done)
	m.ask(200, m.secret, "POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", done.Action.ID), map[string]any{"reason": "By mistake"}, nil)
	m.ask(200, m.secret, "POST", members+uma+"/suspend", map[string]any{}, nil)
	m.ask(400, m.secret, "POST", members+una+"/redeem_actions", redeem, nil)
	m.ask(200, m.secret, "POST", members+uma+"/reactivate", map[string]any{}, nil)
	m.ask(200, m.secret, "POST", members+uma+"/redeem_actions", redeem, nil)
	var asked struct {
		Invitations []struct {
			Invitation struct {
				Code string `json:"code"`
			} `json:"invitation"`
		} `json:"invitations"`
	}
	m.ask(200, m.secret, "POST", "/api/v2/loyalty/invitations", map[string]any{"emails": []string{ina}}, &asked)
	m.ask(200, m.secret, "POST", "/api/v2/loyalty/invitations/accept", map[string]any{"code": asked.Invitations[0].Invitation.Code}, nil)
	m.importOrders()
}

func (m *merchant) awaitBalance(email string, least int64) {
	m.t.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var got struct {
			Member struct {
				Balance int64 `json:"points_balance"`
			} `json:"loyalty_member"`
		}
		if m.ask(0, m.secret, "GET", "/api/v2/loyalty/members/"+email, nil, &got); got.Member.Balance >= least {
			return
		}
	}
	m.t.Fatalf("%s never had %d points", email, least)
}

// importOrders has a batch be recorded, all but one row.
func (m *merchant) importOrders() {
	m.t.Helper()
	type answered struct {
		Job struct {
			ID    int64  `json:"id"`
			State string `json:"state"`
		} `json:"job"`
	}
	var job answered
	m.ask(200, m.secret, "POST", "/api/v2/origins/batch/purchases", map[string]any{"data": []any{
		map[string]any{"email": "ivo@shop.example", "order_number": "8901", "subtotal": 10}, map[string]any{"email": "ivo@shop.example", "order_number": "8902", "subtotal": -10}}}, &job)
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if m.ask(200, m.secret, "GET", fmt.Sprintf("/api/v2/jobs/%d", job.Job.ID), nil, &job); job.Job.State == "done" {
			return
		}
	}
	m.t.Fatalf("a batch is %s", job.Job.State)
}
