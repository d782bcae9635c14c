package analytics

import "github.com/talkable/talkable/internal/fault"

// kind is how a metric's number comes about.
type kind int

const (
	countOf   kind = iota // how many of
	moneyOf               // how much of, in one currency
	tallyOf               // how much of, where that isn't money: points
	percentOf             // how many of, in percent of how many over
	averageOf             // how much of ÷ how many of, in one currency
	shareOf               // how much of, in percent of how much over, in one currency
	liftOf                // how much of, in percent of how much over without it, in one currency
)

// metric is a number that can be asked for.
type metric struct {
	name       string
	kind       kind
	of, over   string // keys
	byCampaign bool   // kept by campaign
	currencied bool   // its counts are kept by currency
	formula    string
}

// metrics are all there are, in the order in which they are listed. Talkable doesn't publish its formulas; these are ours.
var metrics = []metric{
	{name: "sign_up", of: signUps, formula: "Sign-ups: AffiliateMember origins."},
	{name: "offers", of: offers, byCampaign: true, formula: "Offers made for advocates."},
	{name: "shares", of: shares, byCampaign: true, formula: "Shares of offers, by a channel or by e-mail; each recipient is one."},
	{name: "sharers", of: sharers, byCampaign: true, formula: "Offers that were shared for the first time."},
	{name: "sharing_rate", kind: percentOf, of: sharers, over: offers, byCampaign: true, formula: "sharers in percent of offers of the same days."},
	{name: "visits", of: visits, byCampaign: true, formula: "Openings of claim links by people."},
	{name: "visits_unique", of: uniqueVisits, byCampaign: true,
		formula: "Visitors of a campaign on a day, added up over days and campaigns: who comes on two days counts twice."},
	{name: "first_time_visits", of: firstVisits, byCampaign: true, formula: "Visits that were the visitor's first of that offer."},
	{name: "clicks", of: visits, byCampaign: true, formula: "The same as visits: a click on a claim link is a visit."},
	{name: "clicks_unique", of: uniqueVisits, byCampaign: true, formula: "The same as visits_unique."},
	{name: "first_time_clicks", of: firstVisits, byCampaign: true, formula: "The same as first_time_visits."},

	{name: "total_sales_count", of: sales, currencied: true, formula: "Purchases, by order date, refunded ones included."},
	{name: "total_sales_sum", kind: moneyOf, of: sales, formula: "Subtotals of purchases, by order date, before refunds."},
	{name: "total_sales_aov", kind: averageOf, of: sales, formula: "total_sales_sum ÷ total_sales_count, both in one currency."},
	{name: "average_order_value", kind: averageOf, of: sales, formula: "The same as total_sales_aov."},
	{name: "total_first_time_sales_count", of: firstSales, currencied: true, formula: "First purchases: no earlier one of the person was known."},
	{name: "total_first_time_sales_sum", kind: moneyOf, of: firstSales, formula: "Subtotals of first purchases, before refunds."},
	{name: "total_first_time_sales_aov", kind: averageOf, of: firstSales,
		formula: "total_first_time_sales_sum ÷ total_first_time_sales_count, both in one currency."},
	{name: "new_customers", of: firstSales, formula: "People who bought for the first time: the same as total_first_time_sales_count."},
	{name: "refunded_sales_count", of: refundedSales, currencied: true,
		formula: "Origins with at least one refund, by the origin's date and not the refund's."},
	{name: "refunded_sales_sum", kind: moneyOf, of: refundedSales, formula: "Refunded amounts, by the origin's date."},
	{name: "refunded_sales_aov", kind: averageOf, of: refundedSales, formula: "refunded_sales_sum ÷ refunded_sales_count, both in one currency."},
	{name: "refunded_sales_percentage", kind: percentOf, of: refundedSales, over: sales, currencied: true,
		formula: "refunded_sales_count in percent of total_sales_count."},

	{name: "total_referred_sales_count", of: referredSales, byCampaign: true, currencied: true,
		formula: "Referrals that were made and not blocked at once, by the date of the friend's origin."},
	{name: "total_referred_sales_sum", kind: moneyOf, of: referredSales, byCampaign: true, formula: "Subtotals of total_referred_sales_count."},
	{name: "talkable_sales_count", of: approvedSales, byCampaign: true, currencied: true,
		formula: "Referrals that were approved, by the date of the friend's origin; later voids are in referrals_voided."},
	{name: "talkable_sales_sum", kind: moneyOf, of: approvedSales, byCampaign: true, formula: "Subtotals of talkable_sales_count, before refunds."},
	{name: "revenue_percentage", kind: shareOf, of: approvedSales, over: sales, formula: "talkable_sales_sum in percent of total_sales_sum, both in one currency."},
	{name: "lift_in_sales", kind: liftOf, of: approvedSales, over: sales,
		formula: "talkable_sales_sum in percent of what total_sales_sum is without it, both in one currency."},
	{name: "conversion_percentage", kind: percentOf, of: approvedSales, over: uniqueVisits, byCampaign: true,
		formula: "talkable_sales_count in percent of visits_unique of the same days."},
	{name: "referrals_blocked", of: blocked, byCampaign: true,
		formula: "Referrals blocked by a rule, by the date of the friend's origin, and by hand, by the date of the decision."},
	{name: "referrals_voided", of: voided, byCampaign: true, formula: "Referrals voided by hand or by a refund, by the date of the decision."},

	{name: "total_rewards_count", of: rewards, byCampaign: true, formula: "Rewards issued, by the date of what they are for; taken back ones included."},
	{name: "total_rewards_sum", kind: moneyOf, of: rewards, byCampaign: true, formula: "Commissions among total_rewards_count; points and coupons have no amount."},
	{name: "ad_rewards_count", of: advocateRewards, byCampaign: true, formula: "Rewards of advocates."},
	{name: "ad_rewards_sum", kind: moneyOf, of: advocateRewards, byCampaign: true, formula: "Commissions of advocates."},
	{name: "fr_rewards_count", of: friendRewards, byCampaign: true, formula: "Rewards of friends."},
	{name: "fr_rewards_sum", kind: moneyOf, of: friendRewards, byCampaign: true, formula: "Commissions of friends."},
	{name: "commissions_count", of: commissions, byCampaign: true, currencied: true, formula: "Commissions issued."},
	{name: "commissions_sum", kind: moneyOf, of: commissions, byCampaign: true, formula: "Amounts of commissions issued."},
	{name: "commissions_clawed_back_sum", kind: moneyOf, of: commissionsBack, byCampaign: true,
		formula: "Amounts of commissions taken back, by the date on which they were."},
	{name: "advocate_loyalty_referral_rewards_count", of: advocatePoints, formula: "Postings of points to advocates for referrals."},
	{name: "advocate_loyalty_referral_rewards_points", kind: tallyOf, of: advocatePoints, formula: "Points posted to advocates for referrals."},
	{name: "advocate_reward_paid_email_delivered", of: advocateRewardMails,
		formula: "E-mails about earned points that the next mail server accepted."},

	{name: "members_joined", of: members, formula: "Members that joined the loyalty programme."},
	{name: "points_earned", kind: tallyOf, of: points, formula: "Points posted to members for any reason, by the date of what they are for."},
	{name: "points_clawed_back", kind: tallyOf, of: pointsBack, formula: "Earned points that were taken back."},
	{name: "points_expired", kind: tallyOf, of: pointsExpired, formula: "Points that passed their date unspent."},
	{name: "tier_changes", of: tierChanges, formula: "Moves of members between tiers, up or down."},
	{name: "events", of: siteEvents, formula: "Event origins."},
	{name: "emails_sent", of: mailsSent, formula: "E-mails that the next mail server accepted."},
	{name: "share_emails_sent", of: shareMails, formula: "E-mails of advocates to friends that the next mail server accepted."},
	{name: "emails_failed", of: mailsFailed, formula: "E-mails that were given up."},
	{name: "emails_uncertain", of: mailsUncertain, formula: "E-mails of which nobody knows whether they arrived."},
}

var byName = func() map[string]metric {
	all := make(map[string]metric, len(metrics))
	for _, m := range metrics {
		all[m.name] = m
	}
	return all
}()

func metricByName(name string) (metric, error) {
	m, ok := byName[name]
	if !ok {
		return metric{}, fault.New(fault.Invalid, "metric_not_found", "No metric found.").At("path.metric", "not a metric that is kept")
	}
	return m, nil
}

// keys are what the metric is made of.
func (m metric) keys() []string {
	if m.over != "" {
		return []string{m.of, m.over}
	}
	return []string{m.of}
}

// inMoney says that the metric has sense within one currency only.
func (m metric) inMoney() bool {
	switch m.kind {
	case moneyOf, averageOf, shareOf, liftOf:
		return true
	}
	return false
}

// resultType is Talkable's name of the unit.
func (m metric) resultType() string {
	switch m.kind {
	case moneyOf, averageOf:
		return "money"
	case percentOf, shareOf, liftOf:
		return "percent"
	}
	return "number"
}
