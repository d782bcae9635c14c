package loyalty

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/timeline"
)

func TestPurchaseEarnsOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	unverified := w.bought(1, 7, 13, 5000)
	unverified.Verified = false
	nobody := w.bought(1, 0, 14, 5000)
	signup := w.bought(1, 8, 15, 5000)
	signup.Type = customerevent.AffiliateMember
	batch := []customerevent.OriginRecorded{unverified, w.bought(1, 7, 12, 10044), w.bought(1, 7, 12, 10044), nobody, signup, w.bought(1, 9, 16, 0)}
	hear(w, w.originsRecorded, 1, batch...)
	if got := w.balance(1, 7); got != 1004 {
		t.Errorf("balance %d, want 1004", got)
	}
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || m.Tier != "Silver" || m.NextTier != "Gold" || m.ToNext != 3996 || m.Earned != 1004 || !m.Active {
		t.Errorf("member %+v, %v", m, err)
	}
	if w.balance(1, 9) != 0 { // a purchase enrols, also without points
		t.Error("points for nothing")
	}
	if _, err := w.Member(t.Context(), 1, 8); !errors.Is(err, errNoMember) {
		t.Errorf("a sign-up made a member: %v", err)
	}
	if _, err := w.Member(t.Context(), 2, 7); !fault.Is(err, fault.NotFound) || !strings.HasSuffix(err.Error(), "Loyalty member not found") {
		t.Errorf("the twin site: %v", err)
	}
	want := map[string]int{"loyalty.member_joined.v1": 2, "loyalty.points_earned.v1": 1, "loyalty.tier_changed.v1": 1}
	got := w.told(1)
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s told %d times, want %d", k, got[k], n)
		}
	}
	before := w.dump()
	hear(w, w.originsRecorded, 1, batch...)
	if after := w.dump(); after != before {
		t.Errorf("a replay changed something:\n%s\n---\n%s", before, after)
	}
}

// TestHistoryKeepsItsDates: what is told late counts for the time when it happened.
func TestHistoryKeepsItsDates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	day := func(n int) time.Time { return noon.AddDate(-1, 0, n) }
	bought := func(origin, subtotal int64, at time.Time) customerevent.OriginRecorded {
		o := w.bought(1, 7, origin, subtotal)
		o.OccurredAt = at
		return o
	}
	hear(w, w.originsRecorded, 1, bought(3, 45000, day(30)), bought(1, 1000, day(0)), bought(2, 9000, day(10)))
	back := w.refund(1, 3, 1, 45000, 45000)
	back.RefundedAt = day(40)
	hear(w, w.originsRefunded, 1, back)
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || !m.JoinedAt.Equal(day(30)) {
		t.Errorf("joined at %v, want the day of the order that was told first (%v)", m.JoinedAt, err)
	}
	var changes []struct {
		To string    `db:"to_tier"`
		At time.Time `db:"changed_at"`
	}
	if err := w.admin.Select(&changes, `select to_tier, changed_at from loyalty.tier_change order by id`); err != nil {
		t.Fatal(err)
	}
	want := []struct {
		to string
		at time.Time
	}{{"Silver", day(30)}, {"Gold", day(10)}, {"Silver", day(40)}} // in the order in which they were told
	if len(changes) != len(want) {
		t.Fatalf("changes of tier: %v", changes)
	}
	for i, c := range changes {
		if c.To != want[i].to || !c.At.Equal(want[i].at) {
			t.Errorf("change %d: %v, want %v", i, c, want[i])
		}
	}
	var told []time.Time
	if err := w.admin.Select(&told, `
		select coalesce(payload ->> 'joined_at', payload ->> 'changed_at')::timestamptz
		from loyalty.waiting
		where type in ('loyalty.member_joined.v1', 'loyalty.tier_changed.v1') order by id, i`); err != nil {
		t.Fatal(err)
	}
	for i, at := range []time.Time{day(30), day(30), day(10), day(40)} {
		if i >= len(told) || !told[i].Equal(at) {
			t.Fatalf("told %v: at %d want %v", told, i, at)
		}
	}
}

func TestWhatEarnsNothingSaysWhy(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	foreign := w.bought(1, 1, 1, 5000)
	foreign.Currency = "EUR"
	none := w.bought(1, 1, 2, 5000)
	none.Currency = ""
	hear(w, w.originsRecorded, 1, foreign, none, w.bought(1, 1, 3, 9))
	s := club()
	s.Status = paused
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 2, 4, 5000))
	hear(w, w.referralsApproved, 1, referralevent.ReferralApproved{SiteID: 1, ReferralID: 5, AdvocateID: 3, ApprovedAt: noon})
	hear(w, w.rewardsIssued, 1, w.rewarded(1, 4, 6, 70))
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, club(), 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 2, 4, 5000)) // told again: the decision stands
	var got []string
	if err := w.admin.Select(&got, `select source || ' ' || reason || ' ' || (rule::jsonb->>'version') from loyalty.refusal order by source`); err != nil {
		t.Fatal(err)
	}
	want := "origin:1 currency 1, origin:2 currency 1, origin:3 below_one_point 1, origin:4 paused 2, referral:5 paused 2"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s\nwant %s", s, want)
	}
	if got := w.balance(1, 4); got != 70 {
		t.Errorf("a paused programme posted %d of an issued reward, want 70", got)
	}
	hear(w, w.originsRecorded, 77, w.bought(77, 1, 1, 5000)) // no programme: passes
	hear(w, w.originsRefunded, 77, w.refund(77, 1, 1, 5000, 5000))
}

func TestClawBackPays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	w.start(1, s)
	w.start(2, s)
	for _, site := range []int64{1, 2} { // identical ids
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1000), w.bought(site, 7, 2, 2000))
	}
	steps := []struct {
		total, want int64
	}{{333, 267}, {333, 267}, {100, 267}, {666, 234}, {1000, 200}, {1000, 200}}
	for i, st := range steps {
		hear(w, w.originsRefunded, 1, w.refund(1, 1, int64(i), st.total, 1000))
		if got := w.balance(1, 7); got != st.want {
			t.Errorf("refunded %d: balance %d, want %d", st.total, got, st.want)
		}
	}
	if got := w.balance(2, 7); got != 300 {
		t.Errorf("the twin site has %d, want 300", got)
	}
	hear(w, w.rewardsIssued, 1, w.rewarded(1, 7, 5, 100))
	clawed := referralevent.RewardClawedBack{SiteID: 1, RewardID: 5, ReferralID: 5, Kind: referralevent.Points, Points: 40, PointsTotal: 40, ClawedAt: noon}
	hear(w, w.rewardsClawedBack, 1, clawed, clawed)
	if got := w.balance(1, 7); got != 260 {
		t.Errorf("balance %d, want 260", got)
	}
	hear(w, w.referralsApproved, 1, referralevent.ReferralApproved{SiteID: 1, ReferralID: 8, AdvocateID: 7, ApprovedAt: noon})
	if got := w.balance(1, 7); got != 310 {
		t.Errorf("balance %d, want 310", got)
	}
	void := referralevent.ReferralVoided{SiteID: 1, ReferralID: 8, AdvocateID: 7, Was: referralevent.Approved, VoidedAt: noon}
	hear(w, w.referralsVoided, 1, void, void)
	if got := w.balance(1, 7); got != 260 {
		t.Errorf("balance %d, want 260", got)
	}
}

func TestExpiredPointsAreNotTakenTwice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	w.clock.Move(366 * 24 * time.Hour)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 500))
	for _, want := range []int{1, 0} {
		if n, err := w.ExpireDue(t.Context()); err != nil || n != want {
			t.Fatalf("expired %d, %v; want %d", n, err, want)
		}
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1000, 1000))
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || m.Balance != 50 || m.Earned != 50 {
		t.Errorf("member %+v, %v; want 50 points of 50", m, err)
	}
	if got := w.told(1); got["loyalty.points_expired.v1"] != 1 || got["loyalty.points_clawed_back.v1"] != 0 {
		t.Errorf("told %v", got)
	}
}

func TestEntriesAndTimeline(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	for i := range int64(7) {
		hear(w, w.originsRecorded, 1, w.bought(1, 7, i+1, 2000)) // all at one moment: pages end among equals
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 2000, 2000))
	var after loyaltyapi.After
	var seqs []int64
	for more := true; more; {
		var page []loyaltyapi.Entry
		var err error
		if page, more, err = w.Entries(t.Context(), 1, 7, after, 3); err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			seqs = append(seqs, e.Seq)
			if e.Kind == kindEarn && (e.ExpiresAt == nil || !strings.Contains(string(e.Rule), `"points_per_unit":10`)) {
				t.Errorf("entry %+v", e)
			}
		}
		after.Seq = page[len(page)-1].Seq
	}
	if len(seqs) != 8 || seqs[0] != 8 || seqs[7] != 1 {
		t.Errorf("seqs %v", seqs)
	}
	whole, err := w.Timeline(t.Context(), 1, 7, timeline.Place{}, 100)
	if err != nil || len(whole) != 10 { // 7 earned, 1 taken, 1 joined, 1 tier
		t.Fatalf("%d entries, %v", len(whole), err)
	}
	var paged []timeline.Entry
	for before := (timeline.Place{}); ; {
		page, err := w.Timeline(t.Context(), 1, 7, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		paged, before = append(paged, page...), page[len(page)-1].Place()
	}
	if len(paged) != len(whole) {
		t.Fatalf("pages have %d entries, want %d", len(paged), len(whole))
	}
	for i := range whole {
		if paged[i].Place() != whole[i].Place() {
			t.Errorf("%d: %+v, want %+v", i, paged[i].Place(), whole[i].Place())
		}
	}
	for module, want := range map[string]int{"zeta": 2, "alpha": 0} {
		page, err := w.Timeline(t.Context(), 1, 7, timeline.Place{At: noon, Module: module}, 2)
		if err != nil || len(page) != want {
			t.Errorf("behind %s: %d entries, %v; want %d", module, len(page), err, want)
		}
	}
}

func TestTiersThatChangeMoveMembers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	w.start(2, club())
	for person := range int64(30) {
		hear(w, w.originsRecorded, 1, w.bought(1, person+1, person+1, 20000))
		hear(w, w.originsRecorded, 2, w.bought(2, person+1, person+1, 20000))
	}
	s := club()
	s.Tiers = []tier{{Name: "Bronze", Threshold: 100}, {Name: "Gold", Threshold: 2000}}
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, s, 0, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if m, err := w.Member(t.Context(), 1, 3); err != nil || m.Tier != "Gold" || m.NextTier != "" {
		t.Errorf("member %+v, %v", m, err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 3, 100, 100)) // settled by a posting, before the timer
	var wg sync.WaitGroup
	for range 2 { // two replicas
		wg.Go(func() {
			if _, err := w.retierAll(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := w.admin.Get(&n, `select count(*) from loyalty.tier_change where site_id = 1 and from_tier = 'Silver' and to_tier = 'Gold'
		and cause = 'tiers_changed' and txn_id is null`); err != nil || n != 30 {
		t.Errorf("%d moved, %v; want 30", n, err)
	}
	if err := w.admin.Get(&n, `select count(*) from loyalty.member where site_id = 2 and tier = 'Silver'`); err != nil || n != 30 {
		t.Errorf("%d of the twin site, %v; want 30", n, err)
	}
}

func TestHistoryIsAppendOnly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	for _, table := range []string{"txn", "entry", "allocation", "refusal", "tier_change", "program_version"} {
		for _, query := range []string{"update loyalty." + table + " set site_id = 2", "delete from loyalty." + table, "truncate loyalty." + table} {
			_, err := w.db.Exec(query)
			if e, ok := errors.AsType[*pq.Error](err); !ok || e.Code != "42501" {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
}

func TestOverflowIsRefusedNotWrapped(t *testing.T) {
	t.Parallel()
	h := &holder{account: account{SiteID: 1, ID: 1, Balance: 1<<63 - 5}}
	b := &books{now: noon, ids: []int64{1}, own: map[siteAccount]*account{{1, issued}: {SiteID: 1, ID: 2}}}
	if err := b.earn(h, earning{Points: 10}); !errors.Is(err, errOverflow) {
		t.Errorf("got %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	w.clock.Move(366 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	m := New(Deps{DB: w.db, Outbox: bus.NewOutbox("loyalty", w.db, w.clock.Now, cancel), Log: zerolog.Nop(), // told: done
		Reg: prometheus.NewRegistry(), Now: w.clock.Now})
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.balance(1, 7); got != 0 {
		t.Errorf("balance %d after expiry", got)
	}
	if got := m.Consumer().Sources(); len(got) != 2 {
		t.Errorf("hears %v", got)
	}
}
