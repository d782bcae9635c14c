package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// wantAPIAccounts are what people have earned and were not paid.
func wantAPIAccounts(l *ledger) map[string]string {
	out := map[string]string{}
	earned, held := l.earned()
	for at, sum := range earned {
		if paid, err := strconv.ParseInt(l.PaidOut[at], 10, 64); err == nil {
			sum -= paid
		}
		out[at] = fmt.Sprintf("balance %d, %d held", sum, held[at])
	}
	return out
}

// accounts reads what a person has earned; who never earned has no account.
func (r *apiReader) accounts(ctx context.Context, n int, email string, id int64) {
	var got struct {
		Accounts []readAccount `json:"accounts"`
	}
	if !r.ask(ctx, n, "GET", fmt.Sprintf("/api/v2/commission_accounts/%d", id), nil, &got) {
		return
	}
	for _, a := range got.Accounts {
		r.put("accounts", email+" "+a.Currency, fmt.Sprintf("balance %d, %d held", a.Balance, a.Held))
	}
}

// pages reads a list to its end: one reads a page, and says where the next begins; nil: nowhere.
func pages(one func(n int, cursor string) *string) {
	cursor := ""
	for n := 0; ; n++ {
		next := one(n, cursor)
		if next == nil {
			return
		}
		cursor = "&cursor=" + url.QueryEscape(*next)
	}
}

// payouts pages through the batches.
func (r *apiReader) payouts(ctx context.Context) map[string]string {
	out := map[string]string{}
	pages(func(n int, cursor string) *string {
		var got struct {
			Batches []struct {
				ID     int64  `json:"id"`
				Status string `json:"status"`
			} `json:"payout_batches"`
			Next *string `json:"next_cursor"`
		}
		r.ask(ctx, n, "GET", "/api/v2/payout_batches?limit=100"+cursor, nil, &got)
		for _, b := range got.Batches {
			out[fmt.Sprint("batch ", b.ID)] = b.Status
		}
		return got.Next
	})
	return out
}

func wantAPIBudget(l *ledger) map[string]string {
	return map[string]string{tagBudget: fmt.Sprintf("%d spent, %d left", l.Spent, capBudget-l.Spent)}
}

// budget reads what is left of the limited campaign's.
func (r *apiReader) budget(ctx context.Context) map[string]string {
	var got struct {
		Limits struct {
			Spent struct {
				Amount int64 `json:"amount"`
				Left   int64 `json:"left"`
			} `json:"spent"`
		} `json:"limits"`
	}
	if !r.ask(ctx, r.ledger.Site, "GET", fmt.Sprintf("/api/v2/campaigns/%d/limits", r.shop.Campaigns[tagBudget]), nil, &got) {
		return nil
	}
	return map[string]string{tagBudget: fmt.Sprintf("%d spent, %d left", got.Limits.Spent.Amount, got.Limits.Spent.Left)}
}

func wantAPIRefused(l *ledger) map[string]string {
	count := map[string]int{}
	for _, cause := range l.Refused {
		count[cause]++
	}
	out := map[string]string{}
	for cause, n := range count {
		out[cause] = fmt.Sprint(n)
	}
	return out
}

// refused pages through the rewards that were not given, and counts them by their cause.
func (r *apiReader) refused(ctx context.Context) map[string]string {
	count, seen := map[string]int{}, map[int64]bool{}
	pages(func(n int, cursor string) *string {
		var got struct {
			Refused []struct {
				ID    int64  `json:"id"`
				Cause string `json:"cause"`
			} `json:"refused_rewards"`
			Next *string `json:"next_cursor"`
		}
		r.ask(ctx, n, "GET", "/api/v2/refused_rewards?limit=100"+cursor, nil, &got)
		for _, x := range got.Refused {
			if seen[x.ID] {
				x.Cause = "shown twice"
			}
			seen[x.ID] = true
			count[x.Cause]++
		}
		return got.Next
	})
	out := map[string]string{}
	for cause, n := range count {
		out[cause] = fmt.Sprint(n)
	}
	return out
}
