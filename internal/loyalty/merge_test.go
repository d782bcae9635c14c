package loyalty

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func (w *world) merges(site, id, survivor, duplicate int64) {
	w.t.Helper()
	hear(w, w.merged, site, customerevent.PersonMerged{SiteID: site, MergeID: id, SurvivorID: survivor, DuplicateID: duplicate, MergedAt: w.clock.Now()})
}

func (w *world) parts(site, id, survivor, duplicate int64) {
	w.t.Helper()
	hear(w, w.unmerged, site, customerevent.PersonUnmerged{SiteID: site, MergeID: id, SurvivorID: survivor, DuplicateID: duplicate, UnmergedAt: w.clock.Now()})
}

// TestMergedMembers: the duplicate's points are the survivor's with their lots and dates, its orders' refunds, holds and redemptions too; undoing gives
// back what is left. The twin site, where the same people did the same, sees nothing of it.
func TestMergedMembers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	p := w.start(1, s)
	w.start(2, s)
	mug := w.offer(1, p.ID, 40, 0)
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6_000), w.bought(site, 8, 2, 9_000))
	}
	held, err := w.Hold(t.Context(), 1, 8, 50, "cart", time.Hour, noKey)
	if err != nil {
		t.Fatal(err)
	}
	spent, err := w.Redeem(t.Context(), 1, 8, mug, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	w.merges(1, 5, 7, 8)
	w.expect(1, 7, `1410, 0 pending, 1500 earned, tier "Silver"`)
	w.expect(1, 8, `0, 0 pending, 0 earned, tier ""`)
	w.expect(2, 7, `600, 0 pending, 600 earned, tier ""`)
	w.expect(2, 8, `900, 0 pending, 900 earned, tier ""`)
	if got := w.lots(1, 7); got != "600 810" {
		t.Errorf("lots %s", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 3, 1_000)) // told of the duplicate, by a log that hasn't heard of the merge
	if _, err := w.endHold(t.Context(), 1, held.Hold.ID, kindRelease, 0, noKey); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), 1, spent.Redemption.ID, "out of mugs", noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 3_000, 9_000))
	w.expect(1, 7, `1300, 0 pending, 1300 earned, tier "Silver"`)
	if got := w.lots(1, 7); got != "600 600 100" {
		t.Errorf("lots %s", got)
	}
	if holds, _, err := w.Holds(t.Context(), 1, 7, loyaltyapi.AfterID{}, 5); err != nil || len(holds) != 1 {
		t.Errorf("%d holds, %v", len(holds), err)
	}
	if redeemed, _, err := w.Redemptions(t.Context(), 1, 7, loyaltyapi.AfterID{}, 5); err != nil || len(redeemed) != 1 {
		t.Errorf("%d redemptions, %v", len(redeemed), err)
	}
	if got := w.gives(1, 7, 8, 10); got != "same_member" {
		t.Error(got)
	}
	if in, all, _, err := countMembers(t.Context(), w.db, 1); err != nil || all != 1 || in["Silver"] != 1 {
		t.Errorf("%v of %d members, %v", in, all, err)
	}

	w.parts(1, 5, 7, 8)
	w.expect(1, 7, `700, 0 pending, 700 earned, tier ""`)
	w.expect(1, 8, `600, 0 pending, 600 earned, tier ""`)
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 2, 9_000, 9_000))
	w.expect(1, 7, `700, 0 pending, 700 earned, tier ""`)
	w.expect(1, 8, `0, 0 pending, 0 earned, tier ""`)
	for person, want := range map[int64]string{7: "merge_out -600, earn 100, merge_in 810", 8: "claw_back -600, merge_in 600, merge_out -810"} {
		entries, _, err := w.Entries(t.Context(), 1, person, loyaltyapi.After{}, 20)
		got := ""
		for _, e := range entries {
			switch e.Kind {
			case kindMergeIn, kindMergeOut, kindEarn, kindClawBack:
				got += fmt.Sprint(", ", e.Kind, " ", e.Points)
			}
		}
		if len(got) < len(want)+2 || got[2:len(want)+2] != want && person == 8 {
			t.Errorf("%d: %s, %v; want %s", person, got, err, want)
		}
	}
	w.merges(1, 6, 8, 7) // and the other way round
	w.expect(1, 8, `700, 0 pending, 700 earned, tier ""`)
}

// TestMergedDebts: whoever of both has points pays the other's debt, and has it back when they are two again.
func TestMergedDebts(t *testing.T) {
	t.Parallel()
	for name, indebted := range map[string]int64{"the survivor's": 7, "the duplicate's": 8} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.start(1, club())
			rich := 15 - indebted
			hear(w, w.originsRecorded, 1, w.bought(1, indebted, 1, 1_000), w.bought(1, rich, 2, 5_000))
			w.adjust(1, indebted, -60)
			hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1_000, 1_000))
			w.expect(1, indebted, `-60, 0 pending, 0 earned, tier ""`)
			w.merges(1, 5, 7, 8)
			w.expect(1, 7, `440, 0 pending, 500 earned, tier ""`)
			w.adjust(1, 7, 30)
			w.parts(1, 5, 7, 8)
			since := map[int64]int64{7: 30}
			if got, want := w.balance(1, indebted), -60+since[indebted]; got != want {
				t.Errorf("%d are left, want %d", got, want)
			}
			if got, want := w.balance(1, rich), 500+since[rich]; got != want {
				t.Errorf("%d are left, want %d", got, want)
			}
		})
	}
}

// TestMergedPendingPoints: they wait with the survivor, are activated there, and go back as what they are by then.
func TestMergedPendingPoints(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, waitingClub())
	w.earns(8, 1, 1_000)
	w.earns(8, 2, 2_000)
	w.merges(1, 5, 7, 8) // who is no member yet
	w.expect(1, 7, `0, 300 pending, 0 earned, tier ""`)
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 500, 1_000))
	w.expect(1, 7, `0, 250 pending, 0 earned, tier ""`)
	var lot int64
	if err := w.admin.Get(&lot, `select id from loyalty.txn where source = 'origin:2'`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.endPending(t.Context(), 1, lot, true, "", noKey); err != nil {
		t.Fatal(err)
	}
	w.expect(1, 7, `200, 50 pending, 200 earned, tier ""`)
	w.parts(1, 5, 7, 8)
	w.expect(1, 7, `0, 0 pending, 0 earned, tier ""`)
	w.expect(1, 8, `200, 50 pending, 200 earned, tier ""`)
}

// TestMergedStranger: who was merged before anything was earned is never a member; what is told of them makes the survivor one.
func TestMergedStranger(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	w.merges(1, 5, 7, 8)
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 8, 1, 1_000), w.bought(site, 9, 2, 1_000), w.bought(site, 8, 3, 1_000))
	}
	w.expect(1, 7, `200, 0 pending, 200 earned, tier ""`)
	w.expect(1, 9, `100, 0 pending, 100 earned, tier ""`)
	w.expect(2, 8, `200, 0 pending, 200 earned, tier ""`)
	if _, err := w.Member(t.Context(), 1, 8); !errors.Is(err, errNoMember) {
		t.Error(err)
	}
	w.parts(1, 5, 7, 8)
	w.earns(8, 4, 1_000)
	w.expect(1, 7, `200, 0 pending, 200 earned, tier ""`)
	w.expect(1, 8, `100, 0 pending, 100 earned, tier ""`)
}

// TestMergedCounts: orders, referrals and spend of both add up to a tier, day by day, and go back exactly, less what was refunded since.
func TestMergedCounts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.Tiers = []tier{{Name: "Twice", Orders: 2}, {Name: "Four", Orders: 4}}
	s.TierPlan = tierPlan{Window: rollingDays, Length: 30}
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	w.days(2)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 1_000), w.bought(1, 8, 4, 1_000), w.bought(1, 8, 5, 1_000))
	w.expect(1, 7, `200, 0 pending, 200 earned, tier "Twice"`)
	w.merges(1, 5, 7, 8)
	w.expect(1, 7, `500, 0 pending, 500 earned, tier "Four"`)
	hear(w, w.originsRefunded, 1, w.refund(1, 4, 1, 1_000, 1_000), w.refund(1, 5, 2, 1_000, 1_000))
	w.expect(1, 7, `300, 0 pending, 300 earned, tier "Twice"`)
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 6, 1_000))
	w.expect(1, 7, `400, 0 pending, 400 earned, tier "Four"`)
	w.parts(1, 5, 7, 8)
	w.expect(1, 7, `300, 0 pending, 300 earned, tier "Twice"`)
	w.expect(1, 8, `100, 0 pending, 100 earned, tier ""`)
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 3, 1_000, 1_000), w.refund(1, 6, 4, 1_000, 1_000))
	w.expect(1, 7, `200, 0 pending, 200 earned, tier "Twice"`)
	w.expect(1, 8, `0, 0 pending, 0 earned, tier ""`)
}

// TestMergedLots: what was paid while they were one out of lots that went back since comes back as points of today.
func TestMergedLots(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	mug := w.offer(1, p.ID, 150, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	w.merges(1, 5, 7, 8)
	spent, err := w.Redeem(t.Context(), 1, 7, mug, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	w.parts(1, 5, 7, 8)
	w.expect(1, 7, `0, 0 pending, 100 earned, tier ""`)
	w.expect(1, 8, `50, 0 pending, 100 earned, tier ""`)
	if _, err := w.Cancel(t.Context(), 1, spent.Redemption.ID, "out of mugs", noKey); err != nil {
		t.Fatal(err)
	}
	w.expect(1, 7, `150, 0 pending, 100 earned, tier ""`)
	if got := w.lots(1, 7); got != "100 50" {
		t.Errorf("lots %s", got)
	}
}

// TestMergeAndPurchasesAtOnce: whoever of both is told of, and whenever, the points of all orders are there, and all are found again.
func TestMergeAndPurchasesAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range int64(4) {
		wg.Go(func() {
			<-gate
			for n := range int64(5) {
				if err := tryHear(w, w.originsRecorded, 1, w.bought(1, 7+i%2, 10+i*10+n, 1_000)); err != nil {
					t.Error(err)
				}
				if _, err := w.Adjust(context.WithoutCancel(t.Context()), 1, 7+i%2, 10, "", noKey); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		<-gate
		for id := range int64(5) {
			w.merges(1, id+1, 7, 8)
			w.parts(1, id+1, 7, 8)
		}
		w.merges(1, 9, 7, 8)
	})
	close(gate)
	wg.Wait()
	w.expect(1, 7, `2400, 0 pending, 2200 earned, tier "Silver"`)
	w.parts(1, 9, 7, 8)
	if sum := w.balance(1, 7) + w.balance(1, 8); sum != 2_400 {
		t.Errorf("%d are there", sum)
	}
}
