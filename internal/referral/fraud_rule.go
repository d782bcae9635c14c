package referral

// Rules, named as in Talkable's forms where it has them.
const (
	ruleSelf         = "self_referral_by_email_or_visitor"
	ruleSimilar      = "self_referral_by_similar_emails"
	ruleAddress      = "self_referral_by_shipping_address"
	ruleDevice       = "self_referral_by_ip_and_user_agent"
	ruleIP           = "self_referral_by_ip"
	rulePhone        = "self_referral_by_phone"
	ruleCard         = "self_referral_by_card"
	ruleCross        = "cross_referral"
	ruleVelocity     = "velocity"
	ruleDisposable   = "disposable_email"
	ruleBlockedEmail = "blocklisted_email"
	ruleBlockedIP    = "blocklisted_ip"
	ruleCycling      = "coupon_cycling"
)

// Settings of a rule: what is done with a referral that it hits.
const (
	settingSkip  = "skip"
	settingFlag  = "flag"
	settingBlock = "block"
)

// Verdicts of a rule on one referral, as fraud_policies_status lists them.
const (
	verdictBlocked = "blocked"
	verdictFlagged = "flagged"
	verdictSkipped = "skipped"
	verdictPassed  = "passed"
)

// labelSelf is what the oldest rule is called.
const labelSelf = "Matching Email or Cookie on Friend Purchase"

// rule is one way of suspecting a referral.
type rule struct {
	Name       string
	Label      string
	Version    int // of its definition; another definition is another version
	Definition string
	hit        func(e evidence, t thresholds) bool
	thresholds func(t thresholds) map[string]int64 // those that it looks at
}

func noThreshold(thresholds) map[string]int64 { return nil }

func matched(e evidence, _ thresholds) bool { return e.Match != "" }

func within(days func(thresholds) int64) func(e evidence, t thresholds) bool {
	return func(e evidence, t thresholds) bool { return e.Match != "" && deref(e.Apart) <= days(t)*secondsADay }
}

const secondsADay = 24 * 60 * 60

// rules are all of them, in the order in which verdicts are listed.
var rules = []rule{
	{ruleSelf, labelSelf, 1, "The friend is the advocate: the same person, which is what equal e-mail addresses make; or a browser of the " +
		"purchase is one that the advocate was seen with, or the one that got the offer.", matched, noThreshold},
	{ruleSimilar, "Similar Email Match", 1, similarDefinition, func(e evidence, t thresholds) bool {
		return e.Distance != nil && similar(*e.Distance, e.Length, t.SimilarEmailDistance)
	}, func(t thresholds) map[string]int64 {
		return map[string]int64{"similar_email_distance": t.SimilarEmailDistance}
	}},
	{ruleAddress, "Matching Shipping Address", 1, "The advocate had something shipped to the same address and zip, compared without case, accents, " +
		"signs and spaces, at most address_days before or after the purchase.", within(func(t thresholds) int64 { return t.AddressDays }),
		func(t thresholds) map[string]int64 { return map[string]int64{"address_days": t.AddressDays} }},
	{rulePhone, "Matching Phone Number on Friend Purchase", 1, "The phone number that came with the purchase is the advocate's, or came with something " +
		"that the advocate did. Numbers are compared in E.164.", matched, noThreshold},
	{ruleCard, "Matching Payment Card", 1, "The advocate paid with the card that the purchase was paid with, in the year before: what the shop tells as " +
		"card_hash is the same, sign by sign.", matched, noThreshold},
	{ruleDevice, "Matching by Combination of IP Address & User Agent", 1, "The advocate was seen with the same IP address and the same user agent, at most " +
		"ip_days before or after the purchase.", within(func(t thresholds) int64 { return t.IPDays }), ipDays},
	{ruleIP, "Matching by IP Address only", 1, "The advocate was seen with the same IP address, at most ip_days before or after the purchase.",
		within(func(t thresholds) int64 { return t.IPDays }), ipDays},
	{ruleCross, "Friend and Advocate Refer Each Other", 1, "The friend has referred the advocate before, and that referral is pending, flagged or approved.",
		func(e evidence, _ thresholds) bool { return e.ReferralID != 0 || e.Match != "" }, noThreshold},
	{ruleVelocity, "Too Many Referrals of One Advocate", 1, "In the velocity_days (1, 7 or 30) that end with this purchase the advocate made more than " +
		"velocity_referrals, this one among them, whatever became of them. Counting stops at 1000.",
		func(e evidence, t thresholds) bool { return e.count(t.VelocityDays) > t.VelocityReferrals },
		func(t thresholds) map[string]int64 {
			return map[string]int64{"velocity_days": t.VelocityDays, "velocity_referrals": t.VelocityReferrals}
		}},
	{ruleDisposable, "Disposable Email Domain", 1, "The friend's address is at a domain that hands out addresses for a while, or below one: those of the built-in " +
		"list and of disposable_domains, without ordinary_domains.", matched, noThreshold},
	{ruleBlockedEmail, "Blocklisted Email", 1, "The advocate's or the friend's address is in blocked_emails. An entry is an address in which * stands for any " +
		"characters; case doesn't matter.", matched, noThreshold},
	{ruleBlockedIP, "Blocklisted IP Address", 1, "The purchase came from an address in blocked_ips. An entry is an address, a range (first-last) or a subnet (CIDR).",
		matched, noThreshold},
	{ruleCycling, "Friend Used the Advocate's Coupon", 1, cyclingDefinition, matched, noThreshold},
}

func ipDays(t thresholds) map[string]int64 { return map[string]int64{"ip_days": t.IPDays} }

var ruleByName = func() map[string]*rule {
	out := map[string]*rule{}
	for i := range rules {
		out[rules[i].Name] = &rules[i]
	}
	return out
}()

// evidence is what one rule saw. It holds ids, counts and distances, no personal data, and is kept with the verdict: another
// threshold can be tried on it later.
type evidence struct {
	Match      string `json:"match,omitempty"` // how, or where, the two coincide
	PersonID   string `json:"person_id,omitempty"`
	VisitorID  string `json:"visitor_id,omitempty"`
	OriginID   int64  `json:"origin_id,omitempty"`     // the advocate's, that has the same
	Apart      *int64 `json:"seconds_apart,omitempty"` // between it and the purchase
	Distance   *int64 `json:"distance,omitempty"`      // of the addresses
	Length     int64  `json:"length,omitempty"`        // of the shorter local part
	ReferralID int64  `json:"referral_id,omitempty"`   // the other way round
	Day        int64  `json:"last_day,omitempty"`      // referrals of the advocate in the day, week and month that end with the purchase
	Week       int64  `json:"last_7_days,omitempty"`
	Month      int64  `json:"last_30_days,omitempty"`
	CouponID   int64  `json:"coupon_id,omitempty"`
	Side       string `json:"side,omitempty"`    // whose value is on the list
	Missing    string `json:"missing,omitempty"` // what wasn't known, so that nothing could be compared
}

// count is how many referrals there were in so many days.
func (e evidence) count(days int64) int64 {
	switch days {
	case 1:
		return e.Day
	case 7:
		return e.Week
	default:
		return e.Month
	}
}
