package referral

import "github.com/talkable/talkable/internal/referral/referralevent"

// refusedBecause says in words why a reward was not given.
var refusedBecause = map[string]string{
	refusedSubtotal:   "The order's subtotal is not what the incentive asks for.",
	refusedCustomer:   "The incentive asks for new customers, or for those who had bought before, and the friend is the other.",
	refusedOptin:      "The incentive asks for friends who have just opted in to mail, or for others, and this one is the other.",
	refusedReferrals:  "The incentive is not for this number of the advocate's referrals.",
	refusedCategory:   "The incentive is for another kind of event.",
	refusedChannel:    "The incentive is not for shares by this channel.",
	refusedSelf:       "The friend is known to be the advocate.",
	refusedAutomatic:  "The incentive asks for a person's approval, and the referral was approved by itself.",
	refusedCriteria:   "The incentive's own condition is not met.",
	refusedNothing:    "What it comes to is less than the smallest coin.",
	refusedNobody:     "Nobody is known who could get it.",
	refusedUnverified: "What it would be for was told with a public key, which proves nothing.",
	refusedUniqueness: "It was given before, and is given once only.",
	refusedMonth:      "The advocate has as many rewards within 30 days as the campaign allows.",
	refusedTotal:      "The advocate has as many rewards as the campaign allows.",
	refusedFriends:    "As many friends as the campaign allows were rewarded for this offer.",
	refusedHook:       "The decision hook said no, or gave no answer and its default is no.",
	refusedBudget:     "The campaign's budget has no room for it.",
	refusedCurrency:   "It is in another currency than the campaign's budget, and nothing says what it costs there.",
}

// explanation says in words what a reward's state comes from. r is its referral, nil where it has none.
func (w *reward) explanation(r *referral) string {
	switch {
	case w.Status == rewardWaiting:
		return "Its coupon list is empty: it gets the next coupon that comes, after those who have waited longer."
	case w.Status == rewardUnpaid && w.Clawed > 0:
		return "It was earned and isn't paid yet; refunds have taken a part back."
	case w.Status == rewardUnpaid:
		return "It was earned and isn't paid yet."
	case w.Status == rewardPaid && w.Clawed > 0:
		return "It was given; refunds have taken a part back."
	case w.Status == rewardPaid:
		return "It was given."
	case r != nil && r.Superseded != 0:
		return "It was taken back: the referral was given to another advocate."
	case r != nil && r.RefundedTotal > 0:
		return "It was taken back: the order was refunded."
	case r != nil && r.Status != referralevent.Approved:
		return "It was taken back: its referral is " + r.Status + "."
	case w.Milestone != nil:
		return "It was taken back: there are fewer approved referrals now than it is for."
	}
	return "It was taken back."
}
