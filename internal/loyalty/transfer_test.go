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
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func (w *world) gives(site, from, to, points int64) string {
	w.t.Helper()
	_, _, err := w.Transfer(context.WithoutCancel(w.t.Context()), site, from, to, points, "for you", noKey)
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return "ok"
}

// TestTransferKeepsLots: their dates and what is left of them, in both members' histories.
func TestTransferKeepsLots(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	w.start(1, s)
	w.start(2, s)
	w.earns(7, 1, 1_000)
	w.clock.Move(24 * time.Hour)
	w.earns(7, 2, 2_000)
	w.earns(8, 3, 500)
	if got := w.gives(1, 7, 8, 150); got != "ok" {
		t.Fatal(got)
	}
	w.expect(1, 7, `150, 0 pending, 300 earned, tier ""`)
	w.expect(1, 8, `200, 0 pending, 50 earned, tier ""`)
	if got := w.lots(1, 7) + " | " + w.lots(1, 8); got != "0 150 | 50 100 50" {
		t.Errorf("lots %s", got)
	}
	var dates string
	if err := w.admin.Get(&dates, `select string_agg(l.granted || ' until ' || to_char(l.expires_at at time zone 'UTC', 'MM-DD'), ', ' order by l.id)
		from loyalty.lot l join loyalty.txn t on t.site_id = l.site_id and t.id = l.id where t.kind = 'transfer_in'`); err != nil || dates != "100 until 03-31, 50 until 04-01" {
		t.Errorf("%s, %v", dates, err)
	}
	for person, want := range map[int64]string{7: "transfer_out -150", 8: "transfer_in 50, transfer_in 100"} {
		entries, _, err := w.Entries(t.Context(), 1, person, loyaltyapi.After{}, 10)
		var got []string
		for _, e := range entries {
			if e.TransferID != nil && *e.Description == "for you" {
				got = append(got, fmt.Sprint(e.Kind, " ", e.Points))
			}
		}
		if strings.Join(got, ", ") != want || err != nil {
			t.Errorf("%d: %v, %v", person, got, err)
		}
	}
	for kind, want := range map[string]string{
		"transfer_out": "-150 against transferred, 2 lots used, made 0", "transfer_in": "100 against transferred, 0 lots used, made 100"} {
		var id int64
		if err := w.admin.Get(&id, `select min(id) from loyalty.txn where kind = $1`, kind); err != nil {
			t.Fatal(err)
		}
		x, err := explained(t.Context(), w.db, 1, id)
		if x.Lot == nil {
			x.Lot = &loyaltyapi.Lot{}
		}
		if got := fmt.Sprintf("%d against %s, %d lots used, made %d", x.Entry.Amount, x.Against, len(x.Used), x.Lot.Granted); err != nil || got != want {
			t.Errorf("%s, want %s; %v", got, want, err)
		}
	}
	w.days(29)
	w.expireAll()
	w.expect(1, 8, `100, 0 pending, 50 earned, tier ""`)
	w.expect(2, 8, `50, 0 pending, 50 earned, tier ""`)
	if got := w.told(1)["loyalty.points_transferred.v1"]; got != 1 {
		t.Errorf("told %d times", got)
	}
}

// TestTransferRefusals: why points stay where they are.
func TestTransferRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := waitingClub()
	s.TransferLimit, s.TransferDaily = 50, 80
	p := w.start(1, s)
	w.start(2, s)
	for _, site := range []int64{1, 2} {
		hear(w, w.rewardsIssued, site, w.rewarded(site, 7, 1, 60), w.rewarded(site, 8, 2, 60), w.rewarded(site, 9, 3, 60))
	}
	w.earns(7, 1, 1_000)
	w.admin.MustExec(`update loyalty.member set status = 'suspended' where site_id = 1 and person_id = 9`)
	for i, c := range []struct {
		from, to, points int64
		want             string
	}{
		{7, 7, 5, "same_member"}, {7, 99, 5, "receiver_not_found"}, {99, 7, 5, "member_not_found"},
		{7, 9, 5, "receiver_not_active"}, {9, 7, 5, "member_not_active"},
		{7, 8, 0, "invalid_transfer"}, {7, 8, maxPoints + 1, "invalid_transfer"},
		{7, 8, 51, "transfer_limit"}, {7, 8, 50, "ok"}, {7, 8, 31, "transfer_daily_limit"}, {7, 8, 30, "points_pending"}, {7, 8, 10, "ok"},
		{7, 8, 1, "points_pending"}, {8, 7, 50, "ok"}, {8, 7, 31, "transfer_daily_limit"}, {8, 7, 30, "ok"}, {8, 7, 1, "transfer_daily_limit"},
	} {
		if got := w.gives(1, c.from, c.to, c.points); got != c.want {
			t.Errorf("step %d: %s, want %s", i, got, c.want)
		}
	}
	w.clock.Move(24 * time.Hour)
	if got := w.gives(1, 8, 7, 41); got != "not_enough_points" {
		t.Error(got)
	}
	if got := w.gives(1, 8, 7, 40); got != "ok" {
		t.Error(got)
	}
	s.Status = paused
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, noKey); err != nil {
		t.Fatal(err)
	}
	if got := w.gives(1, 7, 8, 1); got != "no_program" {
		t.Error(got)
	}
	if _, _, err := w.Transfer(t.Context(), 1, 7, 8, 1, "a\x00", noKey); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	w.expect(2, 7, `60, 100 pending, 60 earned, tier ""`)
}

// TestTransferAndRefund: the earner pays when the order is refunded, and who got the points keeps them. A debt is repaid by what is given.
func TestTransferAndRefund(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 500))
	if got := w.gives(1, 7, 8, 100); got != "ok" {
		t.Fatal(got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1_000, 1_000))
	w.expect(1, 7, `-100, 0 pending, 0 earned, tier ""`)
	w.expect(1, 8, `150, 0 pending, 50 earned, tier ""`)
	if got := w.gives(1, 8, 7, 120); got != "ok" {
		t.Fatal(got)
	}
	w.expect(1, 7, `20, 0 pending, 0 earned, tier ""`)
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	for i := range 2 {
		out, replayed, err := w.Transfer(t.Context(), 1, 8, 7, 10, "", key)
		if err != nil || replayed != (i == 1) || out.Balance != 20 || out.Points != 10 {
			t.Errorf("%+v %v, %v", out, replayed, err)
		}
	}
}

// TestTransferByActivity: what lives by activity gets the date that it has, so that nobody keeps points alive by passing them around.
func TestTransferByActivity(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays = inactivity, days(10)
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	w.days(5)
	if got := w.gives(1, 7, 8, 60); got != "ok" {
		t.Fatal(got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 3, 1_000))
	w.days(5)
	w.expireAll()
	w.expect(1, 7, `0, 0 pending, 100 earned, tier ""`)
	w.expect(1, 8, `200, 0 pending, 200 earned, tier ""`)
}

// TestOppositeTransfers: two members who give to each other at once don't wait for each other, and nothing is lost.
func TestOppositeTransfers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	var batch []customerevent.OriginRecorded
	for i := range int64(4) {
		batch = append(batch, w.bought(1, 7+i%2, i+1, 1_000))
	}
	hear(w, w.originsRecorded, 1, batch...)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range int64(6) {
		wg.Go(func() {
			<-gate
			for range 10 {
				if got := w.gives(1, 7+i%2, 8-i%2, 1+i); got != "ok" && got != "not_enough_points" {
					t.Error(got)
				}
			}
		})
	}
	close(gate)
	wg.Wait()
	if sum := w.balance(1, 7) + w.balance(1, 8); sum != 400 {
		t.Errorf("%d are left of 400", sum)
	}
}

// TestManyLotsAreGivenInParts: the bound, and what it says.
func TestManyLotsAreGivenInParts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	var batch []customerevent.OriginRecorded
	for i := range int64(maxTransferLots + 1) {
		batch = append(batch, w.bought(1, 7, i+1, 10))
	}
	hear(w, w.originsRecorded, 1, append(batch, w.bought(1, 8, 9_999, 10))...)
	if got := w.gives(1, 7, 8, maxTransferLots+1); got != "too_many_lots" {
		t.Error(got)
	}
	if got := w.gives(1, 7, 8, maxTransferLots); got != "ok" {
		t.Error(got)
	}
}

// TestAdjustForTier: what is given or taken by hand counts as earned if it says so.
func TestAdjustForTier(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	w.earns(7, 1, 1_000)
	adjust := func(points int64) string {
		_, err := w.AdjustForTier(t.Context(), 1, 7, points, "by hand", noKey)
		if f, ok := fault.Of(err); ok {
			return f.Code
		}
		return fmt.Sprint(err)
	}
	w.adjust(1, 7, 1_000)
	w.expect(1, 7, `1100, 0 pending, 100 earned, tier ""`)
	for i, c := range []struct {
		points    int64
		want, has string
	}{
		{900, "<nil>", `2000, 0 pending, 1000 earned, tier "Silver"`},
		{-1, "<nil>", `1999, 0 pending, 999 earned, tier ""`},
		{-1_000, "invalid_adjustment", `1999, 0 pending, 999 earned, tier ""`},
		{-999, "<nil>", `1000, 0 pending, 0 earned, tier ""`},
		{0, "invalid_adjustment", `1000, 0 pending, 0 earned, tier ""`},
	} {
		if got := adjust(c.points); got != c.want {
			t.Errorf("step %d: %s, want %s", i, got, c.want)
		}
		w.expect(1, 7, c.has)
	}
	w.expect(2, 7, `100, 0 pending, 100 earned, tier ""`)
}
