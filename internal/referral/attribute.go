package referral

import (
	"cmp"
	"slices"
	"time"
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
	reasonFirstTouch      = "first_touch"
	reasonCode            = "code_used"
	reasonSticky          = "first_advocate"
	reasonChain           = "earlier_referral"
	reasonNoPerson        = "no_person"
	reasonNoTouch         = "no_touch"
	reasonExpired         = "expired_touch"
	reasonFuture          = "touch_after_purchase"
	reasonCodeEnded       = "code_ended"
	reasonBarred          = "address_barred"
	reasonMethodOff       = "method_off"
	reasonNotLive         = "campaign_not_live"
	reasonNoAdvocate      = "advocate_unknown"
	reasonLapsed          = "friend_offer_expired"
	reasonAlreadyReferred = "already_referred"
	reasonWeaker          = "weaker_method"
	reasonOlder           = "older_touch"
	reasonNewer           = "newer_touch"
	reasonMoved           = "moved"
)

const (
	touchSlack = 5 * time.Minute // the clocks of a shop and of ours differ, and orders are told late
	ipWindow   = time.Hour       // an address is somebody else's soon
)

// candidate is an offer that the friend may have come by.
type candidate struct {
	method     string
	offerID    int64
	campaignID int64
	advocateID int64 // 0: nobody known
	offerOwner string
	visitor    string // whose browser it was, where one was
	couponID   int64  // of a code
	channel    string // of the link that was come by first
	variant    string // of the offer
	ended      bool   // the code, before the purchase
	barred     bool   // the address, by the site's lists
	firstAt    time.Time
	lastAt     time.Time
	between    []time.Time // touches that were looked up, since neither the first nor the last is near the purchase
}

// standing is a candidate as the rule of its campaign sees it.
type standing struct {
	*candidate
	at    time.Time // of the touch that counts
	rank  int       // of its method
	first bool      // the first touch counts
	cause string    // why it is out; "" while it stands
}

// attribute decides whose offer a purchase or event came by. In each campaign the candidate of the first method that found one
// wins, and of several its last touch before the purchase, or the first, as the campaign's rule has it; among campaigns the method
// decides, and then the last touch. Touches that are too old, or later than the purchase, and campaigns that weren't live are passed
// over; a friend who was referred in the campaign already ends the search, so that an older link gets no credit for a purchase that the
// last one would have had (see choose). referred says that.
func attribute(occurred time.Time, candidates []candidate, campaigns map[int64]*campaign, referred func(campaignID int64) bool) attribution {
	out := attribution{Rule: traceVersion, reason: reasonNoTouch}
	list := stand(occurred, candidates, campaigns)
	best, again := choose(list, referred)
	switch {
	case again:
		out.reason = reasonAlreadyReferred
	case best != nil:
		out.reason, out.kept = best.credit(), best.candidate
	case len(list) > 0:
		out.reason = list[0].cause
	}
	for i := range list {
		s := &list[i]
		switch {
		case s == best:
			s.cause = out.reason
		case s.cause == "":
			s.cause = s.behind(best)
		}
		out.Candidates = append(out.Candidates, traced{OfferID: s.offerID, CampaignID: s.campaignID, Method: s.method, VisitorID: s.visitor,
			CouponID: s.couponID, TouchedAt: s.at, Kept: out.kept != nil && s == best, Cause: s.cause})
	}
	out.Rules = rulesSeen(list, campaigns)
	return out
}

// choose is the winner; again says that its friend was referred before, and so it makes no referral. Where the campaign credits what
// follows a referral, the earlier one does instead.
func choose(list []standing, referred func(campaignID int64) bool) (best *standing, again bool) {
	best = winner(list)
	if best == nil || best.method == byChain || !referred(best.campaignID) {
		return best, false
	}
	for i := range list {
		if s := &list[i]; s.method == byChain && s.cause == "" && s.campaignID == best.campaignID {
			best.cause = reasonAlreadyReferred
			return s, false
		}
	}
	return best, true
}

// winner is the best of those that stand, nil if none does: of each campaign the best by its own rule, and the best of these.
func winner(list []standing) *standing {
	byCampaign := map[int64]*standing{}
	for i := range list {
		s := &list[i]
		if was := byCampaign[s.campaignID]; s.cause == "" && (was == nil || s.compare(was) < 0) {
			byCampaign[s.campaignID] = s
		}
	}
	var best *standing
	for _, s := range byCampaign {
		if best == nil || s.among(best) < 0 {
			best = s
		}
	}
	return best
}

// compare puts the better of two candidates of one campaign first.
func (s *standing) compare(t *standing) int {
	newer := t.at.Compare(s.at)
	if s.first {
		newer = -newer
	}
	return cmp.Or(cmp.Compare(s.rank, t.rank), newer, s.tie(t))
}

// among puts the better of two campaigns' candidates first.
func (s *standing) among(t *standing) int {
	return cmp.Or(cmp.Compare(s.rank, t.rank), t.at.Compare(s.at), s.tie(t))
}

// tie decides where nothing else does, so that the order in which candidates were found never does.
func (s *standing) tie(t *standing) int {
	return cmp.Or(cmp.Compare(t.offerID, s.offerID), cmp.Compare(s.visitor, t.visitor), cmp.Compare(s.couponID, t.couponID))
}

// credit is why a winner won.
func (s *standing) credit() string {
	switch {
	case s.method == bySticky:
		return reasonSticky
	case s.method == byCoupon:
		return reasonCode
	case s.method == byChain:
		return reasonChain
	case s.first:
		return reasonFirstTouch
	default:
		return reasonLastTouch
	}
}

// behind is why a candidate that stands lost.
func (s *standing) behind(best *standing) string {
	switch {
	case s.rank > best.rank:
		return reasonWeaker
	case s.campaignID == best.campaignID && s.first:
		return reasonNewer
	default:
		return reasonOlder
	}
}

// claimKey is what a touch is told apart by: an offer and the browser that touched it, or a code, or how else it was found.
type claimKey struct {
	offer, coupon   int64
	visitor, method string
}

func (c *candidate) key() claimKey {
	k := claimKey{offer: c.offerID, coupon: c.couponID, visitor: c.visitor}
	if c.visitor == "" {
		k.method = c.method
	}
	return k
}

// stand judges each candidate, once an offer and touch, those that stand and then the best first: the same whatever order they came in.
func stand(occurred time.Time, candidates []candidate, campaigns map[int64]*campaign) []standing {
	list := make([]standing, len(candidates))
	for i := range candidates {
		list[i] = candidates[i].stand(occurred, campaigns[candidates[i].campaignID])
	}
	out := func(s standing) int {
		if s.cause == "" {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b standing) int { return cmp.Or(cmp.Compare(out(a), out(b)), a.among(&b)) })
	seen := map[claimKey]bool{}
	return slices.DeleteFunc(list, func(s standing) bool {
		k := s.key()
		again := seen[k]
		seen[k] = true
		return again
	})
}

// stand says how a candidate looks under the rule of its campaign.
func (c *candidate) stand(occurred time.Time, k *campaign) standing {
	s := standing{candidate: c, at: c.lastAt, rank: attributionRule{}.rank(c.method)}
	if k == nil {
		s.cause = reasonNotLive
		return s
	}
	s.rank, s.first = k.Attribution.rank(c.method), k.Attribution.first()
	var late bool
	s.at, late = c.touch(c.since(occurred, k), occurred.Add(touchSlack), s.first)
	switch {
	case late:
		s.cause = reasonFuture
	case !k.claimable(occurred):
		s.cause = reasonNotLive
	case s.at.Before(c.since(occurred, k)):
		s.cause = reasonExpired
	case !k.Attribution.on(c.method):
		s.cause = reasonMethodOff
	case (c.visitor != "" || c.method == byShareEmail) && k.lapsed(c.firstAt, occurred):
		s.cause = reasonLapsed
	case c.ended:
		s.cause = reasonCodeEnded
	case c.barred:
		s.cause = reasonBarred
	case c.advocateID == 0:
		s.cause = reasonNoAdvocate
	}
	return s
}

// since is where the window of a candidate begins. Earlier referrals stay for good.
func (c *candidate) since(occurred time.Time, k *campaign) time.Time {
	switch c.method {
	case bySticky, byChain:
		return c.firstAt
	case byIP:
		return occurred.Add(-ipWindow)
	default:
		return occurred.AddDate(0, 0, -k.AttributionDays)
	}
}

// touch is the touch that counts, of those that are known: the last one until the end of the window, or the first one since its
// beginning. If none lies in it, the one that comes closest; late says that all came after the end.
func (c *candidate) touch(begin, end time.Time, first bool) (at time.Time, late bool) {
	var inside, before []time.Time
	for _, t := range append([]time.Time{c.firstAt, c.lastAt}, c.between...) {
		switch {
		case t.After(end):
		case t.Before(begin):
			before = append(before, t)
		default:
			inside = append(inside, t)
		}
	}
	switch {
	case len(inside) > 0 && first:
		return slices.MinFunc(inside, time.Time.Compare), false
	case len(inside) > 0:
		return slices.MaxFunc(inside, time.Time.Compare), false
	case len(before) > 0:
		return slices.MaxFunc(before, time.Time.Compare), false
	default:
		return c.firstAt, true
	}
}

// unsure says that touches between the first and the last may decide, and have to be looked up.
func (c *candidate) unsure(occurred time.Time, k *campaign) bool {
	begin, end := c.since(occurred, k), occurred.Add(touchSlack)
	if c.visitor == "" || c.firstAt.After(end) || c.lastAt.Before(begin) {
		return false
	}
	return c.lastAt.After(end) || k.Attribution.first() && c.firstAt.Before(begin)
}
