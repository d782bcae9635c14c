package referral

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// touched makes offers of the people and lets a visitor open each link, in this order.
func (p *place) touched(visitor string, people ...int64) {
	p.t.Helper()
	for _, person := range people {
		location(p.t.(*testing.T), p.visitLink(p.join(p.one, person).ClaimURL, visitor))
		p.clock.Move(time.Minute)
	}
}

func (p *place) decision(site, origin int64) attributionRow {
	p.t.Helper()
	a, err := attributionOf(p.t.Context(), p.db, site, origin)
	if err != nil || a == nil {
		p.t.Fatalf("origin %d: %v %v", origin, a, err)
	}
	return *a
}

func TestRecorded_keeps_a_reason_for_each_origin(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10, 11)
	p.touched(uuidOf(5), 10)
	sign := customerevent.OriginRecorded{SiteID: 1, OriginID: 1, Type: customerevent.AffiliateMember, PersonID: 21, VisitorIDs: []string{uuidOf(5)}, Verified: true, OccurredAt: p.clock.Now()}
	browser := p.purchase(p.one, 2, 20, 1000, uuidOf(1))
	browser.Verified = false
	unknown := p.purchase(p.one, 3, 0, 1000, uuidOf(1))
	stranger := p.purchase(p.one, 4, 22, 1000, uuidOf(9))
	cookie := p.purchase(p.one, 5, 20, 1000, strings.ToUpper(uuidOf(1)), "junk")
	repeat := p.purchase(p.one, 6, 20, 1000, uuidOf(1))
	mail := p.purchase(p.one, 7, 21, 1000)
	own := p.purchase(p.one, 8, 11, 1000, uuidOf(1))
	old := p.purchase(p.one, 9, 23, 1000, uuidOf(1))
	old.OccurredAt = old.OccurredAt.Add(-time.Hour)
	p.tell(sign, browser, unknown, stranger, cookie, repeat, mail, own, old, cookie)
	for origin, want := range map[int64][3]string{
		3: {outcomeNone, reasonNoPerson, ""}, 4: {outcomeNone, reasonNoTouch, ""}, 5: {outcomeReferred, reasonLastTouch, byCookie},
		6: {outcomeNone, reasonAlreadyReferred, ""}, 7: {outcomeReferred, reasonLastTouch, byEmail}, 8: {outcomeBlocked, ruleSelf, byCookie},
		9: {outcomeNone, reasonFuture, ""},
	} {
		a := p.decision(1, origin)
		if got := [3]string{a.Outcome, a.Reason, a.Method}; got != want {
			t.Errorf("origin %d: got %q, want %q (%s)", origin, got, want, a.Trace)
		}
	}
	if n := p.count(`select count(*) from referral.attribution where origin_id in (1, 2)`); n != 0 {
		t.Error("a sign-up or an unverified purchase was decided")
	}
	var trace attribution
	if err := json.Unmarshal([]byte(p.decision(1, 5).Trace), &trace); err != nil || len(trace.Candidates) != 2 || !trace.Candidates[0].Kept ||
		trace.Candidates[1].Cause != reasonOlder {
		t.Errorf("trace %+v %v", trace, err)
	}
	if r, err := p.Referral(t.Context(), 1, 5); err != nil || r.AdvocateID != 11 || r.Status != "approved" {
		t.Errorf("the last touch was 11's: %+v %v", r, err)
	}
	if r, err := p.Referral(t.Context(), 1, 8); err != nil || r.Status != "blocked" || r.Fraud.Blocked[0] != labelSelf || *r.FraudDetails != labelSelf {
		t.Errorf("the self-referral %+v %v", r, err)
	}
	before := p.told()
	p.tell(sign, unknown, stranger, cookie, repeat, mail, own, old)
	browser.Verified = true // the shop confirms it
	p.tell(browser)
	if a := p.decision(1, 2); a.Reason != reasonAlreadyReferred {
		t.Errorf("confirmed later: %+v", a)
	}
	if again := p.told(); len(again) != 0 {
		t.Errorf("told again %q, before %q", again, before)
	}
	if n := p.count(`select count(*) from referral.reward where referral_id is not null`); n != 6 {
		t.Errorf("%d rewards, want 6", n)
	}
}

func TestRecorded_blocks_the_advocates_other_browser(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.tell(customerevent.OriginRecorded{SiteID: 1, OriginID: 1, Type: customerevent.AffiliateMember, PersonID: 10, VisitorIDs: []string{uuidOf(7)}, Verified: true})
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 2, 20, 1000, uuidOf(1), uuidOf(7)))
	r, err := p.Referral(t.Context(), 1, 2)
	if err != nil || r.Status != "blocked" {
		t.Fatalf("%+v %v", r, err)
	}
	r, _, err = p.SetStatus(t.Context(), p.one, 2, referralapi.Step{Status: "unblocked", Cause: "manual"}, idempotency.Key{})
	if err != nil || r.Status != "pending" {
		t.Fatalf("%+v %v", r, err)
	}
	if r, _, err = p.SetStatus(t.Context(), p.one, 2, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil || len(r.AdvocateRewards) != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRecorded_refers_a_friend_once_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10)
	other := open(t, p.url, 12)
	other.clock.Move(time.Minute)
	race(20, func(i int) {
		q := []*place{p, other}[i%2]
		if err := q.hear(q.purchase(q.one, int64(100+i), 20, 1000, uuidOf(1))); err != nil {
			t.Error(err)
		}
	})
	if r, a := p.count(`select count(*) from referral.referral`), p.count(`select count(*) from referral.attribution where outcome = 'none' and reason = 'already_referred'`); r != 1 || a != 19 {
		t.Errorf("%d referrals, %d refused", r, a)
	}
	if n := p.count(`select count(*) from referral.reward where referral_id is not null`); n != 3 {
		t.Errorf("%d rewards", n)
	}
}

func TestSetStatus(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)), p.purchase(p.one, 2, 21, 1000))
	p.told()
	set := func(origin int64, status string) (string, *fault.Error) {
		r, _, err := p.SetStatus(t.Context(), p.one, origin, referralapi.Step{Status: status, Cause: "manual"}, idempotency.Key{})
		f, _ := fault.Of(err)
		if err != nil && f == nil {
			t.Fatal(err)
		}
		return r.Status, f
	}
	if _, f := set(2, "approved"); f == nil || f.Code != "no_referral" || f.Kind != fault.NotFound {
		t.Errorf("no referral: %v", f)
	}
	if _, f := set(1, "in_progress"); f == nil || f.Kind != fault.Invalid {
		t.Errorf("an unknown word: %v", f)
	}
	if s, f := set(1, "blocked"); s != "blocked" || f != nil {
		t.Errorf("%s %v", s, f)
	}
	if _, f := set(1, "approved"); f == nil || f.Kind != fault.Invalid || f.Code != "referral_step_not_allowed" {
		t.Errorf("blocked to approved: %v", f)
	}
	p.tell(p.purchase(p.one, 3, 20, 1000, uuidOf(1))) // takes the friend's place
	if _, f := set(1, "unblocked"); f == nil || f.Code != "friend_already_referred" {
		t.Errorf("unblocked beside another: %v", f)
	}
	if s, f := set(3, "voided"); s != "voided" || f != nil {
		t.Errorf("%s %v", s, f)
	}
	if s, f := set(1, "unblocked"); s != "pending" || f != nil {
		t.Errorf("%s %v", s, f)
	}
	var approvals atomic.Int64
	race(20, func(int) {
		if r, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err == nil && r.Status == "approved" && len(r.AdvocateRewards) == 2 {
			approvals.Add(1)
		}
	})
	if approvals.Load() != 20 {
		t.Errorf("%d of 20 were told that it is approved", approvals.Load())
	}
	if _, f := set(1, "voided"); f == nil {
		t.Error("approved was swapped for voided")
	}
	want := []string{"referral_voided referral:1", "referral_created referral:2", "referral_voided referral:2", "referral_approved referral:1",
		"reward_issued referral:1", "reward_issued referral:1", "reward_issued referral:1", "commission_earned account:10"}
	if got := p.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if n := p.count(`select count(*) from referral.status_log where referral_id = 1`); n != 4 {
		t.Errorf("history of %d steps", n)
	}
}

func TestSetStatus_waits_for_the_decision(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.touched(uuidOf(1), 10)
	answer := make(chan error, 1)
	go func() {
		r, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{})
		if err == nil && r.Status != "approved" {
			err = fmt.Errorf("status %s", r.Status)
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Fatalf("answered before the decision: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

func TestApproveDue(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: automatic, DelaySeconds: 3600} })
	for i := range 5 {
		p.touched(uuidOf(i+1), 10)
		p.tell(p.purchase(p.one, int64(i+1), int64(20+i), 1000, uuidOf(i+1)))
	}
	if n, err := p.ApproveDue(t.Context()); n != 0 || err != nil {
		t.Errorf("too early: %d %v", n, err)
	}
	if _, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "voided", Cause: "manual"}, idempotency.Key{}); err != nil {
		t.Error(err)
	}
	p.clock.Move(time.Hour)
	var total atomic.Int64
	race(8, func(int) {
		n, err := p.ApproveDue(t.Context())
		if err != nil {
			t.Error(err)
		}
		total.Add(int64(n))
	})
	if total.Load() != 4 {
		t.Errorf("approved %d, want 4", total.Load())
	}
	if n := p.count(`select count(*) from referral.reward where referral_id is not null`); n != 12 {
		t.Errorf("%d rewards", n)
	}
	r, _ := p.Referral(t.Context(), 1, 2)
	if r.Status != "approved" {
		t.Errorf("%+v", r)
	}
}

func TestDatabase_refuses_what_the_graph_refuses(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.join(p.one, 10)
	n := int64(0)
	for _, from := range append([]string{inProgress}, statuses...) {
		for _, to := range statuses {
			n++
			first := from
			if from == referralevent.Voided {
				first = referralevent.Pending
			}
			if from == inProgress {
				first = to
			}
			var id int64
			err := p.root.Get(&id, `
				insert into referral.referral (site_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, cause, track_method, subtotal,
					currency, fraud, occurred_at, created_at, updated_at)
				values (1, 1, 1, $1, 10, $1, $2, '', 'cookie', 1, 'USD', '[]', now(), now(), now()) returning id`, n, first)
			if from == inProgress {
				if (err == nil) != allowed(from, to) || err != nil && !postgres.Violates(err, "status_log_begins") {
					t.Errorf("begins %s: %v", to, err)
				}
				continue
			}
			if err == nil && first != from {
				_, err = p.db.Exec(`update referral.referral set status = $2 where site_id = 1 and id = $1`, id, from)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.db.Exec(`update referral.referral set status = $2 where site_id = 1 and id = $1`, id, to)
			if want := from == to || allowed(from, to); (err == nil) != want || err != nil && !postgres.Violates(err, "referral_step") {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if stored := p.count(`select count(*) from referral.referral_graph where old = $1 and new = $2`, from, to) == 1; stored != allowed(from, to) {
				t.Errorf("the table has %s to %s: %v", from, to, stored)
			}
		}
	}
	for _, q := range []string{`update referral.attribution set reason = ''`, `delete from referral.reward`, `update referral.visit set live = true`,
		`delete from referral.status_log`, `delete from referral.referral_graph`, `update referral.fraud_policy set version = 1`, `truncate referral.identity`, `delete from referral.campaign`} {
		if _, err := p.db.Exec(q); err == nil {
			t.Errorf("the module may %s", q)
		}
	}
}

// Use cases need one connection each: a second one inside a transaction would hang here.
func TestUseCases_run_on_one_connection(t *testing.T) {
	t.Parallel()
	p := open(t, setup(t).url, 1)
	p.campaign(p.one, nil)
	p.touched(uuidOf(1), 10)
	if _, err := p.Offer(t.Context(), p.one, "1", []string{"sms"}); err != nil {
		t.Error(err)
	}
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 1000, RefundedTotal: 400})
	if _, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
		t.Error(err)
	}
	if _, err := p.ApproveDue(t.Context()); err != nil {
		t.Error(err)
	}
}

// The twin sites hear the same story: one in batches, the other event by event.
func TestRecorded_decides_alike_however_the_log_is_cut(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []int64{1, 2} {
		p.campaign([]site.Site{p.one, p.two}[s-1], nil)
	}
	n := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		n++
		person := func(label string) int64 { return n*100 + rapid.Int64Range(0, 3).Draw(rt, label) }
		visitor := func(label string) string { return uuidOf(int(n)*100 + rapid.IntRange(1, 3).Draw(rt, label)) }
		for range rapid.IntRange(1, 3).Draw(rt, "touches") {
			who, seenAs := person("advocate"), visitor("touch")
			for _, s := range []site.Site{p.one, p.two} {
				p.visitLink(p.join(s, who).ClaimURL, seenAs)
			}
		}
		var one, two []customerevent.OriginRecorded
		for i := range rapid.IntRange(1, 8).Draw(rt, "origins") {
			e := p.purchase(p.one, n*100+int64(i), person("friend"), 1000)
			if rapid.Bool().Draw(rt, "seen") {
				e.VisitorIDs = []string{visitor("visitor")}
			}
			if rapid.IntRange(0, 3).Draw(rt, "kind") == 0 {
				e.Type = customerevent.AffiliateMember
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
		var differ []int64
		if err := p.root.Select(&differ, `
			select a.origin_id from referral.attribution a full join referral.attribution b on b.site_id = 2 and b.origin_id = a.origin_id
			where a.site_id = 1 and (a.outcome, a.reason, a.method) is distinct from (b.outcome, b.reason, b.method)`); err != nil || len(differ) > 0 {
			rt.Fatalf("decided otherwise: %v %v", differ, err)
		}
	})
}
