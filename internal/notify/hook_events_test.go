package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// happens hands events of one type to whoever hears them; it may come twice.
func happens[T bus.Payload](b *bench, hear bus.Handler[T], all ...T) {
	b.t.Helper()
	for range 2 {
		b.do(func(ctx context.Context, u *bus.Unit) error { return hear(ctx, u, events(all...)) })
	}
}

func announcing[T bus.Payload](b *bench, from func(T) (occasion, bool)) bus.Handler[T] {
	return func(ctx context.Context, u *bus.Unit, batch []bus.Event[T]) error {
		return announce(ctx, b.Module, u, batch, from)
	}
}

// Everything that a merchant can be told arrives, once in each style, and what isn't asked for does not.
func TestHookEveryEvent(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.endpoint(1, standard, r.URL, hookTypes[standard]...)
	b.endpoint(1, talkable, r.URL, hookTypes[talkable]...)
	b.site(2, "Other")
	b.endpoint(2, standard, r.URL, "tier.changed")
	happens(b, announcing(b, fromOrigin), customerevent.OriginRecorded{SiteID: 1, OriginID: 11, Type: customerevent.Purchase, PersonID: 8, Number: "1001", Subtotal: 8000,
		Currency: "USD", IP: "192.0.2.7", Phone: "mark", Verified: true, OccurredAt: start, RecordedAt: start}, customerevent.OriginRecorded{SiteID: 1, OriginID: 12,
		Type: customerevent.AffiliateMember, PersonID: 7, Verified: true, OccurredAt: start, RecordedAt: start})
	happens(b, announcing(b, fromRefund), customerevent.OriginRefunded{SiteID: 1, OriginID: 11, RefundID: 1, PersonID: 8, RefundedAt: start})
	happens(b, b.onPerson, customerevent.PersonChanged{SiteID: 1, PersonID: 7, Email: "anna@example.com", ChangedAt: start, UnsubscribedAt: start},
		customerevent.PersonChanged{SiteID: 1, PersonID: 7, Email: "anna@example.com", FirstName: "Anna", ChangedAt: start, UnsubscribedAt: start})
	happens(b, announcing(b, fromOffer), referralevent.OfferCreated{SiteID: 1, OfferID: 5, AdvocateID: 7, CreatedAt: start})
	happens(b, b.onShared, referralevent.OfferShared{SiteID: 1, ShareID: 6, OfferID: 5, AdvocateID: 7, FriendID: 8, Kind: referralevent.Email, Channel: "email",
		Link: "https://x.example/y", Message: "private words", SharedAt: start})
	happens(b, announcing(b, fromClaim), referralevent.OfferClaimed{SiteID: 1, OfferID: 5, AdvocateID: 7, FriendID: 8, ClaimedAt: start})
	happens(b, announcing(b, fromReferral), referralevent.ReferralCreated{SiteID: 1, ReferralID: 21, AdvocateID: 7, FriendID: 8, CreatedAt: start})
	happens(b, announcing(b, fromApproval), approved(1, 21))
	happens(b, b.onReward, referralevent.RewardIssued{SiteID: 1, RewardID: 31, ReferralID: 21, PersonID: 7, FriendID: 8, Side: "advocate", Kind: referralevent.Coupon,
		CouponCode: "TEN", IssuedAt: start})
	happens(b, announcing(b, fromVoid), referralevent.ReferralVoided{SiteID: 1, ReferralID: 22, Status: referralevent.Voided, VoidedAt: start},
		referralevent.ReferralVoided{SiteID: 1, ReferralID: 23, Status: referralevent.Blocked, VoidedAt: start})
	happens(b, announcing(b, fromClawback), referralevent.RewardClawedBack{SiteID: 1, RewardID: 31, AmountTotal: 5, ClawedAt: start})
	happens(b, announcing(b, fromCoupon), referralevent.CouponIssued{SiteID: 1, CouponID: 41, Code: "X", IssuedAt: start})
	happens(b, announcing(b, fromShelf), referralevent.CouponsLow{SiteID: 1, CouponListID: 40, LowAt: start})
	happens(b, announcing(b, fromMember), loyaltyevent.MemberJoined{SiteID: 1, MemberID: 51, PersonID: 7, JoinedAt: start})
	happens(b, b.onPointsEarned, earned(1, 61, 7))
	happens(b, announcing(b, fromTaking), loyaltyevent.PointsClawedBack{SiteID: 1, TransactionID: 62, PersonID: 7, RecordedAt: start})
	happens(b, announcing(b, fromExpiry), loyaltyevent.PointsExpired{SiteID: 1, TransactionID: 63, PersonID: 7, ExpiredAt: start})
	happens(b, announcing(b, fromExpiring), loyaltyevent.PointsExpiring{SiteID: 1, LotID: 61, PersonID: 7, ExpiresAt: start, ToldAt: start})
	happens(b, announcing(b, fromReinstatement), loyaltyevent.PointsReinstated{SiteID: 1, TransactionID: 69, PersonID: 7, ReinstatedAt: start})
	happens(b, announcing(b, fromActivation), loyaltyevent.PointsActivated{SiteID: 1, TransactionID: 67, PersonID: 7, ActivatedAt: start})
	happens(b, announcing(b, fromTransfer), loyaltyevent.PointsTransferred{SiteID: 1, TransactionID: 68, PersonID: 7, ToPersonID: 8, TransferredAt: start})
	happens(b, announcing(b, fromHold), loyaltyevent.HoldChanged{SiteID: 1, HoldID: 81, TransactionID: 81, PersonID: 7, Change: "hold", ChangedAt: start})
	happens(b, announcing(b, fromAdjustment), loyaltyevent.PointsAdjusted{SiteID: 1, TransactionID: 64, PersonID: 7, AdjustedAt: start})
	happens(b, announcing(b, fromRedemption), loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 71, PersonID: 7, RedeemedAt: start})
	happens(b, b.onRewardReady, loyaltyevent.RedemptionFulfilled{SiteID: 1, RedemptionID: 71, PersonID: 7, Kind: "coupon", FulfilledAt: start})
	happens(b, announcing(b, fromCancellation), loyaltyevent.RedemptionCancelled{SiteID: 1, RedemptionID: 71, PersonID: 7, CancelledAt: start})
	happens(b, announcing(b, fromAchievement), loyaltyevent.AchievementReached{SiteID: 1, MemberID: 51, PersonID: 7, Achievement: "regular", Level: 1, Nth: 1, Round: 1, ReachedAt: start})
	happens(b, announcing(b, fromLoss), loyaltyevent.AchievementLost{SiteID: 1, MemberID: 51, PersonID: 7, Achievement: "regular", Level: 1, Nth: 1, Round: 1, LostAt: start})
	happens(b, announcing(b, fromStreak), loyaltyevent.StreakBroken{SiteID: 1, MemberID: 51, PersonID: 7, Achievement: "daily", BrokenAt: start})
	happens(b, announcing(b, fromTier), sampleTier(1))
	happens(b, b.onInvited, loyaltyevent.MemberInvited{SiteID: 1, InvitationID: 91, MemberID: 51, PersonID: 7, Code: "inv_x", ExpiresAt: start.AddDate(0, 0, 9), InvitedAt: start})
	happens(b, announcing(b, fromStatus), loyaltyevent.MemberStatusChanged{SiteID: 1, MemberID: 51, PersonID: 7, From: "active", To: "closed", Cause: "close", ChangedAt: start})
	happens(b, announcing(b, fromPool), loyaltyevent.PoolChanged{SiteID: 1, PoolID: 93, Change: "closed", OwnerID: 51, Spending: "all", ChangedAt: start})
	happens(b, announcing(b, fromPooling), loyaltyevent.PointsPooled{SiteID: 1, TransactionID: 94, PoolID: 93, PersonID: 7, ToPersonID: 8, Points: 5, PooledAt: start})
	b.phone(999, "") // the friend of the earning
	b.clock.Move(rewardsFollow)
	b.carryAll()

	want := map[string]int{"origin.recorded": 2}
	for _, kinds := range hookTypes {
		for _, kind := range kinds {
			want[kind] = max(want[kind], 1)
		}
	}
	found, err := deliveries(t.Context(), b.DB, 1, hookFilter{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int{}
	for _, d := range found {
		have[d.Type]++
		if d.State != delivered {
			t.Errorf("%s is %s", d.Type, d.State)
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("delivered: %v\nwant: %v", have, want)
	}
	b.wantHooks(2)
	var bodies []string
	for _, g := range r.took() {
		bodies = append(bodies, g.body)
	}
	slices.Sort(bodies)
	all := strings.Join(bodies, "\n")
	for _, secret := range []string{"192.0.2.7", "mark", "private words"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q was told", secret)
		}
	}
	if !strings.Contains(all, "reward_coupon_code%22%3A%22TEN") {
		t.Error("the reward isn't in Talkable's message of the referral")
	}
}
