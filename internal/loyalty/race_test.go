package loyalty

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
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

// A consumer's transaction posts several sets, each of which locks members and the site's accounts: two of them, that meet the same
// members in another order, must not wait for each other.
func TestTwoLogsAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 1, 1, 1000), w.bought(1, 2, 2, 1000))
	var tries atomic.Int64
	var wg sync.WaitGroup
	ctx := context.WithoutCancel(t.Context())
	for log := range int64(2) {
		wg.Go(func() {
			first, second := 1+log, 2-log
			err := w.outbox.InTx(ctx, func(u *bus.Unit) error {
				tries.Add(1)
				bought := bus.Event[customerevent.OriginRecorded]{Seq: 1, Site: 1, Key: "k", At: w.clock.Now(), Body: w.bought(1, first, 10+log, 1000)}
				if err := w.originsRecorded(ctx, u, []bus.Event[customerevent.OriginRecorded]{bought}); err != nil {
					return err
				}
				time.Sleep(200 * time.Millisecond)
				given := bus.Event[referralevent.RewardIssued]{Seq: 2, Site: 1, Key: "k", At: w.clock.Now(), Body: w.rewarded(1, second, 10+log, 7)}
				return w.rewardsIssued(ctx, u, []bus.Event[referralevent.RewardIssued]{given})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := tries.Load(); n != 2 {
		t.Errorf("two transactions took %d tries", n)
	}
	for id := range int64(2) {
		if got := w.balance(1, id+1); got != 207 {
			t.Errorf("balance of %d is %d, want 207", id+1, got)
		}
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

// The last place among a programme's batches is given once, whoever asks at the same time. Archived ones keep theirs.
func TestBatchesOfAProgrammeAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.admin.MustExec(`insert into loyalty.redemption_batch (site_id, program_id, status, description, points_cost, position, created_at, updated_at)
		select 1, $1, case when n % 2 = 0 then 'active' else 'archived' end, 'gone', 1, 0, $2, $2 from generate_series(1, $3::int) n`, p.ID, noon, maxBatches-1)
	var won atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			<-gate
			_, _, err := w.createBatch(context.WithoutCancel(t.Context()), 1, p.ID, batchSettings{Status: active, Description: "$5 off", PointsCost: 1}, 0, noKey)
			if f, ok := fault.Of(err); err == nil {
				won.Add(1)
			} else if !ok || f.Kind != fault.Conflict || f.Code != "too_many_redemption_batches" {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were added; want 1", won.Load())
	}
}
