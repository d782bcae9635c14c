package notify

import (
	"slices"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Styles of an endpoint.
const (
	standard = "standard" // JSON of our own, signed as the Standard Webhooks specification says
	talkable = "talkable" // the form of five fields that Talkable sends
)

// Types that have a shape of Talkable's.
const (
	talkableReferral    = "referral_web_hook"
	talkableReward      = "reward_web_hook"
	talkableEvent       = "event_web_hook"
	talkableShare       = "post_share_web_hook"
	talkableClaim       = "claim_signup_web_hook"
	talkableUnsubscribe = "unsubscribe_web_hook"
)

// personUnsubscribed is what makes a PersonChanged worth telling.
const personUnsubscribed = "person.unsubscribed"

// hookTypes lists what an endpoint of each style can be told.
var hookTypes = map[string][]string{
	standard: {"origin.recorded", "origin.refunded", personUnsubscribed, "offer.created", "offer.shared", "offer.claimed",
		"referral.created", "referral.approved", "referral.voided", "referral.blocked", "reward.issued", "reward.clawed_back",
		"coupon.issued", "coupons.low", "member.joined", "points.earned", "points.clawed_back", "points.expired", "points.expiring", "points.adjusted",
		"points.redeemed", "redemption.fulfilled", "redemption.cancelled", "hold.changed", "tier.changed",
		"points.activated", "points.transferred", "points.reinstated", "achievement.reached", "achievement.lost", "streak.broken",
		"member.invited", "member.status_changed", "pool.changed", "points.pooled"},
	talkable: {talkableReferral, talkableReward, talkableEvent, talkableShare, talkableClaim, talkableUnsubscribe},
}

// occasion is something that merchants want to be told.
type occasion struct {
	siteID           int64
	kind             string // of our own types
	talkable         string // of Talkable's; "": it has none
	id               string // unique in its site and type
	personID, friend int64  // whom it is about; 0: nobody
	at               time.Time
	data             any // the event, without what is nobody else's business
}

func fromOrigin(o customerevent.OriginRecorded) (occasion, bool) {
	id := itoa(o.OriginID)
	if !o.Verified {
		id += ":page" // it is told again when the site confirms it
	}
	is := occasion{siteID: o.SiteID, kind: "origin.recorded", id: id, personID: o.PersonID, at: o.RecordedAt}
	if o.Type != customerevent.AffiliateMember {
		is.talkable = talkableEvent
	}
	o.IP, o.Device, o.Address, o.Phone, o.VisitorIDs = "", "", "", "", nil
	is.data = o
	return is, true
}

func fromRefund(r customerevent.OriginRefunded) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "origin.refunded", id: itoa(r.RefundID), personID: r.PersonID, at: r.RefundedAt, data: r}, true
}

// unsubscription is what is told of a person who wants no more mail.
type unsubscription struct {
	SiteID         int64     `json:"site_id"`
	PersonID       int64     `json:"person_id"`
	UnsubscribedAt time.Time `json:"unsubscribed_at"`
}

// fromPerson tells of an unsubscription. The events that carry it on say nothing new: it is one occasion.
func fromPerson(p customerevent.PersonChanged) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: personUnsubscribed, talkable: talkableUnsubscribe, personID: p.PersonID,
		id: itoa(p.PersonID) + ":" + itoa(p.UnsubscribedAt.UnixMicro()), at: p.UnsubscribedAt,
		data: unsubscription{p.SiteID, p.PersonID, p.UnsubscribedAt}}, !p.UnsubscribedAt.IsZero()
}

func fromOffer(o referralevent.OfferCreated) (occasion, bool) {
	return occasion{siteID: o.SiteID, kind: "offer.created", id: itoa(o.OfferID), personID: o.AdvocateID, at: o.CreatedAt, data: o}, true
}

func fromShare(s referralevent.OfferShared) (occasion, bool) {
	s.Subject, s.Message = "", "" // words to a friend
	return occasion{siteID: s.SiteID, kind: "offer.shared", talkable: talkableShare, id: itoa(s.ShareID), personID: s.AdvocateID, friend: s.FriendID,
		at: s.SharedAt, data: s}, true
}

func fromClaim(c referralevent.OfferClaimed) (occasion, bool) {
	return occasion{siteID: c.SiteID, kind: "offer.claimed", talkable: talkableClaim, id: itoa(c.OfferID) + ":" + itoa(c.FriendID),
		personID: c.AdvocateID, friend: c.FriendID, at: c.ClaimedAt, data: c}, true
}

func fromReferral(r referralevent.ReferralCreated) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "referral.created", id: itoa(r.ReferralID), personID: r.AdvocateID, friend: r.FriendID,
		at: r.CreatedAt, data: r}, true
}

func fromApproval(r referralevent.ReferralApproved) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "referral.approved", talkable: talkableReferral, id: itoa(r.ReferralID), personID: r.AdvocateID,
		friend: r.FriendID, at: r.ApprovedAt, data: r}, true
}

// fromVoid tells of a referral that doesn't count. One that is blocked can be unblocked, and blocked again.
func fromVoid(r referralevent.ReferralVoided) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "referral." + r.Status, id: itoa(r.ReferralID) + ":" + itoa(r.VoidedAt.UnixMicro()),
		personID: r.AdvocateID, friend: r.FriendID, at: r.VoidedAt, data: r}, true
}

func fromReward(r referralevent.RewardIssued) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "reward.issued", talkable: talkableReward, id: itoa(r.RewardID), personID: r.PersonID,
		friend: r.FriendID, at: r.IssuedAt, data: r}, true
}

func fromClawback(r referralevent.RewardClawedBack) (occasion, bool) {
	return occasion{siteID: r.SiteID, kind: "reward.clawed_back", id: itoa(r.RewardID) + ":" + itoa(r.PointsTotal+r.AmountTotal),
		personID: r.PersonID, at: r.ClawedAt, data: r}, true
}

func fromCoupon(c referralevent.CouponIssued) (occasion, bool) {
	return occasion{siteID: c.SiteID, kind: "coupon.issued", id: itoa(c.CouponID) + ":" + itoa(c.RewardID) + ":" + itoa(c.RedemptionID),
		personID: c.PersonID, at: c.IssuedAt, data: c}, true
}

func fromShelf(c referralevent.CouponsLow) (occasion, bool) {
	return occasion{siteID: c.SiteID, kind: "coupons.low", id: itoa(c.CouponListID) + ":" + itoa(c.LowAt.UnixMicro()), at: c.LowAt, data: c}, true
}

func fromMember(j loyaltyevent.MemberJoined) (occasion, bool) {
	return occasion{siteID: j.SiteID, kind: "member.joined", id: itoa(j.MemberID), personID: j.PersonID, at: j.JoinedAt, data: j}, true
}

func fromEarning(p loyaltyevent.PointsEarned) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.earned", id: itoa(p.TransactionID), personID: p.PersonID, friend: p.FriendID,
		at: p.RecordedAt, data: p}, true
}

func fromTaking(p loyaltyevent.PointsClawedBack) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.clawed_back", id: itoa(p.TransactionID), personID: p.PersonID, at: p.RecordedAt, data: p}, true
}

func fromExpiry(p loyaltyevent.PointsExpired) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.expired", id: itoa(p.TransactionID), personID: p.PersonID, at: p.ExpiredAt, data: p}, true
}

func fromExpiring(p loyaltyevent.PointsExpiring) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.expiring", id: itoa(p.MemberID) + ":" + itoa(p.LotID) + ":" + itoa(p.ExpiresAt.UnixMicro()), personID: p.PersonID,
		at: p.ToldAt, data: p}, true
}

func fromAdjustment(p loyaltyevent.PointsAdjusted) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.adjusted", id: itoa(p.TransactionID), personID: p.PersonID, at: p.AdjustedAt, data: p}, true
}

func fromRedemption(p loyaltyevent.PointsRedeemed) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.redeemed", id: itoa(p.RedemptionID), personID: p.PersonID, at: p.RedeemedAt, data: p}, true
}

func fromFulfilment(f loyaltyevent.RedemptionFulfilled) (occasion, bool) {
	return occasion{siteID: f.SiteID, kind: "redemption.fulfilled", id: itoa(f.RedemptionID), personID: f.PersonID, at: f.FulfilledAt, data: f}, true
}

func fromCancellation(p loyaltyevent.RedemptionCancelled) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "redemption.cancelled", id: itoa(p.RedemptionID), personID: p.PersonID, at: p.CancelledAt, data: p}, true
}

func fromActivation(p loyaltyevent.PointsActivated) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.activated", id: itoa(p.TransactionID), personID: p.PersonID, at: p.ActivatedAt, data: p}, true
}

func fromReinstatement(p loyaltyevent.PointsReinstated) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.reinstated", id: itoa(p.TransactionID), personID: p.PersonID, at: p.ReinstatedAt, data: p}, true
}

func fromTransfer(p loyaltyevent.PointsTransferred) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.transferred", id: itoa(p.TransactionID), personID: p.PersonID, friend: p.ToPersonID, at: p.TransferredAt, data: p}, true
}

func fromHold(p loyaltyevent.HoldChanged) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "hold.changed", id: itoa(p.TransactionID), personID: p.PersonID, at: p.ChangedAt, data: p}, true
}

// fromTier tells of a move between tiers; a member moves more than once.
func fromTier(t loyaltyevent.TierChanged) (occasion, bool) {
	return occasion{siteID: t.SiteID, kind: "tier.changed", id: itoa(t.MemberID) + ":" + itoa(t.ChangedAt.UnixMicro()) + ":" + t.To,
		personID: t.PersonID, at: t.ChangedAt, data: t}, true
}

// styleOf is the style that a type belongs to; "": it is none.
func styleOf(kind string) string {
	for style, kinds := range hookTypes {
		if slices.Contains(kinds, kind) {
			return style
		}
	}
	return ""
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
