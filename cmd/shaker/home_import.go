package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// What a batch of orders has: two of each of some people, and one order that can't be taken.
const (
	imported    = 4
	importedBad = 1
)

// imports has two send the same orders as a batch at once. Each is recorded once, however often its job is cut off and begins anew.
func imports(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	var people []*homePerson
	var rows []object
	for i := range imported {
		p := newHomePerson(fmt.Sprintf("imported-%d-%d", n, i))
		p.points, p.stars, p.orders, p.regular = 2*homeDollars+regularGift, 2*homeDollars, 2, isReached
		people = append(people, p)
		for k := range p.orders {
			rows = append(rows, object{"email": p.email, "order_number": fmt.Sprintf("imported-%d-%d-%d", n, i, k), "subtotal": homeDollars})
		}
	}
	rows = append(rows, object{"email": people[0].email, "order_number": fmt.Sprintf("imported-%d-bad", n), "subtotal": -homeDollars})
	batch := wish{"POST", "/api/v2/origins/batch/purchases", object{"data": rows}, fmt.Sprintf("batch-1-%d", n)}
	again := batch
	again.key = fmt.Sprintf("batch-2-%d", n)
	answers, err := w.race(ctx, w.home.shop, "a batch of orders sent twice", 2, 2, batch, again)
	if err != nil {
		return people, err
	}
	for _, a := range answers {
		if err := w.awaitJob(ctx, a, int64(len(rows)-importedBad)); err != nil {
			return people, err
		}
	}
	w.tally.reach("batches of orders", 1)
	return people, nil
}

// awaitJob waits until a batch is recorded, but for what can't be.
func (w *world) awaitJob(ctx context.Context, a answer, good int64) error {
	type answered struct {
		Result struct {
			Job struct {
				ID                     int64
				State                  string
				Done, Recorded, Failed int64
			}
		}
	}
	var made answered
	if err := json.Unmarshal(a.body, &made); err != nil {
		return err
	}
	for ctx.Err() == nil {
		var got answered
		if err := w.ask(ctx, w.home.shop, "GET", fmt.Sprintf("/api/v2/jobs/%d", made.Result.Job.ID), nil, "", &got); err != nil {
			return err
		}
		switch j := got.Result.Job; {
		case j.State == "done" && j.Recorded == good && j.Failed == importedBad:
			return nil
		case j.State == "done" || j.State == "failed":
			w.tally.violate("a batch of orders is recorded, but for what can't be", "a job ended otherwise", fmt.Sprintf("%+v; want %d recorded, %d failed", j, good, importedBad))
			return fmt.Errorf("job %d is %s", j.ID, j.State)
		}
		wait(ctx, 100*time.Millisecond)
	}
	return ctx.Err()
}
