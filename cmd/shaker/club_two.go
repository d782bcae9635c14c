package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// What becomes of two members who came together.
const (
	stayTwo = iota
	turnOutOne
	twoAfterAll
	fates
)

const lateCents = 300 // go back of an order while its buyer turns out to be somebody else, too

// unite has b turn out to be a, and, if apart says so, to be somebody else after all. Meanwhile an order of b's is refunded in part: whichever
// of these the ledger hears of first, and of whichever replica, the points end at the same members.
func (w *world) unite(ctx context.Context, a, b *clubMember, apart bool) error {
	o := &b.orders[clubOrders-1]
	var refund error
	var all sync.WaitGroup
	all.Go(func() { refund = o.refund(ctx, w, lateCents) })
	err := w.merge(ctx, a, b, apart)
	all.Wait()
	if err := errors.Join(err, refund); err != nil {
		return err
	}
	if apart {
		w.tally.reach("members who were two after all", 1)
		return nil
	}
	a.also = b
	w.tally.reach("members who turned out to be one", 1)
	return nil
}

func (w *world) merge(ctx context.Context, a, b *clubMember, apart bool) error {
	var made struct {
		Result struct {
			Merge struct{ ID int64 }
		}
	}
	body := object{"survivor": a.email, "duplicate": b.email, "reason": "One person with two addresses"}
	if err := w.ask(ctx, w.club.shop, "POST", "/api/v2/people/merges", body, "merge-"+b.email, &made); err != nil || !apart {
		return err
	}
	return w.ask(ctx, w.club.shop, "POST", fmt.Sprintf("/api/v2/people/merges/%d/undo", made.Result.Merge.ID), object{"reason": "Father and son"}, "undo-"+b.email, nil)
}
