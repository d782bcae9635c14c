package loyalty

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// poolClub is a programme with pools of four.
func poolClub() settings {
	s := club()
	s.PoolSize = 4
	return s
}

func (w *world) pools(site, owner int64, others ...int64) loyaltyapi.Pool {
	w.t.Helper()
	p, _, err := w.CreatePool(context.WithoutCancel(w.t.Context()), site, loyaltyapi.NewPool{Name: "Home", Spending: spendAll, Owner: owner, Members: others}, 0, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// code is what was said: "ok", or the fault's code.
func (w *world) code(err error) string {
	w.t.Helper()
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return "ok"
}

// held is what the members of a household have, with what is left in their lots.
func (w *world) household(site int64, people ...int64) string {
	w.t.Helper()
	var out []string
	for _, who := range people {
		out = append(out, fmt.Sprintf("%d: %d in %s", who, w.balance(site, who), w.lots(site, who)))
	}
	return strings.Join(out, " | ")
}

// TestPoolPaysWhatEndsNext: of all members' lots, and own ones first of those that end together; a cancellation gives each their own back.
func TestPoolPaysWhatEndsNext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, poolClub()).ID, 250, 0)
	w.start(2, poolClub())
	w.earns(8, 1, 1_000) // 100 points, which end first
	w.days(1)
	w.earns(7, 2, 1_000)
	w.earns(9, 3, 1_000)
	w.earns(8, 4, 1_000)
	w.days(1)
	w.earns(7, 5, 5_000)
	w.pools(1, 7, 8, 9)
	a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	const spent = "7: 500 in 0 500 0 0 | 8: 100 in 0 100 | 9: 50 in 50"
	if got := w.household(1, 7, 8, 9); got != spent || a.Balance != 500 {
		t.Errorf("%s; want %s; the answer says %d", got, spent, a.Balance)
	}
	for range 2 {
		if _, err := w.Cancel(t.Context(), 1, a.Redemption.ID, "changed their mind", noKey); err != nil {
			t.Fatal(err)
		}
		if got, want := w.household(1, 7, 8, 9), "7: 600 in 100 500 0 0 | 8: 200 in 100 100 | 9: 100 in 100"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	if got, want := w.household(2, 7, 8, 9), "7: 600 in 100 500 | 8: 200 in 100 100 | 9: 100 in 100"; got != want {
		t.Errorf("the other site: %s; want %s", got, want)
	}
	if told := w.told(1); told["loyalty.points_pooled.v1"] != 4 || told["loyalty.pool_changed.v1"] != 4 {
		t.Errorf("told %v", told)
	}
	rewards, err := w.Rewards(t.Context(), 1, 9)
	if err != nil || !rewards[0].Redeemable {
		t.Errorf("%+v, %v", rewards, err)
	}
}

// TestPoolPaysHolds: what is released, or restored part by part, goes back to whom it came from, what others paid first.
func TestPoolPaysHolds(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, poolClub())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000), w.bought(1, 9, 3, 1_000))
	w.pools(1, 7, 8, 9)
	k := w.hold(1, 7, 260, time.Hour)
	w.clock.Move(2 * time.Hour)
	if n, err := w.releaseDue(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	const all = "7: 100 in 100 0 0 | 8: 100 in 100 | 9: 100 in 100"
	if got := w.household(1, 7, 8, 9); got != all {
		t.Errorf("%s; want %s", got, all)
	}
	k = w.hold(1, 7, 260, time.Hour)
	end := func(kind string, points int64, want string) {
		t.Helper()
		if _, err := w.endHold(t.Context(), 1, k.ID, kind, points, noKey); err != nil {
			t.Fatal(err)
		}
		if got := w.household(1, 7, 8, 9); got != want {
			t.Errorf("%s %d: %s; want %s", kind, points, got, want)
		}
	}
	end(kindCommit, 0, "7: 0 in 0 0 0 0 0 | 8: 0 in 0 | 9: 40 in 40")
	end(kindRestore, 30, "7: 0 in 0 0 0 0 0 | 8: 0 in 0 | 9: 70 in 70")
	end(kindRestore, 50, "7: 0 in 0 0 0 0 0 | 8: 20 in 20 | 9: 100 in 100")
	end(kindRestore, 180, "7: 100 in 100 0 0 0 0 | 8: 100 in 100 | 9: 100 in 100")
}

// TestPoolLimits: whose points nobody else spends.
func TestPoolLimits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := waitingClub()
	s.PoolSize = 4
	p := w.start(1, s)
	hear(w, w.rewardsIssued, 1, w.rewarded(1, 7, 1, 60), w.rewarded(1, 8, 2, 60), w.rewarded(1, 9, 3, 60))
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 1, 1_000)) // pending
	home := w.pools(1, 7, 8, 9)
	spends := func(who, points int64, want string) {
		t.Helper()
		a, err := w.Hold(t.Context(), 1, who, points, "cart", time.Hour, noKey)
		if got := w.code(err); got != want {
			t.Errorf("%d holds %d: %s, want %s", who, points, got, want)
		}
		if err == nil {
			if _, err := w.endHold(t.Context(), 1, a.Hold.ID, kindRelease, 0, noKey); err != nil {
				t.Error(err)
			}
		}
	}
	spends(7, 181, "not_enough_points") // pending points are nobody's yet
	spends(7, 180, "ok")
	if _, _, err := w.ChangePool(t.Context(), 1, home.ID, loyaltyapi.PoolTerms{Name: "Home", Spending: spendOwner, Owner: 8}, 0, noKey); err != nil {
		t.Fatal(err)
	}
	spends(7, 61, "not_enough_points")
	spends(7, 60, "ok")
	spends(8, 180, "ok")
	w.admin.MustExec(`update loyalty.member set status = 'suspended' where person_id = 9`)
	spends(8, 121, "not_enough_points")
	spends(8, 120, "ok")
	w.gives(1, 8, 7, 60)
	hear(w, w.rewardsClawedBack, 1, referralevent.RewardClawedBack{SiteID: 1, RewardID: 2, ReferralID: 2, Kind: referralevent.Points, PointsTotal: 60, Full: true, ClawedAt: w.clock.Now()})
	spends(8, 1, "not_enough_points") // who is in debt spends nobody's points, and nobody else repays it
	if a, b := w.balance(1, 7), w.balance(1, 8); a != 120 || b != -60 {
		t.Errorf("%d and %d", a, b)
	}
	if _, _, err := w.ChangePool(t.Context(), 1, home.ID, loyaltyapi.PoolTerms{Name: "Home", Spending: spendAll}, 0, noKey); err != nil {
		t.Fatal(err)
	}
	w.admin.MustExec(`update loyalty.member set status = 'active' where person_id = 9`)
	spends(9, 181, "not_enough_points")
	spends(9, 180, "ok")
	s.PoolSize = 0
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, noKey); err != nil {
		t.Fatal(err)
	}
	spends(9, 61, "not_enough_points")
	if m, err := w.Member(t.Context(), 1, 9); err != nil || m.Pool != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestOneOfFiftySpendsAPool: fifty members and counters at once spend all that a pool has; one wins.
func TestOneOfFiftySpendsAPool(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, poolClub()).ID, 400, 0)
	var origins []customerevent.OriginRecorded
	for who := range int64(4) {
		origins = append(origins, w.bought(1, who+1, who+1, 1_000))
	}
	hear(w, w.originsRecorded, 1, origins...)
	w.pools(1, 1, 2, 3, 4)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range int64(50) {
		wg.Go(func() {
			<-gate
			_, err := w.Redeem(t.Context(), 1, i%4+1, batch, "api", noKey)
			mu.Lock()
			defer mu.Unlock()
			got[w.code(err)]++
		})
	}
	close(gate)
	wg.Wait()
	if got["ok"] != 1 || got["not_enough_points"] != 49 {
		t.Errorf("%v", got)
	}
	for who := range int64(4) {
		if n := w.balance(1, who+1); n != 0 {
			t.Errorf("%d has %d", who+1, n)
		}
	}
}
