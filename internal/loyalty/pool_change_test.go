package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestPoolsAreChanged: who may be in one, and who may not; what a pool says; and that another site's is unknown.
func TestPoolsAreChanged(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	p := w.start(1, club())
	w.start(2, poolClub())
	for who := range int64(7) {
		w.earns(who+1, who+1, 1_000)
	}
	w.admin.MustExec(`update loyalty.member set status = 'suspended' where person_id = 6`)
	create := func(site int64, people ...int64) string {
		_, _, err := w.CreatePool(ctx, site, loyaltyapi.NewPool{Name: "Home", Spending: spendAll, Owner: people[0], Members: people[1:]}, 0, noKey)
		return w.code(err)
	}
	if got := create(1, 1, 2); got != "pools_off" {
		t.Error(got)
	}
	if _, _, err := w.configure(ctx, shop(1), p.ID, poolClub(), 0, noKey); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		people []int64
		want   string
	}{{[]int64{1, 1}, "invalid_pool"}, {[]int64{1, 99}, "member_not_found"}, {[]int64{1, 6}, "member_not_active"}, {[]int64{1, 2, 3, 4, 5}, "pool_full"}, {[]int64{1, 2}, "ok"},
		{[]int64{2, 3}, "already_in_pool"}, {[]int64{1}, "already_in_pool"}, {[]int64{3}, "ok"}} {
		if got := create(1, c.people...); got != c.want {
			t.Errorf("%v: %s, want %s", c.people, got, c.want)
		}
	}
	home, err := w.PoolOf(ctx, 1, 2)
	if err != nil || home.Balance != 200 || len(home.Members) != 2 || !home.Members[0].Owner || len(home.Expirations) != 1 || home.Expirations[0].Points != 200 || len(home.History) != 2 {
		t.Fatalf("%+v, %v", home, err)
	}
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	for i, c := range []struct {
		do   func(site, id int64) error
		want string
	}{
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 4, 0, key); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 4, 0, key); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 4, 0, noKey); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 3, 0, noKey); return err }, "already_in_pool"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 5, 0, noKey); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 7, 0, noKey); return err }, "pool_full"},
		{func(site, id int64) error { _, _, err := w.LeavePool(ctx, site, id, 1, 0, noKey); return err }, "pool_owner"},
		{func(site, id int64) error { _, _, err := w.LeavePool(ctx, site, id, 7, 0, noKey); return err }, "not_in_pool"},
		{func(site, id int64) error { _, _, err := w.LeavePool(ctx, site, id, 5, 0, noKey); return err }, "ok"},
		{func(site, id int64) error {
			_, _, err := w.ChangePool(ctx, site, id, loyaltyapi.PoolTerms{Name: "Us", Spending: spendOwner, Owner: 5}, 0, noKey)
			return err
		}, "invalid_pool"},
		{func(site, id int64) error {
			_, _, err := w.ChangePool(ctx, site, id, loyaltyapi.PoolTerms{Name: "", Spending: "some"}, 0, noKey)
			return err
		}, "invalid_pool"},
		{func(site, id int64) error {
			_, _, err := w.ChangePool(ctx, site, id, loyaltyapi.PoolTerms{Name: "Us", Spending: spendOwner, Owner: 4}, 0, noKey)
			return err
		}, "ok"},
		{func(site, id int64) error { _, err := w.Pool(ctx, site, id); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.ClosePool(ctx, site, id, 0, noKey); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.ClosePool(ctx, site, id, 0, noKey); return err }, "ok"},
		{func(site, id int64) error { _, _, err := w.JoinPool(ctx, site, id, 7, 0, noKey); return err }, "pool_closed"},
	} {
		if got := w.code(c.do(1, home.ID)); got != c.want {
			t.Errorf("step %d: %s, want %s", i, got, c.want)
		}
		if got := w.code(c.do(2, home.ID)); got != "pool_not_found" && got != "invalid_pool" {
			t.Errorf("step %d of the other site: %s", i, got)
		}
	}
	if got := create(1, 1, 2); got != "ok" { // free again
		t.Error(got)
	}
	open, more, err := w.Pools(ctx, 1, "open", loyaltyapi.AfterID{}, 1)
	if err != nil || !more || len(open) != 1 || open[0].Size != 2 {
		t.Errorf("%+v %v, %v", open, more, err)
	}
	if closed, _, err := w.Pools(ctx, 1, "closed", loyaltyapi.AfterID{}, 5); err != nil || len(closed) != 1 || closed[0].Size != 0 || closed[0].Balance != 0 {
		t.Errorf("%+v, %v", closed, err)
	}
	if none, _, err := w.Pools(ctx, 2, "", loyaltyapi.AfterID{}, 5); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestOneJoinsOnePool: two pools that want the same member at once.
func TestOneJoinsOnePool(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, poolClub())
	var origins []customerevent.OriginRecorded
	for who := range int64(8) {
		origins = append(origins, w.bought(1, who+1, who+1, 1_000))
	}
	hear(w, w.originsRecorded, 1, origins...)
	var pools []int64
	for who := range int64(7) {
		pools = append(pools, w.pools(1, who+1).ID)
	}
	var wg sync.WaitGroup
	got := make([]string, len(pools))
	gate := make(chan struct{})
	for i, id := range pools {
		wg.Go(func() {
			<-gate
			_, _, err := w.JoinPool(t.Context(), 1, id, 8, 0, noKey)
			got[i] = w.code(err)
		})
	}
	close(gate)
	wg.Wait()
	if all := strings.Join(got, " "); strings.Count(all, "ok") != 1 || strings.Count(all, "already_in_pool") != 6 {
		t.Error(all)
	}
}

// TestPoolAndErasure: who is erased leaves, and what was theirs is the next member's, under no name of theirs.
func TestPoolAndErasure(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, poolClub())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	home := w.pools(1, 7, 8)
	for range 2 {
		hear(w, w.anonymized, 1, customerevent.PersonAnonymized{SiteID: 1, PersonID: 7})
	}
	p, err := w.Pool(t.Context(), 1, home.ID)
	if err != nil || len(p.Members) != 1 || p.Members[0].PersonID != 8 || !p.Members[0].Owner || p.Name != poolName(p.ID) || p.Status != "open" {
		t.Errorf("%+v, %v", p, err)
	}
	hear(w, w.anonymized, 1, customerevent.PersonAnonymized{SiteID: 1, PersonID: 8})
	if p, err = w.Pool(t.Context(), 1, home.ID); err != nil || p.Status != "closed" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPoolsAndMerges: the survivor takes the duplicate's place, or keeps its own; undoing it puts everything back.
func TestPoolsAndMerges(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, poolClub())
	var origins []customerevent.OriginRecorded
	for who := range int64(6) {
		origins = append(origins, w.bought(1, who+1, who+1, 1_000))
	}
	hear(w, w.originsRecorded, 1, origins...)
	home, other, alone := w.pools(1, 1, 2), w.pools(1, 3, 4), w.pools(1, 5)
	shows := func(want string) {
		t.Helper()
		var all []string
		for _, p := range []loyaltyapi.Pool{home, other, alone} {
			now, err := w.Pool(t.Context(), 1, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			text := now.Status
			for _, m := range now.Members {
				if text += fmt.Sprint(" ", m.PersonID); m.Owner {
					text += "*"
				}
			}
			all = append(all, text)
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	const before = "open 1* 2, open 3* 4, open 5*"
	shows(before)
	for i, c := range []struct {
		survivor, duplicate int64
		want                string
	}{
		{6, 1, "open 2 6*, open 3* 4, open 5*"}, // takes the place
		{2, 1, "open 2*, open 3* 4, open 5*"},   // is in it already
		{1, 3, "open 1* 2, open 4*, open 5*"},   // is in another, which stays
		{1, 5, "open 1* 2, open 3* 4, closed"},  // nobody is left
		{6, 5, "open 1* 2, open 3* 4, open 6*"},
	} {
		id := int64(i + 1)
		for range 2 {
			hear(w, w.merged, 1, customerevent.PersonMerged{SiteID: 1, MergeID: id, SurvivorID: c.survivor, DuplicateID: c.duplicate, MergedAt: w.clock.Now()})
			shows(c.want)
		}
		for range 2 {
			hear(w, w.unmerged, 1, customerevent.PersonUnmerged{SiteID: 1, MergeID: id, SurvivorID: c.survivor, DuplicateID: c.duplicate, UnmergedAt: w.clock.Now()})
		}
		shows(before)
	}
}
