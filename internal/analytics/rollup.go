package analytics

import (
	"cmp"
	"slices"
	"time"
)

// Keys under which things are counted. A row of a key has how many (count) and how much (sum).
const (
	signUps              = "sign_up"
	siteEvents           = "events"
	sales                = "total_sales"
	firstSales           = "total_first_time_sales"
	refundedSales        = "refunded_sales"
	offers               = "offers"
	shares               = "shares"
	sharers              = "sharers"
	visits               = "visits"
	uniqueVisits         = "visits_unique"
	firstVisits          = "first_time_visits"
	referredSales        = "total_referred_sales"
	approvedSales        = "talkable_sales"
	blocked              = "referrals_blocked"
	voided               = "referrals_voided"
	rewards              = "total_rewards"
	advocateRewards      = "ad_rewards"
	friendRewards        = "fr_rewards"
	commissions          = "commissions"
	commissionsBack      = "commissions_clawed_back"
	points               = "points_earned"
	advocatePoints       = "advocate_loyalty_referral_rewards"
	pointsBack           = "points_clawed_back"
	pointsExpired        = "points_expired"
	members              = "members_joined"
	tierChanges          = "tier_changes"
	mailsSent            = "emails_sent"
	shareMails           = "share_emails_sent"
	mailsFailed          = "emails_failed"
	mailsUncertain       = "emails_uncertain"
	advocateRewardMails  = "advocate_reward_paid_email_delivered"
	couponOrders         = "total_sales_with_curebit_coupon"
	advocateCouponOrders = "total_sales_with_talkable_ad_coupon"
	friendCouponOrders   = "total_sales_with_talkable_fr_coupon"
	optedInSignUps       = "sign_up_and_opted_in"
	optedInSignUpsNew    = "sign_up_and_opted_in_new"
	optedInClaimsNew     = "email_gated_and_opted_in_new"
	advocateSales        = "ideal_advocate_sales"
	advocateSalesNew     = "ideal_advocate_sales_new_customers"
	advocateSalesOld     = "ideal_advocate_sales_existing_customers"
	idealSales           = "ideal_sales"
	rewardsUsed          = "advocate_referral_rewards_used"
	friendRewardMails    = "friend_reward_paid_email_delivered"
	offerMails           = "advocate_offer_email_delivered"
	knownSignUps         = "emails_collected_on_signup"
	claims               = "emails_collected_on_claim"
	visitedReferrals     = "visited_referrals"
	couponSales          = "talkable_sales_with_talkable_coupon"
	couponNew            = "talkable_sales_with_talkable_coupon_and_new"
	couponNotNew         = "talkable_sales_with_talkable_coupon_and_not_new"
	referredNew          = "referred_sales_new"
	referrerRewards      = "advocate_referral_rewards_paid_and_pending"
	referrerPaid         = "advocate_referral_rewards_paid"
	mailVisits           = "share_emails_clicked"
	multisharers         = "multisharers"
	optedInClaims        = "email_gated_and_opted_in"
)

// fact is one thing to count.
type fact struct {
	site     int64
	key      string
	at       time.Time
	campaign int64
	money    bool   // sum is money of currency; "" is the site's
	currency string // upper case
	qa       bool
	visitor  string // of a visit
	facets   facets // those that its key isn't kept by are dropped
	count    int64
	sum      int64
}

// place is what counting needs to know of a site.
type place struct {
	zone     *time.Location
	currency string
}

// row is a change of one row of the table of days.
type row struct {
	site     int64
	key      string
	day      string // 2024-01-15
	campaign int64
	currency string
	qa       bool
	facets   facets
	count    int64
	sum      int64
}

// dayOf is the site's day of a moment.
func (p place) dayOf(t time.Time) string { return t.In(p.zone).Format(time.DateOnly) }

// fold adds up facts by row, in the table's order. The order of the facts doesn't matter.
func fold(facts []fact, sites map[int64]place) []row {
	sums := map[row]*row{}
	for _, f := range facts {
		p := sites[f.site]
		k := row{site: f.site, key: f.key, day: p.dayOf(f.at), campaign: f.campaign, qa: f.qa, facets: f.facets.only(keptBy[f.key])}
		if f.money {
			if k.currency = f.currency; k.currency == "" {
				k.currency = p.currency
			}
		}
		r := sums[k]
		if r == nil {
			fresh := k
			r = &fresh
			sums[k] = r
		}
		r.count += f.count
		r.sum += f.sum
	}
	rows := make([]row, 0, len(sums))
	for _, r := range sums {
		rows = append(rows, *r)
	}
	return merge(rows, nil)
}

// merge brings rows of different keys into the table's order.
func merge(a, b []row) []row {
	rows := append(a, b...)
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.key, b.key), cmp.Compare(a.day, b.day),
			cmp.Compare(a.campaign, b.campaign), cmp.Compare(a.currency, b.currency),
			truth(a.qa)-truth(b.qa), slices.Compare(a.facets[:], b.facets[:]))
	})
	return rows
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
