package referral

import (
	"cmp"
	"slices"
	"time"
)

// Ways in which a friend's origin finds the link that he came by.
const (
	byCookie = "cookie" // the browser of the purchase opened it
	byEmail  = "email"  // a browser that this person was seen with before opened it
)

// Outcomes of an attribution.
const (
	outcomeReferred = "referred"
	outcomeBlocked  = "blocked" // there is a referral, and a fraud rule blocked it
	outcomeNone     = "none"
)

// Reasons of an attribution, and of a candidate that was dropped.
const (
	reasonLastTouch       = "last_touch"
	reasonNoPerson        = "no_person"
	reasonNoTouch         = "no_touch"
	reasonExpired         = "expired_touch"
	reasonFuture          = "touch_after_purchase"
	reasonNotLive         = "campaign_not_live"
	reasonNoAdvocate      = "advocate_unknown"
	reasonAlreadyReferred = "already_referred"
	reasonOlder           = "older_touch"
)

const touchSlack = 5 * time.Minute // the clocks of a shop and of ours differ, and orders are told late

// candidate is an offer that the friend may have come by.
type candidate struct {
	method     string
	offerID    int64
	campaignID int64
	advocateID int64 // 0: nobody known
	offerOwner string
	visitor    string
	firstAt    time.Time
	lastAt     time.Time
}

// traced is a candidate as the trace keeps it.
type traced struct {
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	Method     string    `json:"method"`
	VisitorID  string    `json:"visitor_id"`
	TouchedAt  time.Time `json:"touched_at"`
	Kept       bool      `json:"kept"`
	Cause      string    `json:"cause"`
}

// attribution is a decision about one origin, and why.
type attribution struct {
	Rule       string    `json:"rule"`
	Candidates []traced  `json:"candidates"`
	Findings   []finding `json:"fraud,omitempty"`

	reason  string
	kept    *candidate
	verdict string // of the fraud rules on what was kept
}

// attribute decides whose link a purchase or event came by: the last touch within the campaign's window before it. Touches of
// the purchase's own browser go before those of other browsers of the person. Touches that are too old, or later than the
// purchase, and campaigns that weren't live are passed over; a friend who was referred in the campaign already ends the search,
// so that an older link gets no credit for a purchase that the last one would have had. referred says that.
func attribute(occurred time.Time, candidates []candidate, campaigns map[int64]*campaign, referred func(campaignID int64) bool) attribution {
	out := attribution{Rule: "last_touch/1", reason: reasonNoTouch, Candidates: []traced{}}
	sorted := order(occurred, candidates)
	decided := false
	for i := range sorted {
		c := &sorted[i]
		touch := c.touch(occurred)
		cause := c.drop(occurred, touch, campaigns[c.campaignID])
		switch {
		case decided:
			cause = cmp.Or(cause, reasonOlder)
		case cause != "":
			if out.reason == reasonNoTouch {
				out.reason = cause
			}
		case referred(c.campaignID):
			cause, out.reason, decided = reasonAlreadyReferred, reasonAlreadyReferred, true
		default:
			cause, out.reason, decided = reasonLastTouch, reasonLastTouch, true
			out.kept = c
		}
		out.Candidates = append(out.Candidates, traced{OfferID: c.offerID, CampaignID: c.campaignID, Method: c.method,
			VisitorID: c.visitor, TouchedAt: touch, Kept: out.kept == c, Cause: cause})
	}
	return out
}

// claimKey is what a friend offer of a site is unique by.
type claimKey struct {
	offer   int64
	visitor string
}

// order puts the best candidate first, each offer and visitor once, and is the same whatever order they came in.
func order(occurred time.Time, candidates []candidate) []candidate {
	sorted := slices.Clone(candidates)
	slices.SortFunc(sorted, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.method, b.method), b.touch(occurred).Compare(a.touch(occurred)),
			cmp.Compare(b.offerID, a.offerID), cmp.Compare(a.visitor, b.visitor))
	})
	seen := map[claimKey]bool{}
	return slices.DeleteFunc(sorted, func(c candidate) bool {
		k := claimKey{offer: c.offerID, visitor: c.visitor}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// touch is the last touch that can count: the first one, if the offer was touched again after the purchase.
func (c candidate) touch(occurred time.Time) time.Time {
	if c.lastAt.After(occurred.Add(touchSlack)) {
		return c.firstAt
	}
	return c.lastAt
}

// drop says why a candidate is out of the question, "" if it isn't.
func (c candidate) drop(occurred, touch time.Time, k *campaign) string {
	switch {
	case touch.After(occurred.Add(touchSlack)):
		return reasonFuture
	case k == nil || !k.claimable(occurred):
		return reasonNotLive
	case touch.Before(occurred.AddDate(0, 0, -k.AttributionDays)):
		return reasonExpired
	case c.advocateID == 0:
		return reasonNoAdvocate
	default:
		return ""
	}
}
