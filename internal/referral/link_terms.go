package referral

import (
	"slices"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// linkTerms are how the links of a campaign work beyond what its incentives promise. The zero value: links lead to the destination at once,
// and end with the campaign.
type linkTerms struct {
	SiteID      int64      `db:"site_id"`
	CampaignID  int64      `db:"campaign_id"`
	ClaimPage   bool       `db:"claim_page"`         // a link shows a page before it leads on
	Gate        string     `db:"gate"`               // referralapi.Gate…; "": none
	OptIn       bool       `db:"opt_in"`             // the gate asks whether mail is welcome
	ExpiredURL  string     `db:"expired_url"`        // where links lead that are over
	AdvocateURL string     `db:"advocate_url"`       // where share pages lead on
	Hours       *int       `db:"friend_offer_hours"` // of a friend offer, from its first touch: the e-mail by which it came, or the first visit
	ShareUntil  *time.Time `db:"share_until"`
	ClaimUntil  *time.Time `db:"claim_until"`

	expired  *landing // where ExpiredURL is; nil: not to be led to
	advocate *landing // likewise
}

const mostHours = 8760 // of a friend offer: a year

var gates = []string{referralapi.GateNone, referralapi.GateEmail, referralapi.GateEmailAndPhone}

// gated says that a visit alone earns nothing yet.
func (t *linkTerms) gated() bool {
	return t != nil && t.ClaimPage && t.Gate != "" && t.Gate != referralapi.GateNone
}

// paged says that links show a page.
func (t *linkTerms) paged() bool { return t != nil && t.ClaimPage }

// sharable says whether offers of the campaign may be shared at a moment.
func (c *campaign) sharable(at time.Time) bool {
	return c.works(at) && (c.terms == nil || c.terms.ShareUntil == nil || at.Before(*c.terms.ShareUntil))
}

// claimable says whether a link gives friends an offer at a moment.
func (c *campaign) claimable(at time.Time) bool {
	return c.works(at) && (c.terms == nil || c.terms.ClaimUntil == nil || at.Before(*c.terms.ClaimUntil))
}

// lapsed says whether a friend offer is over at a moment: of its hours and the campaign's last moment the nearer one counts.
func (c *campaign) lapsed(firstAt, at time.Time) bool {
	if c.terms == nil {
		return false
	}
	if c.terms.ClaimUntil != nil && !at.Before(*c.terms.ClaimUntil) {
		return true
	}
	return c.terms.Hours != nil && !at.Before(firstAt.Add(time.Duration(*c.terms.Hours)*time.Hour))
}

// openCodes are the coupons that everybody gets by a click; only says that there are no others, and no conditions.
func (c *campaign) openCodes() (codes []string, only bool) {
	only = !c.asks(actionClick)
	for _, i := range c.active(actionClick) {
		switch {
		case i.CouponList != nil:
			only = false
		case i.CouponCode != "" && !slices.Contains(codes, i.CouponCode):
			codes = append(codes, i.CouponCode)
		}
	}
	return codes, only
}
