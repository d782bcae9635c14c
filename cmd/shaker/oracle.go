package main

import (
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
	Stock     map[string]int // coupons that came, by their batch
	Undecided []string
	Wrong     []string          // what contradicts itself in the history already
	Outside   map[string]string // numbers that follow from no answer, as the tables have them
}

type order struct {
	Number, Email string
	Amount        int64
	Visitor       string
	Verified      bool             // the shop's server said so
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
	Advocate, Friend, Campaign string
	Orders                     []*order
}

// expect builds a site's ledger.
func expect(all []*life, site int) *ledger {
	l := &ledger{Site: site, Orders: map[string]*order{}, People: map[string]*person{}, Visits: map[string]*visits{}, Referrals: map[string]*referral{},
		Stock: map[string]int{}}
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
				switch a.Outcome {
				case yes:
					v.Sure++
				case unknown:
					v.Unsure++
				}
			}
			l.Visits[one.Visitor] = v
		case kindPurchase:
			l.buy(one)
		case kindAdjust, kindRedeem, kindCancel:
			l.spend(one)
		case kindStock:
			l.Stock[one.Batch] += int(one.Amount)
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
		p = &person{Email: email, SignUps: map[string]bool{}, Adjusted: map[string]int64{}, Redeemed: map[string]redemption{}, Cancelled: map[int64]int64{}}
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
	o := &order{Verified: !one.Public, Number: one.Order, Email: one.Email, Amount: one.Amount, Visitor: one.Visitor, Refunds: map[string]int64{},
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

// refer finds who was referred: the buyer's browser had opened an advocate's link. A friend is referred once in a campaign.
func (l *ledger) refer() {
	for _, o := range l.Orders {
		v := l.Visits[o.Visitor]
		if v == nil || v.Sure == 0 || !o.Verified {
			continue
		}
		r := l.Referrals[o.Email]
		if r == nil {
			r = &referral{Advocate: v.Advocate, Friend: o.Email, Campaign: v.Campaign}
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
	case r.Campaign == tagAuto || o.statuses["approved"] == yes:
		return "approved"
	case o.statuses["voided"] == yes || o.refunded() == o.Amount:
		return "voided"
	}
	return "pending"
}

// gift is an advocate's reward for one referral.
type gift struct {
	Kind          string
	Value, Clawed int64
	Status        string
}

// gifts are what an approved referral earned and what refunds took back, computed from the order by schoolbook fractions.
func (r *referral) gifts(o *order) []gift {
	if r.status(o) != "approved" {
		return nil
	}
	points, percent := int64(pointsAuto), int64(percentAuto)
	if r.Campaign == tagManual {
		points, percent = pointsManual, percentManual
	}
	out := []gift{{Kind: "points", Value: points, Status: "Paid"}}
	if c := (o.Amount*percent + 50) / 100; c > 0 { // half a cent is rounded up
		out = append(out, gift{Kind: "commission", Value: c, Status: "Unpaid"})
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
