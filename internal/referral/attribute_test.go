package referral

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
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
			if c.campaignID != k.ID || !k.live(occurred) || !slices.Contains(k.Attribution.methods(), c.method) {
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

// mail shares the person's offer with friends by e-mail.
func (p *place) mail(person int64, friends ...int64) {
	p.t.Helper()
	in := referralapi.EmailShare{Code: p.join(p.one, person).ShortURLCode}
	for _, f := range friends {
		in.Recipients = append(in.Recipients, referralapi.Recipient{PersonID: f, Valid: true})
	}
	if _, _, err := p.ShareByEmail(p.t.Context(), p.one, in); err != nil {
		p.t.Fatal(err)
	}
}

func TestRecorded_finds_the_advocate_by_each_method(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10)
	p.touched(uuidOf(2), 11)
	p.mail(12, 21, 22)
	p.clock.Move(time.Minute)
	app := p.purchase(p.one, 1, 20, 1000, uuidOf(7), uuidOf(2))
	app.WebVisitorID = uuidOf(2)
	both := p.purchase(p.one, 2, 22, 1000, uuidOf(1))
	p.tell(app, both, p.purchase(p.one, 3, 21, 1000))
	for origin, want := range map[int64][2]any{1: {byWebCookie, int64(11)}, 2: {byCookie, int64(10)}, 3: {byShareEmail, int64(12)}} {
		a, r := p.decision(1, origin), p.referral(origin)
		if a.Method != want[0] || r.AdvocateID != want[1] || r.TrackMethod != want[0] {
			t.Errorf("origin %d: %s by %d (%s)", origin, a.Method, r.AdvocateID, a.Trace)
		}
	}
	shown := p.trace(2)
	if len(shown) != 2 || shown[1]["cause"] != reasonWeaker || shown[1]["method"] != byShareEmail || shown[1]["explanation"] != causes[reasonWeaker] {
		t.Errorf("the mail that went was passed over: %v", shown)
	}
}

func (p *place) referral(origin int64) referralapi.Referral {
	p.t.Helper()
	r, err := p.Referral(p.t.Context(), 1, origin)
	if err != nil {
		p.t.Fatalf("origin %d: %v", origin, err)
	}
	return r
}

// trace are the candidates of an origin as the API shows them.
func (p *place) trace(origin int64) []map[string]any {
	p.t.Helper()
	code, out, _ := p.call(p.one, "GET", fmt.Sprintf("/api/v2/origins/%d/attribution", origin), nil, "")
	b, err := json.Marshal(out["result"])
	if code != 200 || err != nil {
		p.t.Fatalf("origin %d: %d %v", origin, code, out)
	}
	var got struct {
		Attribution struct {
			Trace struct {
				Candidates []map[string]any `json:"candidates"`
			} `json:"trace"`
		} `json:"attribution"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		p.t.Fatal(err)
	}
	return got.Attribution.Trace.Candidates
}

func TestAttribution_says_in_words_why_there_is_no_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.AttributionDays = ptr(7) })
	p.touched(uuidOf(1), 10)
	p.clock.Move(9 * day)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)), p.purchase(p.one, 2, 21, 1000, uuidOf(9)))
	if got := p.trace(1); len(got) != 1 || got[0]["cause"] != reasonExpired || !strings.Contains(got[0]["explanation"].(string), "9 days before the purchase, and only the 7 days") {
		t.Errorf("%v", got)
	}
	if a := p.decision(1, 2); a.Trace != "{}" || a.json().Explanation != causes[reasonNoTouch] {
		t.Errorf("what wasn't touched keeps nothing: %+v", a)
	}
	for reason, text := range causes {
		if !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q is no sentence", reason, text)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// Of visits between the first and the last of an offer, the one before a purchase decides, though the purchase is told late.
func TestRecorded_late_finds_the_touch_in_between(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10)
	p.clock.Move(day)
	p.touched(uuidOf(1), 11)
	p.clock.Move(day)
	p.touched(uuidOf(1), 10) // the last touch before the purchase
	bought := p.clock.Now()
	p.clock.Move(day)
	p.touched(uuidOf(1), 10, 11)
	late := p.purchase(p.one, 1, 20, 1000, uuidOf(1))
	late.OccurredAt = bought
	p.tell(late)
	if r := p.referral(1); r.AdvocateID != 10 {
		t.Errorf("went to %d: %v", r.AdvocateID, p.trace(1))
	}
}

// However touches, the purchase and its refund come, and however often, the same advocate has the same in the end.
func TestRecorded_ends_alike_in_any_order(t *testing.T) {
	t.Parallel()
	steps := map[string]func(p *place){
		"link": func(p *place) { p.touched(uuidOf(1), 10) },
		"mail": func(p *place) { p.mail(12, 20) },
		"refund": func(p *place) {
			p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 1000, RefundedTotal: 300})
		},
	}
	var ends []string
	for _, order := range [][]string{{"link", "mail", "buy", "refund"}, {"mail", "link", "buy", "buy", "refund", "refund"}, {"mail", "link", "buy", "refund", "buy"}} {
		p := setup(t)
		p.campaign(p.one, nil)
		for _, step := range order {
			if step == "buy" {
				bought := p.purchase(p.one, 1, 20, 1000, uuidOf(1))
				bought.OccurredAt = epoch.Add(time.Hour)
				p.tell(bought)
				continue
			}
			steps[step](p)
		}
		r := p.referral(1)
		ends = append(ends, fmt.Sprint(r.AdvocateID, r.TrackMethod, r.Status, r.RefundedTotal, len(r.AdvocateRewards), len(p.trace(1))))
	}
	if len(slices.Compact(slices.Clone(ends))) != 1 {
		t.Errorf("they end differently: %q", ends)
	}
}

func TestSticky_advocate_keeps_the_friend_in_the_next_campaign(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Tags = []string{"first"} })
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives, c.Attribution = usual[:1], &attributionInput{Methods: trackMethods}
	})
	p.join(p.one, 10)
	p.touched(uuidOf(1), 11)
	p.tell(p.purchase(p.one, 2, 20, 1000, uuidOf(1)))
	if r := p.referral(2); r.AdvocateID != 10 || r.TrackMethod != bySticky || r.CampaignID != 2 {
		t.Errorf("%+v", r)
	}
	if got := p.trace(2); len(got) < 2 || got[0]["cause"] != reasonSticky || got[1]["cause"] != reasonWeaker {
		t.Errorf("%v", got)
	}
	// Within one batch, too: the second purchase sees the referral of the first.
	p.touched(uuidOf(3), 12)
	p.touched(uuidOf(4), 13)
	p.tell(p.purchase(p.one, 3, 30, 1000, uuidOf(3)), p.purchase(p.one, 4, 30, 1000, uuidOf(4)))
	if a := p.decision(1, 4); a.Reason != reasonAlreadyReferred {
		t.Errorf("%s %s", a.Reason, a.Trace)
	}
}

func TestAttribution_rule_of_a_campaign_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	body := `{"name":"x","attribution":{"touch":"first","code_beats_link":false,"methods":["ip_address","cookie"]}}`
	code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", body, "")
	if got := fmt.Sprint(out); code != 201 || !strings.Contains(got, "attribution:map[code_beats_link:false methods:[cookie ip_address] personal_coupons:<nil> touch:first]") {
		t.Errorf("%d %s", code, got)
	}
	for _, bad := range []string{`{"touch":"middle"}`, `{"methods":[]}`, `{"methods":["cookie","cookie"]}`, `{"methods":["telepathy"]}`, `{"personal_coupons":{"coupon_list_id":7}}`,
		`{"personal_coupons":{"coupon_list_id":-1}}`, `{"personal_coupons":{"coupon_list_id":7,"template":"{NAME}"}}`, `{"personal_coupons":{"coupon_list_id":7,"template":"{SURNAME}###"}}`} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"x","attribution":`+bad+`}`, ""); code != 400 || !strings.Contains(fmt.Sprint(out), "/attribution/") {
			t.Errorf("%s: %d %v", bad, code, out)
		}
	}
}

func TestDropAttributions_keeps_referrals_and_what_is_new(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)), p.purchase(p.one, 2, 21, 1000))
	p.clock.Move(401 * day)
	p.tell(p.purchase(p.one, 3, 22, 1000))
	p.keep(t.Context())
	if n := p.count(`select sum(origin_id) from referral.attribution`); n != 4 {
		t.Errorf("origins that add up to %d are left", n)
	}
}
