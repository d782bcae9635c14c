package referral

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/site"
)

// merchant is a shop's program that is asked, and says what it is told to.
type merchant struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, q question)
	asked  []question
	signed []bool
	ids    []string
	secret string
	now    func() time.Time
}

func (m *merchant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q question
	_ = json.Unmarshal(body, &q)
	m.mu.Lock()
	m.asked, m.ids = append(m.asked, q), append(m.ids, r.Header.Get(outcall.HeaderID))
	m.signed = append(m.signed, outcall.Verify(m.secret, r.Header, body, m.now(), time.Minute))
	answer := m.answer
	m.mu.Unlock()
	answer(w, q)
}

func (m *merchant) says(decision, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = func(w http.ResponseWriter, _ question) {
		_ = json.NewEncoder(w).Encode(map[string]string{"decision": decision, "reason": reason})
	}
}

// merchant lets a site ask a program before anything is approved, and have all the time that it may have.
func (p *place) merchant(s site.Site, path, onFailure string) *merchant {
	p.t.Helper()
	return p.impatient(s, path, onFailure, 10_000)
}

func (p *place) impatient(s site.Site, path, onFailure string, timeoutMS int) *merchant {
	p.t.Helper()
	m := &merchant{now: p.clock.Now}
	m.Server = httptest.NewServer(m)
	p.calls = outcall.New(outcall.Settings{Private: true, Now: p.clock.Now})
	p.t.Cleanup(func() { p.calls.Close(); m.Close() })
	code, out, _ := p.call(s, "PUT", path, map[string]any{"url": m.URL + "/decide", "timeout_ms": timeoutMS, "on_failure": onFailure}, "")
	if code != 200 {
		p.t.Fatalf("%d %v", code, out)
	}
	m.secret = *into[hookResult](p.t.(*testing.T), out).Hook.Secret
	m.says(hookApprove, "")
	return m
}

// refers makes a referral by a link: the friend's purchase is told of.
func (p *place) refers(s site.Site, origin int64) {
	p.t.Helper()
	p.tell(p.friend(s, origin, 10, 1000+origin, nil))
}

// asks runs the workers once and returns how many questions they asked.
func (p *place) asks() int {
	p.t.Helper()
	n, err := p.AskHooks(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func TestHook_has_its_say_before_approval(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	m := p.merchant(p.one, "/api/v2/decision_hook", hookHold)
	for i, one := range []struct{ decision, reason, status, cause string }{
		{hookApprove, "Known to us", "approved", causeAutomatic}, {hookVoid, "Employee", "voided", causeHook}, {hookHold, "Looks odd\x00\n", "flagged", causeHook},
	} {
		origin := int64(1 + i)
		m.says(one.decision, one.reason)
		p.refers(p.one, origin)
		if got := p.state(p.one, origin); got != "pending" {
			t.Errorf("before it was asked: %s", got)
		}
		if n := p.asks(); n != 1 || p.state(p.one, origin) != one.status {
			t.Errorf("%s: asked %d, %s", one.decision, n, p.state(p.one, origin))
		}
		id := p.count(`select id from referral.referral where site_id = 1 and origin_id = $1`, origin)
		e, err := p.explain(t.Context(), 1, id)
		if err != nil || e.Hook == nil || e.Hook.State != askAnswered || *e.Hook.Decision != one.decision || *e.Hook.Reason != sane(one.reason) || e.Referral.Cause != one.cause ||
			!strings.Contains(string(e.Hook.Tries), `"status": 200`) {
			t.Errorf("%s: %+v %v", one.decision, e.Hook, err)
		}
		q := m.asked[i]
		if !m.signed[i] || m.ids[i] != "decision_1_"+itoa(id) || q.ID != m.ids[i] || q.Type != "referral.decision" || q.Referral.ID != id || q.Referral.Status != "pending" ||
			q.Verdict != verdictPassed || len(q.Rules) != len(rules) {
			t.Errorf("asked %+v, signed %t", q, m.signed[i])
		}
	}
	if n := p.count(`select count(*) from referral.reward where site_id = 1 and referral_id is not null`); n != 3 {
		t.Errorf("%d rewards", n)
	}
	p.refers(p.two, 1)
	if got := p.state(p.two, 1); got != "approved" || p.asks() != 0 {
		t.Errorf("the other site, which asks nobody: %s", got)
	}
	path := "/api/v2/campaigns/" + itoa(c.ID) + "/decision_hook"
	p.call(p.one, "PUT", path, map[string]any{"url": m.URL, "on_failure": hookVoid, "enabled": false}, "")
	if p.refers(p.one, 9); p.state(p.one, 9) != "approved" {
		t.Errorf("of a campaign that asks nobody: %s", p.state(p.one, 9))
	}
	p.call(p.one, "DELETE", path, nil, "")
	if p.refers(p.one, 10); p.state(p.one, 10) != "pending" {
		t.Errorf("of a campaign that asks as the site does again: %s", p.state(p.one, 10))
	}
	p.call(p.one, "DELETE", "/api/v2/decision_hook", nil, "")
	if p.asks(); p.state(p.one, 10) != "approved" {
		t.Errorf("when nobody is asked any more: %s", p.state(p.one, 10))
	}
}

func TestHook_that_fails_is_tried_again_and_then_something_counts(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		what, onFailure, status, failure string
		answer                           http.HandlerFunc
	}{
		{"an error page", hookHold, "flagged", "status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"words", hookVoid, "voided", "not a decision", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "yes") }},
		{"another word", hookApprove, "approved", "not a decision", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"decision":"maybe"}`) }},
		{"a redirect", hookHold, "flagged", "status", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}},
		{"silence", hookHold, "flagged", "timeout", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"too much", hookHold, "flagged", "not a decision", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"decision":"approve","reason":"`+strings.Repeat("x", 100_000)+`"}`)
		}},
	} {
		t.Run(one.what, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			p.campaign(p.one, nil)
			timeoutMS := 10_000
			if one.failure == "timeout" {
				timeoutMS = 100
			}
			m := p.impatient(p.one, "/api/v2/decision_hook", one.onFailure, timeoutMS)
			m.answer = func(w http.ResponseWriter, _ question) {
				r, _ := http.NewRequestWithContext(t.Context(), "POST", "/", nil)
				if one.failure == "timeout" {
					time.Sleep(time.Second)
					return
				}
				one.answer(w, r)
			}
			p.refers(p.one, 1)
			for try := 1; try <= hookTries; try++ {
				if got := p.state(p.one, 1); got != "pending" {
					t.Errorf("before try %d: %s", try, got)
				}
				if n := p.asks(); n != 1 || p.asks() != 0 {
					t.Errorf("try %d: asked %d times, and again before its time", try, n)
				}
				p.clock.Move(5 * time.Second)
			}
			if got := p.state(p.one, 1); got != one.status {
				t.Errorf("in the end: %s", got)
			}
			var failures string
			if err := p.root.Get(&failures, `select state || ' ' || decision || ' ' || (select string_agg(t->>'failure', ',') from jsonb_array_elements(attempts) t) from referral.hook_ask`); err != nil ||
				failures != "failed "+one.onFailure+" "+strings.Join([]string{one.failure, one.failure, one.failure}, ",") {
				t.Errorf("%s %v", failures, err)
			}
		})
	}
}

func TestHook_is_too_late_when_it_was_decided(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	m := p.merchant(p.one, "/api/v2/decision_hook", hookHold)
	m.answer = func(w http.ResponseWriter, q question) { // a person decides while it thinks
		if code, _, why := p.step1(p.one, q.Referral.ID, "approved"); code != 200 {
			t.Errorf("%d %s", code, why)
		}
		_, _ = io.WriteString(w, `{"decision":"void"}`)
	}
	p.refers(p.one, 1)
	p.asks()
	if got := p.state(p.one, 1); got != "approved" {
		t.Error(got)
	}
	if n := p.count(`select count(*) from referral.hook_ask where state = 'moot' and decision is null and settled_at is not null`); n != 1 {
		t.Errorf("%d are moot", n)
	}
}

func TestHook_leaves_delays_and_people_their_part(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: automatic, DelaySeconds: 3600} })
	p.campaign(p.two, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.merchant(p.one, "/api/v2/decision_hook", hookHold)
	p.merchant(p.two, "/api/v2/decision_hook", hookHold)
	p.refers(p.one, 1)
	p.refers(p.two, 1)
	p.clock.Move(time.Hour) // it is asked late
	p.refers(p.one, 2)
	p.asks()
	if got := fmt.Sprint(p.state(p.one, 1), " ", p.state(p.one, 2), " ", p.state(p.two, 1)); got != "approved pending pending" {
		t.Error(got)
	}
	p.clock.Move(time.Hour)
	if n, err := p.ApproveDue(t.Context()); n != 1 || err != nil || p.state(p.one, 2) != "approved" {
		t.Errorf("%d approved after the delay, %v", n, err)
	}
}

func TestHook_clears_what_a_rule_flagged(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.watch(p.one, 0, func(in *policyInput) {
		in.Profile, in.Rules = profileCustom, &ruleSettings{Velocity: settingFlag}
		in.Thresholds = &thresholdsInput{VelocityReferrals: new(int64(1))}
	})
	p.merchant(p.one, "/api/v2/decision_hook", hookHold)
	p.refers(p.one, 1)
	p.refers(p.one, 2)
	if got := p.state(p.one, 2); got != "flagged velocity" {
		t.Fatal(got)
	}
	p.asks()
	var history string
	if err := p.root.Get(&history, `select string_agg(new || ' ' || cause, ', ' order by id) from referral.status_log where referral_id = 2`); err != nil || history != "flagged fraud, pending hook, approved automatic" {
		t.Error(history, err)
	}
}

func TestHook_worker_dies_or_has_company(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	m := p.merchant(p.one, "/api/v2/decision_hook", hookHold)
	for i := range 10 {
		p.refers(p.one, int64(1+i))
	}
	claim := func() (list []ask) {
		t.Helper()
		if err := p.outbox.InTx(t.Context(), func(u *bus.Unit) error {
			return referralAsks.due().Claim(t.Context(), u, &list, u.Now, hookLease, asksAtATime, asksOfASite)
		}); err != nil {
			t.Fatal(err)
		}
		return list
	}
	dead := claim()
	if len(dead) != asksOfASite {
		t.Fatalf("%d of one site at a time", len(dead))
	}
	race(4, func(int) { p.asks() })
	if len(m.asked) != 6 {
		t.Errorf("asked %d times", len(m.asked))
	}
	p.clock.Move(hookLease)
	late := dead[0]
	again := claim()
	if err := p.settleAsk(t.Context(), &hook{OnFailure: hookVoid}, late, attempt{At: p.clock.Now(), decision: hookVoid}); err != nil || p.state(p.one, 1) != "pending" {
		t.Errorf("whoever comes back from the dead decides: %s %v", p.state(p.one, 1), err)
	}
	for range hookTries {
		p.clock.Move(hookLease)
		again = claim()
	}
	if len(again) != 4 || again[0].Tries != hookTries+2 {
		t.Fatalf("%+v", again)
	}
	p.clock.Move(hookLease)
	asked := len(m.asked)
	if n := p.asks(); n != 4 || len(m.asked) != asked {
		t.Errorf("after the last try: %d, asked %d", n, len(m.asked)-asked)
	}
	if n := p.count(`select count(*) from referral.referral where status = 'flagged'`); n != 4 {
		t.Errorf("%d flagged", n)
	}
}

func TestHook_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 4
	c := p.campaign(p.one, nil)
	p.calls = outcall.New(outcall.Settings{Now: p.clock.Now})
	const path = "/api/v2/decision_hook"
	for _, body := range []string{`{}`, `{"url":"https://shop.example/d"}`, `{"url":"https://shop.example/d","on_failure":"shrug"}`, `{"url":"http://shop.example/d","on_failure":"hold"}`,
		`{"url":"https://127.0.0.1/d","on_failure":"hold"}`, `{"url":"https://169.254.169.254/d","on_failure":"hold"}`, `{"url":"https://shop.example/d","on_failure":"hold","timeout_ms":10001}`,
		`{"url":"https://shop.example/d","on_failure":"hold","timeout_ms":99}`, `{"url":"https://a:b@shop.example/d","on_failure":"hold"}`, `{"url":"https://shop.example/d","on_failure":"hold","x":1}`} {
		if code, out, _ := p.call(p.one, "PUT", path, body, ""); code != 400 && code != 422 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	set := func(body, key string) hookJSON {
		t.Helper()
		code, out, _ := p.call(p.one, "PUT", path, body, key)
		if code != 200 {
			t.Fatalf("%d %v", code, out)
		}
		return *into[hookResult](t, out).Hook
	}
	const body = `{"url":"https://shop.example/d","on_failure":"hold"}`
	first := set(body, "k")
	if again := set(body, "k"); first.Secret == nil || *again.Secret != *first.Secret || first.TimeoutMS != 3000 || !first.Enabled || *first.KeyID != 4 {
		t.Errorf("%+v", first)
	}
	if next := set(`{"url":"https://shop.example/e","on_failure":"void","timeout_ms":500}`, ""); next.Secret != nil || next.URL != "https://shop.example/e" {
		t.Errorf("%+v", next)
	}
	if next := set(`{"url":"https://shop.example/e","on_failure":"void","rotate_secret":true}`, ""); next.Secret == nil || *next.Secret == *first.Secret {
		t.Errorf("%+v", next)
	}
	if _, out, _ := p.call(p.one, "GET", path, nil, ""); into[hookResult](t, out).Hook.Secret != nil {
		t.Error("the secret is shown again")
	}
	ofCampaign := "/api/v2/campaigns/" + itoa(c.ID) + "/decision_hook"
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		var sent any
		if method == "PUT" {
			sent = body
		}
		if code, out, _ := p.call(p.one, method, ofCampaign, sent, ""); code != 200 {
			t.Errorf("%s: %d %v", method, code, out)
		}
		if code, out, _ := p.call(p.two, method, ofCampaign, sent, ""); code != 404 {
			t.Errorf("%s on the other site: %d %v", method, code, out)
		}
	}
	for _, none := range []struct {
		s    site.Site
		path string
	}{{p.two, path}, {p.one, ofCampaign}} { // the other site's, and one that was deleted
		code, out, _ := p.call(none.s, "GET", none.path, nil, "")
		if shown, there := out["result"].(map[string]any)["decision_hook"]; code != 200 || !there || shown != nil {
			t.Errorf("none is set at %s: %d %v", none.path, code, out)
		}
	}
	lines := p.audited(1, audit.Filter{Subject: aboutHook})
	if len(lines) != 5 || lines[0].Action != "decision_hook.deleted" {
		t.Errorf("%+v", lines)
	}
	for _, l := range lines {
		if l.After != nil && strings.Contains(string(*l.After), "whsec_") {
			t.Error("the log holds a secret")
		}
	}
}
