package referral

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// clicking is a place whose sites give friends a coupon of a list and a code for coming, and ask a hook first on the first site.
func clicking(t *testing.T, onFailure string) (*place, *merchant) {
	t.Helper()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		list := p.list(s, "A-"+s.Slug, "B-"+s.Slug)
		p.campaign(s, func(in *campaignInput) {
			in.Incentives = []incentiveInput{{Identifier: "one", ActionType: "click", Kind: "coupon", CouponListID: &list}, {Identifier: "two", ActionType: "click", Kind: "coupon", CouponCode: "HELLO"}}
		})
	}
	m := p.impatient(p.one, "/api/v2/decision_hook", onFailure, 10_000)
	if code, out, _ := p.call(p.one, "PUT", "/api/v2/decision_hook", map[string]any{"url": m.URL, "timeout_ms": 10_000, "on_failure": onFailure, "clicks": true}, ""); code != 200 || !into[hookResult](t, out).Hook.Clicks {
		t.Fatalf("%d %v", code, out)
	}
	return p, m
}

// got are the codes that friends of a site have for coming.
func (p *place) got(s site.Site) (out []string) {
	p.t.Helper()
	if err := p.root.Select(&out, `select coupon_code from referral.reward where site_id = $1 and friend_offer_id is not null order by 1`, s.ID); err != nil {
		p.t.Fatal(err)
	}
	return out
}

// What friends get for coming waits until the hook has said yes, once a friend offer; no is kept with its words. The twin asks nobody.
func TestHook_103_is_asked_before_a_clicks_reward(t *testing.T) {
	t.Parallel()
	p, m := clicking(t, hookVoid)
	for _, s := range []site.Site{p.one, p.two} {
		link := p.join(s, 10).ClaimURL
		for range 2 {
			p.visitLink(link, uuidOf(1))
		}
	}
	if got := p.got(p.one); len(got) != 0 || !slices.Equal(p.got(p.two), []string{"A-TWO", "HELLO"}) {
		t.Fatalf("before anybody was asked: %q, the twin %q", got, p.got(p.two))
	}
	friendOffer := p.count(`select friend_offer_id from referral.click_ask`)
	if waits, err := p.clickWaits(t.Context(), 1, p.count(`select id from referral.campaign where site_id = 1`), friendOffer); err != nil || !waits {
		t.Error("it doesn't wait visibly", err)
	}
	m.mu.Lock()
	m.answer = func(w http.ResponseWriter, _ question) { w.WriteHeader(http.StatusBadGateway) }
	m.mu.Unlock()
	if n := p.asks(); n != 1 || len(p.got(p.one)) != 0 {
		t.Errorf("%d questions, %q", n, p.got(p.one))
	}
	m.says(hookApprove, "")
	p.clock.Move(time.Second)
	if n := p.asks(); n != 1 || !slices.Equal(p.got(p.one), []string{"A-ONE", "HELLO"}) {
		t.Errorf("after yes: %d questions, %q", n, p.got(p.one))
	}
	if m.ids[0] != "click_1_"+itoa(friendOffer) || m.ids[0] != m.ids[1] || !m.signed[1] || m.asked[1].Type != "click.decision" {
		t.Errorf("asked %q %v", m.ids, m.signed)
	}
	m.says(hookHold, "Too many of them")
	claimed, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20})
	if err != nil || claimed.FriendReward != nil {
		t.Errorf("%+v %v", claimed, err)
	}
	p.merges(p.one, 1, 30, 20)
	if n := p.asks(); n != 1 || len(p.got(p.one)) != 2 || p.asks() != 0 {
		t.Errorf("after no: %q", p.got(p.one))
	}
	if n := p.count(`select count(*) from referral.reward_refused where site_id = 1 and cause = 'hook' and detail = 'Too many of them' and person_id = 30`); n != 2 {
		t.Errorf("%d refusals", n)
	}
	for range 2 { // however often they come
		p.visitLink(p.join(p.one, 10).ClaimURL, uuidOf(1))
	}
	if n := p.asks(); n != 0 {
		t.Errorf("asked %d times more", n)
	}
	if n := p.count(`select count(*) from referral.click_ask where state = 'answered'`); n != 2 {
		t.Errorf("%d questions", n)
	}
}

// A hook that says nothing has its default count, after three tries; one that is taken away lets what waits go on.
func TestHook_103_that_is_silent(t *testing.T) {
	t.Parallel()
	for onFailure, want := range map[string]int{hookApprove: 2, hookHold: 0, hookVoid: 0} {
		t.Run(onFailure, func(t *testing.T) {
			t.Parallel()
			p, m := clicking(t, onFailure)
			m.mu.Lock()
			m.answer = func(w http.ResponseWriter, _ question) { w.WriteHeader(http.StatusNotFound) }
			m.mu.Unlock()
			p.visitLink(p.join(p.one, 10).ClaimURL, uuidOf(1))
			for range 5 {
				p.asks()
				p.clock.Move(10 * time.Second)
			}
			if got := p.got(p.one); len(got) != want || len(m.asked) != hookTries || p.count(`select count(*) from referral.click_ask where state = 'failed'`) != 1 {
				t.Errorf("%q after %d tries", got, len(m.asked))
			}
			p.visitLink(p.join(p.one, 10).ClaimURL, uuidOf(2))
			p.call(p.one, "DELETE", "/api/v2/decision_hook", nil, "")
			if p.asks(); len(p.got(p.one)) != want+2 {
				t.Errorf("without a hook: %q", p.got(p.one))
			}
			p.clock.Move(time.Second)
			if n, err := dropClickAsks(t.Context(), p.db, p.clock.Now(), 10); n != 2 || err != nil {
				t.Errorf("dropped %d %v", n, err)
			}
		})
	}
}
