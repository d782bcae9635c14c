package referral

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// trial is a campaign of site one, in Test, whose advocates earn points for referrals and for sharing.
func (p *place) trial() campaignJSON {
	return p.campaign(p.one, func(in *campaignInput) {
		in.Status = statusTest
		in.Incentives = []incentiveInput{{Identifier: "points", ActionType: "referrer", Kind: "points", Points: 500},
			{Identifier: "shared", ActionType: "sharing", Kind: "points", Points: 5}}
	})
}

// tries refers friend n by an advocate of a test campaign; the friend's order is origin n.
func (p *place) tries(campaign, advocate, n int64) *referralapi.Offer {
	p.t.Helper()
	o, err := p.Join(p.t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: advocate, CampaignID: campaign})
	if err != nil || o == nil {
		p.t.Fatalf("%v %v", o, err)
	}
	p.visitLink(o.ClaimURL, uuidOf(int(n)))
	p.tell(p.purchase(p.one, n, 1000+n%100, 1000, uuidOf(int(n))))
	return o
}

func (p *place) testDataAt(s site.Site, method, path string, key string) (code int, why string, out testData) {
	p.t.Helper()
	var body any
	if method == http.MethodPost {
		body = "{}"
	}
	code, got, _ := p.call(s, method, path, body, key)
	if code != http.StatusOK {
		return code, fmt.Sprint(got["code"]), out
	}
	return code, "", into[testDataResult](p.t.(*testing.T), got).TestData
}

func (p *place) dropAll() {
	p.t.Helper()
	for more, sets := true, 0; more; sets++ {
		var err error
		if more, err = p.DropTestData(p.t.Context()); err != nil || sets > 20 {
			p.t.Fatalf("after %d sets: %v", sets, err)
		}
	}
}

// counted is what a test campaign has by now, as it is answered.
func (d testData) counted() string {
	out := fmt.Sprint(d.Droppable, " ", d.Offers, " ", d.Referrals, " ", d.Rewards)
	if d.LastDrop != nil {
		out += fmt.Sprint(" ", d.LastDrop.State, " ", d.LastDrop.Referrals, " ", d.LastDrop.Rewards, " ", d.LastDrop.Offers)
	}
	return out
}

func TestTestData_170_is_dropped_and_nothing_else(t *testing.T) {
	t.Parallel()
	p := setup(t)
	test, live := p.trial(), p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	p.join(p.two, 10)
	path := fmt.Sprintf("/api/v2/campaigns/%d/test_data", test.ID)
	var first *referralapi.Offer
	for n := range int64(3) {
		o := p.tries(test.ID, 10+n, 1+n)
		if first == nil {
			first = o
		}
	}
	p.shareBy(p.one, first.ShortURLCode, "facebook")
	p.touched(uuidOf(50), 10) // the same advocate in the campaign that is live
	p.tell(p.purchase(p.one, 50, 1050, 1000, uuidOf(50)))
	lived := p.liveState(live.ID)

	if code, _, d := p.testDataAt(p.one, "GET", path, ""); code != 200 || d.counted() != "true 3 3 4" {
		t.Fatalf("%d %s", code, d.counted())
	}
	for at, want := range map[string]string{fmt.Sprintf("/api/v2/campaigns/%d/test_data/drop", live.ID): "409 campaign_not_test", "/api/v2/campaigns/999/test_data/drop": "404 campaign_not_found"} {
		if code, why, _ := p.testDataAt(p.one, "POST", at, ""); fmt.Sprint(code, " ", why) != want {
			t.Errorf("%s: %d %s", at, code, why)
		}
	}
	if code, _, d := p.testDataAt(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/test_data", live.ID), ""); code != 200 || d.counted() != "false 0 0 0" {
		t.Errorf("of the live one: %d %s", code, d.counted())
	}
	p.told()
	for _, key := range []string{"k", "k", ""} { // once, again, and while it goes on
		if code, _, d := p.testDataAt(p.one, "POST", path+"/drop", key); code != 200 || d.counted() != "true 3 3 4 running 0 0 0" {
			t.Fatalf("%d %s", code, d.counted())
		}
	}
	if n := len(p.audited(1, audit.Filter{Action: "campaign.test_data_dropped"})); n != 1 {
		t.Errorf("%d lines of the audit log", n)
	}
	p.dropAll()
	if _, _, d := p.testDataAt(p.one, "GET", path, ""); d.counted() != "true 0 0 0 done 3 4 3" {
		t.Errorf("afterwards %s", d.counted())
	}
	told := map[string]int{}
	for _, e := range p.told() {
		told[strings.Fields(e)[0]]++
	}
	if told["referral_voided"] != 3 || told["reward_clawed_back"] != 4 {
		t.Errorf("told %v", told)
	}
	if now := p.liveState(live.ID); now != lived {
		t.Errorf("the live campaign had\n%s\nand has\n%s", lived, now)
	}
	if w := p.visitLink(first.ClaimURL, uuidOf(60)); w.Code != http.StatusNotFound {
		t.Errorf("an old link: %d", w.Code)
	}
	// Everybody may try again, with the same friends.
	if again := p.tries(test.ID, 10, 101); again.ID == first.ID || again.ClaimURL == first.ClaimURL {
		t.Errorf("the offer is still %d", again.ID)
	}
	if _, _, d := p.testDataAt(p.one, "GET", path, ""); d.counted() != "true 1 1 1 done 3 4 3" {
		t.Errorf("tried again: %s", d.counted())
	}
}

// liveState is what stands in a campaign of site one, and on site two.
func (p *place) liveState(campaign int64) string {
	p.t.Helper()
	var out string
	err := p.root.Get(&out, `select string_agg(x, e'\n' order by x) from (
		select 'offer ' || o::text as x from referral.offer o where site_id = 2 or campaign_id = $1 union all
		select 'referral ' || r::text from referral.referral r where site_id = 2 or campaign_id = $1 union all
		select 'reward ' || w::text from referral.reward w where site_id = 2 or campaign_id = $1 union all
		select 'link ' || l::text from referral.link l join referral.offer o on o.site_id = l.site_id and o.id = l.offer_id where o.campaign_id = $1) s`, campaign)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// What is told of a campaign in Test says that somebody tried something out, from its first offer on, so it is counted apart.
func TestTestData_is_told_as_such(t *testing.T) {
	t.Parallel()
	p := setup(t)
	test, live := p.trial(), p.campaign(p.one, nil)
	o := p.tries(test.ID, 10, 1)
	p.shareBy(p.one, o.ShortURLCode, "facebook")
	p.touched(uuidOf(50), 11)
	p.shareBy(p.one, p.join(p.one, 11).ShortURLCode, "facebook")
	p.bought(p.purchase(p.one, 60, 20, 500), p.purchase(p.one, 61, 21, 500))
	p.byHand(p.one, 10, 60, test.ID, false, "")
	p.byHand(p.one, 11, 61, live.ID, false, "")
	var told []string
	err := p.root.Select(&told, `
		select type || ' ' || (v->>'campaign_id') || ' ' || coalesce(v->>'qa_generated', 'false') || ' ' || count(*)
		from (select type, jsonb_array_elements(coalesce(payload->'visits', jsonb_build_array(payload))) as v from referral.waiting
			where type in ('referral.offer_created.v1', 'referral.links_visited.v1', 'referral.offer_shared.v1', 'referral.referral_created.v1')) s
		group by type, v->>'campaign_id', v->>'qa_generated' order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, kind := range []string{"links_visited", "offer_created", "offer_shared", "referral_created"} {
		tried := 1
		if kind == "referral_created" {
			tried = 2 // one by the link, one by hand
		}
		want = append(want, fmt.Sprintf("referral.%s.v1 %d true %d", kind, test.ID, tried), fmt.Sprintf("referral.%s.v1 %d false 1", kind, live.ID))
	}
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("told\n%q, want\n%q", told, want)
	}
}

func TestTestData_of_a_campaign_that_went_live_stays(t *testing.T) {
	t.Parallel()
	p := setup(t)
	test := p.trial()
	at := fmt.Sprintf("/api/v2/campaigns/%d", test.ID)
	p.tries(test.ID, 10, 1)
	if code, why, _ := p.testDataAt(p.one, "POST", at+"/test_data/drop", ""); code != 200 {
		t.Fatalf("%d %s", code, why)
	}
	const points = `"incentives":[{"identifier":"points","action_type":"referrer","kind":"points","points":5}]`
	if code, out, _ := p.call(p.one, "POST", at+"/versions", `{"campaign":{"name":"Live","status":"Live",`+points+`}}`, ""); code >= 300 {
		t.Fatalf("%d %v", code, out)
	}
	p.dropAll()
	if n := p.count(`select count(*) from referral.test_drop where state = 'stopped' and offers + referrals + rewards = 0`); n != 1 {
		t.Errorf("%d drops have stopped", n)
	}
	if n := p.count(`select count(*) from referral.referral where status = 'approved' and superseded = 0`); n != 1 {
		t.Errorf("%d referrals are left", n)
	}
	p.call(p.one, "POST", at+"/versions", `{"campaign":{"name":"Test again","status":"Test",`+points+`}}`, "")
	if code, why, _ := p.testDataAt(p.one, "POST", at+"/test_data/drop", ""); code != http.StatusConflict {
		t.Errorf("one that was live: %d %s", code, why)
	}
}

// Any number of replicas drop the same, each referral once.
func TestTestData_is_dropped_once_by_many(t *testing.T) {
	t.Parallel()
	p := setup(t)
	test := p.trial()
	for n := range int64(12) {
		p.tries(test.ID, 10+n%4, 1+n)
	}
	p.told()
	if code, why, _ := p.testDataAt(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/test_data/drop", test.ID), ""); code != 200 {
		t.Fatalf("%d %s", code, why)
	}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for range 4 {
		done.Go(func() {
			gate.Wait()
			for range 5 {
				if _, err := p.DropTestData(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	gate.Done()
	done.Wait()
	p.dropAll()
	var voided []string
	for _, e := range p.told() {
		if strings.HasPrefix(e, "referral_voided") {
			voided = append(voided, e)
		}
	}
	slices.Sort(voided)
	if n := len(voided); n != 12 || len(slices.Compact(voided)) != 12 {
		t.Errorf("%d referrals were voided: %q", n, voided)
	}
	if n := p.count(`select count(*) from referral.reward where status <> 'Voided'`); n != 0 {
		t.Errorf("%d rewards are left", n)
	}
}

// What friends got for coming goes, too: a coupon of a list, and a code that all get.
func TestTestData_of_friends_clicks_is_dropped(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "ONE", "TWO", "THREE")
	click := func(in *campaignInput) {
		in.Incentives = []incentiveInput{{Identifier: "one", ActionType: "click", Kind: "coupon", CouponListID: &list},
			{Identifier: "all", ActionType: "click", Kind: "coupon", CouponCode: "WELCOME"}}
	}
	live := p.campaign(p.one, click)
	p.clock.Move(time.Hour)
	test := p.campaign(p.one, func(in *campaignInput) { click(in); in.Status = statusTest })
	o, err := p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, CampaignID: test.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.visitLink(o.ClaimURL, uuidOf(1))
	l, err := p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, CampaignID: live.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.visitLink(l.ClaimURL, uuidOf(2))
	if code, why, _ := p.testDataAt(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/test_data/drop", test.ID), ""); code != 200 {
		t.Fatal(code, why)
	}
	p.dropAll()
	for campaign, want := range map[int64]int64{test.ID: 2, live.ID: 0} {
		if n := p.count(`select count(*) from referral.reward where campaign_id = $1 and status = 'Voided'`, campaign); n != want {
			t.Errorf("campaign %d: %d taken back, want %d", campaign, n, want)
		}
	}
	if _, _, d := p.testDataAt(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/test_data", test.ID), ""); d.LastDrop.State != dropDone || d.LastDrop.Rewards != 2 {
		t.Errorf("%+v", d.LastDrop)
	}
}

// A drop that fails for good holds up no other, and is tried less and less often.
func TestTestData_that_cannot_be_dropped_waits(t *testing.T) {
	t.Parallel()
	p := setup(t)
	bad, good := p.trial(), p.trial()
	p.tries(bad.ID, 10, 1)
	p.tries(good.ID, 11, 2)
	p.root.MustExec(`create function referral.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	p.root.MustExec(fmt.Sprintf(`create trigger refuse before update on referral.referral for each row when (old.campaign_id = %d) execute function referral.refuse()`, bad.ID))
	for _, id := range []int64{bad.ID, good.ID} {
		if code, why, _ := p.testDataAt(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/test_data/drop", id), ""); code != 200 {
			t.Fatal(code, why)
		}
	}
	if _, err := p.DropTestData(t.Context()); err == nil {
		t.Fatal("it was dropped")
	}
	p.dropAll()
	last := func(id int64) *testDrop {
		_, _, d := p.testDataAt(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/test_data", id), "")
		return d.LastDrop
	}
	if a, b := last(bad.ID), last(good.ID); a.State != dropRunning || a.Failures != 1 || b.State != dropDone {
		t.Errorf("%+v %+v", a, b)
	}
	tries := 0
	for range 60 { // a minute
		p.clock.Move(time.Second)
		if _, err := p.DropTestData(t.Context()); err != nil {
			tries++
		}
	}
	if tries < 2 || tries > 4 || last(bad.ID).Failures != 1+tries {
		t.Errorf("tried %d times in a minute", tries)
	}
	p.root.MustExec(`drop trigger refuse on referral.referral`)
	p.clock.Move(dropPause)
	p.dropAll()
	if d := last(bad.ID); d.State != dropDone || d.Failures != 0 || d.Referrals != 1 {
		t.Errorf("%+v", d)
	}
}
