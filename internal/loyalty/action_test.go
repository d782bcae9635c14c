package loyalty

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

var noKey = idempotency.Key{}

// offer adds a batch to a site's programme; list 0: the merchant hands out what was bought.
func (w *world) offer(siteID, programID, cost, list int64) int64 {
	w.t.Helper()
	s := batchSettings{Status: active, Description: "$5 off", PointsCost: cost}
	if list != 0 {
		s.CouponListID = &list
	}
	b, _, err := w.createBatch(context.WithoutCancel(w.t.Context()), siteID, programID, s, 0, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.ID
}

func (w *world) adjust(siteID, personID, points int64) loyaltyapi.Action {
	w.t.Helper()
	a, err := w.Adjust(w.t.Context(), siteID, personID, points, "by hand", noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// lots is what a person's lots have left, the oldest first.
func (w *world) lots(siteID, personID int64) string {
	return w.lotsIn(siteID, personID, mainWallet)
}

// lotsIn is what the lots of a member's wallet have left.
func (w *world) lotsIn(siteID, personID int64, wallet string) string {
	w.t.Helper()
	var left []int64
	if err := w.admin.Select(&left, `select l.remaining from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
		join loyalty.member m on m.site_id = a.site_id and m.id = a.owner_id
		where m.site_id = $1 and m.person_id = $2 and a.asset = $3 order by l.id`, siteID, personID, wallet); err != nil {
		w.t.Fatal(err)
	}
	return strings.Trim(fmt.Sprint(left), "[]")
}

func TestAdjustByHand(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1000))
	}
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	for i := range 2 {
		a, err := w.Adjust(t.Context(), 1, 7, 50, "Sorry for the delay", key)
		if err != nil || a.Balance != 150 || a.Points != 50 || a.Replayed != (i == 1) {
			t.Fatalf("try %d: %+v, %v", i, a, err)
		}
	}
	if _, err := w.Adjust(t.Context(), 1, 7, 60, "", idempotency.Key{Value: "k", Fingerprint: "other"}); !fault.Is(err, fault.Unprocessable) {
		t.Errorf("a reused key: %v", err)
	}
	if a := w.adjust(1, 7, -120); a.Balance != 30 || w.lots(1, 7) != "0 30" { // the older expires first... they expire together
		t.Errorf("%+v, lots %s", a, w.lots(1, 7))
	}
	for _, points := range []int64{-31, 1_000_000 - 29, 1 << 62, -1 << 62, 0} {
		_, err := w.Adjust(t.Context(), 1, 7, points, "", noKey)
		if f, ok := fault.Of(err); !ok || f.Kind != fault.Unprocessable || !strings.HasPrefix(f.Detail, "Validation failed: Points ") {
			t.Errorf("%d: %v", points, err)
		}
	}
	if a := w.adjust(1, 7, 1_000_000-30); a.Balance != 1_000_000 {
		t.Errorf("%+v", a)
	}
	if a := w.adjust(1, 7, -1_000_000); a.Balance != 0 {
		t.Errorf("%+v", a)
	}
	if got := w.balance(2, 7); got != 100 {
		t.Errorf("the twin has %d", got)
	}
	if _, err := w.Adjust(t.Context(), 1, 99, 1, "", noKey); !errors.Is(err, errNoMember) {
		t.Errorf("a stranger: %v", err)
	}
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || m.Earned != 100 {
		t.Errorf("adjusting counted as earning: %+v, %v", m, err)
	}
	entries, _, err := w.Entries(t.Context(), 1, 7, loyaltyapi.After{}, 10)
	if err != nil || len(entries) != 5 || *entries[3].Description != "Sorry for the delay" || entries[3].Kind != kindAdjust || entries[3].ExpiresAt == nil ||
		entries[2].Points != -120 || entries[2].Balance != 30 {
		t.Errorf("entries %+v, %v", entries, err)
	}
	page, more, err := w.Adjustments(t.Context(), 1, 7, loyaltyapi.AfterID{}, 3)
	if err != nil || !more || len(page) != 3 || page[2].Points != -120 {
		t.Errorf("page %+v, %v, %v", page, more, err)
	}
	page, more, err = w.Adjustments(t.Context(), 1, 7, loyaltyapi.AfterID{ID: page[2].TransactionID}, 3)
	if err != nil || more || len(page) != 1 || page[0].Description != "Sorry for the delay" {
		t.Errorf("page %+v, %v, %v", page, more, err)
	}
	if got := w.told(1)["loyalty.points_adjusted.v1"]; got != 4 {
		t.Errorf("told %d", got)
	}
}

func TestSpendingTakesWhatExpiresNext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	late := w.bought(1, 7, 1, 1000)
	late.OccurredAt = noon.AddDate(0, 0, 10)
	hear(w, w.originsRecorded, 1, late, w.bought(1, 7, 2, 1000))
	never := club()
	never.ExpiresAfterDays = nil
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, never, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	w.adjust(1, 7, 100)
	if got := w.lots(1, 7); got != "100 100 100" {
		t.Fatal(got)
	}
	w.adjust(1, 7, -50)
	if got := w.lots(1, 7); got != "100 50 100" {
		t.Errorf("lots %s", got)
	}
	id := w.offer(1, p.ID, 160, 0)
	a, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey)
	if err != nil || a.Balance != 90 || a.Points != -160 || a.Redemption.Status != fulfilled || w.lots(1, 7) != "0 0 90" {
		t.Fatalf("%+v, %v; lots %s", a, err, w.lots(1, 7))
	}
	w.clock.Move(366 * 24 * time.Hour) // the second lot's date is past, the first has nine days
	if _, err := w.Cancel(t.Context(), 1, a.Redemption.ID, "Changed their mind", noKey); err != nil {
		t.Fatal(err)
	}
	if got := w.lots(1, 7); got != "100 0 100" || w.balance(1, 7) != 200 {
		t.Errorf("lots %s, balance %d", got, w.balance(1, 7))
	}
	if got := w.told(1); got["loyalty.points_expired.v1"] != 1 || got["loyalty.redemption_cancelled.v1"] != 1 {
		t.Errorf("told %v", got)
	}
	w.clock.Move(20 * 24 * time.Hour)
	if _, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey); !errors.Is(err, errTooFew) { // points past their date buy nothing
		t.Errorf("got %v", err)
	}
	if got := w.lots(1, 7); got != "0 0 100" {
		t.Errorf("lots %s", got)
	}
}

// TestLotThatExpiresTwice: points that come back to an expired lot expire once more.
func TestLotThatExpiresTwice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	id := w.offer(1, p.ID, 30, 0)
	var spent []int64
	for range 2 {
		a, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey)
		if err != nil {
			t.Fatal(err)
		}
		spent = append(spent, a.Redemption.ID)
	}
	w.clock.Move(366 * 24 * time.Hour)
	if _, err := w.ExpireDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range spent {
		if _, err := w.Cancel(t.Context(), 1, r, "why not", noKey); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.told(1)["loyalty.points_expired.v1"]; got != 3 || w.balance(1, 7) != 0 {
		t.Errorf("expired %d times, balance %d", got, w.balance(1, 7))
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1000, 1000)) // all of it had expired: nobody pays
	if w.balance(1, 7) != 0 {
		t.Errorf("balance %d", w.balance(1, 7))
	}
}

func TestRedemptionWaitsForItsCoupon(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, site := range []int64{1, 2} {
		p := w.start(site, club())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 10_000))
		w.offer(site, p.ID, 400, 5)
	}
	a, err := w.Redeem(t.Context(), 1, 7, 1, "api", noKey)
	if err != nil || a.Redemption.Status != waiting || a.Redemption.CouponCode != nil || *a.Redemption.CouponListID != 5 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := w.Redeem(t.Context(), 1, 7, 2, "api", noKey); !errors.Is(err, errNoBatch) {
		t.Errorf("the twin's batch: %v", err)
	}
	if _, err := w.Cancel(t.Context(), 2, a.Redemption.ID, "not mine", noKey); !errors.Is(err, errNoRedemption) {
		t.Errorf("the twin's redemption: %v", err)
	}
	page, more, err := w.SiteRedemptions(t.Context(), 1, loyaltyapi.RedemptionFilter{Status: waiting}, loyaltyapi.AfterRedemption{}, 10)
	if err != nil || more || len(page) != 1 {
		t.Errorf("waiting %+v, %v, %v", page, more, err)
	}
	issuedTo := func(redemption, coupon int64) referralevent.CouponIssued {
		return referralevent.CouponIssued{SiteID: 1, CouponID: coupon, CouponListID: 5, Code: fmt.Sprint("C-", coupon), RedemptionID: redemption,
			PersonID: 7, IssuedAt: w.clock.Now()}
	}
	hear(w, w.couponsIssued, 1, issuedTo(a.Redemption.ID, 3), referralevent.CouponIssued{SiteID: 1, CouponID: 4, RewardID: 9})
	if r, err := redemptionOf(t.Context(), w.db, 1, a.Redemption.ID); err != nil || r.Status != fulfilled || *r.CouponCode != "C-3" || r.FulfilledAt == nil {
		t.Errorf("got %+v, %v", r, err)
	}
	before := w.dump()
	hear(w, w.couponsIssued, 1, issuedTo(a.Redemption.ID, 3))
	if w.dump() != before {
		t.Error("heard twice, changed twice")
	}
	second, err := w.Redeem(t.Context(), 1, 7, 1, "api", noKey)
	if err != nil || second.Balance != 200 {
		t.Fatalf("%+v, %v", second, err)
	}
	key := idempotency.Key{Value: "c", Fingerprint: "f"}
	for i, k := range []idempotency.Key{key, key, noKey} {
		c, err := w.Cancel(t.Context(), 1, second.Redemption.ID, "too late", k)
		if err != nil || c.Redemption.Status != cancelled || c.Balance != 600 || c.Points != 400 || c.Replayed != (i == 1) {
			t.Errorf("try %d: %+v, %v", i, c, err)
		}
	}
	hear(w, w.couponsIssued, 1, issuedTo(second.Redemption.ID, 8)) // crossed with the cancellation
	r, err := redemptionOf(t.Context(), w.db, 1, second.Redemption.ID)
	if err != nil || r.Status != cancelled || *r.CouponID != 8 || w.balance(1, 7) != 600 {
		t.Errorf("%+v, %v", r, err)
	}
	list, _, err := w.Redemptions(t.Context(), 1, 7, loyaltyapi.AfterID{}, 10)
	if err != nil || len(list) != 2 || list[0].Status != cancelled || list[1].Status != fulfilled {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestDebtPolicy: a refund of a purchase whose points were spent asks the other lots, then makes a debt, which the next points
// repay, be they earned, given, or come back.
func TestDebtPolicy(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	id := w.offer(1, p.ID, 100, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 7, 2, 300))
	a, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey)
	if err != nil || w.lots(1, 7) != "0 30" {
		t.Fatal(err, w.lots(1, 7))
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1000, 1000))
	if got := w.balance(1, 7); got != -70 || w.lots(1, 7) != "0 0" {
		t.Errorf("balance %d, lots %s", got, w.lots(1, 7))
	}
	if _, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey); !errors.Is(err, errTooFew) {
		t.Errorf("spent in debt: %v", err)
	}
	if _, err := w.Adjust(t.Context(), 1, 7, 69, "", noKey); !errors.Is(err, errAdjust) {
		t.Errorf("adjusted to a debt: %v", err)
	}
	w.adjust(1, 7, 80)
	if got := w.balance(1, 7); got != 10 || w.lots(1, 7) != "0 0 10" {
		t.Errorf("balance %d, lots %s", got, w.lots(1, 7))
	}
	if _, err := w.Cancel(t.Context(), 1, a.Redemption.ID, "returned", noKey); err != nil || w.lots(1, 7) != "100 0 10" {
		t.Errorf("lots %s, %v", w.lots(1, 7), err)
	}
	b, err := w.Redeem(t.Context(), 1, 7, id, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 300, 300)) // 10 are there, 20 are owed
	if _, err := w.Cancel(t.Context(), 1, b.Redemption.ID, "returned", noKey); err != nil || w.lots(1, 7) != "80 0 0" || w.balance(1, 7) != 80 {
		t.Errorf("lots %s, balance %d, %v", w.lots(1, 7), w.balance(1, 7), err)
	}
}

func TestFiftyRedemptionsOfOneBalance(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	id := w.offer(1, p.ID, 70, 0)
	var lots []customerevent.OriginRecorded
	for i := range int64(10) {
		lots = append(lots, w.bought(1, 7, i+1, 1000), w.bought(1, 8, 100+i, 1000))
	}
	hear(w, w.originsRecorded, 1, lots...) // 1000 points: 14 times
	other := New(Deps{DB: w.db, Outbox: w.outbox, Log: w.log, Now: w.now, Cursors: w.cursors})
	var won atomic.Int64
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			<-gate
			m := []*Module{w.Module, other}[i%2] // two replicas
			_, err := m.Redeem(context.WithoutCancel(t.Context()), 1, 7, id, "api", noKey)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, errTooFew):
				t.Error(err)
			}
			if _, err := m.Adjust(context.WithoutCancel(t.Context()), 1, 8, -10, "", noKey); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if won.Load() != 14 || w.balance(1, 7) != 20 || w.balance(1, 8) != 500 {
		t.Errorf("%d won, balances %d and %d", won.Load(), w.balance(1, 7), w.balance(1, 8))
	}
	if got := w.told(1)["loyalty.points_redeemed.v1"]; got != 14 {
		t.Errorf("told %d", got)
	}
}

func TestWhoMayRedeem(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	id := w.offer(1, p.ID, 50, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 1000))
	w.admin.MustExec(`update loyalty.member set status = 'suspended' where person_id = 8`)
	redeem := func(person, batch int64) error {
		_, err := w.Redeem(t.Context(), 1, person, batch, "api", noKey)
		return err
	}
	if err := redeem(8, id); !errors.Is(err, errInactive) {
		t.Errorf("inactive: %v", err)
	}
	if err := redeem(9, id); !errors.Is(err, errNoMember) {
		t.Errorf("stranger: %v", err)
	}
	if _, _, err := w.replaceBatch(t.Context(), 1, p.ID, id, batchSettings{Status: archived, Description: "gone", PointsCost: 1}, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if err := redeem(7, id); !errors.Is(err, errNoBatch) {
		t.Errorf("archived: %v", err)
	}
	s := club()
	s.Status = paused
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if err := redeem(7, id); !errors.Is(err, errNoClub) {
		t.Errorf("paused: %v", err)
	}
	if _, err := w.Batches(t.Context(), 1, 7); !errors.Is(err, errNoClub) {
		t.Errorf("paused: %v", err)
	}
}
