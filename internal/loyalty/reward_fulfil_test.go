package loyalty

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Part of an order is paid in whole steps, so what points are worth is exact.
func TestPayingWithPoints(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100_000)) // 10,000 points
	pay := w.reward(1, p.ID, 100, rewardPayment, loyaltyapi.RewardTerms{Amount: 150, Currency: "USD", MinPoints: 200, MaxPoints: 3000})
	mug := w.reward(1, p.ID, 100, rewardProduct, loyaltyapi.RewardTerms{SKU: "MUG"})
	for _, c := range []struct {
		batch, points int64
		want          int64 // worth; 0: refused
	}{
		{pay, 200, 300}, {pay, 3000, 4500}, {pay, 100, 0}, {pay, 3100, 0}, {pay, 250, 0}, {pay, 0, 0}, {mug, 100, 0},
	} {
		before := w.balance(1, 7)
		a, err := w.RedeemFor(t.Context(), 1, 7, c.batch, c.points, "order-9", "api", noKey)
		switch {
		case c.want == 0 && !fault.Is(err, fault.Invalid) || c.want > 0 && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.want > 0:
			r := a.Redemption
			if *r.Amount != c.want || *r.Currency != "USD" || *r.Reference != "order-9" || r.Status != fulfilled || w.balance(1, 7) != before-c.points {
				t.Errorf("%+v: %+v", c, r)
			}
		}
	}
	if r := w.mine(1, 7, pay); !r.Redeemable {
		t.Errorf("shown %+v", r)
	}
	// A checkout that holds the points first is asked the same, and gives back what it took of a limit.
	twice := w.reward(1, p.ID, 100, rewardPayment, loyaltyapi.RewardTerms{Amount: 150, Currency: "USD", Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: "day", Times: 1}}})
	hold := func(batch, points int64) (loyaltyapi.Hold, error) {
		a, err := w.HoldFor(t.Context(), 1, 7, batch, points, "cart-1", time.Hour, noKey)
		if err != nil {
			return loyaltyapi.Hold{}, err
		}
		return *a.Hold, nil
	}
	k, err := hold(twice, 300)
	if err != nil || *k.Amount != 450 || *k.Currency != "USD" || *k.BatchID != twice {
		t.Errorf("%+v, %v", k, err)
	}
	for points, batch := range map[int64]int64{300: twice, 250: pay, 100: mug, 200: 987654} {
		if _, err := hold(batch, points); err == nil {
			t.Errorf("%d points are held for batch %d", points, batch)
		}
	}
	if _, err := w.endHold(t.Context(), 1, k.ID, kindRelease, 0, noKey); err != nil {
		t.Error(err)
	}
	if k, err = hold(twice, 100); err != nil {
		t.Error(err)
	}
	if _, err := w.endHold(t.Context(), 1, k.ID, kindCommit, 0, noKey); err != nil {
		t.Error(err)
	}
	if _, err := hold(twice, 100); err == nil {
		t.Error("what was committed counts no more")
	}
	if batches, err := w.Batches(t.Context(), 1, 7); err != nil || len(batches) != 1 || batches[0].ID != mug {
		t.Errorf("Talkable's list has %+v, %v", batches, err)
	}
	if got := w.redeems(1, 7, pay); got != "invalid_redemption" {
		t.Errorf("Talkable's way pays: %q", got)
	}
}

// What the merchant hands out waits for him: he fulfils it or cancels it, and of both at once one wins.
func TestFulfilment(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.start(2, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	mug := w.reward(1, p.ID, 10, rewardProduct, loyaltyapi.RewardTerms{SKU: "MUG", Fulfilment: byMerchant})
	coupon := w.reward(1, p.ID, 10, rewardCoupon, loyaltyapi.RewardTerms{})
	redeem := func(batch int64) int64 {
		a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
		if err != nil || a.Redemption.Status != waiting {
			t.Fatalf("%+v, %v", a.Redemption, err)
		}
		return a.Redemption.ID
	}
	id := redeem(mug)
	if _, _, err := w.Fulfil(t.Context(), 2, id, "", 5, noKey); !errors.Is(err, errNoRedemption) {
		t.Errorf("the twin: %v", err)
	}
	for range 2 {
		if r, _, err := w.Fulfil(t.Context(), 1, id, "Parcel 4711", 5, noKey); err != nil || r.Status != fulfilled || *r.Note != "Parcel 4711" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if n := w.told(1)["loyalty.redemption_fulfilled.v1"]; n != 1 {
		t.Errorf("told %d times", n)
	}
	if _, _, err := w.Fulfil(t.Context(), 1, redeem(coupon), "", 5, noKey); !errors.Is(err, errNotMerchants) {
		t.Errorf("a coupon: %v", err)
	}
	for range 5 {
		id, before := redeem(mug), w.balance(1, 7)
		var wg sync.WaitGroup
		var lost atomic.Bool
		wg.Go(func() {
			if _, _, err := w.Fulfil(context.WithoutCancel(t.Context()), 1, id, "", 5, noKey); errors.Is(err, errWasCancelled) {
				lost.Store(true)
			} else if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := w.Cancel(context.WithoutCancel(t.Context()), 1, id, "None left", noKey); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		r, err := redemptionOf(t.Context(), w.db, 1, id)
		if err != nil || r.Status != cancelled || (r.FulfilledAt == nil) != lost.Load() || w.balance(1, 7) != before+10 {
			t.Errorf("%+v, %v; fulfilling lost: %v", r, err, lost.Load())
		}
	}
	f := loyaltyapi.RedemptionFilter{Status: fulfilled, BatchID: mug, From: noon, To: noon.Add(time.Second)}
	if page, more, err := w.SiteRedemptions(t.Context(), 1, f, loyaltyapi.AfterRedemption{}, 1); err != nil || len(page) != 1 || more || page[0].ID != id {
		t.Errorf("%+v, %v, %v", page, more, err)
	}
	if page, _, err := w.SiteRedemptions(t.Context(), 2, loyaltyapi.RedemptionFilter{}, loyaltyapi.AfterRedemption{}, 9); err != nil || len(page) != 0 {
		t.Errorf("the twin sees %+v, %v", page, err)
	}
}

// A gift card is there once its provider has taken the order, however often that is told; a cancelled redemption stays so.
func TestGiftCardsOfRedemptions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var card [3]int64
	for _, site := range []int64{1, 2} {
		p := w.start(site, club())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 10_000))
		card[site] = w.reward(site, p.ID, 10, rewardGiftCard, loyaltyapi.RewardTerms{Amount: 500, Currency: "USD"})
	}
	redeem := func(site int64) int64 {
		a, err := w.Redeem(t.Context(), site, 7, card[site], "api", noKey)
		if err != nil || a.Redemption.Status != waiting || *a.Redemption.Amount != 500 {
			t.Fatalf("%+v, %v", a.Redemption, err)
		}
		return a.Redemption.ID
	}
	sent := func(site, id int64) referralevent.GiftCardSent {
		return referralevent.GiftCardSent{SiteID: site, RedemptionID: id, PersonID: 7, Amount: 500, Currency: "USD", SentAt: w.clock.Now()}
	}
	one, two, gone := redeem(1), redeem(2), redeem(1)
	if _, err := w.Cancel(t.Context(), 1, gone, "Sorry", noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.giftCardsSent, 1, sent(1, one), sent(1, one), sent(1, gone), referralevent.GiftCardSent{SiteID: 1, RewardID: 9})
	hear(w, w.giftCardsSent, 1, sent(1, one))
	for id, want := range map[[2]int64]string{{1, one}: fulfilled, {1, gone}: cancelled, {2, two}: waiting} {
		if r, err := redemptionOf(t.Context(), w.db, id[0], id[1]); err != nil || r.Status != want {
			t.Errorf("redemption %v is %s, %v; want %s", id, r.Status, err, want)
		}
	}
	if n := w.told(1)["loyalty.redemption_fulfilled.v1"]; n != 1 {
		t.Errorf("told %d times", n)
	}
}

// shelf is module referral, which says whether what it handed out can be had back.
type shelf struct {
	couponLists
	gone  map[int64]bool
	asked []int64
}

func (s *shelf) TakeBack(_ context.Context, _, redemption int64) (bool, error) {
	s.asked = append(s.asked, redemption)
	return s.gone[redemption], nil
}

// What was used is not cancelled; what is the merchant's to take back isn't asked about.
func TestUsedRedemptionsStay(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	coupon, mug := w.offer(1, p.ID, 10, 5), w.offer(1, p.ID, 10, 0)
	var ids []int64
	for _, batch := range []int64{coupon, coupon, mug} {
		a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.Redemption.ID)
	}
	s := &shelf{gone: map[int64]bool{ids[0]: true}}
	w.coupons = s
	for range 2 {
		for i, id := range ids {
			if _, err := w.Cancel(t.Context(), 1, id, "Sorry", noKey); errors.Is(err, errUsed) != (i == 0) || i > 0 && err != nil {
				t.Errorf("redemption %d: %v", i, err)
			}
		}
	}
	if w.balance(1, 7) != 990 || len(s.asked) != 3 { // twice about the used one
		t.Errorf("balance %d, asked about %v", w.balance(1, 7), s.asked)
	}

	// Whoever cancels may die between the two: the timer goes on with it, or finds that it can't be.
	a, err := w.Redeem(t.Context(), 1, 7, coupon, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	w.admin.MustExec(`update loyalty.redemption set cancel_wanted = 'Sorry', cancel_wanted_at = $1 where status <> 'cancelled'`, w.clock.Now())
	for _, want := range []int{0, 2, 0} {
		if n, err := w.finishCancels(t.Context()); err != nil || n != want {
			t.Errorf("ended %d, %v; want %d", n, err, want)
		}
		w.clock.Move(cancelPatience)
	}
	if r, err := redemptionOf(t.Context(), w.db, 1, a.Redemption.ID); err != nil || r.Status != cancelled || *r.CancelReason != "Sorry" || w.balance(1, 7) != 990 {
		t.Errorf("%+v, %v; balance %d", r, err, w.balance(1, 7))
	}
}
