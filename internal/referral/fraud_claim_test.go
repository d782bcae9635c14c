package referral

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// gotByClaims counts what a site's friends got by claims, and what its rules said of them.
func (p *place) gotByClaims(site int64) string {
	p.t.Helper()
	var s string
	if err := p.root.Get(&s, `select (select count(*) from referral.friend_offer where site_id = $1) || ' offers, ' ||
		(select count(*) from referral.reward where site_id = $1 and friend_offer_id is not null) || ' rewards' ||
		coalesce((select string_agg(', ' || verdict || ' ' || (select string_agg(r->>'rule', ' ') from jsonb_array_elements(rules) r where r->>'verdict' in ('blocked', 'flagged')), '')
			from referral.claim_verdict where site_id = $1), '')`, site); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func TestClaims_are_judged(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		what  string
		rules ruleSettings
		lists ListsBody
		want  string
		why   string
	}{
		{"similar addresses, 130", ruleSettings{Similar: settingBlock}, ListsBody{}, "0 offers, 0 rewards, blocked " + ruleSimilar, claimOfSuspect},
		{"similar addresses, flagged", ruleSettings{Similar: settingFlag}, ListsBody{}, "1 offers, 1 rewards, flagged " + ruleSimilar, ""},
		{"similar addresses, skipped", ruleSettings{}, ListsBody{}, "1 offers, 1 rewards", ""},
		{"a blocked friend, 147", ruleSettings{BlockedEmail: settingBlock}, ListsBody{BlockedEmails: []string{"johnsmith89*"}}, "0 offers, 0 rewards, blocked " + ruleBlockedEmail, claimOfSuspect},
		{"a blocked advocate", ruleSettings{BlockedEmail: settingBlock}, ListsBody{BlockedEmails: []string{"john.smith88@*"}}, "0 offers, 0 rewards, blocked " + ruleBlockedEmail, claimOfSuspect},
		{"too many purchases", ruleSettings{Velocity: settingBlock}, ListsBody{}, "1 offers, 1 rewards", ""},
	} {
		t.Run(one.what, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			for _, s := range []int64{1, 2} {
				p.known[key{s, 10}], p.known[key{s, 20}] = customerapi.Person{ID: 10, Email: "john.smith88@a.example"}, customerapi.Person{ID: 20, Email: "johnsmith89+x@a.example"}
			}
			p.campaign(p.one, nil)
			p.campaign(p.two, nil)
			p.watch(p.one, 0, func(in *policyInput) { *in.Rules, in.ListsBody = one.rules, one.lists })
			for range 2 { // again: the same
				out := p.claim(p.one, 10, 20, "")
				if deref(out.FriendUnredeemReason) != one.why || (out.FriendReward == nil) != (one.why != "") {
					t.Errorf("%+v", out)
				}
			}
			if got := p.gotByClaims(1); got != one.want {
				t.Errorf("%s, want %s", got, one.want)
			}
			p.claim(p.two, 10, 20, "")
			if got := p.gotByClaims(2); got != "1 offers, 1 rewards" {
				t.Errorf("on the other site, which has no rule: %s", got)
			}
		})
	}
}

func TestClaims_of_those_who_refer_each_other_135(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.watch(p.one, 0, func(in *policyInput) { in.Rules.Cross = settingBlock })
	p.tell(p.friend(p.one, 1, 20, 10, nil)) // 20 referred 10
	if out := p.claim(p.one, 10, 20, ""); deref(out.FriendUnredeemReason) != claimOfSuspect {
		t.Errorf("%+v", out)
	}
}

func TestClaims_of_the_advocates_own_browser_136_and_devices_132_133(t *testing.T) {
	t.Parallel()
	for what, in := range map[string]struct {
		rules ruleSettings
		ip    string
		want  string
	}{
		"a browser that the advocate was seen with": {ruleSettings{Self: settingBlock}, "", "blocked " + ruleSelf},
		"the advocate's device":                     {ruleSettings{Device: settingBlock}, "203.0.113.9", "blocked " + ruleDevice},
		"the advocate's address":                    {ruleSettings{IP: settingBlock}, "203.0.113.9", "blocked " + ruleIP},
		"an address of nobody's":                    {ruleSettings{IP: settingBlock}, "203.0.113.10", ""},
		"a blocked address":                         {ruleSettings{BlockedIP: settingBlock}, "198.51.100.7", "blocked " + ruleBlockedIP},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			c := p.campaign(p.one, nil)
			p.watch(p.one, 0, func(policy *policyInput) { *policy.Rules, policy.BlockedIPs = in.rules, []string{"198.51.100.0/24"} })
			o, visitor := p.join(p.one, 10), uuidOf(7)
			p.tell(p.seenWith(p.one, 1, 10, func(e *customerevent.OriginRecorded) {
				e.IP, e.Device, e.VisitorIDs = "203.0.113.9", print32("browser"), []string{visitor}
			}))
			if in.rules.Self == "" {
				visitor = uuidOf(8)
			}
			err := p.ClaimLink(t.Context(), referralapi.LinkClaim{Landing: referralapi.Landing{SiteID: 1, OfferID: o.ID, CampaignID: c.ID, AdvocateID: 10, Visitor: visitor},
				FriendID: 20, IP: in.ip, Device: print32("browser")})
			want := "1 offers, 1 rewards"
			if in.want != "" {
				want = "0 offers, 0 rewards, " + in.want
			}
			if got := p.gotByClaims(1); got != want || err != nil {
				t.Errorf("%s, want %s; %v", got, want, err)
			}
		})
	}
}

func TestClicks_of_blocked_addresses_lead_to_the_shop_147(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	p.watch(p.one, 0, func(in *policyInput) { in.BlockedIPs = []string{"198.51.100.0/24"} }) // the list is enough, no rule has to be set
	from := func(ip string) func(*http.Request) {
		return func(r *http.Request) { *r = *r.WithContext(web.With(r.Context(), &web.Request{ClientIP: ip})) }
	}
	for _, one := range []struct {
		link, ip, want string
	}{
		{p.join(p.one, 10).ClaimURL, "198.51.100.7", "https://one.example/"},
		{p.join(p.one, 10).ClaimURL, "198.51.101.7", "talkable_visitor_offer_id"},
		{p.join(p.two, 10).ClaimURL, "198.51.100.7", "talkable_visitor_offer_id"},
	} {
		w := p.visitLink(one.link, uuidOf(3), from(one.ip))
		if to := w.Header().Get("Location"); w.Code != http.StatusFound || !strings.Contains(to, one.want) || strings.Contains(to, "tkbl") != (one.want != "https://one.example/") {
			t.Errorf("%s from %s: %d %s", one.link, one.ip, w.Code, to)
		}
	}
	if n := p.count(`select count(*) from referral.visit`); n != 2 {
		t.Errorf("%d visits", n)
	}
}

func TestFlagged_are_resolved_by_the_sites_policy_141(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	flag := func(resolution string, days int64) func(*policyInput) {
		return func(in *policyInput) {
			in.Rules.Velocity, in.Thresholds.VelocityReferrals = settingFlag, new(int64(1))
			if days > 0 {
				in.Flagged = &flaggedInput{resolution, days}
			}
		}
	}
	p.watch(p.one, 0, flag("", 0))
	p.watch(p.two, 0, flag("approved", 3))
	for i := range int64(4) {
		p.tell(p.friend(p.one, 1+i, 10, 20+i, nil), p.friend(p.two, 1+i, 10, 20+i, nil))
	}
	states := func() (s string) {
		t.Helper()
		if err := p.root.Get(&s, `select string_agg(n || ' ' || status || ' ' || cause || ' of ' || site_id, ', ' order by site_id, status, cause)
			from (select site_id, status, cause, count(*) as n from referral.referral group by 1, 2, 3) x`); err != nil {
			t.Fatal(err)
		}
		return s
	}
	resolve := func(want int) {
		t.Helper()
		if n, err := p.ResolveFlagged(t.Context()); n != want || err != nil {
			t.Errorf("%d resolved, %v; want %d", n, err, want)
		}
	}
	const first, second = "1 approved automatic of 1, 3 flagged fraud of 1, ", "1 approved automatic of 2, 3 flagged fraud of 2"
	p.clock.Move(3*24*time.Hour - time.Hour)
	if resolve(0); states() != first+second {
		t.Fatal(states())
	}
	p.clock.Move(2 * time.Hour)
	if resolve(3); states() != first+"1 approved automatic of 2, 3 approved flagged_delay of 2" {
		t.Error(states())
	}
	p.watch(p.one, 0, flag("voided", 1)) // what is set now holds for those that wait
	race(4, func(int) {
		if _, err := p.ResolveFlagged(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if got := states(); !strings.HasPrefix(got, "1 approved automatic of 1, 3 voided flagged_delay of 1") {
		t.Error(got)
	}
	for _, body := range []string{`{"resolution":"blocked","after_days":1}`, `{"resolution":"voided","after_days":0}`, `{"resolution":"voided","after_days":91}`, `{"resolution":"voided"}`, `7`} {
		if code, out, _ := p.call(p.one, "PUT", "/api/v2/fraud/policy", fmt.Sprintf(`{"profile":"low","flagged":%s}`, body), ""); code != 400 && code != 422 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
}

func TestExplainOrigin(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.tell(p.friend(p.one, 5, 10, 20, nil), p.purchase(p.one, 6, 21, 100))
	explain := func(s int64, origin int64) (int, originExplanation) {
		t.Helper()
		at := p.one
		if s == 2 {
			at = p.two
		}
		code, out, _ := p.call(at, "GET", "/api/v2/origins/"+itoa(origin)+"/explain", nil, "")
		return code, into[originExplanation](t, out)
	}
	if code, e := explain(1, 5); code != 200 || e.Attribution == nil || e.Referral == nil || e.Referral.Referral.Status != "approved" || len(e.Referral.Rules) != len(rules) || len(e.Referral.Rewards) == 0 {
		t.Errorf("%d %+v", code, e)
	}
	if code, e := explain(1, 6); code != 200 || e.Attribution == nil || e.Referral != nil {
		t.Errorf("without a referral: %d %+v", code, e)
	}
	for _, one := range [][2]int64{{1, 7}, {2, 5}} {
		if code, _ := explain(one[0], one[1]); code != 404 {
			t.Errorf("%v: %d", one, code)
		}
	}
}

// What a shop tells of a friend who claims by its own page is judged as what a page of ours sees.
func TestClaims_by_API_are_judged_by_where_they_come_from(t *testing.T) {
	t.Parallel()
	for what, in := range map[string]struct {
		rules      func(*policyInput)
		ip, device string
		refused    bool
	}{
		"nothing is told":      {rules: func(in *policyInput) { in.Rules.IP = settingBlock }},
		"another address":      {rules: func(in *policyInput) { in.Rules.IP = settingBlock }, ip: "203.0.113.8"},
		"the advocate's":       {rules: func(in *policyInput) { in.Rules.IP = settingBlock }, ip: "203.0.113.9", refused: true},
		"with another browser": {rules: func(in *policyInput) { in.Rules.Device = settingBlock }, ip: "203.0.113.9", device: print32("other")},
		"and browser":          {rules: func(in *policyInput) { in.Rules.Device = settingBlock }, ip: "203.0.113.9", device: print32("browser"), refused: true},
		"a blocked one":        {rules: func(in *policyInput) { in.Rules.BlockedIP = settingBlock }, ip: "198.51.100.7", refused: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			p.campaign(p.one, nil)
			p.watch(p.one, 0, func(policy *policyInput) { in.rules(policy); policy.BlockedIPs = []string{"198.51.100.0/24"} })
			p.join(p.one, 10)
			p.tell(p.seenWith(p.one, 1, 10, func(e *customerevent.OriginRecorded) { e.IP, e.Device = "203.0.113.9", print32("browser") }))
			got, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20, IP: in.ip, Device: in.device})
			if err != nil || (deref(got.FriendUnredeemReason) == claimOfSuspect) != in.refused || (got.FriendReward == nil) != in.refused {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}
