package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const readers = 12

// apiReader reads everything of a site once more through the public API, so that a right database behind a wrong API is seen.
type apiReader struct {
	shop     shop
	ledger   *ledger
	replicas [2]*replica

	mu      sync.Mutex
	got     map[string]map[string]string // check, name, value
	bad     []string
	holders map[string]string // of coupons that one may hold
	twice   []string
}

func (r *apiReader) put(check, name, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got[check] == nil {
		r.got[check] = map[string]string{}
	}
	r.got[check][name] = value
}

// ask reads path into result, from either replica in turns. It says no when the answer is a refusal.
func (r *apiReader) ask(ctx context.Context, n int, method, path string, body, result any) bool {
	a := r.replicas[n%len(r.replicas)].send(ctx, r.shop.Key, method, path, body, "")
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	err := a.err
	if err == nil && a.status < 300 {
		if err = json.Unmarshal(a.body, &answer); err == nil && answer.Result != nil {
			err = json.Unmarshal(answer.Result, result)
		}
	} else if err == nil && a.status >= 500 {
		err = fmt.Errorf("%d %s", a.status, a.body)
	}
	if err != nil {
		r.mu.Lock()
		r.bad = append(r.bad, fmt.Sprintf("%s %s: %v", method, path, err))
		r.mu.Unlock()
	}
	return err == nil && a.status < 300
}

type readPerson struct {
	Person struct {
		ID        int64            `json:"id"`
		Events    int64            `json:"events_count"`
		Referrals map[string]int64 `json:"referral_counts"`
		Rewards   map[string]int64 `json:"reward_counts"`
		By        *string          `json:"referred_by"`
	} `json:"person"`
}

type readMember struct {
	Member struct {
		Balance int64 `json:"points_balance"`
		Earned  int64 `json:"points_earned"`
	} `json:"loyalty_member"`
}

type readEntries struct {
	Entries []struct {
		Seq     int64 `json:"seq"`
		Points  int64 `json:"points"`
		Balance int64 `json:"balance"`
	} `json:"entries"`
	Next *string `json:"next_cursor"`
}

type readReferral struct {
	Referral *struct {
		Status   string      `json:"status"`
		Subtotal json.Number `json:"referred_subtotal"`
		Advocate struct {
			Email string `json:"email"`
		} `json:"advocate_person"`
		Rewards []struct {
			Status string      `json:"status"`
			Points *int64      `json:"points"`
			Amount json.Number `json:"amount"`
		} `json:"advocate_rewards"`
	} `json:"referral"`
}

type readOrder struct {
	Origin struct {
		Email    string       `json:"email"`
		Subtotal json.Number  `json:"subtotal"`
		Refunded *json.Number `json:"refund_subtotal"`
	} `json:"origin"`
}

func (r *apiReader) person(ctx context.Context, n int, email string) {
	slug := url.PathEscape(email)
	var p readPerson
	if r.ask(ctx, n, "GET", "/api/v2/people/"+slug, nil, &p) {
		by := ""
		if p.Person.By != nil {
			by = *p.Person.By
		}
		r.put("people", email, fmt.Sprintf("%d events, referrals %d (%d approved, %d pending), rewards %d (%d paid, %d unpaid), referred by %q", p.Person.Events,
			p.Person.Referrals["total"], p.Person.Referrals["approved"], p.Person.Referrals["pending"],
			p.Person.Rewards["total"], p.Person.Rewards["paid"], p.Person.Rewards["unpaid"], by))
		r.accounts(ctx, n+1, email, p.Person.ID)
	}
	var m readMember
	if !r.ask(ctx, n+1, "GET", "/api/v2/loyalty/members/"+slug, nil, &m) {
		return // no member
	}
	r.put("members", email, fmt.Sprintf("%d points, earned %d", m.Member.Balance, m.Member.Earned))
	var sum, top, count int64
	cursor := ""
	for page := 0; ; page++ {
		var e readEntries
		if !r.ask(ctx, n+page, "GET", "/api/v2/loyalty/members/"+slug+"/entries?limit=100"+cursor, nil, &e) {
			return
		}
		for i, one := range e.Entries {
			if page == 0 && i == 0 {
				top = one.Balance
			}
			sum, count = sum+one.Points, count+1
			if i > 0 && one.Seq != e.Entries[i-1].Seq-1 {
				r.put("entries", email+" gap", fmt.Sprint("after entry ", one.Seq))
			}
		}
		if e.Next == nil {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(*e.Next)
	}
	r.put("entries", email, fmt.Sprintf("%d points in all, %d after the last", sum, top))
}

// messages pages through the whole list, which is read while nothing is added to it.
func (r *apiReader) messages(ctx context.Context) map[string]string {
	seen, byStatus := map[int64]bool{}, map[string]int{}
	cursor := ""
	for page := 0; ; page++ {
		var got struct {
			Messages []struct {
				ID     int64  `json:"id"`
				Status string `json:"status"`
			} `json:"messages"`
			Next *string `json:"next_cursor"`
		}
		if !r.ask(ctx, page, "GET", "/api/v2/messages?limit=100"+cursor, nil, &got) {
			break
		}
		for _, m := range got.Messages {
			if !seen[m.ID] {
				byStatus[m.Status]++
			} else {
				byStatus["shown twice"]++
			}
			seen[m.ID] = true
		}
		if got.Next == nil {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(*got.Next)
	}
	out := map[string]string{}
	for status, n := range byStatus {
		out[status] = fmt.Sprint(n)
	}
	return out
}

// order is read by telling it once more, which changes nothing, and its referral by setting the status that it has.
func (r *apiReader) order(ctx context.Context, n int, o *order, status string) {
	var got readOrder
	again := op{Kind: kindPurchase, Email: o.Email, Order: o.Number, Amount: o.Amount, Code: o.Code}
	method, path, body := again.request()
	if r.ask(ctx, n, method, path, body, &got) {
		refunded := "0.00"
		if got.Origin.Refunded != nil {
			refunded = got.Origin.Refunded.String()
		}
		r.put("orders", o.Number, fmt.Sprintf("%s %s refunded %s", got.Origin.Email, got.Origin.Subtotal, refunded))
	}
	var ref readReferral
	if !r.ask(ctx, n+1, "PUT", "/api/v2/origins/"+o.Number+"/referral", object{"data": object{"status": status}}, &ref) || ref.Referral == nil {
		return
	}
	text := fmt.Sprintf("%s %s %s", ref.Referral.Advocate.Email, ref.Referral.Status, ref.Referral.Subtotal)
	var gifts []string
	for _, w := range ref.Referral.Rewards {
		value := w.Amount.String()
		if w.Points != nil {
			value = fmt.Sprint(*w.Points, " points")
		}
		gifts = append(gifts, value+" "+w.Status)
	}
	slices.Sort(gifts)
	r.put("referrals", o.Number, fmt.Sprint(text, " ", gifts))
}

func (r *apiReader) visitor(ctx context.Context, n int, v *visits) {
	var got struct {
		Rewards []struct {
			Reason string  `json:"reason"`
			Code   *string `json:"coupon_code"`
		} `json:"rewards"`
	}
	if !r.ask(ctx, n, "GET", "/api/v2/rewards?visitor_uuid="+v.Visitor, nil, &got) {
		return
	}
	var codes []string
	for _, w := range got.Rewards {
		if w.Reason == "click" && w.Code != nil {
			codes = append(codes, *w.Code)
		}
	}
	switch {
	case len(codes) == 0:
	case v.Campaign == tagGift && len(codes) == 1:
		r.holds(codes[0], v.Visitor)
	default:
		r.put("coupons of visitors", v.Visitor, strings.Join(codes, " "))
	}
}

// checkAPI reads everything of one site with its key and compares.
func checkAPI(ctx context.Context, w *world, l *ledger) *checks {
	r := &apiReader{shop: w.sites[l.Site], ledger: l, replicas: w.replicas, got: map[string]map[string]string{}}
	statuses := map[string]string{}
	for _, ref := range l.Referrals {
		for _, o := range ref.Orders {
			statuses[o.Number] = ref.status(o)
		}
	}
	var jobs []func(n int)
	for _, email := range slices.Sorted(maps.Keys(l.People)) {
		jobs = append(jobs, func(n int) { r.person(ctx, n, email) })
	}
	for _, email := range slices.Sorted(maps.Keys(wantRedemptions(l, nil))) {
		jobs = append(jobs, func(n int) { r.spent(ctx, n, email) })
	}
	for _, number := range slices.Sorted(maps.Keys(l.Orders)) {
		if !l.Orders[number].Verified {
			continue
		}
		status := statuses[number]
		if status == "" {
			status = "approved" // of no referral: there is nothing to approve
		}
		jobs = append(jobs, func(n int) { r.order(ctx, n, l.Orders[number], status) })
	}
	for _, visitor := range slices.Sorted(maps.Keys(l.Visits)) {
		if v := l.Visits[visitor]; v.Sure > 0 {
			jobs = append(jobs, func(n int) { r.visitor(ctx, n, v) })
		}
	}
	next := make(chan int)
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for n := range next {
				jobs[n](n)
			}
		})
	}
	for n := range jobs {
		next <- n
	}
	close(next)
	all.Wait()
	c := &checks{}
	c.compare("API: people", l.Site, wantAPIPeople(l), r.got["people"])
	c.compare("API: members", l.Site, wantMembers(l, nil), r.got["members"])
	c.compare("API: entries", l.Site, wantAPIEntries(l), r.got["entries"])
	c.compare("API: orders", l.Site, wantAPIOrders(l), r.got["orders"])
	c.compare("API: referrals", l.Site, wantAPIReferrals(l), r.got["referrals"])
	c.compare("API: coupons of visitors", l.Site, wantCoupons(l, nil), r.got["coupons of visitors"])
	c.compare("API: redemptions", l.Site, wantRedemptions(l, nil), r.got["redemptions"])
	c.compare("API: coupons of redemptions", l.Site, wantAPIStock(l), r.lists(ctx))
	c.add(fmt.Sprintf("API: a coupon has one holder, site %d", l.Site), fmt.Sprintf("%d held by visitors", len(r.holders)), r.twice)
	c.compare("API: accounts", l.Site, wantAPIAccounts(l), r.got["accounts"])
	c.compare("API: payouts", l.Site, wantPayouts(l, nil), r.payouts(ctx))
	c.compare("API: budget", l.Site, wantAPIBudget(l), r.budget(ctx))
	c.compare("API: refused rewards", l.Site, wantAPIRefused(l), r.refused(ctx))
	c.compare("API: messages", l.Site, wantAPIMessages(l), r.messages(ctx))
	c.compare("API: metrics", l.Site, wantMetrics(l), r.metrics(ctx))
	c.add(fmt.Sprintf("API: answers when nothing is wrong, site %d", l.Site), fmt.Sprintf("%d things read", len(jobs)), r.bad)
	return c
}
