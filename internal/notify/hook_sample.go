package notify

import (
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// once is when the facts of samples happened.
var once = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// samples are made-up facts for every type.
var samples = sampleFacts()

func sampleFacts() map[string]any {
	out := map[string]any{}
	show := func(o occasion, _ bool) {
		out[o.kind] = o.data
		if o.talkable != "" {
			out[o.talkable] = o.data
		}
	}
	show(fromOrigin(customerevent.OriginRecorded{OriginID: 11, Type: customerevent.Purchase, PersonID: 2, Number: "1001", Subtotal: 12000, Currency: "USD",
		Verified: true, FirstPurchase: true, OccurredAt: once, RecordedAt: once}))
	show(fromRefund(customerevent.OriginRefunded{OriginID: 11, RefundID: 12, PersonID: 2, Subtotal: 12000, Currency: "USD", Refunded: 2000, RefundedTotal: 2000,
		OccurredAt: once, RefundedAt: once}))
	show(fromPerson(customerevent.PersonChanged{PersonID: 1, ChangedAt: once, UnsubscribedAt: once}))
	show(fromOffer(referralevent.OfferCreated{OfferID: 5, CampaignID: 3, AdvocateID: 1, CreatedAt: once}))
	show(fromShare(referralevent.OfferShared{ShareID: 6, OfferID: 5, CampaignID: 3, AdvocateID: 1, Kind: referralevent.Social, Channel: "facebook", First: true,
		Link: "https://shop.example/x/sample", SharedAt: once}))
	show(fromClaim(referralevent.OfferClaimed{OfferID: 5, CampaignID: 3, AdvocateID: 1, FriendID: 2, FriendOfferID: 7, ClaimedAt: once}))
	show(fromReferral(referralevent.ReferralCreated{ReferralID: 21, CampaignID: 3, OfferID: 5, OriginID: 11, AdvocateID: 1, FriendID: 2, Status: referralevent.Pending,
		TrackMethod: "cookie", Subtotal: 12000, Currency: "USD", OccurredAt: once, CreatedAt: once}))
	reward := referralevent.RewardIssued{RewardID: 31, ReferralID: 21, CampaignID: 3, IncentiveID: 4, OriginID: 11, PersonID: 1, FriendID: 2, Side: "advocate",
		Reason: "referrer", Kind: referralevent.Commission, Amount: 1200, Currency: "USD", OccurredAt: once, IssuedAt: once}
	approved := referralevent.ReferralApproved{ReferralID: 21, CampaignID: 3, OfferID: 5, OriginID: 11, AdvocateID: 1, FriendID: 2, Subtotal: 12000,
		Currency: "USD", Cause: "automatic", OccurredAt: once, ApprovedAt: once}
	show(fromApproval(approved))
	out[talkableReferral] = approval{approved, []referralevent.RewardIssued{reward}}
	show(fromVoid(referralevent.ReferralVoided{ReferralID: 21, CampaignID: 3, OriginID: 11, AdvocateID: 1, FriendID: 2, Status: referralevent.Voided,
		Was: referralevent.Pending, Cause: "refund", VoidedAt: once}))
	show(fromVoid(referralevent.ReferralVoided{ReferralID: 21, CampaignID: 3, OriginID: 11, AdvocateID: 1, FriendID: 2, Status: referralevent.Blocked,
		Was: referralevent.Pending, Cause: "manual", VoidedAt: once}))
	show(fromReward(reward))
	show(fromClawback(referralevent.RewardClawedBack{RewardID: 31, ReferralID: 21, CampaignID: 3, PersonID: 1, Side: "advocate", Kind: referralevent.Commission,
		Amount: 200, AmountTotal: 200, Currency: "USD", Cause: "refund", ClawedAt: once}))
	show(fromCoupon(referralevent.CouponIssued{CouponID: 41, CouponListID: 40, Code: "SAMPLE-10", RewardID: 31, PersonID: 1, IssuedAt: once}))
	show(fromShelf(referralevent.CouponsLow{CouponListID: 40, Name: "Ten off", Available: 12, Threshold: 20, IssuedLately: 15, LowAt: once}))
	show(fromMember(loyaltyevent.MemberJoined{MemberID: 51, PersonID: 1, JoinedAt: once}))
	show(fromEarning(loyaltyevent.PointsEarned{TransactionID: 61, MemberID: 51, PersonID: 1, Points: 500, Balance: 1500, Reason: loyaltyevent.ForReferral,
		ReferralID: 21, FriendID: 2, EffectiveAt: once, RecordedAt: once}))
	show(fromTaking(loyaltyevent.PointsClawedBack{TransactionID: 62, MemberID: 51, PersonID: 1, Points: 100, Balance: 1400, Reason: loyaltyevent.ForPurchase,
		OriginID: 11, EffectiveAt: once, RecordedAt: once}))
	show(fromExpiry(loyaltyevent.PointsExpired{TransactionID: 63, MemberID: 51, PersonID: 1, Points: 50, Balance: 1350, ExpiredAt: once}))
	show(fromExpiring(loyaltyevent.PointsExpiring{LotID: 61, MemberID: 51, PersonID: 1, Points: 50, Balance: 1350, ExpiresAt: once.AddDate(0, 0, 14), ToldAt: once}))
	show(fromAdjustment(loyaltyevent.PointsAdjusted{TransactionID: 64, MemberID: 51, PersonID: 1, Points: 150, Balance: 1500, AdjustedAt: once}))
	show(fromRedemption(loyaltyevent.PointsRedeemed{RedemptionID: 71, TransactionID: 65, MemberID: 51, PersonID: 1, Points: 1000, Balance: 500, RedeemedAt: once}))
	show(fromFulfilment(loyaltyevent.RedemptionFulfilled{RedemptionID: 71, MemberID: 51, PersonID: 1, BatchID: 70, Kind: "coupon", Description: "$5 off", Points: 1000, CouponID: 41,
		CouponCode: "SAMPLE-10", FulfilledAt: once}))
	show(fromCancellation(loyaltyevent.RedemptionCancelled{RedemptionID: 71, TransactionID: 66, MemberID: 51, PersonID: 1, Points: 1000, Balance: 1500, CancelledAt: once}))
	show(fromHold(loyaltyevent.HoldChanged{HoldID: 81, TransactionID: 82, MemberID: 51, PersonID: 1, Change: "commit", Status: "committed", Points: 10, Balance: 490,
		Reference: "cart-77", ChangedAt: once}))
	show(fromReinstatement(loyaltyevent.PointsReinstated{TransactionID: 69, MemberID: 51, PersonID: 1, LotID: 61, Points: 50, Balance: 1400, ExpiryID: 63, ExpiresAt: once.AddDate(0, 1, 0),
		ReinstatedAt: once}))
	show(fromActivation(loyaltyevent.PointsActivated{TransactionID: 67, EarnTransactionID: 61, MemberID: 51, PersonID: 1, Points: 500, Balance: 500,
		Reason: loyaltyevent.ForPurchase, OriginID: 11, ActivatedAt: once}))
	show(fromTransfer(loyaltyevent.PointsTransferred{TransactionID: 68, MemberID: 51, PersonID: 1, ToMemberID: 52, ToPersonID: 2, Points: 100, Balance: 400, ToBalance: 100, TransferredAt: once}))
	show(fromTier(loyaltyevent.TierChanged{MemberID: 51, PersonID: 1, From: "Silver", To: "Gold", Earned: 5000, ChangedAt: once}))
	show(fromAchievement(loyaltyevent.AchievementReached{MemberID: 51, PersonID: 1, Achievement: "regular", Name: "Regular", Level: 1, Nth: 1, Round: 1, Period: "2026-03-01", Goal: 5, Counted: 5, ReachedAt: once}))
	show(fromLoss(loyaltyevent.AchievementLost{MemberID: 51, PersonID: 1, Achievement: "regular", Name: "Regular", Level: 1, Nth: 1, Round: 1, Period: "2026-03-01", Cause: "refund", LostAt: once}))
	show(fromStreak(loyaltyevent.StreakBroken{MemberID: 51, PersonID: 1, Achievement: "daily", Length: 12, Longest: 30, Began: "2026-03-01", BrokenAt: once}))
	show(fromInvitation(loyaltyevent.MemberInvited{InvitationID: 91, MemberID: 51, PersonID: 1, Code: "inv_mfrggzdfmztwq2lknnwg23tpoa", ExpiresAt: once.AddDate(0, 0, 30), InvitedAt: once}))
	show(fromStatus(loyaltyevent.MemberStatusChanged{MemberID: 51, PersonID: 1, From: "active", To: "suspended", Cause: "suspend", ChangedAt: once}))
	show(fromPool(loyaltyevent.PoolChanged{PoolID: 93, Change: "joined", MemberID: 52, PersonID: 2, OwnerID: 51, Spending: "all", ChangedAt: once}))
	show(fromPooling(loyaltyevent.PointsPooled{TransactionID: 94, PoolID: 93, SpendID: 71, MemberID: 51, PersonID: 1, ToMemberID: 52, ToPersonID: 2, Points: 100, Balance: 400, ToBalance: 100, PooledAt: once}))
	return out
}

// hearAll has merchants told of everything that nothing else is done with here.
func (m *Module) hearAll(c *bus.Consumer) {
	hear(m, c, fromOrigin)
	hear(m, c, fromRefund)
	hear(m, c, fromClaim)
	hear(m, c, fromCoupon)
	hear(m, c, fromShelf)
	hear(m, c, fromMember)
	hear(m, c, fromTaking)
	hear(m, c, fromExpiry)
	hear(m, c, fromHold)
	hear(m, c, fromActivation)
	hear(m, c, fromReinstatement)
	hear(m, c, fromLoss)
	hear(m, c, fromStreak)
	hear(m, c, fromTransfer)
	hear(m, c, fromAdjustment)
	hear(m, c, fromRedemption)
	hear(m, c, fromCancellation)
	hear(m, c, fromStatus)
	hear(m, c, fromPool)
	hear(m, c, fromPooling)
}
