package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// What somebody is given by hand, and of what some is taken again while it is paid out: cents.
const (
	givenByHand   = 5000
	takenByHand   = 1200
	takenMeantime = 800
)

// isPaid gives somebody money by hand, told twice with one key, and pays it out by one of two payouts, while some of it is taken again: what was paid and
// what is left, or owed, is what was given.
func isPaid(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	p := newHomePerson(fmt.Sprintf("paid-%d", n))
	out := []*homePerson{p}
	p.points, p.stars, p.orders = homeDollars, homeDollars, 1
	if _, err := p.buys(ctx, w, fmt.Sprintf("paid-%d", n)); err != nil {
		return out, err
	}
	var who struct {
		Result struct{ Person struct{ ID int64 } }
	}
	if err := w.ask(ctx, w.home.shop, "GET", "/api/v2/people/"+p.email, nil, "", &who); err != nil {
		return out, err
	}
	account := fmt.Sprintf("/api/v2/commission_accounts/%d", who.Result.Person.ID)
	adjust := func(cents int64, key string) wish {
		return wish{"POST", account + "/adjustments", object{"amount": cents, "currency": currency, "note": "By the checker"}, fmt.Sprintf("adjust-%s-%d", key, n)}
	}
	given := adjust(givenByHand, "given")
	if _, err := w.race(ctx, w.home.shop, "money given by two who mean the same", 3, 3, given, given, adjust(-takenByHand, "taken")); err != nil {
		return out, err
	}
	pay := func(key string) wish {
		return wish{"POST", "/api/v2/payout_batches", object{"currency": currency}, fmt.Sprintf("payout-%s-%d", key, n)}
	}
	answers, err := w.race(ctx, w.home.shop, "two payouts while money is taken again", 2, 2, pay("1"), pay("2"), adjust(-takenMeantime, "meantime"))
	if err != nil {
		return out, err
	}
	var made struct {
		Result struct {
			Batch struct {
				ID     int64
				Amount int64
			} `json:"payout_batch"`
		}
	}
	if err := json.Unmarshal(answers[winner(answers)].body, &made); err != nil {
		return out, err
	}
	step := func(how string, body object, key string) wish {
		return wish{"POST", fmt.Sprintf("/api/v2/payout_batches/%d/%s", made.Result.Batch.ID, how), body, fmt.Sprintf("%s-%s-%d", how, key, n)}
	}
	if _, err := w.done(ctx, w.home.shop, step("approve", object{}, "1")); err != nil {
		return out, err
	}
	settled := object{"rest": "paid"}
	if _, err := w.race(ctx, w.home.shop, "a payout settled by two", 1, 2, step("settle", settled, "1"), step("settle", settled, "2")); err != nil {
		return out, err
	}
	var left struct {
		Result struct{ Accounts []readAccount }
	}
	if err := w.ask(ctx, w.home.shop, "GET", account, nil, "", &left); err != nil {
		return out, err
	}
	want := readAccount{Currency: currency, Balance: givenByHand - takenByHand - takenMeantime - made.Result.Batch.Amount}
	want.Available = want.Balance
	if all := left.Result.Accounts; len(all) != 1 || all[0] != want {
		w.tally.violate("what was given is what was paid and what is left", "an answer", fmt.Sprintf("%s: %+v, want %+v", p.email, all, want))
	}
	w.tally.reach("people paid", 1)
	return out, nil
}
