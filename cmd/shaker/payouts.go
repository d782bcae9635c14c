package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// inEUR is what dollars come to by the rate of the day, rounded half up.
func inEUR(cents int64) int64 { return (cents*toEUR + 5000) / 10000 }

// What becomes of a payout batch: Status of the op.
const (
	approveBatch = "approve"
	cancelBatch  = "cancel"
	settleBatch  = "settle"
)

// payout is the op on the wire.
func (o op) payout() (method, target string, body object) {
	body = object{}
	if o.Status == settleBatch {
		if body["rest"] = "paid"; o.Line != 0 {
			body["lines"] = []object{{"id": o.Line, "status": "failed", "reason": "closed account"}}
		}
	}
	return "POST", fmt.Sprintf("/api/v2/payout_batches/%d/%s", o.Target, o.Status), body
}

func (t *tale) batch(in, what string) op {
	o := t.keyed(t.op(kindBatch, "batch "+what), "batch-"+what)
	o.Batch = in
	return o
}

func (t *tale) payout(batch int64, step, what string) op {
	o := t.keyed(t.op(kindPayout, step+" "+what), step+"-"+what)
	o.Target, o.Status = batch, step
	return o
}

// partner signs somebody up who is paid by plans, has a friend buy, and approves it.
func (t *tale) partner(ctx context.Context) (a advocate, p op, ok bool) {
	a = t.advocate(ctx, "ann-"+t.base+"@shop.example", tagPartner)
	if a.code == "" {
		return a, p, false
	}
	p, ok = t.earns(ctx, a, "a")
	return a, p, ok && t.awaitAccount(ctx, a.email, 1)
}

// earns has a friend of a partner's buy, and approves it.
func (t *tale) earns(ctx context.Context, a advocate, what string) (op, bool) {
	p := t.friend(ctx, a, tagPartner, what)
	p.Amount += t.amount(2000)
	if t.do(ctx, p, t.at()).Outcome != yes {
		return p, false
	}
	s := t.status(p, "approved")
	s.ID += " " + what
	return p, t.do(ctx, s, t.at()).Outcome == yes
}

// awaitAccount waits until somebody has earned so much.
func (t *tale) awaitAccount(ctx context.Context, email string, least int64) bool {
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	for at := t.at(); ctx.Err() == nil; at = 1 - at {
		if all, ok := t.accounts(ctx, at, email); ok && all["EUR"].Available >= least {
			return true
		}
		wait(ctx, 50*time.Millisecond)
	}
	return false
}

// readAccount is what somebody has earned in a currency and was not paid.
type readAccount struct {
	Currency  string `json:"currency"`
	Balance   int64  `json:"balance"`
	Held      int64  `json:"held"`
	Available int64  `json:"available"`
}

// accounts reads somebody's.
func (t *tale) accounts(ctx context.Context, at int, email string) (map[string]readAccount, bool) {
	key := t.sites[t.site].Key
	var who struct {
		Result struct{ Person struct{ ID int64 } }
	}
	r := t.replicas[at].send(ctx, key, "GET", "/api/v2/people/"+url.PathEscape(email), nil, "")
	if r.status != 200 || json.Unmarshal(r.body, &who) != nil {
		return nil, false
	}
	r = t.replicas[at].send(ctx, key, "GET", fmt.Sprintf("/api/v2/commission_accounts/%d", who.Result.Person.ID), nil, "")
	var got struct {
		Result struct{ Accounts []readAccount }
	}
	if r.status != 200 || json.Unmarshal(r.body, &got) != nil {
		return nil, false
	}
	out := map[string]readAccount{}
	for _, a := range got.Result.Accounts {
		out[a.Currency] = a
	}
	return out, true
}

// partnerSells lets a friend of a partner's buy, who is approved or voided sooner or later than the refunds.
func partnerSells(ctx context.Context, t *tale) {
	p := t.friend(ctx, t.link(tagPartner), tagPartner, "a")
	t.tellOnce(ctx, p)
	late := t.rng.IntN(2) == 0
	if late {
		t.giveBack(ctx, p)
	}
	if decision := []string{"approved", "approved", "approved", "voided", ""}[t.rng.IntN(5)]; decision != "" {
		t.tellOnce(ctx, t.status(p, decision))
	}
	if !late {
		t.giveBack(ctx, p)
	}
}

// partnersArePaid pays all who have earned something, and takes some of it back: that is taken off the next time. What is held is not paid.
func partnersArePaid(ctx context.Context, t *tale) {
	a, p, ok := t.partner(ctx)
	if !ok {
		return
	}
	if held := t.tellOnce(ctx, t.batch("GBP", "held")); held.Outcome == yes {
		t.tally.violate("what is on hold is not paid", "there is a batch of it", held.String())
	}
	if !t.payAll(ctx, "a", t.rng.IntN(4)) {
		return
	}
	t.tellOnce(ctx, t.refund(p, []int64{0, p.Amount / 2}[t.rng.IntN(2)], "paid"))
	if _, ok := t.earns(ctx, a, "b"); ok && t.awaitAccount(ctx, a.email, 1) {
		t.payAll(ctx, "b", t.rng.IntN(4))
	}
}

// payAll makes a batch, approves it, and tells what became of it by the dice: paid, one failed, cancelled.
func (t *tale) payAll(ctx context.Context, what string, dice int) bool {
	made := t.tellOnce(ctx, t.batch("EUR", what))
	if made.Outcome != yes { // another story's has all of it
		return false
	}
	if dice == 0 {
		t.tellOnce(ctx, t.payout(made.Made, cancelBatch, what))
		return false
	}
	t.tellOnce(ctx, t.payout(made.Made, approveBatch, what))
	settle := t.payout(made.Made, settleBatch, what)
	if line := t.list(ctx, made.Made); dice == 1 {
		settle.Line = line
	}
	paid := t.tellOnce(ctx, settle).Outcome == yes
	if paid { // too late
		t.do(ctx, t.payout(made.Made, cancelBatch, what+"-late"), t.at())
	}
	return paid
}

// list compares a batch's list with its lines, and returns the first of them; 0 if they could not be read.
func (t *tale) list(ctx context.Context, batch int64) int64 {
	path, at := fmt.Sprintf("/api/v2/payout_batches/%d/", batch), t.at()
	var got struct {
		Result struct {
			Lines []struct {
				ID     int64 `json:"id"`
				Amount int64 `json:"amount"`
			} `json:"payout_lines"`
			Next *string `json:"next_cursor"`
		} `json:"result"`
	}
	r := t.replicas[at].send(ctx, t.sites[t.site].Key, "GET", path+"lines?limit=100", nil, "")
	if r.status != 200 || json.Unmarshal(r.body, &got) != nil || len(got.Result.Lines) == 0 {
		return 0
	}
	listed := t.replicas[1-at].send(ctx, t.sites[t.site].Key, "GET", path+"csv", nil, "")
	rows, err := csv.NewReader(strings.NewReader(string(listed.body))).ReadAll()
	if listed.status != 200 || err != nil { // cut off by a fault
		return got.Result.Lines[0].ID
	}
	if got.Result.Next == nil && len(rows) != len(got.Result.Lines)+1 {
		t.tally.violate("the list of a payout has all its lines", fmt.Sprintf("batch %d of site %d: %d rows, %d lines", batch, t.site, len(rows)-1, len(got.Result.Lines)))
	}
	t.tally.reach("lists of payouts", 1)
	return got.Result.Lines[0].ID
}

// payoutDuels race for what partners have earned.
var payoutDuels = []duel{
	{"payouts against a refund of all", 1, 3, func(ctx context.Context, t *tale) []op {
		_, p, ok := t.partner(ctx)
		if !ok {
			return nil
		}
		return []op{t.batch("EUR", "a"), t.refund(p, 0, "a"), t.batch("EUR", "b")}
	}},
	{"a payout is settled, and cancelled", 1, 1, func(ctx context.Context, t *tale) []op {
		a := t.advocate(ctx, "ann-"+t.base+"@shop.example", tagPartner)
		for _, what := range []string{"a", "b", "c", "d"} { // another story's batch may be quicker
			if a.code == "" {
				return nil
			} else if _, ok := t.earns(ctx, a, what); !ok || !t.awaitAccount(ctx, a.email, 1) {
				continue
			}
			made := t.do(ctx, t.batch("EUR", what), t.at())
			if made.Outcome == yes && t.do(ctx, t.payout(made.Made, approveBatch, what), t.at()).Outcome == yes {
				return []op{t.payout(made.Made, settleBatch, what), t.payout(made.Made, cancelBatch, what)}
			}
		}
		return nil
	}},
}

// payOut takes in what became of a batch.
func (l *ledger) payOut(one *life) {
	if one.Kind == kindBatch {
		for _, a := range one.tries {
			if a.Outcome == yes && l.Batches[a.Made] == "" {
				l.Batches[a.Made] = "draft"
			}
		}
		return
	}
	was := l.Batches[one.Target]
	now := map[string]string{approveBatch: "approved", cancelBatch: "cancelled", settleBatch: "done"}[one.Status]
	switch {
	case was == "done" && now == "cancelled" || was == "cancelled" && now == "done":
		l.Wrong = append(l.Wrong, fmt.Sprintf("batch %d is %s and %s: %s", one.Target, was, now, one.ID))
	case now != "approved" || was != "done" && was != "cancelled":
		l.Batches[one.Target] = now
	}
}

// wantPayouts are the batches that were made, as they are now.
func wantPayouts(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for id, status := range l.Batches {
		out[fmt.Sprint("batch ", id)] = status
	}
	return out
}

// earned is what people have earned, by e-mail address and currency, whether or not it was paid; and what of it is on hold.
func (l *ledger) earned() (earned, held map[string]int64) {
	earned, held = map[string]int64{}, map[string]int64{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			for _, g := range l.gifts(r, o) {
				if g.Kind != "commission" {
					continue
				}
				at := r.Advocate + " " + g.Currency
				if earned[at] += g.Value - g.Clawed; g.Currency == "GBP" {
					held[at] += g.Value - g.Clawed
				}
			}
			for _, g := range l.again(r, o) {
				earned[r.Advocate+" "+g.Currency] += g.Value - g.Clawed
			}
		}
	}
	return earned, held
}

func wantAccounts(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	earned, held := l.earned()
	for at, sum := range earned {
		out[at] = fmt.Sprintf("%d earned, %d held", sum, held[at])
	}
	return out
}

const (
	payoutsSQL  = `select 'batch ' || b.id as name, b.status as value from referral.payout_batch b where b.site_id = $1`
	accountsSQL = `
		select p.email || ' ' || a.currency as name, a.balance + coalesce((
				select sum(l.amount) from referral.payout_line l join referral.payout_batch b on b.site_id = l.site_id and b.id = l.batch_id
				where l.site_id = a.site_id and l.person_id = a.person_id and b.currency = a.currency and l.status = 'paid'), 0)
			|| ' earned, ' || a.held || ' held' as value
		from referral.account a join customer.person p on p.site_id = a.site_id and p.id = a.person_id where a.site_id = $1`
	paidSQL = `
		select o.number || ' ' || c.currency as name, 'paid' as value from referral.payout_entry x
		join referral.payout_line l on l.site_id = x.site_id and l.id = x.line_id and l.status = 'paid'
		join referral.account_entry e on e.site_id = x.site_id and e.id = x.entry_id and e.kind = 'earned'
		join referral.commission c on c.site_id = e.site_id and c.id = e.commission_id
		join customer.origin o on o.site_id = c.site_id and o.id = c.origin_id
		where x.site_id = $1 and x.live
		union all
		select p.email || ' ' || b.currency, sum(l.amount)::text from referral.payout_line l
		join referral.payout_batch b on b.site_id = l.site_id and b.id = l.batch_id
		join customer.person p on p.site_id = l.site_id and p.id = l.person_id
		where l.site_id = $1 and l.status = 'paid' group by p.email, b.currency`
)
