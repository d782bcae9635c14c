package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// watch sets the policy of a site: custom, with these rules.
func (p *place) watch(s site.Site, campaignID int64, change func(*policyInput)) policyJSON {
	p.t.Helper()
	in := policyInput{RulesBody: RulesBody{Profile: profileCustom, Rules: &ruleSettings{}, Thresholds: &thresholdsInput{}}}
	change(&in)
	out, _, err := p.replacePolicy(p.t.Context(), s, campaignID, 7, in, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// friend is the purchase of a friend who has opened the advocate's link in a browser of his own.
func (p *place) friend(s site.Site, origin, advocate, friend int64, change func(*customerevent.OriginRecorded)) customerevent.OriginRecorded {
	p.t.Helper()
	visitor := uuidOf(int(s.ID*100_000 + origin))
	p.visitLink(p.join(s, advocate).ClaimURL, visitor)
	p.clock.Move(time.Minute)
	e := p.purchase(s, origin, friend, 1000, visitor)
	if change != nil {
		change(&e)
	}
	return e
}

func print32(s string) string { return customerapi.Fingerprint("test", s) }

// seen is a sign-up that shows a person with something.
func (p *place) seenWith(s site.Site, origin, person int64, change func(*customerevent.OriginRecorded)) customerevent.OriginRecorded {
	e := customerevent.OriginRecorded{SiteID: s.ID, OriginID: origin, Type: customerevent.AffiliateMember, PersonID: person, Verified: true, OccurredAt: p.clock.Now()}
	change(&e)
	return e
}

// state is the status of an origin's referral, and the rules that hit.
func (p *place) state(s site.Site, origin int64) string {
	p.t.Helper()
	r, err := referralOf(p.t.Context(), p.db, s.ID, origin)
	if err != nil || r == nil {
		p.t.Fatalf("referral of %d: %v %v", origin, r, err)
	}
	words := []string{r.Status}
	for _, f := range r.findings() {
		if f.Hit {
			words = append(words, f.Rule)
		}
	}
	return strings.Join(words, " ")
}

func TestRules(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
	}
	ip := func(ip, device string) func(*customerevent.OriginRecorded) {
		return func(e *customerevent.OriginRecorded) { e.IP, e.Device = ip, print32(device) }
	}
	n := int64(0)
	for _, c := range []struct {
		name   string
		rules  ruleSettings
		lists  ListsBody
		emails [2]string // advocate, friend
		phone  string    // of the advocate
		before func(*customerevent.OriginRecorded)
		buys   func(*customerevent.OriginRecorded)
		want   string
	}{
		{name: "nothing alike", rules: ruleSettings{IP: "block", Device: "block", Address: "block", Phone: "block", Similar: "block", Disposable: "block"},
			emails: [2]string{"ann@a.example", "bob@b.example"}, phone: "+12025550000",
			before: func(e *customerevent.OriginRecorded) {
				e.IP, e.Device, e.Address, e.Phone = "203.0.113.1", print32("a"), print32("x"), print32("p")
			},
			buys: func(e *customerevent.OriginRecorded) {
				e.IP, e.Device, e.Address, e.Phone = "203.0.113.2", print32("a"), print32("y"), print32("q")
			}, want: "approved"},
		{name: "IP, flagged", rules: ruleSettings{IP: "flag", Device: "block"}, before: ip("203.0.113.1", "a"), buys: ip("203.0.113.1", "b"), want: "flagged " + ruleIP},
		{name: "IP and device, blocked", rules: ruleSettings{IP: "flag", Device: "block"}, before: ip("203.0.113.1", "a"), buys: ip("203.0.113.1", "a"),
			want: "blocked " + ruleDevice + " " + ruleIP},
		{name: "a private address", rules: ruleSettings{IP: "block"}, before: ip("10.0.0.1", "a"), buys: ip("10.0.0.1", "a"), want: "approved"},
		{name: "address", rules: ruleSettings{Address: "block"}, before: func(e *customerevent.OriginRecorded) { e.Address = print32("x") },
			buys: func(e *customerevent.OriginRecorded) { e.Address = print32("x") }, want: "blocked " + ruleAddress},
		{name: "a phone that was told", rules: ruleSettings{Phone: "flag"}, before: func(e *customerevent.OriginRecorded) { e.Phone = print32("p") },
			buys: func(e *customerevent.OriginRecorded) { e.Phone = print32("p") }, want: "flagged " + rulePhone},
		{name: "the advocate's phone", rules: ruleSettings{Phone: "flag"}, phone: "+12025551111",
			buys: func(e *customerevent.OriginRecorded) {
				e.Phone = customerapi.Fingerprint(customerapi.PhoneMark, "+12025551111")
			}, want: "flagged " + rulePhone},
		{name: "the same card", rules: ruleSettings{Card: "block"}, before: func(e *customerevent.OriginRecorded) { e.Card = print32("c") },
			buys: func(e *customerevent.OriginRecorded) { e.Card = print32("c") }, want: "blocked " + ruleCard},
		{name: "another card", rules: ruleSettings{Card: "block"}, before: func(e *customerevent.OriginRecorded) { e.Card = print32("c") },
			buys: func(e *customerevent.OriginRecorded) { e.Card = print32("d") }, want: "approved"},
		{name: "similar", rules: ruleSettings{Similar: "flag"}, emails: [2]string{"john.smith@a.example", "johnsmith+2@a.example"}, want: "flagged " + ruleSimilar},
		{name: "disposable", rules: ruleSettings{Disposable: "block"}, emails: [2]string{"a@a.example", "b@mailinator.com"}, want: "blocked " + ruleDisposable},
		{name: "blocked friend", rules: ruleSettings{BlockedEmail: "block"}, lists: ListsBody{BlockedEmails: []string{"*@evil.example"}},
			emails: [2]string{"a@a.example", "B@Evil.example"}, want: "blocked " + ruleBlockedEmail},
		{name: "blocked IP", rules: ruleSettings{BlockedIP: "block"}, lists: ListsBody{BlockedIPs: []string{"203.0.113.0/24"}}, buys: ip("203.0.113.77", ""), want: "blocked " + ruleBlockedIP},
		{name: "nobody knows the address", rules: ruleSettings{Similar: "block"}, want: "approved"},
	} {
		n += 10
		for i, s := range []site.Site{p.one, p.two} { // the twin has the same people, and nothing is set there
			if i == 0 {
				p.watch(s, 0, func(in *policyInput) { in.Rules, in.ListsBody = &c.rules, c.lists })
			}
			p.known[key{s.ID, n}] = customerapi.Person{Email: c.emails[0], Phone: c.phone}
			p.known[key{s.ID, n + 1}] = customerapi.Person{Email: c.emails[1]}
			if c.before != nil {
				p.tell(p.seenWith(s, n, n, c.before))
			}
			p.tell(p.friend(s, n+1, n, n+1, c.buys))
			if want := []string{c.want, "approved"}[i]; p.state(s, n+1) != want {
				t.Errorf("%s, site %d: %s, want %s", c.name, s.ID, p.state(s, n+1), want)
			}
		}
	}
	if got := p.count(`select count(*) from referral.mark where site_id = 2`); got != 0 {
		t.Errorf("%d marks are kept where nothing compares them", got)
	}
}

// silent is whom nobody may ask.
type silent struct{ t *testing.T }

func (s silent) People(context.Context, int64, []int64) (map[int64]customerapi.Person, error) {
	s.t.Error("somebody asks for addresses")
	return nil, nil
}

// Where nothing was set, a purchase reads no policy, no mark and no address.
func TestRules_that_are_skipped_cost_nothing(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	everything := func(e *customerevent.OriginRecorded) {
		e.IP, e.Device, e.Address, e.Phone = "203.0.113.1", print32("d"), print32("a"), print32("p")
	}
	p.tell(p.friend(p.one, 1, 10, 20, everything)) // reads the site's policy, for five seconds
	p.people = silent{t}
	p.root.MustExec(`revoke all on referral.fraud_policy, referral.mark from talkable_referral`)
	later := p.friend(p.one, 2, 10, 21, everything)
	p.clock.Move(-time.Minute)
	p.tell(later)
	if got := p.state(p.one, 2); got != "approved" {
		t.Error(got)
	}
	self := p.friend(p.one, 3, 10, 10, everything)
	p.clock.Move(-time.Minute)
	p.tell(self)
	if got := p.state(p.one, 3); got != "blocked "+ruleSelf {
		t.Error(got)
	}
}

func TestRules_windows(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	days := int64(2)
	p.watch(p.one, 0, func(in *policyInput) { in.Rules.IP, in.Thresholds.IPDays = "block", &days })
	p.tell(p.seenWith(p.one, 1, 10, func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }))
	at := func(e *customerevent.OriginRecorded) { e.IP = "203.0.113.1" }
	p.clock.Move(47 * time.Hour)
	p.tell(p.friend(p.one, 2, 10, 20, at))
	p.clock.Move(2 * time.Hour)
	p.tell(p.friend(p.one, 3, 10, 21, at))
	if a, b := p.state(p.one, 2), p.state(p.one, 3); a != "blocked "+ruleIP || b != "approved" {
		t.Errorf("within: %s, after: %s", a, b)
	}
	if _, err := dropMarks(t.Context(), p.db, p.clock.Now().Add(-24*time.Hour), 10); err != nil || p.count(`select count(*) from referral.mark`) != 2 {
		t.Errorf("%d marks are left: %v", p.count(`select count(*) from referral.mark`), err)
	}
}

func TestRules_crossing_and_velocity_within_a_batch(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
		most, window := int64(2), int64(1)
		p.watch(s, 0, func(in *policyInput) {
			in.Rules.Cross, in.Rules.Velocity, in.Thresholds.VelocityReferrals, in.Thresholds.VelocityDays = "block", "flag", &most, &window
		})
	}
	story := func(s site.Site) []customerevent.OriginRecorded {
		return []customerevent.OriginRecorded{p.friend(s, 1, 10, 20, nil), p.friend(s, 2, 20, 10, nil), p.friend(s, 3, 10, 21, nil), p.friend(s, 4, 10, 22, nil),
			p.friend(s, 5, 10, 23, nil)}
	}
	want := []string{"approved", "blocked " + ruleCross, "approved", "flagged " + ruleVelocity, "flagged " + ruleVelocity}
	var all []bus.Payload
	for _, e := range story(p.one) {
		all = append(all, e)
	}
	p.tell(all...)
	for _, e := range story(p.two) {
		p.tell(e)
	}
	for _, s := range []site.Site{p.one, p.two} {
		for i, w := range want {
			if got := p.state(s, int64(i+1)); got != w {
				t.Errorf("site %d, origin %d: %s, want %s", s.ID, i+1, got, w)
			}
		}
	}
	p.clock.Move(25 * time.Hour)
	p.tell(p.friend(p.one, 6, 10, 24, nil))
	if got := p.state(p.one, 6); got != "approved" {
		t.Errorf("a day later: %s", got)
	}
}

func TestRules_by_campaign(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	strict := p.campaign(p.one, nil)
	p.watch(p.one, 0, func(in *policyInput) { in.BlockedIPs, in.QAIPs = []string{"203.0.113.1"}, []string{"203.0.113.2"} })
	if got := p.watch(p.one, strict.ID, func(in *policyInput) { in.Rules.BlockedIP = "flag" }); got.Version != 1 || got.Lists != nil || *got.KeyID != 7 {
		t.Errorf("%+v", got)
	}
	ip := func(ip string) func(*customerevent.OriginRecorded) {
		return func(e *customerevent.OriginRecorded) { e.IP = ip }
	}
	p.tell(p.friend(p.one, 1, 10, 20, ip("203.0.113.1"))) // joins the newest campaign
	if got := p.state(p.one, 1); got != "flagged "+ruleBlockedIP {
		t.Error(got)
	}
	p.watch(p.one, strict.ID, func(in *policyInput) { in.Profile = profileSite })
	p.tell(p.friend(p.one, 2, 10, 21, ip("203.0.113.1")))
	p.tell(p.friend(p.one, 3, 10, 22, ip("203.0.113.2")))
	if got := p.state(p.one, 2); got != "blocked "+ruleBlockedIP {
		t.Errorf("the site's custom profile says no rule, but its list does: %s", got)
	}
	if r, err := p.Referral(t.Context(), 1, 3); err != nil || !r.QA {
		t.Errorf("from a QA address: %+v %v", r, err)
	}
	if r, err := p.Referral(t.Context(), 1, 2); err != nil || r.QA {
		t.Errorf("not from a QA address: %+v %v", r, err)
	}
	r, err := referralOf(t.Context(), p.db, 1, 1)
	if err != nil || len(r.findings()) != 1 || r.findings()[0].Policy != "campaign 2/1" {
		t.Errorf("%s %v", r.Fraud, err)
	}
}

// The twin sites hear the same story: one in batches, the other event by event. Rules see what was told before, and no more.
func TestRules_judge_alike_however_the_log_is_cut(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
		most := int64(2)
		p.watch(s, 0, func(in *policyInput) {
			in.Profile, in.Rules, in.Thresholds = "high", &ruleSettings{IP: "flag", Address: "flag", Phone: "flag"}, &thresholdsInput{VelocityReferrals: &most}
		})
	}
	n := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		n++
		person := func(label string) int64 { return n*100 + rapid.Int64Range(0, 4).Draw(rt, label) }
		var visitors []string
		for i := range rapid.IntRange(1, 4).Draw(rt, "touches") {
			who := person("advocate")
			visitors = append(visitors, uuidOf(int(n)*100+i))
			for _, s := range []site.Site{p.one, p.two} {
				p.visitLink(p.join(s, who).ClaimURL, visitors[i])
			}
		}
		p.clock.Move(time.Minute)
		var one, two []customerevent.OriginRecorded
		for i := range rapid.IntRange(2, 8).Draw(rt, "origins") {
			e := p.purchase(p.one, n*100+int64(i), person("friend"), 1000, rapid.SampledFrom(visitors).Draw(rt, "visitor"))
			e.IP = fmt.Sprintf("203.0.%d.%d", n%250, rapid.IntRange(1, 3).Draw(rt, "ip"))
			e.Device = print32(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "device"))
			e.Address = print32(fmt.Sprint(n, rapid.IntRange(1, 3).Draw(rt, "address")))
			if rapid.IntRange(0, 3).Draw(rt, "kind") == 0 {
				e.Type, e.VisitorIDs = customerevent.AffiliateMember, nil
			}
			one = append(one, e)
			e.SiteID = 2
			two = append(two, e)
		}
		var batch []bus.Payload
		for i := range one {
			if batch = append(batch, one[i]); rapid.Bool().Draw(rt, "cut") || i == len(one)-1 {
				p.tell(batch...)
				batch = nil
			}
			p.tell(two[i])
		}
		for _, e := range one {
			a, err := attributionOf(t.Context(), p.db, 1, e.OriginID)
			b, err2 := attributionOf(t.Context(), p.db, 2, e.OriginID)
			if err != nil || err2 != nil || (a == nil) != (b == nil) {
				rt.Fatal(a, err, b, err2)
			}
			if a == nil || a.ReferralID == nil && b.ReferralID == nil {
				continue
			}
			if x, y := p.state(p.one, e.OriginID), p.state(p.two, e.OriginID); a.Reason != b.Reason || x != y {
				rt.Fatalf("origin %d: %s %s, one by one %s %s", e.OriginID, a.Reason, x, b.Reason, y)
			}
		}
	})
}

// Every look-up has an index to go by.
func TestFraud_queries_have_an_index(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.root.MustExec(`insert into referral.referral (site_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, cause, track_method, subtotal, currency, fraud,
		occurred_at, created_at, updated_at) select 1, 1, 1, n, n % 500, n, 'pending', 'created', 'cookie', 100, 'USD', '{}', now(), now(), now() from generate_series(1, 3000) n`)
	p.root.MustExec(`analyze referral.referral`)
	for query, index := range map[string]string{
		`select 1 from referral.mark where site_id = 1 and kind = 'ip' and value = '00000000-0000-4000-8000-000000000001' and person_id = 1`:                                "using mark_",
		`select 1 from referral.mark where site_id = 1 and person_id = 1`:                                                                                                   "mark_by_person",
		`select id from referral.referral where site_id = 1 and friend_id = 1 and advocate_id = 2 and status in ('pending', 'flagged', 'approved')`:                         "referral_friend_once",
		`select occurred_at from referral.referral where site_id = 1 and advocate_id = 1 and occurred_at > now() - interval '30 days' order by occurred_at desc limit 1000`: "referral_pace",
		`select id from referral.referral r where site_id = 1 and advocate_id = 1 and r.id < 100 order by r.id desc limit 26`:                                               "referral_by_advocate",
		`select version from referral.fraud_policy where site_id = 1 and campaign_id = 0 order by version desc limit 1`:                                                     "fraud_policy_pkey",
	} {
		tx := p.root.MustBegin()
		tx.MustExec(`set local enable_seqscan = off`)
		var plan []string
		if err := tx.Select(&plan, `explain `+query); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, index) }) || strings.Contains(strings.Join(plan, "\n"), "Sort") {
			t.Errorf("%s\n%s", query, strings.Join(plan, "\n"))
		}
		_ = tx.Rollback()
	}
}
