package main

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
)

// ledger is what the platform must hold when everything is over, computed from the history alone. All is by site.
type ledger struct {
	Site      int
	Orders    map[string]*order
	People    map[string]*person // by e-mail address
	Visits    map[string]*visits // by visitor
	Referrals map[string]*referral
	Stock     map[string]int      // coupons that came, by their batch
	Claims    map[string]*claimed // by the friend's e-mail address
	Batches   map[int64]string    // states of payout batches
	Undecided []string
	Wrong     []string // what contradicts itself in the history already

	// What follows from no answer, as the tables have it.
	Outside map[string]string
	Coupons map[string]string // of those who claimed, by e-mail address; "": it waits
	Refused map[string]string // why a referral of an order is not rewarded
	Spent   int64             // of the budget
	Granted map[string]string // what a month's cap left of an order's commission
	PaidOut map[string]string // commissions that were paid, by order and currency, and what people were paid, by e-mail address and currency
}

type order struct {
	Number, Email string
	Amount        int64
	Visitor       string
	Verified      bool             // the shop's server said so
	Code, CodeOf  string           // that it came with, and its advocate
	Refunds       map[string]int64 // by key, as answered; 0: all that was left
	statuses      map[string]outcome
	told          int64
}

type person struct {
	Email   string
	SignUps map[string]bool // campaigns
	Orders  []*order

	Adjusted  map[string]int64      // by key
	Redeemed  map[string]redemption // by key
	Cancelled map[int64]int64       // points by redemption
	Passed    map[string]int64      // given to others, below zero, or got from them; and what was held: by key
	Released  map[int64]int64       // points by hold
}

// inOrder are somebody's orders as they were first told.
func (p *person) inOrder() []*order {
	return slices.SortedFunc(slices.Values(p.Orders), func(a, b *order) int { return cmp.Compare(a.told, b.told) })
}

// bought are the orders that count.
func (p *person) bought() (n int) {
	for _, o := range p.Orders {
		if o.Verified {
			n++
		}
	}
	return n
}

type visits struct {
	Visitor, Advocate, Campaign string
	Sure, Unsure                int // attempts that were, and that may have been, recorded
}

// referral is one that must be; of which order, the platform may choose where several of one friend came at once.
type referral struct {
	Site                       int
	Advocate, Friend, Campaign string
	Orders                     []*order
}

// expect builds a site's ledger.
func expect(all []*life, site int) *ledger {
	l := &ledger{Site: site, Orders: map[string]*order{}, People: map[string]*person{}, Visits: map[string]*visits{}, Referrals: map[string]*referral{},
		Stock: map[string]int{}, Claims: map[string]*claimed{}, Batches: map[int64]string{}}
	for _, one := range all {
		if one.Site == site && one.fate() == unknown {
			l.Undecided = append(l.Undecided, one.ID)
		}
		if one.Site != site || one.fate() != yes && one.Kind != kindVisit && one.Kind != kindStatus {
			continue
		}
		switch one.Kind {
		case kindSignUp:
			l.person(one.Email).SignUps[one.Campaign] = true
		case kindVisit:
			v := &visits{Visitor: one.Visitor, Advocate: one.Advocate, Campaign: one.Campaign}
			for _, a := range one.tries {
				switch {
				case a.Outcome == yes && !one.Page: // a page is shown though the visit is lost
					v.Sure++
				case a.Outcome == yes || a.Outcome == unknown:
					v.Unsure++
				}
			}
			l.Visits[one.Visitor] = v
		case kindPurchase:
			l.buy(one)
		case kindAdjust, kindRedeem, kindCancel, kindGive, kindHold, kindEnd:
			l.spend(one)
		case kindStock:
			l.Stock[one.Batch] += int(one.Amount)
		case kindClaim, kindView:
			l.claim(one)
		case kindBatch, kindPayout:
			l.payOut(one)
		case kindHostile:
			l.Wrong = append(l.Wrong, "nonsense was taken: "+one.ID)
		}
	}
	for _, one := range all { // after their orders: a refund may have been answered before its purchase was
		if one.Site != site || one.Kind != kindRefund && one.Kind != kindStatus {
			continue
		}
		o := l.Orders[one.Order]
		switch {
		case o == nil && one.fate() == yes:
			l.Wrong = append(l.Wrong, "answered yes, of an order that was refused: "+one.ID)
		case o != nil && one.Kind == kindRefund && one.fate() == yes:
			o.Refunds[one.Key] = one.Amount
		case o != nil && one.Kind == kindStatus:
			o.statuses[one.Status] = one.fate()
		}
	}
	l.refer()
	return l
}

func (l *ledger) person(email string) *person {
	p := l.People[email]
	if p == nil {
		p = &person{Email: email, SignUps: map[string]bool{}, Adjusted: map[string]int64{}, Redeemed: map[string]redemption{}, Cancelled: map[int64]int64{},
			Passed: map[string]int64{}, Released: map[int64]int64{}}
		l.People[email] = p
	}
	return p
}

func (l *ledger) buy(one *life) {
	if o := l.Orders[one.Order]; o != nil {
		o.told = min(o.told, one.began())
		switch {
		case one.Public: // the server's word stands
			o.browsers(one.Visitor)
			return
		case !o.Verified:
			o.Verified, o.Amount = true, one.Amount
			o.browsers(one.Visitor)
			return
		}
		if o.Amount != one.Amount || o.Email != one.Email {
			l.Wrong = append(l.Wrong, fmt.Sprintf("order %s was taken with %d and with %d: %s", one.Order, o.Amount, one.Amount, one.ID))
		}
		return
	}
	o := &order{Verified: !one.Public, Code: one.Code, CodeOf: one.Advocate, Number: one.Order, Email: one.Email, Amount: one.Amount, Visitor: one.Visitor, Refunds: map[string]int64{},
		statuses: map[string]outcome{}, told: one.began()}
	l.Orders[one.Order] = o
	p := l.person(one.Email)
	p.Orders = append(p.Orders, o)
}

// browsers takes in a browser that an order was made with.
func (o *order) browsers(visitor string) {
	if o.Visitor == "" {
		o.Visitor = visitor
	}
}

// touch is by whose offer somebody came to order: by the code in the order, else by the link that the browser had opened, else by what the
// buyer had claimed.
func (l *ledger) touch(o *order) (advocate, campaign string) {
	if o.CodeOf != "" {
		return o.CodeOf, tagCode
	}
	if v := l.Visits[o.Visitor]; v != nil && v.Sure > 0 {
		return v.Advocate, v.Campaign
	}
	if c := l.Claims[o.Email]; c != nil && c.Advocate != o.Email {
		return c.Advocate, tagClaim
	}
	return "", ""
}

// refer finds who was referred. A friend is referred once in a campaign.
func (l *ledger) refer() {
	for _, o := range l.Orders {
		advocate, campaign := l.touch(o)
		if advocate == "" || !o.Verified {
			continue
		}
		r := l.Referrals[o.Email]
		if r == nil {
			r = &referral{Site: l.Site, Advocate: advocate, Friend: o.Email, Campaign: campaign}
			l.Referrals[o.Email] = r
		}
		r.Orders = append(r.Orders, o)
	}
	for _, r := range l.Referrals {
		slices.SortFunc(r.Orders, func(a, b *order) int { return int(a.told - b.told) })
	}
}

// refunded is how much of an order went back.
func (o *order) refunded() int64 {
	var sum int64
	for _, amount := range o.Refunds {
		if amount == 0 {
			return o.Amount
		}
		sum += amount
	}
	return sum
}

// status is what the referral of an order must be.
func (r *referral) status(o *order) string {
	switch {
	case r.Advocate == r.Friend:
		return "blocked"
	case !promises[r.Campaign].manual || o.statuses["approved"] == yes:
		return "approved"
	case o.statuses["voided"] == yes || o.refunded() == o.Amount:
		return "voided"
	}
	return "pending"
}

// gift is an advocate's reward for one referral.
type gift struct {
	Kind, Currency string
	Value, Clawed  int64
	Status         string
}

// gifts are what an approved referral earned and what refunds took back, computed from the order by schoolbook fractions. Which of those
// that a limit or a budget had no room for were refused, and what was paid out by now, the platform may choose: see checkCaps, and accounts.
func (l *ledger) gifts(r *referral, o *order) []gift {
	if r.status(o) != "approved" || l.Refused[o.Number] != "" {
		return nil
	}
	p := promises[r.Campaign]
	var out []gift
	if p.points > 0 {
		out = append(out, gift{Kind: "points", Value: p.points, Status: "Paid"})
	}
	commission := func(in string, value int64) {
		status := "Unpaid"
		if l.PaidOut[o.Number+" "+in] != "" {
			status = "Paid"
		}
		if value > 0 {
			out = append(out, gift{Kind: "commission", Currency: in, Value: value, Status: status})
		}
	}
	commission(currency, (o.Amount*p.percent+50)/100) // half a cent is rounded up
	if p.plans {
		commission("EUR", inEUR((o.Amount*planPercent(r.Site)+50)/100)+planPerOrder)
		commission("GBP", heldPence)
	}
	if p.repeats {
		commission(currency, again(o.Amount, 0))
		commission(francs, l.granted(o))
	}
	for i := range out {
		out[i].Clawed = share(out[i].Value, o.refunded(), o.Amount)
		if out[i].Clawed == out[i].Value {
			out[i].Status = "Voided"
		}
	}
	return out
}

// share is how much of total a part of whole stands for, rounded down.
func share(total, part, whole int64) int64 {
	if part == whole {
		return total
	}
	n := new(big.Int).Mul(big.NewInt(total), big.NewInt(part))
	return n.Quo(n, big.NewInt(whole)).Int64()
}

// points are what the order itself earned its buyer, and how much of it went back.
func (o *order) points() (earned, back int64) {
	if !o.Verified {
		return 0, 0
	}
	earned = o.Amount / 100
	return earned, share(earned, o.refunded(), o.Amount)
}

// chosen is the order of which the platform made the referral, among those that it may.
func (r *referral) chosen(made map[string]bool) *order {
	for _, o := range r.Orders {
		if made[o.Number] {
			return o
		}
	}
	return r.Orders[0]
}
