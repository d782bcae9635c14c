package loyalty

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

func TestTwoPostersOfOneMember(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 1, 1_000_000, 100_000))
	gate := make(chan struct{})
	var wg sync.WaitGroup
	run := func(do func(i int64) error) {
		wg.Go(func() {
			<-gate
			for i := range int64(15) {
				if err := do(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for g := range int64(2) {
		run(func(i int64) error {
			return tryHear(w, w.originsRecorded, 1, w.bought(1, 2, 1000*g+i+1, 1000), w.bought(1, 1, 1000*g+i+500, 1000), w.bought(1, 10+i, 1000*g+i+800, 100))
		})
	}
	run(func(i int64) error {
		return tryHear(w, w.originsRefunded, 1, w.refund(1, 1_000_000, i, (i+1)*1000, 100_000))
	})
	run(func(int64) error { _, err := w.ExpireDue(context.WithoutCancel(t.Context())); return err })
	close(gate)
	wg.Wait()
	if got := w.balance(1, 2); got != 30*100 {
		t.Errorf("balance %d, want 3000", got)
	}
	if got := w.balance(1, 1); got != 10_000+30*100-1500 {
		t.Errorf("balance %d, want 11500", got)
	}
}

func TestExpiryOnTwoReplicas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	var batch []customerevent.OriginRecorded
	for i := range int64(1200) {
		batch = append(batch, w.bought(1, i%300+1, i+1, 1000))
	}
	hear(w, w.originsRecorded, 1, batch...)
	w.clock.Move(366 * 24 * time.Hour)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := w.ExpireDue(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := w.ExpireDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left, points int64
	if err := w.admin.QueryRow(`select (select count(*) from loyalty.lot where remaining > 0 and expires_at <= $1), -- INV-08
		(select balance from loyalty.account where owner_id is null and name = 'expired')`, w.clock.Now()).Scan(&left, &points); err != nil {
		t.Fatal(err)
	}
	if left != 0 || points != 120_000 {
		t.Errorf("%d lots live past their date, %d points expired; want 0 and 120000", left, points)
	}
}
