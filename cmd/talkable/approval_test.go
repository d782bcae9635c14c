package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// stage is a server whose clock the test moves.
type stage struct {
	t     *testing.T
	shop  shop
	demo  demoFile
	clock *clock.Movable
	db    *sqlx.DB
}

func newStage(t *testing.T) *stage { return newStageAt(t, clock.System()) }

// newStageAt is a server that begins at a moment, with settings besides.
func newStageAt(t *testing.T, at time.Time, more ...string) *stage {
	t.Helper()
	l, dir := oneDatabase(t), pgtest.Dir(t)
	environ := l.environ(dir, append([]string{"TALKABLE_LISTEN=" + freeport.Address(t), "TALKABLE_INTERNAL_LISTEN=" + freeport.Address(t)}, more...)...)
	var c config
	if err := c.load(environ); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	now := clock.NewMovable(at)
	ctx, cancel := context.WithCancel(t.Context())
	ended, out := make(chan error, 1), &lockedBuffer{}
	go func() { ended <- serve(ctx, &c, now.Now, zerolog.New(out).Level(zerolog.WarnLevel), out, true) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve ended with: %v", err)
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
	d := awaitDemo(t, dir, ended)
	if want := filepath.Join(dir, "demo.json"); demoPath(&c) != want {
		t.Fatalf("the demo's file is %s, want %s", demoPath(&c), want)
	}
	return &stage{t: t, shop: newShop(t, d), demo: d, clock: now, db: open(t, l["TALKABLE_DATABASE_URL"])}
}

// campaign makes one with the tag, 500 points and 10 % for the advocate and 200 points for the friend.
func (s *stage) campaign(tag string, approval object) {
	s.shop.must("POST", "/api/v2/campaigns", object{"name": tag, "status": "Live", "tags": []string{tag}, "approval": approval,
		"destination_url": "https://shop.example/welcome", "incentives": []object{
			{"identifier": "points", "action_type": "referrer", "kind": "points", "points": 500},
			{"identifier": "commission", "action_type": "referrer", "kind": "commission", "percent": 10},
			{"identifier": "friend", "action_type": "referred", "kind": "points", "points": 200},
		}}, nil)
}

// plot is a story told as far as the friend's purchase.
type plot struct {
	*stage
	advocate, friend, order, visitor string
	origin                           int64
}

func (s *stage) tell(tag, name string) plot {
	p := plot{stage: s, advocate: name + "-a@shop.example", friend: name + "-f@shop.example", order: name + "-1"}
	p.visitor = s.shop.opens(p.claims(tag))
	p.origin = s.buys(p.friend, p.visitor, p.order)
	return p
}

func (p plot) claims(tag string) string {
	var offer struct {
		Offer struct {
			ClaimURL string `json:"claim_url"`
		} `json:"offer"`
	}
	p.shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": p.advocate, "campaign_tags": tag}}, &offer)
	return offer.Offer.ClaimURL
}

// buys is an order of 80.00.
func (s *stage) buys(friend, visitor, order string) int64 {
	var bought struct {
		Origin struct {
			ID int64 `json:"id"`
		} `json:"origin"`
	}
	s.shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": friend, "uuid": visitor, "order_number": order, "subtotal": "80.00"}}, &bought)
	return bought.Origin.ID
}

func (p plot) set(status string) (referral object, err error) {
	var got struct {
		Referral object `json:"referral"`
	}
	err = p.shop.call(p.t.Context(), "PUT", "/api/v2/origins/"+p.order+"/referral", object{"data": object{"status": status}}, &got)
	return got.Referral, err
}

func (p plot) refund(amount string) {
	p.t.Helper()
	data := object{}
	if amount != "" {
		data["refund_subtotal"] = amount
	}
	if err := p.shop.call(p.t.Context(), "POST", "/api/v2/origins/"+p.order+"/refund", object{"data": data}, nil); err != nil {
		p.t.Error(err)
	}
}

func (p plot) points(email string) int64 {
	var got struct {
		Member struct {
			Balance int64 `json:"points_balance"`
		} `json:"loyalty_member"`
	}
	if p.shop.call(p.t.Context(), "GET", "/api/v2/loyalty/members/"+email, nil, &got) != nil {
		return 0 // no member
	}
	return got.Member.Balance
}

// state is the referral's status and what is left of its rewards, in points and cents.
func (p plot) state() string {
	p.t.Helper()
	var out string
	err := p.db.GetContext(p.t.Context(), &out, `select r.status || coalesce((select string_agg(w.side || ' ' || w.kind || ' ' || w.points + w.amount - w.clawed, ', ' order by w.id)
			from referral.reward w where w.site_id = r.site_id and w.referral_id = r.id), '')
		from (select site_id, id, case when status = 'approved' then 'approved: ' else status end as status from referral.referral where origin_id = $1) r`, p.origin)
	if err != nil {
		return err.Error()
	}
	return out
}

func (p plot) is(state string, advocate, friend int64) {
	p.t.Helper()
	var now string
	if !within(longest, func() bool {
		now = fmt.Sprintf("%s (%d, %d)", p.state(), p.points(p.advocate), p.points(p.friend))
		return now == fmt.Sprintf("%s (%d, %d)", state, advocate, friend)
	}) {
		p.t.Errorf("%s: %s, want %s (%d, %d)", p.order, now, state, advocate, friend)
	}
}

// stays is is, and still is when every timer has had its turn.
func (p plot) stays(state string, advocate, friend int64) {
	p.t.Helper()
	p.is(state, advocate, friend)
	time.Sleep(1500 * time.Millisecond)
	p.is(state, advocate, friend)
}

const rewarded = "approved: advocate points 500, advocate commission 800, friend points 200"

func TestApproval(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.campaign("delayed", object{"mode": "automatic", "delay_seconds": 3600})
	s.campaign("manual", object{"mode": "manual"})

	delayed, voided, early := s.tell("delayed", "delayed"), s.tell("delayed", "voided"), s.tell("delayed", "early")
	refunded, whole := s.tell("delayed", "refunded"), s.tell("delayed", "whole")
	manual := s.tell("manual", "manual")
	delayed.stays("pending", 0, 80)
	manual.is("pending", 0, 80)

	if ref, err := voided.set("voided"); err != nil || ref["status"] != "voided" {
		t.Errorf("voided: %v, %v", ref["status"], err)
	}
	if ref, err := early.set("approved"); err != nil || ref["status"] != "approved" || len(ref["advocate_rewards"].([]any)) != 2 || len(ref["friend_rewards"].([]any)) != 1 {
		t.Errorf("approved before its time: %v, %v", ref, err)
	}
	early.is(rewarded, 500, 280)
	refunded.is("pending", 0, 80) // the refund is after the purchase was heard of
	refunded.refund("20.00")
	whole.refund("")
	whole.is("voided", 0, 0)
	refunded.is("pending", 0, 60)

	s.clock.Move(59 * time.Minute)
	delayed.stays("pending", 0, 80)
	s.clock.Move(time.Minute)
	delayed.is(rewarded, 500, 280)
	manual.is("pending", 0, 80)
	voided.stays("voided", 0, 80)
	early.is(rewarded, 500, 280) // not twice

	// What was refunded before is taken back at approval; the rest step by step, to nothing: 80.00 in 20.00, 25.01 and what is left.
	refunded.is("approved: advocate points 375, advocate commission 600, friend points 150", 375, 150+60)
	refunded.refund("25.01")
	left := 80 - 45 // floor(80 × 45.01 / 80) points of the order itself are gone
	refunded.is("approved: advocate points 219, advocate commission 350, friend points 88", 219, int64(88+left))
	refunded.refund("")
	refunded.stays("approved: advocate points 0, advocate commission 0, friend points 0", 0, 0)
	if err := s.shop.call(t.Context(), "POST", "/api/v2/origins/"+refunded.order+"/refund", object{"data": object{}}, nil); err == nil || !strings.Contains(err.Error(), " 400 ") {
		t.Errorf("a refund of what is refunded: %v", err)
	}
	early.refund("80.00")
	early.stays("approved: advocate points 0, advocate commission 0, friend points 0", 0, 0)

	s.clock.Move(30 * 24 * time.Hour)
	manual.stays("pending", 0, 80)
	if ref, err := manual.set("approved"); err != nil || ref["status"] != "approved" {
		t.Errorf("approved: %v, %v", ref["status"], err)
	}
	manual.is(rewarded, 500, 280)
	for _, p := range []plot{manual, voided} { // both are final
		for _, status := range []string{"pending", "blocked", "unblocked"} {
			if ref, err := p.set(status); err == nil || !strings.Contains(err.Error(), " 4") {
				t.Errorf("%s after it was final: %v, %v", status, ref["status"], err)
			}
		}
	}
	manual.is(rewarded, 500, 280)
	delayed.is(rewarded, 500, 280)
}

// TestSelfReferral: who refers herself is blocked, and the merchant can read why.
func TestSelfReferral(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.campaign("plain", object{"mode": "automatic", "delay_seconds": 0})
	byEmail := plot{stage: s, advocate: "Ann@Shop.example", friend: "ann@shop.EXAMPLE", order: "self-1"}
	byEmail.visitor = s.shop.opens(byEmail.claims("plain"))
	byEmail.origin = s.buys(byEmail.friend, byEmail.visitor, byEmail.order)

	byVisitor := plot{stage: s, advocate: "bob@shop.example", friend: "bobs-other@shop.example", order: "self-2"}
	link := byVisitor.claims("plain")
	byVisitor.visitor = s.shop.opens(link)
	s.buys(byVisitor.advocate, byVisitor.visitor, "bobs-own") // with his own browser; his own order is a self-referral by e-mail
	byVisitor.origin = s.buys(byVisitor.friend, byVisitor.visitor, byVisitor.order)

	byEmail.is("blocked", 80, 80)
	byVisitor.is("blocked", 80, 80)
	for _, p := range []plot{byEmail, byVisitor} {
		var got struct {
			Attribution struct {
				Outcome    string          `json:"outcome"`
				Reason     string          `json:"reason"`
				ReferralID *int64          `json:"referral_id"`
				Trace      json.RawMessage `json:"trace"`
			} `json:"attribution"`
		}
		s.shop.must("GET", fmt.Sprintf("/api/v2/origins/%d/attribution", p.origin), nil, &got)
		if a := got.Attribution; a.Outcome != "blocked" || !strings.Contains(a.Reason, "self_referral") || a.ReferralID == nil || !strings.Contains(string(a.Trace), `"evidence"`) {
			t.Errorf("%s: attribution %+v, trace %s", p.order, a, a.Trace)
		}
		ref, err := p.set("blocked") // as it is
		if err != nil || ref["status"] != "blocked" || ref["fraud_details"] != "Matching Email or Cookie on Friend Purchase" {
			t.Errorf("%s: %v, %v", p.order, ref, err)
		}
		if policies, ok := ref["fraud_policies_status"].(object); !ok || !slices.Contains(policies["blocked"].([]any), any("Matching Email or Cookie on Friend Purchase")) {
			t.Errorf("%s: policies %v", p.order, ref["fraud_policies_status"])
		}
		var story struct {
			Entries []struct {
				Type string `json:"type"`
			} `json:"entries"`
		}
		s.shop.must("GET", "/api/v2/people/"+p.friend+"/timeline", nil, &story)
		if !strings.Contains(fmt.Sprint(story.Entries), "referral_blocked") {
			t.Errorf("%s: the timeline doesn't tell of it: %v", p.order, story.Entries)
		}
	}
	if ref, err := byVisitor.set("unblocked"); err != nil || ref["status"] != "pending" { // a household, says the merchant
		t.Errorf("unblocked: %v, %v", ref, err)
	}
	if _, err := byVisitor.set("approved"); err != nil {
		t.Error(err)
	}
	byVisitor.is(rewarded, 580, 280)
	byEmail.is("blocked", 80, 80)
}

// TestUnverifiedPurchase: what a browser says makes nothing; the same order told with the secret key makes everything.
func TestUnverifiedPurchase(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.campaign("plain", object{"mode": "automatic", "delay_seconds": 0})
	p := plot{stage: s, advocate: "ann@shop.example", friend: "fay@shop.example", order: "pixel-1"}
	p.visitor = s.shop.opens(p.claims("plain"))
	body := fmt.Sprintf(`{"type":"Purchase","data":{"email":%q,"uuid":%q,"order_number":%q,"subtotal":"80.00"}}`, p.friend, p.visitor, p.order)
	browser := newShop(t, demoFile{Server: s.demo.Server, APIKey: s.demo.PublicKey})
	forged := strings.Replace(body, `"80.00"`, `"999999.00"`, 1)
	if a := ask(t, browser, "POST", "/api/v2/origins", forged); a.status != 201 {
		t.Fatalf("a browser's purchase: %d %s", a.status, a.body)
	}
	settled(t, nil, s.db)
	if p.points(p.friend) != 0 || p.points(p.advocate) != 0 {
		t.Error("an unverified purchase made points")
	}
	var n int
	if err := s.db.Get(&n, `select (select count(*) from referral.referral) + (select count(*) from referral.reward where referral_id is not null)
			+ (select count(*) from loyalty.txn)`); err != nil || n != 0 {
		t.Errorf("an unverified purchase made %d things (%v)", n, err)
	}
	if a := ask(t, browser, "POST", "/api/v2/origins/"+p.order+"/refund", `{"data":{}}`); a.status != 403 || !a.problem() {
		t.Errorf("a browser's refund: %d %s", a.status, a.body)
	}
	p.origin = s.buys(p.friend, p.visitor, p.order) // the secret key's word stands, also about the amount
	p.is(rewarded, 500, 280)
	if a := ask(t, browser, "POST", "/api/v2/origins", forged); a.status >= 500 {
		t.Errorf("the browser again: %d %s", a.status, a.body)
	}
	p.stays(rewarded, 500, 280)
}
