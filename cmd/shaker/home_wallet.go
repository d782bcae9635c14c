package main

import (
	"context"
	"sync"
)

const (
	givenStars = 70 // to two at once, where there are a hundred
	sentBack   = 95 // dollars of the last one's first order: more than may be left of its points
)

// spendStars spends what the others of the pool have no part in.
func (h *household) spendStars(ctx context.Context, w *world, _ int) error {
	a, b, c := h.all[0], h.all[1], h.all[2]
	wishes := []wish{a.redeems(w.home.star, "star-1"), a.redeems(w.home.star, "star-2"), a.redeems(w.home.star, "star-3")}
	if _, err := w.race(ctx, w.home.shop, "stars for two of three", 2, 2, wishes...); err != nil {
		return err
	}
	a.stars -= 2 * starCost
	answers, err := w.race(ctx, w.home.shop, "stars given to two", 1, 1, b.gives(a, givenStars, "to-one"), b.gives(c, givenStars, "to-another"))
	if err != nil {
		return err
	}
	to := []*homePerson{a, c}[winner(answers)]
	b.stars, to.stars = b.stars-givenStars, to.stars+givenStars
	return nil
}

// buyAgain has the last one buy twice at once, who is a regular by that; all or one of it goes back, and nearly all of the
// first order. Who is in debt by that spends nothing of others.
func (h *household) buyAgain(ctx context.Context, w *world, fate int) error {
	c := h.all[2]
	back := 1 + fate%2 // orders that go back
	if err := atOnce(2, func(i int) error {
		_, err := c.buys(ctx, w, h.order(c, 1+i))
		return err
	}); err != nil {
		return err
	}
	c.points, c.stars, c.orders, c.regular = c.points+2*homeDollars+regularGift, c.stars+2*homeDollars, 3, isReached
	if back == 2 { // else it may be lost and reached again on the way, and nobody can tell
		if err := c.awaits(ctx, w); err != nil {
			return err
		}
	}
	err := atOnce(1+back, func(i int) error {
		if i == 0 {
			return w.refundAtHome(ctx, h.order(c, 0), sentBack)
		}
		return w.refundAtHome(ctx, h.order(c, i), homeDollars)
	})
	gone := int64(sentBack + back*homeDollars)
	c.points, c.stars, c.orders = c.points-gone, c.stars-gone, c.orders-back
	if c.orders < regularAfter {
		c.points, c.regular = c.points-regularGift, wasReached
		w.tally.reach("achievements lost", 1)
	}
	if err != nil || c.points >= 0 || h.spendable(c) < cupCost {
		return err
	}
	if err := c.awaits(ctx, w); err != nil {
		return err
	}
	w.tally.reach("others' points refused to who is in debt", 1)
	return w.refused(ctx, w.home.shop, c.redeems(w.home.cup, "in-debt"), "not_enough_points")
}

// atOnce does something so many times.
func atOnce(n int, do func(i int) error) error {
	failed := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { failed[i] = do(i) })
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
