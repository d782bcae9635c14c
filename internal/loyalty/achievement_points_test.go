package loyalty

import (
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// TestPointsCount: points that were earned count in their wallet, by the month for which they were, less what refunds take back; what achievements give, what is
// moved by hand and what comes from others doesn't.
func TestPointsCount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	month := feat.Achievement{Key: "month", Counts: feat.Points, Of: mainWallet, Period: "month", Goal: 1000, Repeat: feat.Again, Revoke: true}
	starry := feat.Achievement{Key: "starry", Counts: feat.Points, Of: "stars", Goal: 500, Revoke: true}
	s := achieving(month, starry)
	s.PointsPerUnit = 1
	s.Wallets = keptWallets([]Wallet{{Key: "stars", Name: "Stars"}})
	s.Earning.Rules = append(s.Earning.Rules, earnRule{Key: "stars", Kind: kindPerMoney, Points: 1, PerAmount: 200, Wallet: "stars"})
	s.Earning.Rules[0].Points = 2000 // else it would reach itself again
	w.start(1, s)
	w.start(2, s)
	before := w.bought(1, 7, 1, 90_000)
	before.OccurredAt = noon.AddDate(0, 0, -40)
	hear(w, w.originsRecorded, 1, before, w.bought(1, 7, 2, 60_000), w.bought(1, 8, 3, 10_000))
	hear(w, w.rewardsIssued, 1, w.rewarded(1, 7, 1, 300))
	for _, points := range []int64{5000, -10} {
		if _, err := w.AdjustForTier(t.Context(), 1, 7, points, "by hand", noKey); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Transfer(t.Context(), 1, 7, 8, 2000, "", noKey); err != nil {
		t.Fatal(err)
	}
	w.asked(1, 7)
	if got, other := w.featsGot(1, 7), w.featsGot(1, 8); got != "starry/1//1" || other != "" {
		t.Fatalf("900 of a month and 900 of another reached %q and %q", got, other)
	}
	hear(w, w.rewardsIssued, 1, w.rewarded(1, 7, 2, 100))
	w.asked(1, 7)
	first := "month/1/" + noon.Format("2006-01") + "-01/1, starry/1//1"
	if got := w.featsGot(1, 7); got != first {
		t.Fatalf("1000 reached %q", got)
	}
	hear(w, w.rewardsClawedBack, 1, referralevent.RewardClawedBack{SiteID: 1, RewardID: 2, ReferralID: 2, Kind: referralevent.Points, PointsTotal: 1, ClawedAt: noon})
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 60_000, 90_000)) // 150 + 300 stars are left
	w.asked(1, 7)
	if got, want := w.featsGot(1, 7), strings.ReplaceAll(first, "/1,", "/1 lost by refund,")+" lost by refund"; got != want {
		t.Errorf("less what was taken back it is %q, want %q", got, want)
	}
	if got := w.featsGot(2, 7); got != "" {
		t.Errorf("the twin reached %q", got)
	}
}

// TestPendingPointsCount from when they are earned, until they are cancelled.
func TestPendingPointsCount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := achieving(feat.Achievement{Key: "hundred", Counts: feat.Points, Goal: 100, Revoke: true})
	s.PointsPerUnit, s.PendingRule = 1, untilEvent
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	if got := w.featsGot(1, 7); got != "hundred/1//1" {
		t.Fatalf("100 pending reached %q", got)
	}
	var id int64
	if err := w.admin.Get(&id, `select id from loyalty.txn where kind = 'earn' and source = 'origin:1'`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.endPending(t.Context(), 1, id, false, "", noKey); err != nil {
		t.Fatal(err)
	}
	w.asked(1, 7)
	if got, has := w.featsGot(1, 7), w.balance(1, 7); got != "hundred/1//1 lost by refund" || has != 0 {
		t.Errorf("cancelled it is %q, with %d points", got, has)
	}
}
