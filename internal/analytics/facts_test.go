package analytics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/notify/notifyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// everything is one of each, with what it counts.
func everything() []fact {
	var all []fact
	for _, c := range cases() {
		all = append(all, c.facts...)
	}
	return all
}

type factCase struct {
	name  string
	facts []fact
	want  string
}

func cases() []factCase {
	sale := customerevent.OriginRecorded{SiteID: 1, Type: customerevent.Purchase, Subtotal: 1000, Currency: "USD", Verified: true, OccurredAt: start}
	first, unverified, member, event := sale, sale, sale, sale
	first.FirstPurchase, unverified.Verified = true, false
	member.Type, event.Type = customerevent.AffiliateMember, customerevent.Event
	refund := customerevent.OriginRefunded{SiteID: 1, Refunded: 300, RefundedTotal: 300, Currency: "USD", OccurredAt: start}
	second, nothing := refund, refund
	second.RefundedTotal = 600
	nothing.Refunded, nothing.RefundedTotal, nothing.Full = 0, 0, true
	reward := referralevent.RewardIssued{SiteID: 1, CampaignID: 3, Side: "advocate", Kind: referralevent.Commission, Amount: 50, Currency: "USD", OccurredAt: start}
	friend := reward
	friend.Side, friend.Kind, friend.Amount, friend.Currency = "friend", referralevent.Coupon, 0, ""
	back := referralevent.RewardClawedBack{SiteID: 1, CampaignID: 3, Kind: referralevent.Commission, Amount: 20, Currency: "USD", ClawedAt: start}
	pointsBack := back
	pointsBack.Kind = referralevent.Points
	earned := loyaltyevent.PointsEarned{SiteID: 1, PersonID: 7, FriendID: 8, Points: 500, Reason: loyaltyevent.ForReward, EffectiveAt: start}
	own, friends := earned, earned
	own.Reason, friends.PersonID = loyaltyevent.ForPurchase, 8
	known := member
	known.PersonID = 7
	forReferral, friendsOwn := reward, reward
	forReferral.Reason, forReferral.Kind, forReferral.Amount, forReferral.Currency = "referrer", referralevent.Points, 0, ""
	friendsOwn.Reason = "referrer"
	visit := referralevent.Visit{CampaignID: 3, Channel: referralevent.Email, FirstOfThem: true, VisitedAt: start}
	byVisit := referralevent.ReferralCreated{SiteID: 1, CampaignID: 3, Status: referralevent.Pending, TrackMethod: "cookie", Subtotal: 10, Currency: "USD", OccurredAt: start}
	byCoupon := referralevent.ReferralApproved{SiteID: 1, CampaignID: 3, TrackMethod: "coupon", Subtotal: 10, Currency: "USD", OccurredAt: start}
	newReferral, newCoupon := byVisit, byCoupon
	newReferral.FirstOrder, newReferral.TrackMethod, newCoupon.FirstOrder = true, "web_cookie", true
	return []factCase{
		{"known member", originFacts(known), "sign_up 0  1 0; emails_collected_on_signup 0  1 0"},
		{"visit", visitFacts(1, visit), "visits 3  1 0; first_time_visits 3  1 0; share_emails_clicked 3  1 0"},
		{"claim", claimedFacts(referralevent.OfferClaimed{SiteID: 1, CampaignID: 3, ClaimedAt: start}), "emails_collected_on_claim 3  1 0"},
		{"referral by a visit", createdFacts(byVisit), "total_referred_sales 3 USD 1 10; ideal_sales 3 USD 1 10; visited_referrals 3  1 0"},
		{"referral by a coupon", approvedFacts(byCoupon), "talkable_sales 3 USD 1 10; talkable_sales_with_talkable_coupon 3 USD 1 10; talkable_sales_with_talkable_coupon_and_not_new 3 USD 1 10"},
		{"referral of a new customer", createdFacts(newReferral), "total_referred_sales 3 USD 1 10; ideal_sales 3 USD 1 10; referred_sales_new 3 USD 1 10; visited_referrals 3  1 0"},
		{"new customer's coupon", approvedFacts(newCoupon), "talkable_sales 3 USD 1 10; talkable_sales_with_talkable_coupon 3 USD 1 10; talkable_sales_with_talkable_coupon_and_new 3 USD 1 10"},
		{"referrer's points", rewardFacts(forReferral), "total_rewards 3  1 0; ad_rewards 3  1 0; advocate_referral_rewards_paid_and_pending 3  1 0; advocate_referral_rewards_paid 3  1 0"},
		{"referrer's commission", rewardFacts(friendsOwn),
			"total_rewards 3 USD 1 50; ad_rewards 3 USD 1 50; advocate_referral_rewards_paid_and_pending 3  1 0; commissions 3 USD 1 50"},
		{"purchase", originFacts(sale), "total_sales 0 USD 1 1000"},
		{"first purchase", originFacts(first), "total_sales 0 USD 1 1000; total_first_time_sales 0 USD 1 1000"},
		{"unverified", originFacts(unverified), ""},
		{"member", originFacts(member), "sign_up 0  1 0"},
		{"event", originFacts(event), "events 0  1 0"},
		{"refund", refundFacts(refund), "refunded_sales 0 USD 1 300"},
		{"second refund", refundFacts(second), "refunded_sales 0 USD 0 300"},
		{"refund of nothing", refundFacts(nothing), "refunded_sales 0 USD 1 0"},
		{"offer", offerFacts(referralevent.OfferCreated{SiteID: 1, CampaignID: 3, CreatedAt: start}), "offers 3  1 0"},
		{"share", sharedFacts(referralevent.OfferShared{SiteID: 1, CampaignID: 3, SharedAt: start}), "shares 3  1 0"},
		{"second share", sharedFacts(referralevent.OfferShared{SiteID: 1, CampaignID: 3, Second: true, SharedAt: start}), "shares 3  1 0; multisharers 3  1 0"},
		{"opted in", claimedFacts(referralevent.OfferClaimed{SiteID: 1, CampaignID: 3, OptedIn: true, ClaimedAt: start}), "emails_collected_on_claim 3  1 0; email_gated_and_opted_in 3  1 0"},
		{"a stranger opted in", claimedFacts(referralevent.OfferClaimed{SiteID: 1, CampaignID: 3, OptedIn: true, Stranger: true, ClaimedAt: start}),
			"emails_collected_on_claim 3  1 0; email_gated_and_opted_in 3  1 0; email_gated_and_opted_in_new 3  1 0"},
		{"member opted in", originFacts(customerevent.OriginRecorded{SiteID: 1, Type: customerevent.AffiliateMember, PersonID: 1, Verified: true, OptedIn: true, FirstOptIn: true, OccurredAt: start}),
			"sign_up 0  1 0; emails_collected_on_signup 0  1 0; sign_up_and_opted_in 0  1 0; sign_up_and_opted_in_new 0  1 0"},
		{"first share", sharedFacts(referralevent.OfferShared{SiteID: 1, CampaignID: 3, First: true, SharedAt: start}), "shares 3  1 0; sharers 3  1 0"},
		{"referral", createdFacts(referralevent.ReferralCreated{SiteID: 1, CampaignID: 3, Status: referralevent.Pending, Subtotal: 10, Currency: "USD", OccurredAt: start}),
			"total_referred_sales 3 USD 1 10; ideal_sales 3 USD 1 10"},
		{"blocked", createdFacts(referralevent.ReferralCreated{SiteID: 1, CampaignID: 3, Status: referralevent.Blocked, Subtotal: 10, OccurredAt: start}),
			"referrals_blocked 3  1 0"},
		{"approved", approvedFacts(referralevent.ReferralApproved{SiteID: 1, CampaignID: 3, Subtotal: 10, Currency: "USD", OccurredAt: start}),
			"talkable_sales 3 USD 1 10"},
		{"voided", voidedFacts(referralevent.ReferralVoided{SiteID: 1, CampaignID: 3, Status: referralevent.Voided, VoidedAt: start}), "referrals_voided 3  1 0"},
		{"blocked by hand", voidedFacts(referralevent.ReferralVoided{SiteID: 1, CampaignID: 3, Status: referralevent.Blocked, VoidedAt: start}), "referrals_blocked 3  1 0"},
		{"commission", rewardFacts(reward), "total_rewards 3 USD 1 50; ad_rewards 3 USD 1 50; commissions 3 USD 1 50"},
		{"coupon", rewardFacts(friend), "total_rewards 3  1 0; fr_rewards 3  1 0"},
		{"friend's coupon used", couponFacts(referralevent.CouponsUsed{SiteID: 1, ByFriend: true, Subtotal: 10, Currency: "USD", OccurredAt: start}),
			"total_sales_with_curebit_coupon 0 USD 1 10; total_sales_with_talkable_fr_coupon 0 USD 1 10"},
		{"advocate's coupons used", couponFacts(referralevent.CouponsUsed{SiteID: 1, ByAdvocate: true, RewardsUsed: 2, Subtotal: 10, Currency: "USD", OccurredAt: start}),
			"total_sales_with_curebit_coupon 0 USD 1 10; total_sales_with_talkable_ad_coupon 0 USD 1 10; advocate_referral_rewards_used 0  2 0"},
		{"advocate's order", advocateFacts(referralevent.AdvocatePurchased{SiteID: 1, Subtotal: 10, Currency: "USD", OccurredAt: start}),
			"ideal_advocate_sales 0 USD 1 10; ideal_advocate_sales_existing_customers 0 USD 1 10; ideal_sales 0 USD 1 10"},
		{"advocate's first order, by another's link", advocateFacts(referralevent.AdvocatePurchased{SiteID: 1, Subtotal: 10, Currency: "USD", FirstPurchase: true, Referred: true, OccurredAt: start}),
			"ideal_advocate_sales 0 USD 1 10; ideal_advocate_sales_new_customers 0 USD 1 10"},
		{"friend's mail", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "friend_reward", SentAt: start}), "emails_sent 0  1 0; friend_reward_paid_email_delivered 0  1 0"},
		{"offer's mail", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "advocate_offer", SentAt: start}), "emails_sent 0  1 0; advocate_offer_email_delivered 0  1 0"},
		{"commission back", rewardBackFacts(back), "commissions_clawed_back 3 USD 1 20"},
		{"points reward back", rewardBackFacts(pointsBack), ""},
		{"member joined", memberFacts(loyaltyevent.MemberJoined{SiteID: 1, JoinedAt: start}), "members_joined 0  1 0"},
		{"advocate's points", earnedFacts(earned), "points_earned 0  1 500; advocate_loyalty_referral_rewards 0  1 500"},
		{"own points", earnedFacts(own), "points_earned 0  1 500"},
		{"friend's points", earnedFacts(friends), "points_earned 0  1 500"},
		{"points back", pointsBackFacts(loyaltyevent.PointsClawedBack{SiteID: 1, Points: 5, EffectiveAt: start}), "points_clawed_back 0  1 5"},
		{"expired", expiredFacts(loyaltyevent.PointsExpired{SiteID: 1, Points: 5, ExpiredAt: start}), "points_expired 0  1 5"},
		{"given back after all", reinstatedFacts(loyaltyevent.PointsReinstated{SiteID: 1, Points: 5, ExpiredAt: start, ReinstatedAt: start.AddDate(0, 0, 3)}), "points_expired 0  0 -5"},
		{"given back, told before", reinstatedFacts(loyaltyevent.PointsReinstated{SiteID: 1, Points: 5, ReinstatedAt: start}), "points_expired 0  0 -5"},
		{"tier", tierFacts(loyaltyevent.TierChanged{SiteID: 1, ChangedAt: start}), "tier_changes 0  1 0"},
		{"sent", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "points_earned", SentAt: start}), "emails_sent 0  1 0; advocate_reward_paid_email_delivered 0  1 0"},
		{"sent to a friend", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "share", SentAt: start}), "emails_sent 0  1 0; share_emails_sent 0  1 0"},
		{"sent as SMS", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "points_earned", Channel: "sms", SentAt: start}), ""},
		{"sent other", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "x", SentAt: start}), "emails_sent 0  1 0"},
		{"failed", failedFacts(notifyevent.MessageFailed{SiteID: 1, Status: "failed", FailedAt: start}), "emails_failed 0  1 0"},
		{"sent after all", sentFacts(notifyevent.MessageSent{SiteID: 1, Template: "x", SentAt: start, UncertainAt: start}), "emails_sent 0  1 0; emails_uncertain 0  -1 0"},
		{"failed after all", failedFacts(notifyevent.MessageFailed{SiteID: 1, Status: "failed", FailedAt: start, UncertainAt: start}),
			"emails_failed 0  1 0; emails_uncertain 0  -1 0"},
		{"suppressed after all", suppressedFacts(notifyevent.MessageSuppressed{SiteID: 1, SuppressedAt: start, UncertainAt: start}), "emails_uncertain 0  -1 0"},
		{"uncertain", failedFacts(notifyevent.MessageFailed{SiteID: 1, Status: "uncertain", FailedAt: start}), "emails_uncertain 0  1 0"},
	}
}

func TestWhatEventsCount(t *testing.T) {
	t.Parallel()
	for _, c := range cases() {
		var got []string
		for _, f := range c.facts {
			if f.site != 1 || !f.at.Equal(start) {
				t.Errorf("%s: %+v", c.name, f)
			}
			got = append(got, fmt.Sprintf("%s %d %s %d %d", f.key, f.campaign, f.currency, f.count, f.sum))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
