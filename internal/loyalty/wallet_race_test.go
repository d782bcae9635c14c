package loyalty

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestWalletAtOnce: of many who hold points of a wallet at once, as many succeed as there are points for; orders that earn in it, refunds and the timer of
// its expiry, which locks accounts before members, run beside them and wait for nobody for ever.
func TestWalletAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, twoWallets())
	ctx := context.WithoutCancel(t.Context())
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 1, 100))
	w.clock.Move(9 * 24 * time.Hour) // what 8 has ends while the others are at it
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 6000))
	if _, err := w.AdjustIn(ctx, 1, 7, "credit", 45, "for the test", false, noKey); err != nil {
		t.Fatal(err)
	}
	w.clock.Move(2 * 24 * time.Hour)
	gate := make(chan struct{})
	var held atomic.Int64
	var wg sync.WaitGroup
	run := func(do func(i int64)) {
		wg.Go(func() {
			<-gate
			for i := range int64(8) {
				do(i)
			}
		})
	}
	for range 2 {
		run(func(int64) {
			switch _, err := w.HoldIn(ctx, 1, 7, "credit", 0, 5, "cart", time.Hour, noKey); {
			case err == nil:
				held.Add(1)
			case codeOf(err) != "not_enough_points":
				t.Error(err)
			}
		})
	}
	run(func(i int64) {
		if err := tryHear(w, w.originsRecorded, 1, w.bought(1, 8, 100+i, 100)); err != nil {
			t.Error(err)
		}
		if err := tryHear(w, w.originsRefunded, 1, w.refund(1, 100+i, i, 100, 100)); err != nil {
			t.Error(err)
		}
	})
	run(func(int64) {
		if _, err := w.ExpireDue(ctx); err != nil {
			t.Error(err)
		}
	})
	close(gate)
	wg.Wait()
	if _, err := w.ExpireDue(ctx); err != nil {
		t.Error(err)
	}
	if held.Load() != 10 {
		t.Errorf("%d holds of 5 out of 50", held.Load())
	}
	w.wantPurses(1, 7, `600, stars 60, credit 0, 60 earned, tier "Silver"`)
	w.wantPurses(1, 8, `10, stars 1, credit 0, 1 earned, tier ""`)
}
