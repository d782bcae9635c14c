package referral

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// into reads an answer's result.
func into[T any](t *testing.T, out map[string]any) (v T) {
	t.Helper()
	text, err := json.Marshal(out["result"])
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFraudPolicy_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	_, out, _ := p.call(p.one, "GET", "/api/v2/fraud/profiles", nil, "")
	if got := into[profilesResult](t, out); len(got.Rules) != len(rules) || len(got.Profiles) != 6 || got.Profiles[0].Rules[ruleSimilar] != "block" {
		t.Errorf("%+v", got)
	}
	_, out, _ = p.call(p.one, "GET", "/api/v2/fraud/policy", nil, "")
	if got := into[policyResult](t, out).Policy; got.Profile != "basic" || got.Version != 0 || got.Rules[ruleSelf] != "block" || got.Rules[ruleCross] != "skip" || got.Lists == nil {
		t.Errorf("%+v", got)
	}
	body := `{"profile":"moderate","rules":{"self_referral_by_ip":"flag"},"thresholds":{"ip_days":7},"observe":true,"blocked_emails":["*@evil.example"]}`
	var answers []map[string]any
	for i := range 3 {
		code, out, replayed := p.call(p.one, "PUT", "/api/v2/fraud/policy", body, "key")
		if answers = append(answers, out); code != 200 || replayed != (i > 0) || fmt.Sprint(out) != fmt.Sprint(answers[0]) {
			t.Errorf("%d: %d %v %v", i, code, replayed, out)
		}
	}
	if got := into[policyResult](t, answers[0]).Policy; got.Version != 1 || got.Rules[ruleIP] != "flag" || got.Thresholds.IPDays != 7 || got.Thresholds.AddressDays != 365 ||
		!got.Observe || !slices.Equal(got.Lists.BlockedEmails, []string{"*@evil.example"}) || got.CampaignID != nil {
		t.Errorf("%+v", got)
	}
	path := fmt.Sprintf("/api/v2/campaigns/%d/fraud_policy", c.ID)
	_, out, _ = p.call(p.one, "GET", path, nil, "")
	if got := into[policyResult](t, out).Policy; got.Profile != profileSite || got.Version != 0 || got.Lists != nil || *got.CampaignID != c.ID {
		t.Errorf("%+v", got)
	}
	for body, want := range map[string]int{`{"profile":"low"}`: 200, `{"profile":"site"}`: 200, `{"profile":"low","blocked_ips":[]}`: 400, `{"profile":"none"}`: 400, `{}`: 400,
		`{"profile":"low","rules":{"unknown":"flag"}}`: 400} {
		if code, out, _ := p.call(p.one, "PUT", path, body, ""); code != want && (want != 400 || code != 422) {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	for _, method := range []string{"GET", "PUT"} { // another site's campaign is unknown
		var body any
		if method == "PUT" {
			body = `{"profile":"low"}`
		}
		if code, out, _ := p.call(p.two, method, path, body, ""); code != 404 || out["code"] != "campaign_not_found" {
			t.Errorf("%s: %d %v", method, code, out)
		}
	}
	if n := p.count(`select count(*) from referral.fraud_policy where site_id = 2`); n != 0 {
		t.Errorf("%d policies of the other site", n)
	}
	race(8, func(i int) {
		if code, out, _ := p.call(p.one, "PUT", "/api/v2/fraud/policy", `{"profile":"high"}`, ""); code != 200 {
			t.Error(code, out)
		}
	})
	if n := p.count(`select max(version) from referral.fraud_policy where site_id = 1 and campaign_id = 0`); n != 9 {
		t.Errorf("version %d, want 9", n)
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 7
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	p.watch(p.one, 0, func(in *policyInput) { in.Rules.IP, in.Rules.Self = "flag", "block" })
	p.tell(p.seenWith(p.one, 1, 10, func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }))
	for i := range int64(5) {
		p.tell(p.friend(p.one, 100+i, 10, 20+i, func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }))
	}
	p.tell(p.friend(p.one, 105, 10, 30, nil), p.friend(p.two, 100, 10, 20, nil))
	var seen []int64
	next := ""
	for range 9 {
		_, out, _ := p.call(p.one, "GET", "/api/v2/referrals?status=flagged&limit=2&cursor="+next, nil, "")
		page := into[referralsResult](t, out)
		for _, r := range page.Referrals {
			if seen = append(seen, r.ID); r.Status != "flagged" || r.Policies.Flagged[0] != "Matching by IP Address only" || *r.FraudDetails != "Matching by IP Address only" {
				t.Errorf("%+v", r)
			}
		}
		if page.NextCursor == nil {
			break
		}
		next = *page.NextCursor
	}
	if !slices.Equal(seen, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("the queue is %v", seen)
	}
	if code, _, _ := p.call(p.two, "GET", "/api/v2/referrals?status=flagged&cursor="+next, nil, ""); code != 400 {
		t.Errorf("another site's cursor: %d", code)
	}
	_, out, _ := p.call(p.one, "GET", "/api/v2/referrals", nil, "")
	if all := into[referralsResult](t, out); len(all.Referrals) != 6 {
		t.Errorf("%+v", all)
	}

	p.told()
	approve := `{"status":"approved","reason":"I know both of them"}`
	var first map[string]any
	for i := range 3 {
		code, out, replayed := p.call(p.one, "POST", "/api/v2/referrals/1/resolution", approve, "key")
		if i == 0 {
			first = out
		}
		if code != 200 || replayed != (i > 0) || fmt.Sprint(first) != fmt.Sprint(out) {
			t.Fatalf("%d %v %v", code, replayed, out)
		}
	}
	if got := into[referralResult](t, first).Referral; got.Status != "approved" || got.Cause != "manual" {
		t.Errorf("%+v", got)
	}
	if told := p.told(); len(told) != 5 || told[0] != "referral_approved referral:1" {
		t.Errorf("told %q", told)
	}
	for body, want := range map[string]int{`{"status":"voided","reason":"x"}`: 400, `{"status":"approved"}`: 422, `{"status":"approved","reason":" "}`: 400,
		`{"status":"flagged","reason":"x"}`: 400, `{"status":"approved","reason":"x","who":1}`: 422} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/referrals/1/resolution", body, ""); code != want && (want != 422 || code != 400) {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	for _, s := range []string{"7", "99", "-1", "0"} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/referrals/"+s+"/resolution", approve, ""); code != 404 || out["code"] != "referral_not_found" {
			t.Errorf("referral %s: %d %v", s, code, out)
		}
		if code, out, _ := p.call(p.one, "GET", "/api/v2/referrals/"+s+"/explain", nil, ""); code != 404 || out["code"] != "referral_not_found" {
			t.Errorf("referral %s: %d %v", s, code, out)
		}
	}
	for _, body := range []string{`{"status":"blocked","reason":"One man"}`, `{"status":"unblocked","reason":"His son"}`, `{"status":"voided","reason":"Who knows"}`} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/referrals/2/resolution", body, ""); code != 200 {
			t.Errorf("%d %v", code, out)
		}
	}
	_, out, _ = p.call(p.one, "GET", "/api/v2/referrals/2/explain", nil, "")
	got := into[explanation](t, out)
	var history []string
	for _, h := range got.History {
		history = append(history, fmt.Sprint(h.To, " ", h.Cause, " ", deref(h.Reason), deref(h.KeyID)))
	}
	if want := []string{"flagged fraud 0", "blocked manual One man7", "pending manual His son7", "voided manual Who knows7"}; !slices.Equal(history, want) {
		t.Errorf("history %q", history)
	}
	i := slices.IndexFunc(got.Rules, func(f finding) bool { return f.Rule == ruleIP })
	if ip := got.Rules[i]; len(got.Rules) != len(rules) || ip.Verdict != "flagged" || ip.Evidence.OriginID != 100 && ip.Evidence.OriginID != 1 || ip.Policy != "site/1" ||
		ip.Threshold["ip_days"] != 30 || ip.Definition == "" || got.Verdict != "flagged" || got.Attribution.Reason != reasonLastTouch {
		t.Errorf("%+v", got)
	}
	if got.Rules[1].Verdict != "skipped" {
		t.Errorf("%+v", got.Rules[1])
	}
}

func TestResolution_is_one(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.tell(p.friend(p.one, 1, 10, 20, nil))
	p.told()
	var done [2]atomic.Int64
	race(20, func(i int) {
		body := fmt.Sprintf(`{"status":%q,"reason":"x"}`, []string{"approved", "voided"}[i%2])
		if code, _, _ := p.call(p.one, "POST", "/api/v2/referrals/1/resolution", body, ""); code == 200 {
			done[i%2].Add(1)
		}
	})
	if a, v := done[0].Load(), done[1].Load(); a+v != 10 || a != 0 && v != 0 {
		t.Errorf("%d approved it, %d voided it", a, v)
	}
	if n := p.count(`select count(*) from referral.status_log where referral_id = 1`); n != 2 {
		t.Errorf("history of %d steps", n)
	}
}

func TestExplain_holds_no_personal_data(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.watch(p.one, 0, func(in *policyInput) {
		in.Profile, in.Observe, in.BlockedEmails, in.BlockedIPs = "high", true, []string{"bob@secret.example"}, []string{"203.0.113.9"}
	})
	p.known[key{1, 10}] = customerapi.Person{Email: "ann@secret.example", Phone: "+12025551111"}
	p.known[key{1, 20}] = customerapi.Person{Email: "bob@secret.example"}
	p.tell(p.friend(p.one, 1, 10, 20, func(e *customerevent.OriginRecorded) { e.IP, e.Device = "203.0.113.9", print32("d") }))
	_, out, _ := p.call(p.one, "GET", "/api/v2/referrals/1/explain", nil, "")
	text, _ := json.Marshal(out)
	for _, secret := range []string{"secret.example", "203.0.113", "2025551111"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s in %s", secret, text)
		}
	}
	if got := into[explanation](t, out); got.Verdict != "blocked" || len(got.Referral.Policies.Blocked) != 2 {
		t.Errorf("%s", text)
	}
}
