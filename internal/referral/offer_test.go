package referral

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// race starts n goroutines at once.
func race(n int, do func(i int)) {
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-gate
			do(i)
		})
	}
	close(gate)
	all.Wait()
}

func TestJoin_makes_one_offer_for_twenty_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	other := open(t, p.url, 8) // another replica
	for _, who := range []referralapi.Join{{PersonID: 10}, {Visitors: []string{uuidOf(1)}}, {PersonID: 11, Visitors: []string{uuidOf(2)}}} {
		who.Type, who.Channels = customerevent.AffiliateMember, []string{"sms"}
		var mu sync.Mutex
		answers := map[string]int{}
		race(20, func(i int) {
			m := []*place{p, other}[i%2]
			o, err := m.Join(t.Context(), p.one, who)
			if err != nil || o == nil {
				t.Errorf("join: %v %v", o, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[o.ShortURLCode+o.ClaimURL+o.ClaimLinks["sms"]]++
		})
		if len(answers) != 1 {
			t.Errorf("got %d different offers", len(answers))
		}
	}
	if n := p.count(`select count(*) from referral.offer`); n != 3 {
		t.Errorf("%d offers, want 3", n)
	}
	if n := len(p.told()); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	if n := p.count(`select count(*) from referral.link`); n != 9 {
		t.Errorf("%d links, want 9", n)
	}
}

func TestJoin_lets_a_person_take_over_what_the_visitor_got(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	asVisitor := p.join(p.one, 0, uuidOf(1))
	if asVisitor.AdvocateID != 0 {
		t.Errorf("advocate %d", asVisitor.AdvocateID)
	}
	asPerson := p.join(p.one, 10, uuidOf(9), uuidOf(1))
	if asPerson.ID != asVisitor.ID || asPerson.AdvocateID != 10 {
		t.Errorf("got offer %d of %d, want %d of 10", asPerson.ID, asPerson.AdvocateID, asVisitor.ID)
	}
	sharedBrowser := p.join(p.one, 11, uuidOf(1))
	if sharedBrowser.ID == asPerson.ID || sharedBrowser.AdvocateID != 11 {
		t.Errorf("a second person of the browser got offer %d of %d", sharedBrowser.ID, sharedBrowser.AdvocateID)
	}
	if again := p.join(p.one, 10); again.ID != asPerson.ID {
		t.Errorf("without the browser: offer %d", again.ID)
	}
	if p.join(p.one, 0) != nil {
		t.Error("nobody got an offer")
	}
}

func TestJoin_writes_nothing_when_all_is_there(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.join(p.one, 10)
	if _, err := p.root.Exec(`revoke insert, update, delete on all tables in schema referral from talkable_referral`); err != nil {
		t.Fatal(err)
	}
	reader := open(t, p.url, 2)
	if o := reader.join(p.one, 10); o == nil {
		t.Error("no offer")
	}
	if _, err := reader.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 11}); err == nil {
		t.Error("the database could be written to")
	}
}

func TestJoin_keeps_the_answer_of_an_idempotency_key(t *testing.T) {
	t.Parallel()
	p := setup(t)
	ask := func(key, print string) (*referralapi.Offer, error) {
		return p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, Idempotency: idempotency.Key{Value: key, Fingerprint: print}})
	}
	if o, err := ask("before", "x"); o != nil || err != nil {
		t.Fatalf("without a campaign: %v %v", o, err)
	}
	first := p.campaign(p.one, nil)
	if o, err := ask("before", "x"); o != nil || err != nil {
		t.Errorf("the replay of no offer: %v %v", o, err)
	}
	race(10, func(int) {
		if o, err := ask("k", "x"); err != nil || o == nil || o.CampaignID != first.ID || o.AdvocateID != 10 {
			t.Errorf("%+v %v", o, err)
		}
	})
	p.campaign(p.one, nil)
	if o, err := ask("k", "x"); err != nil || o.CampaignID != first.ID || o.Incentives["friend_coupon"].Description != "10%" {
		t.Errorf("the replay: %+v %v", o, err)
	}
	if _, err := ask("k", "y"); !fault.Is(err, fault.Unprocessable) {
		t.Errorf("the key with another request: %v", err)
	}
	if o, err := ask("other", "y"); err != nil || o.CampaignID == first.ID {
		t.Errorf("another key: %+v %v", o, err)
	}
}

func TestOffer(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	o, twin := p.join(p.one, 10), p.join(p.two, 10)
	for _, name := range []string{o.ShortURLCode, strings.ToUpper(o.ShortURLCode), fmt.Sprint(o.ID)} {
		got, err := p.Offer(t.Context(), p.one, name, []string{"sms", "my_channel"})
		if err != nil || got.ID != o.ID || len(got.ClaimLinks) != 2 || got.ClaimLinks["sms"] == got.ClaimLinks["my_channel"] {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, name := range []string{twin.ShortURLCode, fmt.Sprint(twin.ID), "UNKNOWN", "0", "-1", "99999999999999999999", "", "%00", strings.TrimPrefix(o.ClaimURL, "https://go.example/x/")} {
		_, err := p.Offer(t.Context(), p.one, name, nil)
		if f, _ := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Detail != "No offer found by id." {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, c := range []string{"email", "reminder", "facebook_sponsored", "coupon"} {
		_, err := p.Offer(t.Context(), p.one, o.ShortURLCode, []string{c})
		if f, _ := fault.Of(err); f == nil || f.Detail != "Wrong sharing channel: "+c {
			t.Errorf("%s: %v", c, err)
		}
	}
	race(10, func(int) {
		got, err := p.Offer(t.Context(), p.one, o.ShortURLCode, []string{"linkedin"})
		if err != nil {
			t.Error(err)
			return
		}
		if got.ClaimLinks["linkedin"] == "" || !strings.HasPrefix(got.ClaimLinks["linkedin"], "https://go.example/x/") {
			t.Errorf("link %q", got.ClaimLinks["linkedin"])
		}
	})
	if n := p.count(`select count(*) from referral.link where channel = 'linkedin'`); n != 1 {
		t.Errorf("%d links of one channel", n)
	}
}

func TestJoin_sees_a_change_of_the_campaign_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.join(p.one, 10)
	if _, _, err := p.replaceCampaign(t.Context(), p.one, c.ID, campaignInput{Name: "Over", Status: statusDisabled}, publication{}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if o := p.join(p.one, 10); o != nil {
		t.Errorf("a disabled campaign gave offer %d", o.ID)
	}
	replica := open(t, p.url, 2)
	if o := replica.join(p.one, 10); o != nil {
		t.Errorf("the other replica gave offer %d", o.ID)
	}
	p.campaign(p.one, nil)
	eventually(t, "the other replica sees it", func() bool { return replica.join(p.one, 10) != nil })
}

// Twin sites hold identical ids in every table: whatever is asked of one must come from it.
func TestTwins_never_mix(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []int64{1, 2} {
		price := 1000 * s
		for _, q := range []string{
			`insert into referral.campaign (site_id, id, type, version, created_at) overriding system value values ($1, 1, 'invite', 1, now())`,
			fmt.Sprintf(`insert into referral.campaign_version (site_id, campaign_id, version, effective_at, published_at, key_id, reason, terms)
				values ($1, 1, 1, now(), now(), 0, '', '{"name":"Twin","status":"Live","joinable_category_names":["affiliate_member"],"attribution_days":30,"approval_mode":"automatic",
				"incentives":[{"id":1,"identifier":"a","action_type":"referrer","kind":"points","points":%d}]}')`, price),
			fmt.Sprintf(`insert into referral.incentive (site_id, id, campaign_id, identifier, position, action, kind, points, basis_points, amount, currency, coupon_code, active)
				overriding system value values ($1, 1, 1, 'a', 0, 'referrer', 'points', %d, 0, 0, '', '', true)`, price),
			`insert into referral.offer (site_id, id, campaign_id, version, person_id, code, share_code, claim_code, created_at)
				overriding system value values ($1, 1, 1, 1, 10, 'abcdefgh0' || $1, 'sbcdefgh0' || $1, 'cbcdefgh0' || $1, now())`,
			`insert into referral.link (site_id, code, offer_id, kind, channel, created_at) values ($1, 'cbcdefgh0' || $1, 1, 'claim', '', now())`,
		} {
			if _, err := p.root.Exec(strings.ReplaceAll(q, "$1", fmt.Sprint(s))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []int64{1, 2} {
		w := p.visitLink(fmt.Sprintf("https://go.example/x/cbcdefgh0%d", s), uuidOf(1)) // one browser on both sites
		if want := []string{"https://one.example/", "https://two.example/"}[s-1]; !strings.HasPrefix(w.Header().Get("Location"), want) {
			t.Errorf("site %d leads to %s", s, w.Header().Get("Location"))
		}
	}
	p.clock.Move(time.Minute)
	p.tell(p.purchase(p.one, 77, 20, 1000, uuidOf(1)), p.purchase(p.two, 77, 20, 2000, uuidOf(1)))
	p.tell(customerevent.OriginRefunded{SiteID: 2, OriginID: 77, Subtotal: 2000, RefundedTotal: 1000})
	for i, s := range []int64{1, 2} {
		r, err := p.Referral(t.Context(), s, 77)
		if err != nil || r.Subtotal != 1000*s || len(r.AdvocateRewards) != 1 || *r.AdvocateRewards[0].Points != 1000*s {
			t.Errorf("site %d: %+v %v", s, r, err)
		}
		if got := p.count(`select clawed from referral.reward where site_id = $1`, s); got != []int64{0, 1000}[i] {
			t.Errorf("site %d: clawed %d", s, got)
		}
		n, err := p.Counts(t.Context(), s, 10)
		if err != nil || n.Referrals["total"] != 1 || n.Rewards["total"] != 1 {
			t.Errorf("site %d: %+v %v", s, n, err)
		}
	}
	code, out, _ := p.call(p.one, "GET", "/api/v2/origins/77/attribution", nil, "")
	if code != 200 || !strings.Contains(fmt.Sprint(out), "referred") {
		t.Errorf("%d %v", code, out)
	}
}
