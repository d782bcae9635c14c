package analytics

import "math/bits"

// A facet is a way in which numbers are kept apart, beside their day, campaign and currency.
const (
	channel = iota
	source
	device
	category
	variant
	utmSource
	utmMedium
	utmCampaign
	facetCount
)

// facets are a fact's values; "" is none, or that nobody knows.
type facets [facetCount]string

// facetKind says how a facet is asked for.
type facetKind struct {
	column    string // of analytics.daily
	parameter string // the filter
	way       string // in segment_by[…] and detalize_by[…]
	member    string // of detalize's rows
	most      int    // values that a site's days are kept by, where they are free text: what comes later is "other"; 0: a closed set
	says      string
}

var facetKinds = [facetCount]facetKind{
	channel: {"channel", "sharing_channels", "sharing_channels", "sharing_channel", 100,
		"the sharing channel: of a share its own; of a visit that of the link; of a referral that of the link by which the friend first came to the offer, `email` if " +
			"an e-mail share brought the friend, `coupon` if a code did, none if a person made it; of a reward that of what it is for. An offer has none: it may be shared by several"},
	source: {"traffic_source", "traffic_sources", "traffic_sources", "traffic_source", 50,
		"the `traffic_source` of the origin: of the sale, sign-up, event or refund itself, of the friend's origin for a referral, of the advocate's for " +
			"an offer and its shares"},
	device: {"device_type", "device_type", "device_types", "device_type", 0,
		"`desktop`, `mobile` or `tablet`, by the browser's user agent; none where nobody told of it, as with origins that a server tells without `ip_address=current`. " +
			"Of a visit the friend's, of a sale or referral that of the origin, of an offer and its shares that of the advocate's origin"},
	category: {"event_category", "event_categories", "event_categories", "event_category", 50,
		"`purchase`, `affiliate_member`, or the category of an Event: of the origin itself, of the friend's origin for a referral, of the advocate's for an offer and its shares"},
	variant: {"variant", "split_test", "split_test", "split_test", 0,
		"the variant of the campaign that the offer is of; none outside of experiments. Variants of two campaigns may have one name: ask by campaign, too"},
	utmSource: {"utm_source", "utm_source", "utm_source", "utm_source", 50, "the `utm_source` that the origin was told with: of a sale, sign-up, event or refund itself, of the friend's origin for a referral " +
		"and what it earns, of the sign-up for what that earns"},
	utmMedium:   {"utm_medium", "utm_medium", "utm_medium", "utm_medium", 50, "its `utm_medium`"},
	utmCampaign: {"utm_campaign", "utm_campaign", "utm_campaign", "utm_campaign", 50, "its `utm_campaign`, which is the shop's own and no campaign of ours"},
}

// other is what values are counted as that come when a site has as many as are kept apart.
const other = "other"

// Devices, as web.DeviceType names them.
var (
	devices   = []string{"desktop", "mobile", "tablet"}
	mobiles   = []string{"mobile", "tablet"}
	immobiles = []string{"desktop", ""}
)

// keeping is a set of what numbers are kept by.
type keeping uint16

// bit is the set of one facet.
func bit(facet int) keeping { return 1 << facet }

const (
	byChannel  keeping = 1 << channel
	bySource   keeping = 1 << source
	byDevice   keeping = 1 << device
	byCategory keeping = 1 << category
	byVariant  keeping = 1 << variant
	byUTM      keeping = 1<<utmSource | 1<<utmMedium | 1<<utmCampaign
	byCampaign keeping = 1 << facetCount
	byCurrency keeping = 1 << (facetCount + 1)
)

func (k keeping) has(all keeping) bool { return k&all == all }

func (k keeping) size() int { return bits.OnesCount16(uint16(k)) }

const (
	byOrigin    = bySource | byDevice | byCategory
	ofOrigins   = byOrigin | byUTM
	ofOffers    = byOrigin | byCampaign | byVariant
	ofVisits    = byCampaign | byChannel | byDevice | byVariant
	ofReferrals = ofOffers | byChannel | byUTM
)

// keptBy says by what each key is kept: a fact's other facets are dropped. It decides how many rows a day has, so visits, of which there
// are most, aren't kept by what their offer was made for. Rewards are
// kept by what they are for: a referral, a click, a share, a sign-up.
var keptBy = map[string]keeping{
	signUps: ofOrigins, knownSignUps: ofOrigins, optedInSignUps: ofOrigins, optedInSignUpsNew: ofOrigins, siteEvents: ofOrigins,
	sales: ofOrigins | byCurrency, firstSales: ofOrigins | byCurrency, refundedSales: ofOrigins | byCurrency,

	couponOrders: ofOrigins | byCurrency, advocateCouponOrders: ofOrigins | byCurrency, friendCouponOrders: ofOrigins | byCurrency, rewardsUsed: ofOrigins,
	advocateSales: ofOrigins | byCurrency, advocateSalesNew: ofOrigins | byCurrency, advocateSalesOld: ofOrigins | byCurrency,

	offers: ofOffers, shares: ofOffers | byChannel, sharers: ofOffers | byChannel, multisharers: ofOffers | byChannel,
	visits: ofVisits, uniqueVisits: ofVisits, firstVisits: ofVisits, mailVisits: ofVisits,
	claims: byCampaign | byChannel, optedInClaims: byCampaign | byChannel, optedInClaimsNew: byCampaign | byChannel,

	idealSales:    ofReferrals | byCurrency, // an advocate's have no campaign, channel and variant
	referredSales: ofReferrals | byCurrency, referredNew: ofReferrals | byCurrency, approvedSales: ofReferrals | byCurrency,
	couponSales: ofReferrals | byCurrency, couponNew: ofReferrals | byCurrency, couponNotNew: ofReferrals | byCurrency,
	visitedReferrals: ofReferrals, blocked: ofReferrals, voided: ofReferrals,

	rewards: ofReferrals | byCurrency, advocateRewards: ofReferrals | byCurrency, friendRewards: ofReferrals | byCurrency,
	commissions: ofReferrals | byCurrency, commissionsBack: ofReferrals | byCurrency, referrerRewards: ofReferrals, referrerPaid: ofReferrals,

	points: 0, advocatePoints: 0, pointsBack: 0, pointsExpired: 0, members: 0, tierChanges: 0,
	mailsSent: 0, shareMails: 0, mailsFailed: 0, mailsUncertain: 0, advocateRewardMails: 0, friendRewardMails: 0, offerMails: 0,
}

// only keeps what the key is kept by.
func (f facets) only(by keeping) facets {
	for i := range f {
		if !by.has(bit(i)) {
			f[i] = ""
		}
	}
	return f
}
