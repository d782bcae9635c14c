package loyalty

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// twoWallets is a club with stars, which decide the tier and can't be spent, and credit, which lives ten days. A dollar earns 10 points and a star; an order
// 5 of credit.
func twoWallets() settings {
	s := ruled(stackAll,
		earnRule{Key: "stars", Kind: kindPerMoney, Points: 1, Wallet: "stars"},
		earnRule{Key: "credit", Kind: kindFixed, Points: 5, Wallet: "credit"})
	never := false
	s.Tiers = []tier{{Name: "Silver", Threshold: 50}}
	s.Wallets = keptWallets([]Wallet{
		{Key: "stars", Name: "Stars", Spendable: &never, CountsForTier: true},
		{Key: "credit", Name: "Credit", Transferable: true, ExpiresAfter: days(10)}})
	return s
}

// purses shows what a member has: in the main wallet, then in the others.
func (w *world) purses(site, person int64) string {
	w.t.Helper()
	m, err := w.Member(w.t.Context(), site, person)
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{fmt.Sprint(m.Balance)}
	for _, in := range m.Wallets {
		out = append(out, fmt.Sprint(in.Key, " ", in.Balance))
	}
	return strings.Join(out, ", ") + fmt.Sprintf(", %d earned, tier %q", m.Earned, m.Tier)
}

func (w *world) wantPurses(site, person int64, want string) {
	w.t.Helper()
	if got := w.purses(site, person); got != want {
		w.t.Errorf("person %d of site %d has %s; want %s", person, site, got, want)
	}
}

func codeOf(err error) string {
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	return fmt.Sprint(err)
}

// TestWalletsEarn: one order earns in each wallet, and its refunds take back the same share of each, in any order and split. The twin site's orders have
// the same numbers.
func TestWalletsEarn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, site := range []int64{1, 2} {
		w.start(site, twoWallets())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6000), w.bought(site, 7, 1, 6000))
		w.wantPurses(site, 7, `600, stars 60, credit 5, 60 earned, tier "Silver"`)
	}
	before := w.dump()
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	if w.dump() != before {
		t.Error("the same again is not nothing")
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 3000, 6000), w.refund(1, 1, 2, 6000, 6000), w.refund(1, 1, 1, 3000, 6000))
	w.wantPurses(1, 7, `0, stars 0, credit 0, 0 earned, tier ""`)
	for _, total := range []int64{1500, 3000} {
		hear(w, w.originsRefunded, 2, w.refund(2, 1, total, total, 6000))
	}
	w.wantPurses(2, 7, `300, stars 30, credit 3, 30 earned, tier ""`)

	hear(w, w.originsRefunded, 1, w.refund(1, 2, 9, 1000, 6000)) // of what has earned nothing yet
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 6000))
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 9, 1000, 6000))
	w.wantPurses(1, 7, `500, stars 50, credit 5, 50 earned, tier "Silver"`)
	preview, err := w.PreviewRefund(t.Context(), 1, 2, 6000, 6000)
	if err != nil || preview.Due != 500 || len(preview.Wallets) != 2 || preview.Wallets[0].Due != 50 || preview.Wallets[0].BalanceAfter != 0 || deref(preview.TierAfter) != "" {
		t.Errorf("%+v, %v", preview, err)
	}
	var sources []string
	if err := w.admin.Select(&sources, `select source || ' ' || coalesce(wallet, '') from loyalty.txn where site_id = 1 and kind = 'earn' and origin_id = 1 order by id`); err != nil ||
		fmt.Sprint(sources) != "[origin:1  origin:1:stars stars origin:1:credit credit]" {
		t.Errorf("%v, %v", sources, err)
	}
}

// TestWalletsExpire: each wallet by its own rule; the timer ends what is due in all of them, and reminds.
func TestWalletsExpire(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := twoWallets()
	s.RemindDays = 3
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	w.clock.Move(8 * 24 * time.Hour)
	if n, err := w.wakeDue(t.Context()); err != nil || n != 1 || w.told(1)["loyalty.points_expiring.v1"] != 1 {
		t.Errorf("reminded of %d, %v", n, err)
	}
	next, err := w.Member(t.Context(), 1, 7)
	if err != nil || next.Wallets[1].Expiring == nil || next.Wallets[1].Expiring.Points != 5 || next.Wallets[0].Expiring != nil {
		t.Errorf("%+v, %v", next.Wallets, err)
	}
	w.clock.Move(3 * 24 * time.Hour)
	if n, err := w.ExpireDue(t.Context()); err != nil || n != 1 {
		t.Errorf("%d ended, %v", n, err)
	}
	w.wantPurses(1, 7, `600, stars 60, credit 0, 60 earned, tier "Silver"`)
	run := w.clock.Now().Format(time.DateOnly)
	if _, _, err := w.reverseRun(t.Context(), shop(1), run, 5, "wrong", ReversalPart{}, 0, noKey); err != nil {
		t.Fatal(err)
	}
	if _, err := w.reverseDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantPurses(1, 7, `600, stars 60, credit 5, 60 earned, tier "Silver"`)
	before, err := w.BalanceIn(t.Context(), 1, 7, "credit", noon.Add(time.Hour))
	if err != nil || before.Points != 5 || before.Wallet != "credit" {
		t.Errorf("%+v, %v", before, err)
	}
	statement, _, err := w.StatementIn(t.Context(), 1, 7, "credit", noon.AddDate(0, 0, -1), w.clock.Now().Add(time.Hour), loyaltyapi.After{}, 10)
	if err != nil || statement.Closing != 5 || len(statement.Entries) != 3 || len(statement.Expiring) != 1 {
		t.Errorf("%+v, %v", statement, err)
	}
	if all, _, err := w.ExpirationsIn(t.Context(), 1, 7, "stars", loyaltyapi.AfterExpiration{}, 10); err != nil || len(all) != 1 || all[0].ExpiresAt != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if all, _, err := w.Entries(t.Context(), 1, 7, loyaltyapi.After{}, 10); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestWalletsSpend: adjusting, holding, redeeming, giving and extending say which wallet; one that isn't for it is refused.
func TestWalletsSpend(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, twoWallets())
	ctx := t.Context()
	for _, who := range []int64{7, 8} {
		hear(w, w.originsRecorded, 1, w.bought(1, who, who, 6000))
	}
	credit := "credit"
	mug, _, err := w.createBatch(ctx, 1, p.ID, batchSettings{Status: active, Description: "Mug", PointsCost: 20, Wallet: &credit}, 0, noKey)
	if err != nil || mug.Wallet != "credit" {
		t.Fatal(mug, err)
	}
	given, err := w.AdjustIn(ctx, 1, 7, "credit", 45, "sorry", false, noKey)
	if err != nil || given.Balance != 50 || given.Wallet != "credit" {
		t.Fatal(given, err)
	}
	spent, err := w.Redeem(ctx, 1, 7, mug.ID, "api", noKey)
	if err != nil || spent.Balance != 30 || spent.Redemption.Wallet != "credit" {
		t.Fatal(spent, err)
	}
	held, err := w.HoldIn(ctx, 1, 7, "credit", 0, 10, "cart", time.Hour, noKey)
	if err != nil || held.Balance != 20 || held.Hold.Wallet != "credit" {
		t.Fatal(held, err)
	}
	kept, err := w.HoldIn(ctx, 1, 7, "credit", 0, 4, "cart", time.Hour, noKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		id     int64
		kind   string
		points int64
	}{{held.Hold.ID, kindCommit, 0}, {held.Hold.ID, kindRestore, 3}, {kept.Hold.ID, kindRelease, 0}} {
		if _, err := w.endHold(ctx, 1, step.id, step.kind, step.points, noKey); err != nil {
			t.Fatal(step, err)
		}
	}
	w.wantPurses(1, 7, `600, stars 60, credit 23, 60 earned, tier "Silver"`)
	if out, _, err := w.TransferIn(ctx, 1, "credit", 7, 8, 3, "", noKey); err != nil || out.Balance != 20 || out.Wallet != "credit" {
		t.Fatal(out, err)
	}
	if _, err := w.Cancel(ctx, 1, spent.Redemption.ID, "broken", noKey); err != nil {
		t.Fatal(err)
	}
	w.wantPurses(1, 7, `600, stars 60, credit 40, 60 earned, tier "Silver"`)
	w.wantPurses(1, 8, `600, stars 60, credit 8, 60 earned, tier "Silver"`)
	ends := w.clock.Now().AddDate(0, 0, 100)
	if out, _, err := w.ExtendIn(ctx, 1, 7, "credit", nil, &ends, "closed", noKey); err != nil || out.Points != 40 || out.Wallet != "credit" {
		t.Error(out, err)
	}
	if _, err := w.AdjustIn(ctx, 1, 7, "stars", -20, "wrong", true, noKey); err != nil {
		t.Error(err)
	}
	w.wantPurses(1, 7, `600, stars 40, credit 40, 40 earned, tier ""`)

	refused := map[string]error{}
	_, refused["unknown to adjust wallet_not_found"] = w.AdjustIn(ctx, 1, 7, "gems", 1, "x", false, noKey)
	_, refused["unknown to hold wallet_not_found"] = w.HoldIn(ctx, 1, 7, "gems", 0, 1, "x", time.Hour, noKey)
	_, refused["stars to hold wallet_not_spendable"] = w.HoldIn(ctx, 1, 7, "stars", 0, 1, "x", time.Hour, noKey)
	_, refused["too many not_enough_points"] = w.HoldIn(ctx, 1, 7, "credit", 0, 41, "x", time.Hour, noKey)
	_, refused["below zero invalid_adjustment"] = w.AdjustIn(ctx, 1, 7, "credit", -41, "x", false, noKey)
	_, _, refused["stars to give wallet_not_transferable"] = w.TransferIn(ctx, 1, "stars", 7, 8, 1, "", noKey)
	_, _, refused["unknown to give wallet_not_found"] = w.TransferIn(ctx, 1, "gems", 7, 8, 1, "", noKey)
	_, _, refused["unknown to extend wallet_not_found"] = w.ExtendIn(ctx, 1, 7, "gems", nil, &ends, "x", noKey)
	_, refused["unknown to read wallet_not_found"] = w.BalanceIn(ctx, 1, 7, "gems", w.clock.Now())
	stars, gems := "stars", "gems"
	_, _, refused["stars to offer invalid_redemption_batch"] = w.createBatch(ctx, 1, p.ID, batchSettings{Status: active, Description: "x", PointsCost: 1, Wallet: &stars}, 0, noKey)
	_, _, refused["unknown to offer invalid_redemption_batch"] = w.createBatch(ctx, 1, p.ID, batchSettings{Status: active, Description: "x", PointsCost: 1, Wallet: &gems}, 0, noKey)
	for what, err := range refused {
		if !strings.HasSuffix(what, " "+codeOf(err)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	rewards, err := w.Rewards(ctx, 1, 7)
	if err != nil || len(rewards) != 1 || !rewards[0].Redeemable {
		t.Errorf("%+v, %v", rewards, err)
	}
}

// TestWalletsOfOccasions: rules on what isn't an order give in wallets, too, each once, within their limits; a void referral takes it back.
func TestWalletsOfOccasions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := twoWallets()
	s.Earning.Rules = []earnRule{{Key: "welcome", On: onJoin, Kind: kindFixed, Points: 3, Wallet: "credit"}, {Key: "silver", On: onTier, Tiers: []string{"Silver"}, Kind: kindFixed, Points: 4, Wallet: "credit"},
		{Key: "friend", On: onReferral, Kind: kindFixed, Points: 50, Wallet: "stars"}, {Key: "double", On: onReferral, Kind: kindMultiplier, Multiplier: 20_000, Wallet: "stars"},
		{Key: "daily", Kind: kindFixed, Points: 2, Wallet: "credit", Limits: []earnLimit{{Per: "day", Times: 1}}}}
	s.PointsPerReferral = 10
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100))
	approved := referralevent.ReferralApproved{SiteID: 1, ReferralID: 5, AdvocateID: 7, FriendID: 8, ApprovedAt: w.clock.Now()}
	hear(w, w.referralsApproved, 1, approved, approved)
	for range 2 {
		w.pass(t.Context())
	}
	w.wantPurses(1, 7, `30, stars 100, credit 9, 100 earned, tier "Silver"`)
	hear(w, w.referralsVoided, 1, referralevent.ReferralVoided{SiteID: 1, ReferralID: 5, AdvocateID: 7, Was: referralevent.Approved, VoidedAt: w.clock.Now()})
	w.wantPurses(1, 7, `20, stars 0, credit 9, 0 earned, tier ""`)
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 100, 100), w.refund(1, 2, 1, 100, 100)) // the second one earned no credit
	w.wantPurses(1, 7, `0, stars 0, credit 7, 0 earned, tier ""`)
}

// TestWalletsOfOne: merged members have all their wallets in one, whatever the one had and the other not; parting gives back what is left.
func TestWalletsOfOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, twoWallets())
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 1, 6000), w.bought(1, 9, 2, 2000))
	w.merges(1, 5, 9, 8)
	w.wantPurses(1, 9, `800, stars 80, credit 10, 80 earned, tier "Silver"`)
	if _, err := w.HoldIn(t.Context(), 1, 9, "credit", 0, 7, "x", time.Hour, noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 3000, 6000))
	w.wantPurses(1, 9, `500, stars 50, credit 1, 50 earned, tier "Silver"`)
	w.parts(1, 5, 9, 8)
	w.wantPurses(1, 9, `200, stars 20, credit 1, 20 earned, tier ""`)
	w.wantPurses(1, 8, `300, stars 30, credit 0, 30 earned, tier ""`)
}

// TestWalletsOfWhoLeaves: where a closed member forfeits points, it does so in all wallets; a late refund asks for nothing more.
func TestWalletsOfWhoLeaves(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := twoWallets()
	s.ClosedPoints = closedForfeit
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000), w.bought(1, 8, 2, 6000))
	if err := w.become(1, 7, turnClose); err != nil {
		t.Fatal(err)
	}
	w.wantPurses(1, 7, `0, stars 0, credit 0, 60 earned, tier "Silver"`)
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 6000, 6000))
	w.wantPurses(1, 7, `0, stars 0, credit 0, 0 earned, tier ""`)
	w.wantPurses(1, 8, `600, stars 60, credit 5, 60 earned, tier "Silver"`)
}

// TestWalletStays: what had points can't be taken out of the programme, at once or by a change that was scheduled before.
func TestWalletStays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := twoWallets()
	p := w.start(1, s)
	without := club()
	later := w.clock.Now().Add(time.Hour)
	if _, _, err := w.configureFrom(t.Context(), shop(1), p.ID, without, &later, 0, noKey); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, without, 0, noKey); codeOf(err) != "wallet_in_use" {
		t.Error(err)
	}
	s.Earning = nil
	w.configured(1, p.ID, s)
	w.clock.Move(2 * time.Hour)
	if _, err := w.promoteDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantPurses(1, 7, `600, stars 60, credit 5, 60 earned, tier ""`)
	after, err := findProgram(t.Context(), w.db, 1, p.ID)
	if err != nil || len(after.Wallets) != 2 || after.Earning != nil {
		t.Errorf("%+v, %v", after, err)
	}
	empty := twoWallets()
	empty.Wallets = append(empty.Wallets, Wallet{Key: "gems", Name: "Gems"}.kept())
	w.configured(1, p.ID, empty)
	w.configured(1, p.ID, twoWallets()) // nobody ever had a gem
}

func TestWalletsThatAreNone(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*settings){
		"/wallets":                      func(s *settings) { s.Wallets = make([]Wallet, 10) },
		"/wallets/0/key":                func(s *settings) { s.Wallets[0].Key = "points" },
		"/wallets/1/key":                func(s *settings) { s.Wallets[1].Key = "stars" },
		"/wallets/1/name":               func(s *settings) { s.Wallets[1].Name = "STARS" },
		"/wallets/1/expiry_rule":        func(s *settings) { s.Wallets[1].ExpiryRule = "monthly" },
		"/wallets/0/expires_after_days": func(s *settings) { s.Wallets[0].ExpiryRule = inactivity },
		"/wallets/0/pending_rule":       func(s *settings) { s.Wallets[0].PendingRule = "weeks" },
		"/wallets/1/pending_days":       func(s *settings) { s.Wallets[1].PendingRule, s.Wallets[1].PendingDays = untilDays, 10 },
		"/wallets/1/expiry_day":         func(s *settings) { s.Wallets[1].ExpiryRule = fixedDate },
		"/wallets/1/expires_after_days": func(s *settings) { s.Wallets[1].ExpiresAfter = days(0) },
		"/earning/rules/0/wallet":       func(s *settings) { s.Earning.Rules[0].Wallet = "gems" },
	} {
		s := twoWallets()
		s.Wallets = append([]Wallet{}, s.Wallets...)
		s.Earning.Rules = append([]earnRule{}, s.Earning.Rules...)
		change(&s)
		in, err := s.of(shop(1))
		if err == nil {
			err = in.check()
		}
		if f, ok := fault.Of(err); !ok || !slices.ContainsFunc(f.Fields, func(at fault.Field) bool { return at.Pointer == want }) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestWalletsApart: what a programme keeps and answers that has no further wallet is what it was: none of their columns is filled.
func TestWalletsApart(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	m, err := w.Member(context.WithoutCancel(t.Context()), 1, 7)
	if err != nil || m.Wallets != nil {
		t.Errorf("%+v, %v", m, err)
	}
	var n int
	if err := w.admin.Get(&n, `select (select count(*) from loyalty.txn where wallet is not null) + (select count(*) from loyalty.lot where tierless is not null)
		+ (select count(*) from loyalty.account where asset <> 'points') + (select count(*) from loyalty.program where policy ? 'wallets')`); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
