package referral

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// deeds is what was told of origins, by their ids, which are their slugs, too; a person's slug is its id.
type deeds map[key]customerevent.OriginRecorded

func (d deeds) Person(_ context.Context, siteID int64, slug string) (customerapi.Person, error) {
	id, err := strconv.ParseInt(slug, 10, 64)
	if err != nil || id >= 1000 {
		return customerapi.Person{}, fault.New(fault.Invalid, "person_not_found", "No person found by `person_slug`.")
	}
	return customerapi.Person{ID: id}, nil
}

func (d deeds) ToldOrigin(ctx context.Context, siteID int64, slug string) (customerevent.OriginRecorded, error) {
	id, _ := strconv.ParseInt(slug, 10, 64)
	return d.ToldOriginByID(ctx, siteID, id)
}

func (d deeds) ToldOriginByID(_ context.Context, siteID, id int64) (customerevent.OriginRecorded, error) {
	o, ok := d[key{siteID, id}]
	if !ok {
		return o, fault.New(fault.Invalid, "origin_not_found", "No origin found by `origin_slug`.")
	}
	return o, nil
}

// bought tells of purchases, so that they can be named by hand.
func (p *place) bought(list ...customerevent.OriginRecorded) {
	p.t.Helper()
	if p.facts == nil {
		p.facts = deeds{}
	}
	for _, o := range list {
		p.facts.(deeds)[key{o.SiteID, o.OriginID}] = o
		p.tell(o)
	}
}

// byHand asks for a referral.
func (p *place) byHand(s site.Site, advocate, origin, campaign int64, force bool, idempotencyKey string) (int, referralJSON, string) {
	p.t.Helper()
	code, out, _ := p.call(s, "POST", "/api/v2/referrals", map[string]any{"advocate": itoa(advocate), "origin": itoa(origin), "campaign_id": campaign,
		"reason": "They called us", "force": force}, idempotencyKey)
	if code >= 400 {
		return code, referralJSON{}, fmt.Sprint(out["code"])
	}
	return code, into[referralResult](p.t.(*testing.T), out).Referral, ""
}

func (p *place) reattributed(s site.Site, id, advocate int64, force bool) (int, referralJSON, string) {
	p.t.Helper()
	code, out, _ := p.call(s, "POST", "/api/v2/referrals/"+itoa(id)+"/reattribution", map[string]any{"advocate": itoa(advocate), "reason": "It was another", "force": force}, "")
	if code >= 400 {
		return code, referralJSON{}, fmt.Sprint(out["code"])
	}
	return code, into[referralResult](p.t.(*testing.T), out).Referral, ""
}

func TestByHand_a_referral_that_no_link_led_to(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 7
	c, twin := p.campaign(p.one, nil), p.campaign(p.two, nil)
	p.bought(p.purchase(p.one, 5, 20, 10_000), p.purchase(p.two, 5, 20, 10_000))
	p.told()
	for i := range 3 { // with one key, then without: the same
		code, r, _ := p.byHand(p.one, 10, 5, c.ID, false, []string{"k", "k", ""}[i])
		if code != 201 || r.Status != "approved" || r.TrackMethod != "manual" || r.AdvocateID != 10 || r.FriendID != 20 || r.OriginID != 5 || r.Subtotal != 10_000 {
			t.Fatalf("%d %+v", code, r)
		}
	}
	want := []string{"offer_created offer:1", "referral_created referral:1", "referral_approved referral:1", "reward_issued referral:1", "reward_issued referral:1", "reward_issued referral:1",
		"commission_earned account:10"}
	if got := p.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if code, _, why := p.byHand(p.one, 11, 5, c.ID, true, ""); code != 409 || why != "origin_has_referral" {
		t.Errorf("another advocate's: %d %s", code, why)
	}
	if n := p.count(`select count(*) from referral.referral where site_id = 2`) + p.count(`select count(*) from referral.audit where site_id = 2 and subject = 'referral'`); n != 0 {
		t.Errorf("%d rows of the twin site", n)
	}
	if code, r, _ := p.byHand(p.two, 10, 5, twin.ID, false, ""); code != 201 || r.Status != "approved" {
		t.Errorf("the twin site's own: %d %+v", code, r)
	}
	e, err := p.explain(t.Context(), 1, 1)
	if err != nil || len(e.Audit) != 1 || e.Audit[0].Action != "referral.created" || *e.Audit[0].KeyID != 7 || *e.Audit[0].Reason != "They called us" ||
		!strings.Contains(string(*e.Audit[0].After), `"verdict": "passed"`) || e.Audit[0].Before != nil {
		t.Errorf("%+v %v", e.Audit, err)
	}
}

func TestByHand_what_cannot_be(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	over := p.campaign(p.one, func(c *campaignInput) { c.Status = "Disabled" })
	told := func(origin, person int64, change func(*customerevent.OriginRecorded)) customerevent.OriginRecorded {
		o := p.purchase(p.one, origin, person, 1000)
		if change != nil {
			change(&o)
		}
		return o
	}
	p.bought(told(1, 20, nil), told(2, 0, nil), told(3, 21, func(o *customerevent.OriginRecorded) { o.Verified = false }),
		told(4, 22, func(o *customerevent.OriginRecorded) { o.Type = customerevent.AffiliateMember }), told(5, 23, nil), told(6, 24, nil), told(7, 24, nil), told(8, 25, nil))
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 5, Subtotal: 1000, RefundedTotal: 1000, Full: true})
	if code, _, why := p.byHand(p.one, 10, 6, c.ID, false, ""); code != 201 {
		t.Fatalf("%d %s", code, why)
	}
	for _, one := range []struct {
		what                       string
		advocate, origin, campaign int64
		force                      bool
		code                       int
		why                        string
	}{
		{"the advocate's own", 20, 1, c.ID, true, 400, "self_referral"},
		{"by nobody", 10, 2, c.ID, true, 400, "nobody_known"},
		{"not verified", 10, 3, c.ID, true, 400, "origin_not_verified"},
		{"a sign-up", 10, 4, c.ID, true, 400, "origin_is_sign_up"},
		{"refunded", 10, 5, c.ID, true, 400, "origin_refunded"},
		{"of a friend who has another", 11, 7, c.ID, true, 409, "friend_already_referred"},
		{"of a campaign that wasn't live", 10, 8, over.ID, false, 400, "campaign_not_live"},
		{"of that campaign, forced", 10, 8, over.ID, true, 201, ""},
		{"of no purchase", 10, 99, c.ID, true, 404, "origin_not_found"},
		{"of no person", 1000, 1, c.ID, true, 404, "person_not_found"},
		{"of no campaign", 10, 1, 999, true, 404, "campaign_not_found"},
		{"of none that can be", 10, 1, 0, true, 400, "invalid_request"},
	} {
		if code, _, why := p.byHand(p.one, one.advocate, one.origin, one.campaign, one.force, ""); code != one.code || why != one.why {
			t.Errorf("%s: %d %s", one.what, code, why)
		}
	}
	for _, body := range []string{`{}`, `{"advocate":"10","origin":"1","campaign_id":1}`, `{"advocate":"10","origin":"1","campaign_id":1,"reason":" "}`,
		`{"advocate":"","origin":"1","campaign_id":1,"reason":"x"}`, `{"advocate":"10","origin":"1","campaign_id":1,"reason":"x","unknown":1}`} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/referrals", body, ""); code != 400 && code != 422 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
}

func TestByHand_rules_judge_and_can_be_overruled(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	v := uuidOf(1)
	p.bought(p.purchase(p.one, 1, 10, 500, v), p.purchase(p.one, 2, 20, 1000, v), p.purchase(p.one, 3, 21, 1000, v)) // 10 was seen with the browser
	code, r, _ := p.byHand(p.one, 10, 2, c.ID, false, "")
	if code != 201 || r.Status != "blocked" || r.Cause != causeFraud || !slices.Contains(r.Policies.Blocked, labelSelf) {
		t.Errorf("%d %+v", code, r)
	}
	code, r, _ = p.byHand(p.one, 10, 3, c.ID, true, "")
	if code != 201 || r.Status != "approved" || !slices.Contains(r.Policies.Blocked, labelSelf) {
		t.Errorf("forced: %d %+v", code, r)
	}
	lines := p.audited(1, audit.Filter{Action: "referral.created"})
	if len(lines) != 2 || !strings.Contains(string(*lines[0].After), `"forced": true`) || !strings.Contains(string(*lines[1].After), `"verdict": "blocked"`) {
		t.Errorf("%+v", lines)
	}
	if code, r, _ = p.reattributed(p.one, 1, 10, true); code != 200 || r.Status != "approved" || *r.Replaces != 1 {
		t.Errorf("made again with force: %d %+v", code, r)
	}
	if code, _, why := p.step1(p.one, 1, "unblocked"); code != 409 || why != "referral_superseded" {
		t.Errorf("the old one comes back: %d %s", code, why)
	}
}

// step1 resolves a referral.
func (p *place) step1(s site.Site, id int64, status string) (int, map[string]any, string) {
	p.t.Helper()
	code, out, _ := p.call(s, "POST", "/api/v2/referrals/"+itoa(id)+"/resolution", map[string]any{"status": status, "reason": "So be it"}, "")
	return code, out, fmt.Sprint(out["code"])
}

func TestByHand_one_of_many_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.bought(p.purchase(p.one, 1, 20, 1000))
	var made atomic.Int64
	race(8, func(i int) {
		switch code, _, why := p.byHand(p.one, int64(10+i), 1, c.ID, true, ""); {
		case code == 201:
			made.Add(1)
		case code != 409 || why != "origin_has_referral":
			t.Errorf("%d %s", code, why)
		}
	})
	if n := p.count(`select count(*) from referral.referral`); made.Load() != 1 || n != 1 {
		t.Errorf("%d were told that it is theirs, %d referrals", made.Load(), n)
	}
}

func TestReattribution_of_an_approved_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.bought(p.purchase(p.one, 5, 20, 10_000), p.purchase(p.two, 5, 20, 10_000))
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 5, Subtotal: 10_000, RefundedTotal: 2_500}) // before there is a referral
	if _, r, _ := p.byHand(p.one, 10, 5, c.ID, false, ""); r.RefundedTotal != 2_500 {
		t.Fatalf("%+v", r)
	}
	p.told()
	code, r, _ := p.reattributed(p.one, 1, 11, false)
	if code != 200 || r.ID != 2 || r.Status != "approved" || r.AdvocateID != 11 || *r.Replaces != 1 || r.RefundedTotal != 2_500 {
		t.Fatalf("%d %+v", code, r)
	}
	var replaced string
	err := p.root.Get(&replaced, `select concat_ws(' ', payload ->> 'replaces', payload ->> 'replaced_method', payload ->> 'replaced_approved', payload ->> 'replaced_barred')
		from referral.waiting where type = 'referral.referral_created.v1'`)
	if err != nil || replaced != "1 manual true" {
		t.Errorf("replaces %q %v", replaced, err)
	}
	told := p.told()
	if !slices.Contains(told, "referral_voided referral:1") || !slices.Contains(told, "referral_approved referral:2") {
		t.Errorf("told %q", told)
	}
	state := func() string {
		var s string
		if err := p.root.Get(&s, `select string_agg(r.id || ' ' || r.status || ' ' || w.kind || ' ' || w.status || ' ' || w.clawed, ', ' order by w.id)
			from referral.referral r join referral.reward w on w.site_id = r.site_id and w.referral_id = r.id`); err != nil {
			t.Fatal(err)
		}
		return s
	}
	const old = "1 voided points Voided 500, 1 voided commission Voided 1000, 1 voided coupon Voided 0, "
	if got := state(); got != old+"2 approved points Paid 125, 2 approved commission Unpaid 250, 2 approved coupon Paid 0" {
		t.Error(got)
	}
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 5, Subtotal: 10_000, RefundedTotal: 5_000})
	if got := state(); got != old+"2 approved points Paid 250, 2 approved commission Unpaid 500, 2 approved coupon Paid 0" {
		t.Error(got)
	}
	if code, again, _ := p.reattributed(p.one, 1, 11, false); code != 200 || again.ID != 2 {
		t.Errorf("once more: %d %+v", code, again)
	}
	if code, _, why := p.reattributed(p.one, 1, 12, false); code != 409 || why != "referral_superseded" {
		t.Errorf("of the old one: %d %s", code, why)
	}
	if code, _, why := p.reattributed(p.two, 2, 12, false); code != 404 || why != "referral_not_found" {
		t.Errorf("on the other site: %d %s", code, why)
	}
	if code, third, _ := p.reattributed(p.one, 2, 12, false); code != 200 || third.ID != 3 {
		t.Errorf("on and on: %d %+v", code, third)
	}
	if code, _, why := p.reattributed(p.one, 3, 20, true); code != 400 || why != "self_referral" || p.state(p.one, 5) != "approved" {
		t.Errorf("to the friend: %d %s, and it is %s", code, why, p.state(p.one, 5))
	}
	if e, err := p.explain(t.Context(), 1, 1); err != nil || !e.Referral.Superseded || len(e.Audit) != 2 || e.History[len(e.History)-1].Cause != causeReattributed {
		t.Errorf("%+v %v", e, err)
	}
}

func TestReattribution_races_with_itself_and_with_approval(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.bought(p.purchase(p.one, 5, 20, 10_000))
	p.byHand(p.one, 10, 5, c.ID, false, "")
	race(12, func(i int) {
		switch {
		case i < 4:
			if code, _, why := p.reattributed(p.one, 1, int64(11+i), false); code != 200 && why != "referral_superseded" {
				t.Errorf("%d %s", code, why)
			}
		case i < 8:
			if code, _, why := p.step1(p.one, 1, "approved"); code != 200 && why != "referral_superseded" && why != "referral_step_not_allowed" {
				t.Errorf("%d %s", code, why)
			}
		default:
			if err := p.hear(customerevent.OriginRefunded{SiteID: 1, OriginID: 5, Subtotal: 10_000, RefundedTotal: 1_000}); err != nil {
				t.Error(err)
			}
		}
	})
	if n := p.count(`select count(*) from referral.referral where superseded = 0`); n != 1 {
		t.Errorf("%d referrals count", n)
	}
	if n := p.count(`select refunded_total from referral.referral where superseded = 0`); n != 1_000 {
		t.Errorf("refunded %d", n)
	}
	if n := p.count(`select count(*) from referral.reward w join referral.referral r on r.id = w.referral_id where r.superseded <> 0 and w.status <> 'Voided'`); n != 0 {
		t.Errorf("%d rewards of what is another's", n)
	}
}

func TestDatabase_keeps_one_referral_of_an_origin(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.bought(p.purchase(p.one, 5, 20, 10_000))
	p.byHand(p.one, 10, 5, c.ID, false, "")
	p.reattributed(p.one, 1, 11, false)
	for what, query := range map[string]string{
		"referral_superseded": `update referral.referral set superseded = id where id = 2`,
		"referral_origin":     `update referral.referral set superseded = 0 where id = 1`,
		"referral_step":       `update referral.referral set status = 'approved' where id = 1`,
	} {
		if _, err := p.root.Exec(query); !postgres.Violates(err, what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := p.root.Exec(`update referral.referral set status = 'voided', cause = 'reattributed' where id = 2`); !postgres.Violates(err, "referral_step") {
		t.Errorf("approved is final: %v", err)
	}
	for _, query := range []string{`update referral.audit set reason = null`, `delete from referral.audit`} {
		if _, err := p.db.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s: done", query)
		}
	}
}

func TestAudit_is_by_what_and_whom(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 3
	c := p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.bought(p.purchase(p.one, 5, 20, 1000), p.purchase(p.one, 6, 21, 1000))
	p.byHand(p.one, 10, 5, c.ID, false, "")
	p.byHand(p.one, 10, 6, c.ID, false, "")
	p.clock.Move(time.Minute)
	p.step1(p.one, 1, "approved")
	p.step1(p.one, 1, "approved") // again: nothing
	p.step1(p.one, 2, "voided")
	p.call(p.one, "PUT", "/api/v2/fraud/policy", `{"profile":"low"}`, "")
	for name, one := range map[string]struct {
		f    audit.Filter
		want []string
	}{
		"all":        {audit.Filter{}, []string{"fraud_policy.set 0", "referral.voided 2", "referral.approved 1", "referral.created 2", "referral.created 1", "campaign.created 1"}},
		"a referral": {audit.Filter{Subject: aboutReferral, SubjectID: new(int64(1))}, []string{"referral.approved 1", "referral.created 1"}},
		"the site's": {audit.Filter{Subject: aboutPolicy, SubjectID: new(int64(0))}, []string{"fraud_policy.set 0"}},
		"an action":  {audit.Filter{Action: "referral.created"}, []string{"referral.created 2", "referral.created 1"}},
	} {
		var got []string
		for _, l := range p.audited(1, one.f) {
			got = append(got, fmt.Sprint(l.Action, " ", deref(l.SubjectID)))
		}
		if !slices.Equal(got, one.want) {
			t.Errorf("%s: %q, want %q", name, got, one.want)
		}
	}
	if lines := p.audited(2, audit.Filter{}); len(lines) != 0 {
		t.Errorf("the other site's: %v", lines)
	}
}

// audited are the lines of the audit log, the newest first.
func (p *place) audited(siteID int64, f audit.Filter) []audit.Line {
	p.t.Helper()
	lines, err := p.Audit(p.t.Context(), siteID, f, audit.Place{}, 100)
	if err != nil {
		p.t.Fatal(err)
	}
	return lines
}
