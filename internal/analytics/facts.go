package analytics

import (
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/notify/notifyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// categoryOf is the category of an origin, as campaigns name those by which they are joined.
func categoryOf(kind, event string) string {
	switch kind {
	case customerevent.Purchase:
		return "purchase"
	case customerevent.AffiliateMember:
		return "affiliate_member"
	}
	return event
}

// originFacts: what only a browser told of isn't counted until the site confirms it, which tells it again.
func originFacts(o customerevent.OriginRecorded) []fact {
	if !o.Verified {
		return nil
	}
	f := fact{site: o.SiteID, at: o.OccurredAt, count: 1, facets: facets{source: o.TrafficSource, device: o.DeviceType, category: categoryOf(o.Type, o.Category),
		utmSource: o.UTMSource, utmMedium: o.UTMMedium, utmCampaign: o.UTMCampaign}}
	switch o.Type {
	case customerevent.AffiliateMember:
		f.key = signUps
		if o.PersonID == 0 {
			return []fact{f}
		}
		facts := []fact{f}
		for _, also := range []struct {
			key string
			is  bool
		}{{knownSignUps, true}, {optedInSignUps, o.OptedIn}, {optedInSignUpsNew, o.FirstOptIn}} {
			if f.key = also.key; also.is {
				facts = append(facts, f)
			}
		}
		return facts
	case customerevent.Event:
		f.key = siteEvents
		return []fact{f}
	case customerevent.Purchase:
		f.money, f.currency, f.sum, f.key = true, o.Currency, o.Subtotal, sales
		if !o.FirstPurchase {
			return []fact{f}
		}
		first := f
		first.key = firstSales
		return []fact{f, first}
	}
	return nil
}

// refundFacts: on the day of the sale, so that sales and refunds of a period are of the same orders. The sale counts once, with
// its first refund; the amounts add up.
func refundFacts(r customerevent.OriginRefunded) []fact {
	f := fact{site: r.SiteID, key: refundedSales, at: r.OccurredAt, money: true, currency: r.Currency, sum: r.Refunded,
		facets: facets{source: r.TrafficSource, device: r.DeviceType, category: categoryOf(r.Type, r.Category),
			utmSource: r.UTMSource, utmMedium: r.UTMMedium, utmCampaign: r.UTMCampaign}}
	if first := r.RefundedTotal == r.Refunded; first && (r.Refunded > 0 || r.Full) {
		f.count = 1
	}
	return []fact{f}
}

func offerFacts(o referralevent.OfferCreated) []fact {
	return []fact{{site: o.SiteID, key: offers, at: o.CreatedAt, campaign: o.CampaignID, qa: o.QA, count: 1,
		facets: facets{source: o.TrafficSource, device: o.DeviceType, category: o.EventCategory, variant: o.Variant}}}
}

// movedOffers and movedReferrals: what was told of a site that moved here counts on the days of its history, as if it had been told then.
func movedOffers(o referralevent.OffersMoved) (facts []fact) {
	for _, one := range o.Offers {
		facts = append(facts, offerFacts(referralevent.OfferCreated{SiteID: o.SiteID, CampaignID: one.CampaignID, CreatedAt: one.CreatedAt})...)
	}
	return facts
}

func movedReferrals(r referralevent.ReferralsMoved) (facts []fact) {
	for _, one := range r.Referrals {
		facts = append(facts, madeFacts(referralevent.ReferralCreated{SiteID: r.SiteID, CampaignID: one.CampaignID, Status: one.Status, Subtotal: one.Subtotal,
			Currency: one.Currency, OccurredAt: one.OccurredAt, FirstOrder: one.FirstOrder, EventCategory: one.EventCategory})...)
		if one.Status == referralevent.Approved {
			facts = append(facts, approvedFacts(referralevent.ReferralApproved{SiteID: r.SiteID, CampaignID: one.CampaignID, Subtotal: one.Subtotal, Currency: one.Currency,
				OccurredAt: one.OccurredAt, FirstOrder: one.FirstOrder, EventCategory: one.EventCategory})...)
		}
	}
	return facts
}

func sharedFacts(h referralevent.OfferShared) []fact {
	f := fact{site: h.SiteID, key: shares, at: h.SharedAt, campaign: h.CampaignID, qa: h.QA, count: 1,
		facets: facets{h.Channel, h.TrafficSource, h.DeviceType, h.EventCategory, h.Variant}}
	facts := []fact{f}
	switch {
	case h.First:
		f.key = sharers
	case h.Second:
		f.key = multisharers
	default:
		return facts
	}
	return append(facts, f)
}

// visitFacts are of one opening of a link; who came is counted apart.
func visitFacts(site int64, v referralevent.Visit) []fact {
	f := fact{site: site, key: visits, at: v.VisitedAt, campaign: v.CampaignID, qa: v.QA, count: 1, visitor: v.VisitorID,
		facets: facets{channel: v.Channel, device: v.DeviceType, variant: v.Variant}}
	facts := []fact{f}
	f.visitor = "" // one of them tells who it was
	if v.FirstOfThem {
		f.key = firstVisits
		facts = append(facts, f)
	}
	if v.Channel == referralevent.Email {
		f.key = mailVisits
		facts = append(facts, f)
	}
	return facts
}

func claimedFacts(c referralevent.OfferClaimed) []fact {
	f := fact{site: c.SiteID, key: claims, at: c.ClaimedAt, campaign: c.CampaignID, qa: c.QA, count: 1, facets: facets{channel: c.Channel}}
	if !c.OptedIn {
		return []fact{f}
	}
	wanted := f
	wanted.key = optedInClaims
	if !c.Stranger {
		return []fact{f, wanted}
	}
	stranger := f
	stranger.key = optedInClaimsNew
	return []fact{f, wanted, stranger}
}

// How a referral was found, as referral names it.
const (
	trackedByVisit  = "cookie"
	trackedInApp    = "web_cookie"
	trackedByCoupon = "coupon"
)

// createdFacts: a sale is somebody's only once. What takes the place of another advocate's referral takes back what had counted of that one,
// whichever of the two is heard of first.
func createdFacts(r referralevent.ReferralCreated) []fact {
	return append(madeFacts(r), replacedFacts(r)...)
}

func madeFacts(r referralevent.ReferralCreated) []fact {
	f := fact{site: r.SiteID, key: referredSales, at: r.OccurredAt, campaign: r.CampaignID, qa: r.QA, count: 1,
		facets: facets{r.Channel, r.TrafficSource, r.DeviceType, r.EventCategory, r.Variant, r.UTMSource, r.UTMMedium, r.UTMCampaign}}
	if r.Status == referralevent.Blocked {
		f.key = blocked
		return []fact{f}
	}
	sale := f
	sale.money, sale.currency, sale.sum = true, r.Currency, r.Subtotal
	ideal, fresh := sale, sale
	ideal.key, fresh.key = idealSales, referredNew
	facts := []fact{sale, ideal}
	if r.FirstOrder {
		facts = append(facts, fresh)
	}
	if r.TrackMethod == trackedByVisit || r.TrackMethod == trackedInApp {
		f.key = visitedReferrals
		facts = append(facts, f)
	}
	return facts
}

func replacedFacts(r referralevent.ReferralCreated) []fact {
	if r.Replaces == 0 {
		return nil
	}
	var facts []fact
	old := r
	old.Status, old.TrackMethod, old.QA, old.Channel, old.Variant = referralevent.Pending, r.ReplacedMethod, r.ReplacedQA, r.ReplacedChannel, r.ReplacedVariant
	if !r.ReplacedBarred {
		facts = madeFacts(old)
	}
	if r.ReplacedApproved {
		facts = append(facts, approvedFacts(referralevent.ReferralApproved{SiteID: old.SiteID, CampaignID: old.CampaignID, TrackMethod: old.TrackMethod,
			Subtotal: old.Subtotal, Currency: old.Currency, FirstOrder: old.FirstOrder, OccurredAt: old.OccurredAt, QA: old.QA, Channel: old.Channel,
			TrafficSource: old.TrafficSource, DeviceType: old.DeviceType, EventCategory: old.EventCategory, Variant: old.Variant,
			UTMSource: old.UTMSource, UTMMedium: old.UTMMedium, UTMCampaign: old.UTMCampaign})...)
	}
	for i := range facts {
		facts[i].count, facts[i].sum = -facts[i].count, -facts[i].sum
	}
	return facts
}

func approvedFacts(r referralevent.ReferralApproved) []fact {
	f := fact{site: r.SiteID, key: approvedSales, at: r.OccurredAt, campaign: r.CampaignID, qa: r.QA, money: true, currency: r.Currency,
		count: 1, sum: r.Subtotal, facets: facets{r.Channel, r.TrafficSource, r.DeviceType, r.EventCategory, r.Variant, r.UTMSource, r.UTMMedium, r.UTMCampaign}}
	if r.TrackMethod != trackedByCoupon {
		return []fact{f}
	}
	coupon, by := f, f
	coupon.key, by.key = couponSales, couponNotNew
	if r.FirstOrder {
		by.key = couponNew
	}
	return []fact{f, coupon, by}
}

// reattributed is why a referral is voided that turned out to be another advocate's, as referral names it. The sale stays: see replacedFacts.
const reattributed = "reattributed"

func voidedFacts(r referralevent.ReferralVoided) []fact {
	if r.Cause == reattributed {
		return nil
	}
	f := fact{site: r.SiteID, key: voided, at: r.VoidedAt, campaign: r.CampaignID, qa: r.QA, count: 1,
		facets: facets{r.Channel, r.TrafficSource, r.DeviceType, r.EventCategory, r.Variant, r.UTMSource, r.UTMMedium, r.UTMCampaign}}
	if r.Status == referralevent.Blocked {
		f.key = blocked
	}
	return []fact{f}
}

func rewardFacts(r referralevent.RewardIssued) []fact {
	f := fact{site: r.SiteID, key: rewards, at: r.OccurredAt, campaign: r.CampaignID, qa: r.QA, count: 1,
		facets: facets{r.Channel, r.TrafficSource, r.DeviceType, r.EventCategory, r.Variant, r.UTMSource, r.UTMMedium, r.UTMCampaign}}
	if r.Kind == referralevent.Commission {
		f.money, f.currency, f.sum = true, r.Currency, r.Amount
	}
	side, facts := f, []fact{f}
	side.key = advocateRewards
	if r.Side == "friend" {
		side.key = friendRewards
	}
	facts = append(facts, side)
	if side.key == advocateRewards && r.Reason == "referrer" {
		plain := f
		plain.key, plain.money, plain.currency, plain.sum = referrerRewards, false, "", 0
		facts = append(facts, plain)
		if plain.key = referrerPaid; !f.money { // points and coupons are paid as they are issued
			facts = append(facts, plain)
		}
	}
	if f.money {
		f.key = commissions
		facts = append(facts, f)
	}
	return facts
}

func rewardBackFacts(r referralevent.RewardClawedBack) []fact {
	if r.Kind != referralevent.Commission {
		return nil // points come back through the ledger, and that is counted there
	}
	return []fact{{site: r.SiteID, key: commissionsBack, at: r.ClawedAt, campaign: r.CampaignID, qa: r.QA, money: true, currency: r.Currency,
		count: 1, sum: r.Amount, facets: facets{r.Channel, r.TrafficSource, r.DeviceType, r.EventCategory, r.Variant, r.UTMSource, r.UTMMedium, r.UTMCampaign}}}
}

// couponFacts: an order with a coupon for advocates and one for friends counts for both, and once for all coupons.
func couponFacts(o referralevent.CouponsUsed) []fact {
	f := fact{site: o.SiteID, key: couponOrders, at: o.OccurredAt, money: true, currency: o.Currency, count: 1, sum: o.Subtotal,
		facets: facets{source: o.TrafficSource, device: o.DeviceType, category: o.EventCategory,
			utmSource: o.UTMSource, utmMedium: o.UTMMedium, utmCampaign: o.UTMCampaign}}
	facts := []fact{f}
	if o.ByAdvocate {
		f.key = advocateCouponOrders
		facts = append(facts, f)
	}
	if o.ByFriend {
		f.key = friendCouponOrders
		facts = append(facts, f)
	}
	if o.RewardsUsed > 0 {
		facts = append(facts, fact{site: o.SiteID, key: rewardsUsed, at: o.OccurredAt, count: o.RewardsUsed, facets: f.facets})
	}
	return facts
}

// advocateFacts: an order that is somebody's referral as well counts for advocates and for friends, and once for both together.
func advocateFacts(o referralevent.AdvocatePurchased) []fact {
	f := fact{site: o.SiteID, key: advocateSales, at: o.OccurredAt, money: true, currency: o.Currency, count: 1, sum: o.Subtotal,
		facets: facets{source: o.TrafficSource, device: o.DeviceType, category: o.EventCategory,
			utmSource: o.UTMSource, utmMedium: o.UTMMedium, utmCampaign: o.UTMCampaign}}
	by, alone := f, f
	by.key, alone.key = advocateSalesOld, idealSales
	if o.FirstPurchase {
		by.key = advocateSalesNew
	}
	if o.Referred {
		return []fact{f, by}
	}
	return []fact{f, by, alone}
}

func memberFacts(m loyaltyevent.MemberJoined) []fact { return plain(m.SiteID, members, m.JoinedAt, 0) }

// What is counted of points is of a programme's main wallet: points of others are another currency.
func earnedFacts(p loyaltyevent.PointsEarned) []fact {
	if p.Wallet != "" {
		return nil
	}
	facts := plain(p.SiteID, points, p.EffectiveAt, p.Points)
	if (p.Reason == loyaltyevent.ForReward || p.Reason == loyaltyevent.ForReferral) && p.PersonID != p.FriendID { // a friend's own reward isn't the advocate's
		facts = append(facts, plain(p.SiteID, advocatePoints, p.EffectiveAt, p.Points)...)
	}
	return facts
}

func pointsBackFacts(p loyaltyevent.PointsClawedBack) []fact {
	if p.Wallet != "" {
		return nil
	}
	return plain(p.SiteID, pointsBack, p.EffectiveAt, p.Points)
}

func expiredFacts(p loyaltyevent.PointsExpired) []fact {
	if p.Wallet != "" {
		return nil
	}
	return plain(p.SiteID, pointsExpired, p.ExpiredAt, p.Points)
}

// reinstatedFacts take back, on its day, what had counted as expired.
func reinstatedFacts(p loyaltyevent.PointsReinstated) []fact {
	if p.Wallet != "" {
		return nil
	}
	at := p.ExpiredAt
	if at.IsZero() {
		at = p.ReinstatedAt
	}
	return []fact{{site: p.SiteID, key: pointsExpired, at: at, sum: -p.Points}}
}

func tierFacts(t loyaltyevent.TierChanged) []fact {
	return plain(t.SiteID, tierChanges, t.ChangedAt, 0)
}

// An SMS is no e-mail: it counts for none of what follows.
const sms = "sms"

func sentFacts(m notifyevent.MessageSent) []fact {
	if m.Channel == sms {
		return nil
	}
	facts := append(plain(m.SiteID, mailsSent, m.SentAt, 0), doubtEnded(m.SiteID, m.UncertainAt)...)
	switch m.Template {
	case "points_earned", "advocate_reward":
		facts = append(facts, plain(m.SiteID, advocateRewardMails, m.SentAt, 0)...)
	case "friend_reward":
		facts = append(facts, plain(m.SiteID, friendRewardMails, m.SentAt, 0)...)
	case "advocate_offer":
		facts = append(facts, plain(m.SiteID, offerMails, m.SentAt, 0)...)
	case "share":
		facts = append(facts, plain(m.SiteID, shareMails, m.SentAt, 0)...)
	}
	return facts
}

func failedFacts(m notifyevent.MessageFailed) []fact {
	if m.Channel == sms {
		return nil
	}
	if m.Status == "uncertain" {
		return plain(m.SiteID, mailsUncertain, m.FailedAt, 0)
	}
	return append(plain(m.SiteID, mailsFailed, m.FailedAt, 0), doubtEnded(m.SiteID, m.UncertainAt)...)
}

func suppressedFacts(m notifyevent.MessageSuppressed) []fact {
	if m.Channel == sms {
		return nil
	}
	return doubtEnded(m.SiteID, m.UncertainAt)
}

// doubtEnded takes back that a message was counted as uncertain at at, since it is known now what became of it.
func doubtEnded(site int64, at time.Time) []fact {
	if at.IsZero() {
		return nil
	}
	return []fact{{site: site, key: mailsUncertain, at: at, count: -1}}
}

func plain(site int64, key string, at time.Time, sum int64) []fact {
	return []fact{{site: site, key: key, at: at, count: 1, sum: sum}}
}
