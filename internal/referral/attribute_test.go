package referral

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func nobodyReferred(int64) bool { return false }

// touchOf is a candidate of a method that was touched at these times, the first and the last of which are kept.
func touchOf(method string, offer, campaign int64, times ...time.Duration) candidate {
	slices.Sort(times)
	c := candidate{method: method, offerID: offer, campaignID: campaign, advocateID: 100 + offer, firstAt: epoch.Add(times[0]), lastAt: epoch.Add(times[len(times)-1])}
	for _, t := range times {
		c.between = append(c.between, epoch.Add(t))
	}
	switch method {
	case byCookie, byWebCookie, byEmail:
		c.visitor = uuidOf(1)
	case byCoupon:
		c.couponID = offer
	}
	return c
}

func TestAttribute_by_the_rule_of_the_campaign(t *testing.T) {
	t.Parallel()
	usual := attributionRule{}
	first := attributionRule{Touch: touchFirst}
	linkFirst := attributionRule{LinkFirst: true}
	everything := attributionRule{Methods: trackMethods}
	for name, c := range map[string]struct {
		rule   attributionRule
		in     []candidate
		offer  int64
		reason string
	}{
		"a code beats a link":                {usual, []candidate{touchOf(byCookie, 1, 1, -time.Hour), touchOf(byCoupon, 2, 1, 0)}, 2, reasonCode},
		"a link beats a code":                {linkFirst, []candidate{touchOf(byCookie, 1, 1, -time.Hour), touchOf(byCoupon, 2, 1, 0)}, 1, reasonLastTouch},
		"so does an app's link":              {linkFirst, []candidate{touchOf(byWebCookie, 1, 1, -time.Hour), touchOf(byCoupon, 2, 1, 0)}, 1, reasonLastTouch},
		"a code goes before an e-mail":       {linkFirst, []candidate{touchOf(byEmail, 1, 1, -time.Hour), touchOf(byCoupon, 2, 1, 0)}, 2, reasonCode},
		"the browser before the app's":       {usual, []candidate{touchOf(byWebCookie, 1, 1, -time.Hour), touchOf(byCookie, 2, 1, -2*time.Hour)}, 2, reasonLastTouch},
		"a claim before a mail that went":    {usual, []candidate{touchOf(byShareEmail, 1, 1, -time.Hour), touchOf(byEmail, 2, 1, -day)}, 2, reasonLastTouch},
		"a phone number before that mail":    {usual, []candidate{touchOf(byShareEmail, 1, 1, -time.Hour), touchOf(byPhone, 2, 1, -day)}, 2, reasonLastTouch},
		"a mail alone":                       {usual, []candidate{touchOf(byShareEmail, 1, 1, -time.Hour)}, 1, reasonLastTouch},
		"the address only where it may":      {usual, []candidate{touchOf(byIP, 1, 1, -time.Minute)}, 0, reasonMethodOff},
		"the address within an hour":         {everything, []candidate{touchOf(byIP, 1, 1, -59*time.Minute)}, 1, reasonLastTouch},
		"an hour later":                      {everything, []candidate{touchOf(byIP, 1, 1, -61*time.Minute)}, 0, reasonExpired},
		"the first of two":                   {first, []candidate{touchOf(byCookie, 1, 1, -2*day), touchOf(byCookie, 2, 1, -day)}, 1, reasonFirstTouch},
		"the first within the window":        {first, []candidate{touchOf(byCookie, 1, 1, -40*day, -3*day), touchOf(byCookie, 2, 1, -4*day, -day)}, 2, reasonFirstTouch},
		"the last, though touched later":     {usual, []candidate{touchOf(byCookie, 1, 1, -9*day, -2*day, day), touchOf(byCookie, 2, 1, -3*day)}, 1, reasonLastTouch},
		"whoever was first stays":            {everything, []candidate{touchOf(bySticky, 1, 1, -300*day), touchOf(byCoupon, 2, 1, 0)}, 1, reasonSticky},
		"of two campaigns the better method": {usual, []candidate{touchOf(byEmail, 1, 1, -time.Hour), touchOf(byCookie, 2, 2, -2*day)}, 2, reasonLastTouch},
		"and then the last touch":            {first, []candidate{touchOf(byCookie, 1, 1, -3*day), touchOf(byCookie, 2, 2, -2*day)}, 2, reasonFirstTouch},
		"a method that is off is passed over": {attributionRule{Methods: []string{byCookie}},
			[]candidate{touchOf(byCoupon, 1, 1, 0), touchOf(byCookie, 2, 1, -day)}, 2, reasonLastTouch},
	} {
		campaigns := map[int64]*campaign{}
		for id := range int64(3) {
			campaigns[id] = &campaign{ID: id, Status: statusLive, AttributionDays: 30, Attribution: c.rule}
		}
		got := attribute(epoch, c.in, campaigns, nobodyReferred)
		if offer := got.kept; got.reason != c.reason || (offer == nil) != (c.offer == 0) || offer != nil && offer.offerID != c.offer {
			t.Errorf("%s: got %s, %+v; want %s, offer %d", name, got.reason, offer, c.reason, c.offer)
		}
		if len(got.Candidates) != len(c.in) || len(got.Rules) == 0 {
			t.Errorf("%s: the trace has %d of %d candidates", name, len(got.Candidates), len(c.in))
		}
	}
	ended := touchOf(byCoupon, 1, 1, 0)
	ended.ended = true
	campaigns := map[int64]*campaign{1: {ID: 1, Status: statusLive, AttributionDays: 30}}
	if got := attribute(epoch, []candidate{ended}, campaigns, nobodyReferred); got.reason != reasonCodeEnded {
		t.Errorf("a code that has ended: %s", got.reason)
	}
}

// naive is the decision in the words of the manual: for each campaign the touches that count, sorted; of the campaigns' first ones the best.
func naive(occurred time.Time, touches []candidate, campaigns map[int64]*campaign) (offer int64) {
	type touch struct {
		offer, campaign int64
		method          string
		at              time.Time
	}
	place := func(r attributionRule, method string) int {
		order := slices.Clone(trackMethods)
		if r.LinkFirst {
			order = slices.DeleteFunc(order, func(m string) bool { return m == byCoupon })
			order = slices.Insert(order, slices.Index(order, byWebCookie)+1, byCoupon)
		}
		return slices.Index(order, method)
	}
	var best []touch
	for _, k := range campaigns {
		var list []touch
		for _, c := range touches {
			if c.campaignID != k.ID || !k.claimable(occurred) || !slices.Contains(k.Attribution.methods(), c.method) {
				continue
			}
			for _, at := range c.between {
				if !at.After(occurred.Add(touchSlack)) && !at.Before(occurred.AddDate(0, 0, -k.AttributionDays)) {
					list = append(list, touch{c.offerID, k.ID, c.method, at})
				}
			}
		}
		slices.SortFunc(list, func(a, b touch) int {
			when := b.at.Compare(a.at)
			if k.Attribution.first() { // of each offer its first touch, and of these the first
				when = a.at.Compare(b.at)
			}
			return cmp.Or(cmp.Compare(place(k.Attribution, a.method), place(k.Attribution, b.method)), when, cmp.Compare(b.offer, a.offer))
		})
		if len(list) > 0 {
			best = append(best, list[0])
		}
	}
	slices.SortFunc(best, func(a, b touch) int {
		place := func(t touch) int { return place(campaigns[t.campaign].Attribution, t.method) }
		return cmp.Or(cmp.Compare(place(a), place(b)), b.at.Compare(a.at), cmp.Compare(b.offer, a.offer))
	})
	if len(best) == 0 {
		return 0
	}
	return best[0].offer
}

// The candidates of a batch come in any order, and a touch may come late: as long as it is before the purchase it counts the same.
func TestAttribute_is_the_naive_decision_in_any_order(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		linkFirst := rapid.Bool().Draw(t, "link first") // of all campaigns: between campaigns that differ in it the manual says nothing
		campaigns := map[int64]*campaign{}
		for id := int64(1); id <= 2; id++ {
			rule := attributionRule{LinkFirst: linkFirst, Touch: rapid.SampledFrom([]string{"", touchFirst}).Draw(t, "touch")}
			if rapid.Bool().Draw(t, "some methods") {
				rule.Methods = rapid.SliceOfNDistinct(rapid.SampledFrom(usualMethods), 1, 4, rapid.ID[string]).Draw(t, "methods")
			}
			campaigns[id] = &campaign{ID: id, Status: rapid.SampledFrom([]string{statusLive, statusLive, statusDisabled}).Draw(t, "status"),
				AttributionDays: rapid.IntRange(1, 40).Draw(t, "days"), Attribution: rule}
		}
		var list []candidate
		for offer := int64(1); offer <= 6; offer++ {
			if !rapid.Bool().Draw(t, "touched") {
				continue
			}
			method := rapid.SampledFrom(usualMethods).Draw(t, "method")
			var times []time.Duration
			for _, hours := range rapid.SliceOfN(rapid.IntRange(-45*24, 48), 1, 5).Draw(t, "hours") {
				times = append(times, time.Duration(hours)*time.Hour)
			}
			list = append(list, touchOf(method, offer, rapid.Int64Range(1, 2).Draw(t, "campaign"), times...))
		}
		want := naive(epoch, list, campaigns)
		for range 3 {
			var got int64
			if a := attribute(epoch, rapid.Permutation(list).Draw(t, "order"), campaigns, nobodyReferred); a.kept != nil {
				got = a.kept.offerID
			}
			if got != want {
				t.Fatalf("got offer %d, want %d", got, want)
			}
		}
	})
}
