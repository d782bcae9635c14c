package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// What members are given for, and what they pay with, beside what households do.
const (
	greeting        = "hello" // an action that counts so often, ever
	greetings       = 2
	greetingGift    = 15
	payStep         = 10 // points, each step of which pays a dollar
	payPoints       = 40
	payTimes        = 2 // that a member may pay so, ever
	heldPoints      = 20
	restoredAtATime = 12 // of what was held and committed: once, not twice
)

// makeCheckout makes the action, and the payment by points.
func (w *world) makeCheckout(ctx context.Context, programme int64) (err error) {
	if _, err = w.create(ctx, w.home.shop, fmt.Sprintf("/api/v2/loyalty/programs/%d/action_configs", programme), "action_config",
		object{"identifier": greeting, "name": "Says hello", "points": greetingGift, "member_limit": greetings, "period": "ever"}); err != nil {
		return err
	}
	w.home.payment, err = w.create(ctx, w.home.shop, fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme), "redemption_batch",
		object{"description": "Part of an order", "kind": "payment", "points_cost": payStep, "terms": object{"amount": 100, "currency": currency,
			"limits": []object{{"of": "member", "per": "ever", "times": payTimes}}}})
	return err
}

// checksOut has somebody do what earns points more often than it counts, pay with points more often than the limit has room, think again of one payment, and
// hold points for about as long as their hold lasts.
func checksOut(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	p := newHomePerson(fmt.Sprintf("checkout-%d", n))
	out := []*homePerson{p}
	p.points, p.stars, p.orders = homeDollars, homeDollars, 1
	if _, err := p.buys(ctx, w, fmt.Sprintf("checkout-%d", n)); err != nil {
		return out, err
	}
	if err := p.awaits(ctx, w); err != nil {
		return out, err
	}
	for _, step := range []func(context.Context, *world) error{p.saysHello, p.pays, p.holdsUntil} {
		if err := step(ctx, w); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (p *homePerson) wants(target string, body object, key string) wish {
	return wish{"POST", p.at(target), body, key + "-" + p.email}
}

func (p *homePerson) saysHello(ctx context.Context, w *world) error {
	var wishes []wish
	for i := range greetings + 2 {
		wishes = append(wishes, p.wants("/collect_actions", object{"data": object{"type": greeting}}, fmt.Sprint("hello-", i)))
	}
	answers, err := w.race(ctx, w.home.shop, "an action that counts twice, told four times", len(wishes), len(wishes), wishes...)
	if err != nil {
		return err
	}
	counted := 0
	for _, a := range answers {
		var got struct {
			Result struct{ Collected bool }
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			return err
		}
		if got.Result.Collected {
			counted++
		}
	}
	if counted != greetings {
		w.tally.violate("an action counts as often as it may", "answers", fmt.Sprintf("%s: %d of %d counted, want %d", p.email, counted, len(wishes), greetings))
	}
	p.points += greetings * greetingGift
	return nil
}

// pays has somebody pay several orders with points at once, of which the limit has room for some; then one of those is cancelled by two, and its place is free.
func (p *homePerson) pays(ctx context.Context, w *world) error {
	pay := func(key string) wish {
		return p.wants("/redemptions", object{"redemption_batch_id": w.home.payment, "points": payPoints, "reference": key}, key)
	}
	answers, err := w.race(ctx, w.home.shop, "two payments of four", payTimes, payTimes, pay("pay-1"), pay("pay-2"), pay("pay-3"), pay("pay-4"))
	if err != nil {
		return err
	}
	var made struct {
		Result struct{ Redemption struct{ ID int64 } }
	}
	if err := json.Unmarshal(answers[winner(answers)].body, &made); err != nil {
		return err
	}
	target := fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", made.Result.Redemption.ID)
	back := func(key string) wish {
		return wish{"POST", target, object{"reason": "The order failed"}, key + "-" + p.email}
	}
	if _, err := w.race(ctx, w.home.shop, "a payment cancelled by two", 2, 2, back("unpay-1"), back("unpay-2")); err != nil {
		return err
	}
	p.points -= payTimes * payPoints
	_, err = w.race(ctx, w.home.shop, "the payment that a cancelled one makes room for", 1, 1, pay("pay-5"), pay("pay-6"))
	return err
}

// holdsUntil has a hold be committed and released at about the moment when its time is over. What was committed is given back in parts, of which too many are
// told at once.
func (p *homePerson) holdsUntil(ctx context.Context, w *world) error {
	began := time.Now()
	a, err := w.done(ctx, w.home.shop, p.wants("/holds", object{"points": heldPoints, "reference": p.email, "seconds": 1}, "brief"))
	if err != nil {
		return err
	}
	var made struct {
		Result struct{ Hold struct{ ID int64 } }
	}
	if err := json.Unmarshal(a.body, &made); err != nil {
		return err
	}
	end := func(how string, body object, key string) wish {
		return wish{"POST", fmt.Sprintf("/api/v2/loyalty/holds/%d/%s", made.Result.Hold.ID, how), body, how + key + "-" + p.email}
	}
	wait(ctx, time.Until(began.Add(800*time.Millisecond+time.Duration(rand.IntN(350))*time.Millisecond)))
	answers, err := w.race(ctx, w.home.shop, "a hold committed and released when its time is over", 1, 2,
		end("commit", object{}, ""), end("release", object{}, "-1"), end("release", object{}, "-2"))
	if err != nil {
		return err
	}
	if !answers[0].done {
		return w.refused(ctx, w.home.shop, end("commit", object{}, "-again"), "hold_over")
	}
	p.points -= heldPoints
	w.tally.reach("holds committed in time", 1)
	part := object{"points": restoredAtATime}
	_, err = w.race(ctx, w.home.shop, "more of a hold restored than there is", 1, 1, end("restore", part, "-1"), end("restore", part, "-2"), end("restore", part, "-3"))
	p.points += restoredAtATime
	return err
}

// runsOut has holds end by themselves, which the timers of both replicas see to at about the same moment.
func runsOut(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	p := newHomePerson(fmt.Sprintf("late-%d", n))
	out := []*homePerson{p}
	p.points, p.stars, p.orders = homeDollars, homeDollars, 1
	if _, err := p.buys(ctx, w, fmt.Sprintf("late-%d", n)); err != nil {
		return out, err
	}
	if err := p.awaits(ctx, w); err != nil {
		return out, err
	}
	a, err := w.done(ctx, w.home.shop, p.wants("/holds", object{"points": p.points, "reference": p.email, "seconds": 1}, "all"))
	if err != nil {
		return out, err
	}
	var made struct {
		Result struct{ Hold struct{ ID int64 } }
	}
	if err := json.Unmarshal(a.body, &made); err != nil {
		return out, err
	}
	if err := p.awaits(ctx, w); err != nil {
		return out, err
	}
	w.tally.reach("holds that ended by themselves", 1)
	return out, w.refused(ctx, w.home.shop, wish{"POST", fmt.Sprintf("/api/v2/loyalty/holds/%d/commit", made.Result.Hold.ID), object{}, "commit-late-" + p.email}, "hold_over")
}
