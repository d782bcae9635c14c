package main

import (
	"context"
	"fmt"
	"net/url"
)

// spent reads what a member spent points on.
func (r *apiReader) spent(ctx context.Context, n int, email string) {
	var got struct {
		Actions []struct {
			Points int64   `json:"points"`
			Status *string `json:"status"`
		} `json:"actions"`
	}
	if !r.ask(ctx, n, "GET", "/api/v2/loyalty/members/"+url.PathEscape(email)+"/redeem_actions?limit=100", nil, &got) || len(got.Actions) == 0 {
		return
	}
	var spent int64
	cancelled := 0
	for _, a := range got.Actions {
		if spent -= a.Points; a.Status != nil && *a.Status == "cancelled" {
			cancelled++
		}
	}
	r.put("redemptions", email, fmt.Sprintf("%d of %d points, %d cancelled", len(got.Actions), spent, cancelled))
}

// lists reads the stock of the coupon lists.
func (r *apiReader) lists(ctx context.Context) map[string]string {
	var got struct {
		Lists []struct {
			Name    string `json:"name"`
			Total   int64  `json:"total"`
			Issued  int64  `json:"issued"`
			Waiting int64  `json:"waiting"`
		} `json:"coupon_lists"`
	}
	out := map[string]string{}
	if r.ask(ctx, 0, "GET", "/api/v2/coupon_lists?limit=100", nil, &got) {
		for _, l := range got.Lists {
			if l.Name != tagGift && l.Name != ownCodes {
				out[l.Name] = stocked(l.Total, l.Issued < l.Total && l.Waiting > 0)
			}
		}
	}
	return out
}

// holds takes note of a coupon that only one may hold.
func (r *apiReader) holds(code, visitor string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holders == nil {
		r.holders = map[string]string{}
	}
	if other, held := r.holders[code]; held {
		r.twice = append(r.twice, fmt.Sprintf("%s is held by %s and %s", code, other, visitor))
	}
	r.holders[code] = visitor
}
