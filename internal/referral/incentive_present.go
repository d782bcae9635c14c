package referral

import (
	"cmp"
	"encoding/json"

	"github.com/talkable/talkable/internal/money"
)

// criteriaConfig is what an incentive asks for, in Talkable's words. Those members that its clients may look for are always there.
func (i incentive) criteriaConfig(currency string) map[string]any {
	t := i.Terms
	out := map[string]any{"new_customer": t.NewCustomer, "new_optin": t.NewOptin, "has_liquid_criteria": t.Criteria != ""}
	switch i.Action {
	case actionClick:
		out["once_per_person"] = true
		out["allow_on_expired_offer"] = false
		out["allow_on_self_referral"] = deref(t.SelfReferral)
	case actionSharing:
		out["once_per_person"] = t.Uniqueness != oncePerChannel
		out["email_shares"] = t.EmailShares
		out["sharing_channels"] = append([]string{}, t.Channels...)
	default:
		out["reward_uniqueness"] = cmp.Or(t.Uniqueness, oncePerFriend)
		out["friend_event_category"] = orNull(t.FriendCategory)
		out["subtotal_min"], out["subtotal_max"] = amountOf(i.SubtotalMin, currency), amountOf(t.SubtotalMax, currency)
		for name, n := range map[string]*int64{"referrals_min": t.ReferralsMin, "referrals_max": t.ReferralsMax,
			"referrals_divisible_by": t.DivisibleBy, "referrals_not_divisible_by": t.NotDivisibleBy} {
			out[name] = n
		}
		if t.Milestone > 0 {
			out["referrals_min"] = t.Milestone
		}
	}
	return out
}

// amountOf is an amount as a decimal number, or null.
func amountOf(minor *int64, currency string) any {
	if minor == nil {
		return nil
	}
	return json.RawMessage(money.Format(*minor, currency))
}
