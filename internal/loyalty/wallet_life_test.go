package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// waitingWallets is twoWallets whose stars wait three days, and whose credit waits for somebody's word.
func waitingWallets() settings {
	s := twoWallets()
	s.Wallets[0].PendingRule, s.Wallets[0].PendingDays = untilDays, 3
	s.Wallets[1].PendingRule, s.Wallets[1].PendingExpiry = untilEvent, fromActivation
	return s
}

// pendingIn shows what a member has waiting, in the order of the programme's wallets.
func (w *world) pendingIn(site, person int64) string {
	w.t.Helper()
	m, err := w.Member(w.t.Context(), site, person)
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{fmt.Sprint(m.Pending)}
	for _, in := range m.Wallets {
		out = append(out, fmt.Sprint(in.Key, " ", in.Pending))
	}
	return strings.Join(out, ", ")
}

func (w *world) wantPending(site, person int64, want string) {
	w.t.Helper()
	if got := w.pendingIn(site, person); got != want {
		w.t.Errorf("person %d of site %d waits for %s; want %s", person, site, got, want)
	}
}

func (w *world) earnedIn(site int64, source string) (id int64) {
	w.t.Helper()
	if err := w.admin.Get(&id, `select id from loyalty.txn where site_id = $1 and kind = 'earn' and source = $2`, site, source); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// TestWalletsWait: points of each wallet wait by its own rule; a refund takes its share of what waits, the approval of a referral lets go of what the order
// earned, and the twin's things with the same numbers stay as they are.
func TestWalletsWait(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	for _, site := range []int64{1, 2} {
		w.start(site, waitingWallets())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6000), w.bought(site, 7, 2, 4000))
		w.wantPurses(site, 7, `1000, stars 0, credit 0, 0 earned, tier ""`)
		w.wantPending(site, 7, `0, stars 100, credit 10`)
	}
	began := w.clock.Now()
	preview, err := w.PreviewRefund(ctx, 1, 1, 3000, 6000)
	if err != nil || len(preview.Wallets) != 2 || !preview.Wallets[0].Pending || preview.Wallets[0].FromOrder != 30 || preview.Wallets[0].BalanceAfter != 0 || preview.Pending {
		t.Errorf("%+v, %v", preview, err)
	}
	w.clock.Move(time.Hour)
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 3000, 6000))
	w.wantPending(1, 7, `0, stars 70, credit 8`) // of 5 of credit 2 were taken
	w.days(3)
	w.activates(4) // two are the twin's
	w.wantPurses(1, 7, `700, stars 70, credit 0, 70 earned, tier "Silver"`)
	w.wantPending(1, 7, `0, stars 0, credit 8`)

	hear(w, w.referralsApproved, 1, referralevent.ReferralApproved{SiteID: 1, ReferralID: 1, AdvocateID: 9, FriendID: 7, OriginID: 1, ApprovedAt: w.clock.Now()})
	w.activates(1)
	w.wantPurses(1, 7, `700, stars 70, credit 3, 70 earned, tier "Silver"`)
	id := w.earnedIn(1, "origin:2:credit")
	for range 2 {
		end, _, err := w.endPending(ctx, 1, id, true, "", noKey)
		if err != nil || end.Balance != 8 || end.Pending != 0 || end.Wallet != "credit" {
			t.Errorf("%+v, %v", end, err)
		}
	}
	if m, err := w.Member(ctx, 1, 7); err != nil || m.Wallets[1].Expiring == nil || !m.Wallets[1].Expiring.At.Equal(w.clock.Now().AddDate(0, 0, 10)) {
		t.Errorf("%+v, %v", m.Wallets, err)
	}
	if _, _, err := w.endPending(ctx, 2, w.earnedIn(2, "origin:2:credit"), false, "", noKey); err != nil {
		t.Error(err)
	}
	w.wantPending(2, 7, `0, stars 0, credit 5`)
	if all, _, err := w.PendingIn(ctx, 2, 7, "credit", loyaltyapi.AfterExpiration{}, 5); err != nil || len(all) != 1 || all[0].Points != 5 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, _, err := w.PendingIn(ctx, 2, 7, "gems", loyaltyapi.AfterExpiration{}, 5); codeOf(err) != "wallet_not_found" {
		t.Error(err)
	}
	for at, want := range map[time.Time][2]int64{began: {0, 100}, began.Add(2 * time.Hour): {0, 70}, w.clock.Now(): {70, 0}} {
		if b, err := w.BalanceIn(ctx, 1, 7, "stars", at); err != nil || b.Points != want[0] || b.Pending != want[1] {
			t.Errorf("at %s: %+v, %v; want %v", at, b, err, want)
		}
	}
	late := w.bought(1, 8, 3, 1000) // so late that its stars need not wait
	late.OccurredAt = began
	hear(w, w.originsRecorded, 1, late)
	w.wantPurses(1, 8, `100, stars 10, credit 0, 10 earned, tier ""`)
}

// TestWalletsWaitMerged: what waits in a wallet goes to the survivor of a merge, and back by its undoing; who leaves forfeits it.
func TestWalletsWaitMerged(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := waitingWallets()
	s.ClosedPoints = "forfeit"
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000), w.bought(1, 8, 2, 1000))
	hear(w, w.merged, 1, customerevent.PersonMerged{SiteID: 1, MergeID: 5, SurvivorID: 7, DuplicateID: 8, MergedAt: w.clock.Now()})
	w.wantPending(1, 7, `0, stars 70, credit 10`)
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 500, 1000))
	hear(w, w.unmerged, 1, customerevent.PersonUnmerged{SiteID: 1, MergeID: 5, SurvivorID: 7, DuplicateID: 8, UnmergedAt: w.clock.Now()})
	w.wantPending(1, 7, `0, stars 60, credit 5`)
	w.wantPending(1, 8, `0, stars 5, credit 3`)
	w.days(3)
	w.activates(2)
	w.wantPurses(1, 8, `50, stars 5, credit 0, 5 earned, tier ""`)
	w.admin.MustExec(`update loyalty.member set status = 'closed', forfeit_at = $1 where site_id = 1 and person_id = 8`, w.clock.Now())
	if n, err := w.forfeitDue(t.Context()); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	w.wantPurses(1, 8, `0, stars 0, credit 0, 5 earned, tier ""`)
	w.wantPending(1, 8, `0, stars 0, credit 0`)
	w.admin.MustExec(`update loyalty.member set status = 'active', forfeit_at = null, forfeited = null where site_id = 1 and person_id = 8`) // as no call had closed it
}

// idleWallets is twoWallets whose credit lives by activity, for ten days, and is reminded of three days before.
func idleWallets() settings {
	s := twoWallets()
	s.RemindDays = 3
	s.Wallets[1].ExpiryRule = inactivity
	return s
}

// TestWalletsLapse: points of a wallet live by what is done in it, and by nothing else; who did nothing is reminded, and then they end, each site's by itself.
func TestWalletsLapse(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	for _, site := range []int64{1, 2} {
		w.start(site, idleWallets())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6000))
	}
	expiring := func(site int64, want int) {
		t.Helper()
		m, err := w.Member(ctx, site, 7)
		if in := m.Wallets[1].Expiring; err != nil || in == nil || !in.At.Equal(noon.AddDate(0, 0, want)) {
			t.Errorf("site %d: %+v, %v; want day %d", site, in, err, want)
		}
	}
	w.days(6)
	if _, err := w.Adjust(ctx, 1, 7, 40, "in the main wallet", noKey); err != nil { // no activity of the credit
		t.Fatal(err)
	}
	expiring(1, 10)
	w.days(2)
	if n, err := w.wakeDue(ctx); err != nil || n != 2 || w.told(1)["loyalty.points_expiring.v1"] != 1 {
		t.Errorf("%d were reminded, %v", n, err)
	}
	if _, err := w.AdjustIn(ctx, 1, 7, "credit", 4, "thanks", false, noKey); err != nil {
		t.Fatal(err)
	}
	expiring(1, 18)
	expiring(2, 10)
	if all, _, err := w.ExpirationsIn(ctx, 1, 7, "credit", loyaltyapi.AfterExpiration{}, 10); err != nil || len(all) != 2 || !all[0].ExpiresAt.Equal(noon.AddDate(0, 0, 18)) || !all[1].ExpiresAt.Equal(noon.AddDate(0, 0, 18)) {
		t.Errorf("%+v, %v", all, err)
	}
	w.days(3) // day 11
	if n := w.expireAll(); n != 2 {
		t.Errorf("%d were ended", n)
	}
	w.wantPurses(1, 7, `640, stars 60, credit 9, 60 earned, tier "Silver"`)
	w.wantPurses(2, 7, `600, stars 60, credit 0, 60 earned, tier "Silver"`)
	w.days(4) // day 15
	if n, err := w.wakeDue(ctx); err != nil || n != 1 || w.told(1)["loyalty.points_expiring.v1"] != 2 {
		t.Errorf("%d were reminded, %v", n, err)
	}
	w.days(3) // day 18: over, though nobody came by yet
	if _, err := w.HoldIn(ctx, 1, 7, "credit", 0, 5, "cart", time.Hour, noKey); codeOf(err) != "not_enough_points" {
		t.Errorf("held what was over: %v", err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 1000)) // too late for the others
	w.wantPurses(1, 7, `740, stars 70, credit 5, 70 earned, tier "Silver"`)
	expiring(1, 28)
	w.days(30)
	w.expireAll()
	w.wantPurses(1, 7, `740, stars 70, credit 0, 70 earned, tier "Silver"`)
	var left int
	if err := w.admin.Get(&left, `select count(*) from loyalty.account where lapses_at is not null or wake_at is not null`); err != nil || left != 0 {
		t.Errorf("%d are still looked at, %v", left, err)
	}
}

// TestExpiryPreviewOfWallet: another rule is tried on the points of one wallet.
func TestExpiryPreviewOfWallet(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, idleWallets())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000), w.bought(1, 8, 2, 1000))
	w.days(8)
	if _, err := w.AdjustIn(t.Context(), 1, 7, "credit", 4, "thanks", false, noKey); err != nil {
		t.Fatal(err)
	}
	at := func(rule triedRule) expiryPreview {
		t.Helper()
		out, _, err := w.previewRule(t.Context(), shop(1), w.program(1), rule, "", 10, noKey)
		if err != nil {
			t.Fatal(err)
		}
		return *out.Preview
	}
	if p := at(triedRule{Wallet: "credit", Rule: ruleRolling, Days: days(5)}); p.Members != 2 || p.Points != 14 || p.AtOnce != (previewShare{2, 10}) || p.Sooner != (previewShare{2, 14}) {
		t.Errorf("%+v", p)
	}
	if p := at(triedRule{Wallet: "credit", Rule: inactivity, Days: days(12)}); p.Later != (previewShare{2, 14}) || p.AtOnce.Points != 0 {
		t.Errorf("%+v", p)
	}
	if p := at(triedRule{Wallet: "stars", Rule: inactivity, Days: days(5)}); p.Points != 70 || p.AtOnce != (previewShare{2, 70}) {
		t.Errorf("%+v", p)
	}
	if p := at(triedRule{Rule: ruleRolling, Days: days(5)}); p.Points != 700 || p.AtOnce.Points != 700 {
		t.Errorf("%+v", p)
	}
	if _, _, err := w.previewRule(t.Context(), shop(1), w.program(1), triedRule{Wallet: "gems"}, "", 10, noKey); codeOf(err) != "wallet_not_found" {
		t.Error(err)
	}
}
