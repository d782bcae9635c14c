package notify

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

var noKey idempotency.Key

// hooked is a bench with a site, an advocate (7) and a friend (8), and a receiver.
func hooked(t *testing.T) (*bench, *receiver) {
	b := ready(t)
	b.person(1, 8, "fred@example.com", "Fred")
	return b, newReceiver(t)
}

func TestHook(t *testing.T) {
	t.Parallel()

	t.Run("an approved referral is one signed message", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		e := b.endpoint(1, standard, r.URL, "referral.approved")
		b.approve(approved(1, 21), approved(1, 21))
		b.approve(approved(1, 21)) // the handler may see it again
		b.wantHooks(1, "referral.approved waiting 0")
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 1")
		all := r.took()
		if len(all) != 1 || !b.signed(all[0], b.secretOf(e)) || !strings.HasPrefix(all[0].header.Get("Webhook-Id"), "msg_") {
			t.Fatalf("%+v", all)
		}
		golden(t, "hook_standard.json", strings.ReplaceAll(all[0].body, all[0].header.Get("Webhook-Id"), "msg_…")+"\n")
		whole, err := deliveryByID(t.Context(), b.DB, 1, 1)
		if err != nil || whole.Body == nil || *whole.Body != all[0].body || len(whole.Made) != 1 || *whole.Made[0].Status != 204 {
			t.Errorf("%+v %v", whole, err)
		}
	})

	t.Run("Talkable's form, with the rewards that follow", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		e := b.endpoint(1, talkable, r.URL, talkableReferral)
		b.approve(approved(1, 21))
		reward := referralevent.RewardIssued{SiteID: 1, RewardID: 31, ReferralID: 21, CampaignID: 3, OriginID: 11, PersonID: 7, FriendID: 8, Side: "advocate",
			Reason: "referrer", Kind: referralevent.Commission, Amount: 800, Currency: "USD", OccurredAt: start, IssuedAt: start}
		points := reward
		points.RewardID, points.Kind = 32, referralevent.Points
		b.do(func(ctx context.Context, u *bus.Unit) error { return b.onReward(ctx, u, events(reward, points)) })
		if n := b.carryAll(); n != 0 {
			t.Fatalf("%d calls before its rewards could be there", n)
		}
		b.clock.Move(rewardsFollow)
		b.carryAll()
		b.wantHooks(1, "referral_web_hook delivered 1")
		form, err := url.ParseQuery(r.took()[0].body)
		if err != nil || form.Get("type") != talkableReferral || form.Get("key") != b.secretOf(e) || form.Get("site") != "site-1" || form.Get("extras") != "{}" {
			t.Fatalf("%v %v", form, err)
		}
		golden(t, "hook_talkable_referral.json", form.Get("payload")+"\n")
		h := r.took()[0].header
		if h.Get("X-Talkable-Signature") != signTalkable(form.Get("key"), form.Get("payload")) || !b.signed(r.took()[0], standardSecret(form.Get("key"))) {
			t.Errorf("signatures: %v", h)
		}
	})

	t.Run("a failure is tried again with the same id and body", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		b.endpoint(1, standard, r.URL, "referral.approved")
		r.answers(func(n int, w http.ResponseWriter) {
			switch n {
			case 1:
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte(strings.Repeat("a\x00ä", 1000)))
			case 2:
				w.Header().Set("Location", "http://169.254.169.254/")
				w.WriteHeader(http.StatusFound)
			case 3:
				w.Header().Set("Retry-After", "7200")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		b.approve(approved(1, 21))
		for _, pause := range []time.Duration{2 * time.Second, 6 * time.Second, 7199 * time.Second} {
			b.carryAll()
			b.clock.Move(pause)
		}
		b.wantHooks(1, "referral.approved waiting 3")
		if n := b.carryAll(); n != 0 {
			t.Error("it came before it was asked to")
		}
		b.person(1, 7, "other@example.com", "Anna")
		b.clock.Move(time.Second)
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 4")
		all := r.took()
		for _, g := range all {
			if g.body != all[0].body || g.header.Get("Webhook-Id") != all[0].header.Get("Webhook-Id") {
				t.Errorf("%+v, then %+v", all[0], g)
			}
		}
		whole, err := deliveryByID(t.Context(), b.DB, 1, 1)
		if err != nil || len(whole.Made) != 4 || len(*whole.Made[3].Answer) > 2*answerKept || *whole.Made[2].Error != "redirects are not followed" {
			t.Errorf("%+v %v", whole, err)
		}
	})

	t.Run("after three days it gives up, and five days of failures disable", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		e := b.endpoint(1, standard, r.URL, "referral.approved")
		r.answers(status(500))
		b.approve(approved(1, 21))
		for _, pause := range hookPauses {
			b.carryAll()
			b.clock.Move(pause + pause/10)
		}
		b.carryAll()
		b.wantHooks(1, "referral.approved failed 12 gave_up")
		b.clock.Move(2 * 24 * time.Hour)
		b.approve(approved(1, 22))
		b.carryAll()
		if e, err := endpointByID(t.Context(), b.DB, 1, e.ID); err != nil || e.Enabled || *e.DisabledReason != failing {
			t.Fatalf("%+v %v", e, err)
		}
		if told := b.told(); len(told) != 1 || told[0] != "notify.endpoint_disabled.v1 endpoint:1" {
			t.Errorf("told: %q", told)
		}
		if err := b.tidyHooks(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.approve(approved(1, 23)) // nobody wants it
		b.wantHooks(1, "referral.approved failed 12 gave_up", "referral.approved failed 1 disabled")
	})

	t.Run("410 disables, and what waits fails", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		e := b.endpoint(1, standard, r.URL, "referral.approved")
		r.answers(status(410))
		b.approve(approved(1, 21))
		b.carryAll()
		b.do(func(ctx context.Context, u *bus.Unit) error { // it was made before, and comes late
			_, err := insertDeliveries(ctx, u, []parcel{{occasion: occasion{siteID: 1, at: start}, endpointID: e.ID, kind: "tier.changed", key: "x", data: "{}"}}, u.Now)
			return err
		})
		if err := b.tidyHooks(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		b.wantHooks(1, "referral.approved failed 1 gone", "tier.changed failed 0 disabled")
		if told := b.told(); len(told) != 1 {
			t.Errorf("told: %q", told)
		}
		// Enabled again, all that failed can be sent again.
		r.answers(nil)
		if _, _, err := b.resendSince(t.Context(), 1, e.ID, start, noKey); !fault.Is(err, fault.Conflict) {
			t.Errorf("a disabled one was sent again: %v", err)
		}
		if e, _, err := b.replaceEndpoint(t.Context(), 1, e.ID, EndpointInput{URL: r.URL, Types: []string{"referral.approved"}}, 0, noKey); err != nil || !e.Enabled || e.FailingSince != nil {
			t.Fatalf("%+v %v", e, err)
		}
		if e, _, err := b.resendSince(t.Context(), 1, e.ID, start, noKey); err != nil || e.ResendingSince == nil {
			t.Fatalf("%+v %v", e, err)
		}
		if err := b.tidyHooks(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 1", "tier.changed delivered 1")
		if e, err := endpointByID(t.Context(), b.DB, 1, e.ID); err != nil || e.ResendingSince != nil {
			t.Errorf("%+v %v", e, err)
		}
	})

	t.Run("twin sites with equal ids stay apart", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		b.site(2, "Other")
		b.person(2, 7, "bert@example.com", "Bert")
		b.person(2, 8, "carl@example.com", "Carl")
		one, two := b.endpoint(1, standard, r.URL, "referral.approved"), b.endpoint(2, standard, r.URL, "referral.approved")
		b.approve(approved(1, 21), approved(2, 21))
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 1")
		b.wantHooks(2, "referral.approved delivered 1")
		for _, g := range r.took() {
			mine, other := b.secretOf(one), b.secretOf(two)
			if strings.Contains(g.body, "bert@") {
				mine, other = other, mine
			}
			if !b.signed(g, mine) || b.signed(g, other) {
				t.Errorf("signed by the other: %+v", g)
			}
		}
		if r.took()[0].header.Get("Webhook-Id") == r.took()[1].header.Get("Webhook-Id") {
			t.Error("the twins' messages have one id")
		}
		if _, err := b.Calls.Open(2, seal(t, b, 1)); err == nil {
			t.Error("a site opens the other's secret")
		}
	})

	t.Run("people who come later are waited for, a while", func(t *testing.T) {
		t.Parallel()
		b, r := hooked(t)
		b.endpoint(1, standard, r.URL, "referral.approved")
		late, never := approved(1, 21), approved(1, 22)
		late.FriendID, never.FriendID = 9, 10
		b.approve(late, never)
		if n := b.carryAll(); n != 0 {
			t.Fatal("it was sent without its people")
		}
		b.person(1, 9, "late@example.com", "Late")
		b.clock.Move(time.Second)
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 1", "referral.approved waiting 0")
		b.clock.Move(contactWait)
		b.carryAll()
		b.wantHooks(1, "referral.approved delivered 1", "referral.approved delivered 1")
		if all := r.took(); !strings.Contains(all[0].body, "late@example.com") || !strings.Contains(all[1].body, `{"id":10}`) {
			t.Errorf("%+v", all)
		}
	})
}

func seal(t *testing.T, b *bench, siteID int64) []byte {
	t.Helper()
	sealed, err := b.Calls.Seal(siteID, "a secret")
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// A worker that dies with calls in hand: another makes them after the lease, and the late one changes nothing.
func TestHookWorkerDies(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.endpoint(1, standard, r.URL, "referral.approved")
	b.approve(approved(1, 21))
	dead := newCourier(b.Module)
	taken, err := dead.claim(t.Context())
	if err != nil || len(taken) != 1 {
		t.Fatal(taken, err)
	}
	late := dead.carry(t.Context(), taken[0])
	b.clock.Move(callLease + time.Second)
	if err := b.tidyHooks(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	r.answers(status(500))
	b.carryAll()
	b.wantHooks(1, "referral.approved waiting 2")
	if err := dead.finishOnce(t.Context(), []finished{late}); err != nil {
		t.Fatal(err)
	}
	b.wantHooks(1, "referral.approved waiting 2")
	if whole, err := deliveryByID(t.Context(), b.DB, 1, 1); err != nil || len(whole.Made) != 2 {
		t.Errorf("%+v %v", whole, err)
	}
}

// One receiver that hangs keeps its lane, over all workers, and nobody else's.
func TestHookLanes(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.endpoint(1, standard, r.URL, "referral.approved")
	b.endpoint(1, standard, r.URL+"/other", "tier.changed")
	var many []referralevent.ReferralApproved
	for i := range int64(50) {
		many = append(many, approved(1, 100+i))
	}
	b.approve(many...)
	var mu sync.Mutex
	var taken int
	var group sync.WaitGroup
	for range 6 {
		m := b.replica()
		group.Go(func() {
			for range 5 {
				some, err := newCourier(m).claim(t.Context())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				taken += len(some)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if taken != lane {
		t.Errorf("%d calls of one endpoint are under way, want %d", taken, lane)
	}
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return announce(ctx, b.Module, u, events(sampleTier(1)), fromTier)
	})
	some, err := newCourier(b.Module).claim(t.Context())
	if err != nil || len(some) != 1 || some[0].Type != "tier.changed" {
		t.Errorf("the other endpoint got %+v, %v", some, err)
	}
}

// Two workers under load: everything arrives, and nothing is left.
func TestHookReplicas(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.endpoint(1, standard, r.URL, "referral.approved")
	r.answers(func(n int, w http.ResponseWriter) {
		if n%10 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	const n = 300
	var all []referralevent.ReferralApproved
	for i := range int64(n) {
		all = append(all, approved(1, 1000+i))
	}
	b.approve(all...)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 2 {
		c := newCourier(b.replica())
		group.Go(func() {
			if err := c.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	left := func() int {
		found, err := deliveries(t.Context(), b.DB, 1, hookFilter{state: delivered}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return n - len(found)
	}
	for end := time.Now().Add(3 * time.Minute); left() > 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		b.clock.Move(10 * time.Second)
	}
	cancel()
	group.Wait()
	ids := map[string]bool{}
	for _, g := range r.took() {
		ids[g.header.Get("Webhook-Id")] = true
	}
	if left() != 0 || len(ids) != n {
		t.Errorf("%d are left, %d ids arrived", left(), len(ids))
	}
}

// Whoever is anonymized is in no message any more, neither in those to come nor in what is kept.
func TestHookAnonymized(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.endpoint(1, standard, r.URL, "referral.approved")
	r.answers(func(n int, w http.ResponseWriter) {
		if n == 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte("thanks for fred@example.com"))
	})
	b.approve(approved(1, 21))
	b.carryAll()
	b.approve(approved(1, 22))
	b.carryAll()
	b.approve(approved(1, 23))
	b.wantHooks(1, "referral.approved delivered 1", "referral.approved waiting 1", "referral.approved waiting 0")
	b.anonymizes(1, 8)
	b.clock.Move(time.Minute)
	b.carryAll()
	b.wantHooks(1, "referral.approved delivered 1", "referral.approved delivered 2", "referral.approved delivered 1")
	for _, g := range r.took()[2:] {
		if strings.Contains(g.body, "fred") || !strings.Contains(g.body, "anna@example.com") {
			t.Errorf("%s", g.body)
		}
	}
	var kept []string
	if err := b.DB.Select(&kept, `select coalesce(body, '') || data::text from notify.delivery union all select coalesce(answer, '') from notify.attempt where number = 1 and delivery_id < 3`); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(kept, "\n"); strings.Contains(text, "fred") {
		t.Errorf("kept: %s", text)
	}
}
