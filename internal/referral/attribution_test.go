package referral

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

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
		c.Incentives, c.Attribution = usual[:1], &attributionInput{Methods: append([]string{bySticky}, usualMethods...)}
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

// What a referred friend does later is a referral of its own where the campaign says so: each once, however the log is cut.
func TestEvent_chain_credits_what_follows(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		p := setup(t)
		p.campaign(p.two, nil)
		p.campaign(p.one, func(c *campaignInput) {
			c.Attribution = &attributionInput{Methods: append(slices.Clone(usualMethods), byChain)}
		})
		p.touched(uuidOf(1), 10, 11)
		early := p.purchase(p.one, 4, 20, 1000)
		early.OccurredAt = epoch.Add(-time.Hour)
		p.clock.Move(time.Hour)
		events := []customerevent.OriginRecorded{p.purchase(p.one, 1, 20, 1000, uuidOf(1)), p.purchase(p.one, 2, 20, 1000, uuidOf(1)), p.purchase(p.one, 3, 20, 1000), early,
			p.purchase(p.one, 2, 20, 1000, uuidOf(1)), p.purchase(p.two, 1, 20, 1000, uuidOf(1))}
		if cut {
			for _, e := range events {
				p.tell(e)
			}
		} else {
			payloads := make([]bus.Payload, len(events))
			for i := range events {
				payloads[i] = events[i]
			}
			p.tell(payloads...)
		}
		for origin, want := range map[int64]string{1: byCookie, 2: byChain, 3: byChain} {
			if r := p.referral(origin); r.TrackMethod != want || r.AdvocateID != 11 || r.Status != "approved" {
				t.Errorf("cut %t, origin %d: %+v", cut, origin, r)
			}
		}
		if a := p.decision(1, 4); a.Reason != reasonFuture {
			t.Errorf("before the referral: %s %s", a.Reason, a.Trace)
		}
		if got := p.trace(2); got[0]["cause"] != reasonAlreadyReferred && got[1]["cause"] != reasonAlreadyReferred {
			t.Errorf("%v", got)
		}
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
		`{"personal_coupons":{"coupon_list_id":-1}}`, `{"personal_coupons":{"coupon_list_id":7,"template":"{NAME}"}}`, `{"personal_coupons":{"coupon_list_id":7,"template":"{SURNAME}###"}}`,
		`{"personal_coupons":{"coupon_list_id":7,"template":"%##/###"}}`, `{"personal_coupons":{"coupon_list_id":7,"template":"` + strings.Repeat("#", 250) + `"}}`} {
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
