package main

import (
	"context"
	"fmt"
)

// owes has somebody of a pool spend all that they have, and send back what it was earned by: who is in debt spends nothing of the other's.
func owes(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	rich, poor := newHomePerson(fmt.Sprintf("rich-%d", n)), newHomePerson(fmt.Sprintf("poor-%d", n))
	both := []*homePerson{rich, poor}
	for i, p := range both {
		p.points, p.stars, p.orders = homeDollars, homeDollars, 1
		if _, err := p.buys(ctx, w, fmt.Sprintf("owes-%d-%d", n, i)); err != nil {
			return both, err
		}
	}
	for _, p := range both {
		if err := p.awaits(ctx, w); err != nil {
			return both, err
		}
	}
	for i := range homeDollars / cupCost {
		if _, err := w.done(ctx, w.home.shop, poor.redeems(w.home.cup, fmt.Sprint("cup-", i))); err != nil {
			return both, err
		}
	}
	if err := w.refundAtHome(ctx, fmt.Sprintf("owes-%d-1", n), homeDollars/2); err != nil {
		return both, err
	}
	poor.points, poor.stars = -homeDollars/2, homeDollars/2
	if err := poor.awaits(ctx, w); err != nil {
		return both, err
	}
	pool := wish{"POST", "/api/v2/loyalty/pools", object{"name": "Owes", "owner": rich.email, "members": []string{poor.email}}, fmt.Sprintf("pool-owes-%d", n)}
	if _, err := w.done(ctx, w.home.shop, pool); err != nil {
		return both, err
	}
	w.tally.reach("others' points refused to who is in debt", 1)
	return both, w.refused(ctx, w.home.shop, poor.redeems(w.home.cup, "owing"), "not_enough_points")
}
