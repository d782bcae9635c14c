package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// counts is what a person's page says of referral, by one id.
func (m *Module) counts(ctx context.Context, siteID, personID int64) (referralapi.Counts, error) {
	var n struct {
		Referrals     int64 `db:"referrals"`
		Approved      int64 `db:"approved"`
		Pending       int64 `db:"pending"`
		Rewards       int64 `db:"rewards"`
		Paid          int64 `db:"paid"`
		Unpaid        int64 `db:"unpaid"`
		ReferredBy    int64 `db:"referred_by"`
		LastInvitedBy int64 `db:"last_invited_by"`
	}
	err := m.db.GetContext(ctx, &n, `
		select r.*, w.*, coalesce((
			select f.advocate_id from referral.referral f
			where f.site_id = $1 and f.friend_id = $2 and f.status in ('approved', 'pending')
			order by f.created_at desc, f.id desc limit 1), 0) as referred_by, coalesce((
			select by from (
				(select o.person_id as by, f.last_at as at
				from referral.identity i
				join referral.friend_offer f on f.site_id = i.site_id and f.visitor_id = i.visitor_id
				join referral.offer o on o.site_id = f.site_id and o.id = f.offer_id
				where i.site_id = $1 and i.person_id = $2 and o.person_id <> $2 and not f.mailed
				order by f.last_at desc limit 1)
				union all
				(select o.person_id, h.shared_at
				from referral.share h
				join referral.offer o on o.site_id = h.site_id and o.id = h.offer_id
				where h.site_id = $1 and h.friend_id = $2
				order by h.id desc limit 1)) i
			order by at desc limit 1), 0) as last_invited_by
		from (
			select count(*) as referrals, count(*) filter (where status = 'approved') as approved,
				count(*) filter (where status = 'pending') as pending
			from referral.referral where site_id = $1 and advocate_id = $2) r
		cross join (
			select count(*) as rewards, count(*) filter (where status = 'Paid') as paid,
				count(*) filter (where status in ('Unpaid', 'Waiting for coupon')) as unpaid
			from (
				select id, status from referral.reward where site_id = $1 and person_id = $2
				union
				select v.id, v.status
				from referral.identity i
				join referral.reward v on v.site_id = i.site_id and v.visitor_id = i.visitor_id
				where i.site_id = $1 and i.person_id = $2) w) w`, siteID, personID)
	if err != nil {
		return referralapi.Counts{}, fmt.Errorf("counts of person: %w", err)
	}
	shares, err := m.shareCounts(ctx, siteID, personID)
	if err != nil {
		return referralapi.Counts{}, err
	}
	personal, err := m.personalURL(ctx, siteID, personID)
	if err != nil {
		return referralapi.Counts{}, err
	}
	return referralapi.Counts{
		Referrals:  map[string]int64{"total": n.Referrals, "approved": n.Approved, "pending": n.Pending},
		Rewards:    map[string]int64{"total": n.Rewards, "paid": n.Paid, "unpaid": n.Unpaid},
		Shares:     shares,
		ReferredBy: n.ReferredBy, LastInvitedBy: n.LastInvitedBy, PersonalClaimURL: personal,
	}, nil
}

// Referral returns the referral of an origin; a fault NotFound "no_referral" if it made none.
func (m *Module) Referral(ctx context.Context, siteID, originID int64) (referralapi.Referral, error) {
	r, err := referralOf(ctx, m.db, siteID, originID)
	if err != nil {
		return referralapi.Referral{}, err
	}
	if r == nil {
		return referralapi.Referral{}, errNoReferral
	}
	rewards, err := rewardsOfReferrals(ctx, m.db, []int64{siteID}, []int64{r.ID})
	if err != nil {
		return referralapi.Referral{}, err
	}
	return r.answer(rewards, m.now(), nil), nil
}

// rule is what the reward was issued under.
func (w *reward) rule() rewardRule {
	var out rewardRule
	if err := json.Unmarshal([]byte(w.Rule), &out); err != nil {
		return rewardRule{} // the column is written by us only
	}
	return out
}

// key of the reward's events: its referral's, if it has one.
func (w *reward) key() string {
	if w.ReferralID != nil {
		return "referral:" + itoa(*w.ReferralID)
	}
	return "reward:" + itoa(w.ID)
}

// state is the status in the API's words.
func (w *reward) state() string {
	if w.Status == rewardWaiting {
		return rewardUnpaid
	}
	return w.Status
}

// issued tells of the reward.
func (w *reward) issued() referralevent.RewardIssued {
	rule := w.rule()
	return referralevent.RewardIssued{SiteID: w.SiteID, RewardID: w.ID, ReferralID: deref(w.ReferralID), CampaignID: w.CampaignID,
		IncentiveID: w.IncentiveID, OriginID: deref(w.OriginID), PersonID: deref(w.PersonID), FriendID: deref(w.FriendID), Side: w.Side,
		Reason: w.Reason, Kind: w.Kind, Points: w.Points, Amount: w.Amount, Currency: w.Currency, CouponCode: w.CouponCode,
		OccurredAt: w.OccurredAt, IssuedAt: w.IssuedAt, ShareID: deref(w.ShareID), Milestone: deref(w.Milestone),
		Description: rule.Incentive.Terms.Description, QA: rule.From.QA, Channel: rule.From.Channel, TrafficSource: rule.From.Source, DeviceType: rule.From.Device,
		EventCategory: rule.From.Category, Variant: rule.From.Variant,
		UTMSource: rule.From.UTM.Source, UTMMedium: rule.From.UTM.Medium, UTMCampaign: rule.From.UTM.Campaign}
}

// moneyWords are what follows an amount.
var moneyWords = map[string]string{referralevent.Commission: " back", referralevent.StoreCredit: " store credit", referralevent.GiftCard: " gift card"}

// present is a reward in Talkable's shape. Its coupon is one of its own, or a code that may be used many times, named by its
// incentive. Zone is that of the coupon's dates.
func (w *reward) present(now time.Time, zone *time.Location) referralapi.Reward {
	i := w.rule().Incentive
	out := referralapi.Reward{ID: w.ID, Reason: w.Reason, Status: w.state(), WaitsForCoupon: w.Status == rewardWaiting, IncentiveType: i.wire(), Amount: number(""),
		IncentiveCustomDescription: orNull(i.Terms.Description)}
	switch w.Kind {
	case referralevent.Points:
		out.Points = &w.Points
		out.IncentiveDescription = fmt.Sprintf("%d points", w.Points)
	case referralevent.Commission, referralevent.StoreCredit, referralevent.GiftCard:
		out.Amount = number(money.Format(w.Amount, w.Currency))
		out.IncentiveDescription = money.Price(w.Amount, w.Currency) + moneyWords[w.Kind]
	case referralevent.Other:
		out.IncentiveDescription = i.Terms.Description
	case referralevent.Coupon:
		if out.Amount = number(i.value()); w.CouponCode == "" { // it waits, or was taken back before it came
			out.IncentiveDescription = "coupon for " + i.describe() + " off"
			break
		}
		out.CouponCode = &w.CouponCode
		if out.IncentiveDescription = fmt.Sprintf("coupon %q", w.CouponCode); i.value() != "" {
			out.IncentiveDescription += " for " + i.describe() + " off"
		}
		if w.coupon != nil {
			out.Coupon = w.coupon.present(now, zone, w.Status == rewardVoided)
			break
		}
		out.Coupon = &referralapi.Coupon{ID: w.IncentiveID, Code: w.CouponCode, Active: w.Status != rewardVoided,
			Amount: number(i.value()), PercentageDiscount: i.BasisPoints > 0, Description: i.describe()}
	}
	return out
}
