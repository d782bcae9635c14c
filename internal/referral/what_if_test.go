package referral

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Judged again by the policy that judged them nothing changes, and by another exactly those change whose verdict it gives otherwise.
func TestTry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawnPolicy.Draw(t, "policy"), drawnPolicy.Draw(t, "another")
		seen := rapid.SliceOfN(drawnEvidence, 0, 5).Draw(t, "evidence")
		list := make([]referral, len(seen))
		changed := 0
		for i, e := range seen {
			text, err := json.Marshal(p.judge(e))
			if err != nil {
				t.Fatal(err)
			}
			list[i] = referral{ID: int64(i + 1), Fraud: string(text)}
			if worst(p.judge(e)) != worst(q.judge(e)) {
				changed++
			}
		}
		if same := p.try(list); same.Unchanged != int64(len(list)) || len(same.Changes)+len(same.Referrals) != 0 {
			t.Fatalf("by the same policy: %+v", same)
		}
		other := q.try(list)
		sum := other.Unchanged
		for _, c := range other.Changes {
			sum += c.Count
		}
		if len(other.Referrals) != changed || sum != int64(len(list)) || other.Examined != sum {
			t.Fatalf("%d change: %+v", changed, other)
		}
	})
}

func TestWhatIf_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	p.tell(p.friend(p.one, 1, 10, 20, nil)) // before anything was observed
	p.clock.Move(40 * 24 * time.Hour)
	days := int64(10)
	for _, s := range []int64{1, 2} {
		at := p.one
		if s == 2 {
			at = p.two
		}
		p.watch(at, 0, func(in *policyInput) { in.Profile, in.Observe, in.Thresholds.IPDays = profileBasic, true, &days })
		p.tell(p.seenWith(at, 90, 10, func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }))
	}
	same := func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }
	for i := range int64(4) {
		p.tell(p.friend(p.one, 100+i, 10, 30+i, same), p.friend(p.two, 100+i, 10, 30+i, same))
		p.clock.Move(24 * time.Hour)
	}
	p.clock.Move(8 * 24 * time.Hour)
	p.tell(p.friend(p.one, 200, 11, 40, same))
	ask := func(body string) whatIf {
		code, out, _ := p.call(p.one, "POST", "/api/v2/fraud/what_if", body, "")
		if code != 200 {
			t.Fatal(code, out)
		}
		return into[whatIf](t, out)
	}
	before := p.count(`select count(*) from referral.status_log`)
	got := ask(`{"profile":"basic","rules":{"self_referral_by_ip":"flag"}}`)
	if got.Examined != 5 || fmt.Sprint(got.Changes) != "[{passed flagged 4}]" || len(got.Referrals) != 4 || got.Referrals[0].FriendID != 33 ||
		!slices.Equal(got.Referrals[0].Rules, []string{ruleIP}) || got.NextBeforeID != nil {
		t.Errorf("%+v", got)
	}
	since := p.clock.Now().Add(-100 * 24 * time.Hour).Format(time.RFC3339)
	got = ask(`{"profile":"basic","rules":{"self_referral_by_ip":"flag"},"since":"` + since + `"}`)
	i := slices.IndexFunc(got.Rules, func(r whatIfRule) bool { return r.Rule == ruleIP })
	if got.Examined != 6 || got.Rules[i].Hits != 4 || got.Rules[i].Unmeasured != 1 {
		t.Errorf("%+v", got)
	}
	if got = ask(`{"profile":"custom","rules":{"velocity":"block"},"thresholds":{"velocity_referrals":2,"velocity_days":7}}`); fmt.Sprint(got.Changes) != "[{passed blocked 2}]" {
		t.Errorf("%+v", got)
	}
	if got = ask(`{"profile":"custom","rules":{"velocity":"block"},"thresholds":{"velocity_referrals":2,"velocity_days":1}}`); len(got.Changes) != 0 {
		t.Errorf("%+v", got)
	}
	if got = ask(fmt.Sprintf(`{"profile":"high","campaign_id":%d}`, c.ID+100)); got.Examined != 0 {
		t.Errorf("%+v", got)
	}
	pages, examined, from := 0, int64(0), ""
	for ; pages < 9; pages++ {
		page := ask(`{"profile":"high","limit":2` + from + `}`)
		if examined += page.Examined; page.NextBeforeID == nil {
			break
		}
		from = fmt.Sprintf(`,"before_id":%d`, *page.NextBeforeID)
	}
	if examined != 5 || pages != 2 {
		t.Errorf("%d referrals on %d pages", examined, pages+1)
	}
	for _, body := range []string{`{"profile":"site"}`, `{"profile":"low","limit":5001}`, `{"profile":"low","limit":0}`, `{"profile":"low","since":"2001-01-01T00:00:00Z"}`,
		`{"profile":"low","before_id":-1}`} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/fraud/what_if", body, ""); code != 400 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	if after := p.count(`select count(*) from referral.status_log`); after != before || p.state(p.one, 100) != "approved "+ruleIP {
		t.Errorf("%d steps, before %d; %s", after, before, p.state(p.one, 100))
	}
	_, one, first := p.call(p.one, "POST", "/api/v2/fraud/what_if", `{"profile":"high"}`, "key")
	_, two, second := p.call(p.one, "POST", "/api/v2/fraud/what_if", `{"profile":"high"}`, "key")
	if fmt.Sprint(one) != fmt.Sprint(two) || first || !second {
		t.Errorf("%v %v", one, two)
	}
}
