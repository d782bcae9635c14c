package referral

import "slices"

// Kinds of placement: where on a shop's pages a campaign is shown.
const (
	placeStandalone = "standalone"
	placeDashboard  = "standalone_dashboard"
	placePurchase   = "post_purchase"
	placeWidget     = "floating_widget"
	placeGleam      = "gleam"
	placeByName     = "claim_by_name"
	placeConversion = "conversion_popup"
	placeLoyalty    = "loyalty_dashboard"
	placePoints     = "loyalty_widget"
)

// campaignType is what kind of campaign there is, as data: nothing else in the program asks for a name.
type campaignType struct {
	Name       string   `json:"type"`
	Says       string   `json:"description"`
	Offers     bool     `json:"makes_offers" doc:"Advocates get offers of it; others show what people have by those of other campaigns"`
	Rewards    bool     `json:"has_incentives" doc:"It may have incentives"`
	Categories []string `json:"joinable_category_names" doc:"Of a campaign that names none itself"`
	Placements []string `json:"placement_kinds" doc:"Where it may be shown"`
}

const typeInvite = "invite"

var (
	signUp        = []string{"affiliate_member"}
	campaignTypes = []campaignType{
		{typeInvite, "Advocates share, friends come and buy.", true, true, signUp, []string{placeStandalone, placePurchase, placeWidget}},
		{"advocate_dashboard", "An advocate sees shares, referrals and rewards.", false, false, signUp, []string{placeDashboard}},
		{"reward_gleam", "A bar that reminds of a coupon that wasn't used yet.", false, false, signUp, []string{placeGleam}},
		{"leaderboard", "Advocates by their approved referrals.", false, false, signUp, []string{placeStandalone, placeDashboard}},
		{"tiered_rewards", "An invitation whose rewards grow with the number of referrals.", true, true, signUp, []string{placeStandalone, placePurchase, placeWidget}},
		{"claim_by_name", "A friend names the advocate; the advocate's newest offer is claimed.", false, false, []string{"claim_by_name_popup"}, []string{placeByName}},
		{"conversion", "An e-mail address for a reward.", true, true, []string{"email_capture_popup"}, []string{placeConversion}},
		{"loyalty", "Points, and what they are spent on.", false, false, []string{"loyalty_dashboard", "loyalty_widget"}, []string{placeLoyalty, placePoints}},
	}
)

// typeOf is the type with a name; nil if there is none. What says nothing invites.
func typeOf(name string) *campaignType {
	if name == "" {
		name = typeInvite
	}
	if i := slices.IndexFunc(campaignTypes, func(t campaignType) bool { return t.Name == name }); i >= 0 {
		return &campaignTypes[i]
	}
	return nil
}

// kind is the campaign's type.
func (c *campaign) kind() *campaignType { return typeOf(c.Type) }
