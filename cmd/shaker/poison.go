package main

import (
	"context"
	"fmt"
	"time"
)

// poison puts into customer's outbox what nobody can read, two of one key, for both twins. All who hear of origins must park it, and
// nothing else may wait for it.
func (w *world) poison(ctx context.Context, from time.Time) {
	wait(ctx, time.Until(from))
	for i, s := range w.sites {
		for n := range 3 {
			line := fmt.Sprintf("%d\t%s%d\tcustomer.origin_recorded.v1\t{\"site_id\":\"poison\"}", s.ID, poisoned, i*10+n/2)
			for ctx.Err() == nil {
				if _, err := w.admin.ExecContext(ctx, `insert into customer.outbox (at, n, body) values (now(), 1, $1)`, line); err == nil {
					w.tally.reach("poisonous events", 1)
					break
				}
				wait(ctx, 100*time.Millisecond)
			}
		}
	}
}
