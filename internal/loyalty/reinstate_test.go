package loyalty

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/site"
)

// reverse asks for a run to be taken back, and lets the timer do it.
func (w *world) reverse(s site.Site, day string, grace int) (expiryReversal, error) {
	r, _, err := w.reverseRun(w.t.Context(), s, day, grace, "It was wrong", ReversalPart{}, 3, noKey)
	if err == nil {
		_, err = w.reverseDue(w.t.Context())
	}
	return r, err
}

// TestReverseRun: what expired comes back once, to the same lots, for the days that were said; debts and refunds have their part first.
func TestReverseRun(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	for _, id := range []int64{1, 2} {
		w.start(id, s)
		hear(w, w.originsRecorded, id, w.bought(id, 7, 1, 1000), w.bought(id, 8, 2, 1000), w.bought(id, 9, 3, 1000))
	}
	w.days(1)
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 4, 500))
	w.days(29)
	w.expireAll() // 31 March, 12:00: 100 points of each
	at := located(t, 1, "Europe/Berlin")
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 250, 1000)) // of 7's: 25 are forgiven
	hear(w, w.originsRefunded, 1, w.refund(1, 4, 2, 500, 500))  // 8's other order: its lot pays
	w.days(1)
	hear(w, w.originsRecorded, 1, w.bought(1, 9, 5, 400))
	_, err := w.Adjust(t.Context(), 1, 9, -40, "spent", noKey)
	if err == nil {
		hear(w, w.originsRefunded, 1, w.refund(1, 5, 3, 400, 400)) // 9 owes 40
		_, _, err = w.reverseRun(t.Context(), at, "2026-04-01", 10, "x", ReversalPart{}, 0, noKey)
	}
	refused(t, err, "expiry_run_not_found")
	r, err := w.reverse(at, "2026-03-31", 10)
	if err != nil || r.Expected.Points != 275 || r.Expected.Transactions != 3 || r.Expected.Members != 3 {
		t.Fatalf("%+v, %+v, %v", r, r.Expected, err)
	}
	for person, want := range map[int64]int64{7: 75, 8: 100, 9: 60} {
		if got := w.balance(1, person); got != want {
			t.Errorf("%d has %d, want %d", person, got, want)
		}
	}
	if got := w.balance(2, 7); got != 0 {
		t.Errorf("the twin has %d", got)
	}
	run, err := expiryRunOf(t.Context(), w.db, at, "2026-03-31")
	if err != nil || run.Points != 300 || run.Transactions != 3 || run.Members != 3 || len(run.Reversals) != 1 || run.Reversals[0].Points != 275 || run.Reversals[0].Transactions != 3 || run.Reversals[0].DoneAt == nil {
		t.Errorf("%+v, %v", run, err)
	}
	before := w.dump()
	_, err = w.reverse(at, "2026-03-31", 10)
	refused(t, err, "nothing_to_reverse")
	if w.dump() != before {
		t.Error("asking again changed something")
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 9, 500, 1000)) // the rest of 7's order pays for itself again
	if got := w.balance(1, 7); got != 50 {
		t.Errorf("7 has %d after another refund", got)
	}
	w.days(10)
	w.expireAll()
	for person := range int64(3) {
		if got := w.balance(1, 7+person); got != 0 {
			t.Errorf("%d still has %d", 7+person, got)
		}
	}
	runs, err := w.expiryRuns(t.Context(), at, w.clock.Now().Add(time.Minute), 10)
	if err != nil || len(runs) != 2 || runs[0].Day != "2026-04-11" || runs[0].Points != 210 || runs[1].Day != "2026-03-31" {
		t.Errorf("%+v, %v", runs, err)
	}
	if _, err := w.reverse(at, "2026-04-11", 1); err != nil || w.balance(1, 8) != 100 {
		t.Errorf("the second time: %d, %v", w.balance(1, 8), err)
	}
	if told := w.told(1); told["loyalty.points_reinstated.v1"] != 6 {
		t.Errorf("told %v", told)
	}
	var dated int // each says when the points had expired, which reports count it by
	if err := w.admin.Get(&dated, `select count(*) from loyalty.waiting r
		where r.site = 1 and r.type = 'loyalty.points_reinstated.v1' and exists (select from loyalty.waiting e where e.site = r.site and e.type = 'loyalty.points_expired.v1'
			and e.payload ->> 'transaction_id' = r.payload ->> 'expiry_id' and e.payload ->> 'expired_at' = r.payload ->> 'expired_at')`); err != nil || dated != 6 {
		t.Errorf("%d have the date, %v", dated, err)
	}
}

// TestReverseRun_activity: what lives by activity lives on with who did something since; others get a date. Explain says why.
func TestReverseRun_activity(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays = inactivity, days(20)
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 1000))
	w.days(20)
	w.expireAll()
	w.days(1)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 300))
	if _, err := w.reverse(shop(1), "2026-03-21", 5); err != nil || w.balance(1, 7) != 130 || w.balance(1, 8) != 100 {
		t.Fatalf("%d, %d, %v", w.balance(1, 7), w.balance(1, 8), err)
	}
	for person, want := range map[int64]struct {
		ends  string
		dates int
	}{7: {"2026-04-11", 0}, 8: {"2026-03-27", 1}} {
		var id int64
		if err := w.admin.Get(&id, `select t.id from loyalty.txn t join loyalty.member m using (site_id) where m.id = t.member_id and kind = 'reinstate' and m.person_id = $1`, person); err != nil {
			t.Fatal(err)
		}
		x, err := explained(t.Context(), w.db, 1, id)
		if err != nil || x.Against != expired || len(x.Used) != 1 || x.Used[0].Points != -100 || x.Used[0].ExpiresAt.Format(time.DateOnly) != want.ends {
			t.Fatalf("%d: %+v, %v", person, x, err)
		}
		made, err := explained(t.Context(), w.db, 1, x.Used[0].LotID)
		if l := made.Lot; err != nil || l.Expired != 100 || l.Reinstated != 100 || l.Remaining != 100 || len(l.Dates) != want.dates || l.ByActivity != (want.dates == 0) {
			t.Fatalf("%d: %+v, %v", person, made.Lot, err)
		}
	}
	w.days(5)
	w.expireAll()
	if w.balance(1, 7) != 130 || w.balance(1, 8) != 0 {
		t.Errorf("%d and %d are left", w.balance(1, 7), w.balance(1, 8))
	}
}

// TestReverseRace: many at once, while members spend: each point comes back once.
func TestReverseRace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	batch := w.offer(1, w.start(1, s).ID, 30, 0)
	for person := range int64(20) {
		hear(w, w.originsRecorded, 1, w.bought(1, 100+person, 100+person, 1000))
	}
	w.days(31)
	w.expireAll()
	gate, asked := make(chan struct{}), make(chan struct{}, 6)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			<-gate
			if _, _, err := w.reverseRun(t.Context(), shop(1), "2026-04-01", 30, "It was wrong", ReversalPart{}, 0, noKey); err == nil {
				asked <- struct{}{}
			} else if !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
			if _, err := w.reverseDue(t.Context()); err != nil {
				t.Error(err)
			}
			_, _ = w.Redeem(t.Context(), 1, 100+int64(i), batch, "api", noKey)
		})
	}
	close(gate)
	all.Wait()
	if _, err := w.reverseDue(t.Context()); err != nil || len(asked) != 1 {
		t.Fatalf("%d were taken, %v", len(asked), err)
	}
	var back int64
	if err := w.admin.Get(&back, `select sum(points) from loyalty.txn where kind = 'reinstate'`); err != nil || back != 2000 {
		t.Errorf("%d came back, %v", back, err)
	}
}

// TestExpiryRunsHTTP is what a merchant does who finds that a run was wrong.
func TestExpiryRunsHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	call := w.serve(1)
	const runs = "/api/v2/loyalty/expiry_runs"
	if code, text, _ := call("GET", runs+"?limit=1", "", ""); code != 200 || !strings.Contains(text, `"id":"2026-04-01"`) {
		t.Errorf("%d %s", code, text)
	}
	for path, want := range map[string]int{runs + "/2026-04-01": 200, runs + "/2026-04-02": 404, runs + "/x": 404, runs + "/2026-13-40": 404} {
		if code, text, _ := call("GET", path, "", ""); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	for body, want := range map[string]int{`{"grace_days":0,"note":"x"}`: 400, `{"grace_days":5,"note":""}`: 400, `{"grace_days":5,"note":"a\u0007"}`: 400, `{"grace_days":5}`: 400} {
		if code, text, _ := call("POST", runs+"/2026-04-01/reverse", "", body); code != want {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	first, text, _ := call("POST", runs+"/2026-04-01/reverse", "key", `{"grace_days":5,"note":"x"}`)
	again, same, replayed := call("POST", runs+"/2026-04-01/reverse", "key", `{"grace_days":5,"note":"x"}`)
	if first != 202 || again != 202 || !replayed || text != same || !strings.Contains(text, `"expected":{"transactions":`) {
		t.Errorf("%d %s; %d %v %s", first, text, again, replayed, same)
	}
	if code, text, _ := call("POST", runs+"/2026-04-01/reverse", "", `{"grace_days":5,"note":"x"}`); code != 409 {
		t.Errorf("%d %s", code, text)
	}
}

// reverse takes a day's expiry back, as the oracle sees it: of each expiry as many points as there still are that expired.
func (o *oracle) reverse(rt *rapid.T, w *world, id int64, day string, grace int) {
	now := w.clock.Now()
	_, err := w.reverse(shop(id), day, grace)
	some := false
	for _, p := range o.purses() {
		for _, g := range p.grants {
			for i := range g.lapses {
				if x := &g.lapses[i]; x.day == day && !x.back && g.count("expired") > 0 {
					some = true
				}
			}
		}
	}
	if some != (err == nil) {
		rt.Fatalf("reverse %s: %v, want %v", day, err, some)
	}
	for _, p := range o.purses() {
		for _, g := range p.grants {
			for i := range g.lapses {
				if x := &g.lapses[i]; x.day == day && !x.back && g.count("expired") > 0 {
					p.reinstate(g, x, now, grace)
				}
			}
		}
	}
}

// purses are what everybody has, in all wallets.
func (o *oracle) purses() (all []*purse) {
	for _, x := range o.each() {
		all = slices.AppendSeq(all, maps.Values(x.people))
	}
	return all
}

func (p *purse) reinstate(g *grant, x *lapse, now time.Time, grace int) {
	p.expire(now)
	x.back = true
	if p.over(g, now) {
		g.ends, g.idle = now.AddDate(0, 0, grace), false
	}
	for n := x.points; n > 0 && g.turn("expired", "live"); n-- {
	}
	for ; p.debt > 0 && p.take("gone"); p.debt-- {
	}
}

// lapse is an expiry of a grant.
type lapse struct {
	day    string
	points int
	back   bool
}

// lapsed notes how many points of a grant have just expired.
func (g *grant) lapsed(points int, now time.Time) {
	if points > 0 {
		g.lapses = append(g.lapses, lapse{day: now.UTC().Format(time.DateOnly), points: points})
	}
}

func pastDay(rt *rapid.T, now time.Time) string {
	return now.UTC().AddDate(0, 0, -rapid.IntRange(0, 12).Draw(rt, "days ago")).Format(time.DateOnly)
}

// TestReverseParts: of a day only a member's points come back, or those of a version or of a rule; and what came back is not given back with the whole.
func TestReverseParts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := onlyRules(ten(), earnRule{Key: "large", Kind: kindFixed, Points: 7, When: "origin.subtotal > 5000"})
	s.ExpiresAfterDays = days(30)
	ids := map[int64]int64{}
	for _, site := range []int64{1, 2} {
		ids[site] = w.start(site, s).ID
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1000), w.bought(site, 8, 2, 9000), w.bought(site, 9, 3, 1000))
	}
	s.Name = "Another version"
	w.configured(1, ids[1], s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 9000), w.bought(1, 9, 5, 1000))
	w.days(30)
	w.expireAll() // 7 loses 10 + 17, 8 17, 9 10 + 10
	member, err := w.Member(t.Context(), 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	nobody, second, large, noRule := int64(987), 2, "large", "nothing"
	for _, c := range []struct {
		part    ReversalPart
		members int64
		want    string // what 7, 8 and 9 have afterwards
	}{
		{ReversalPart{OnlyMember: &nobody}, 0, "0 0 0"},
		{ReversalPart{OnlyRule: &noRule}, 0, "0 0 0"},
		{ReversalPart{OnlyMember: &member.ID, OnlyVersion: &second}, 1, "17 0 0"},
		{ReversalPart{OnlyRule: &large}, 1, "17 17 0"},
		{ReversalPart{OnlyVersion: &second}, 1, "17 17 10"},
		{ReversalPart{}, 2, "27 17 20"},
		{ReversalPart{OnlyMember: &member.ID}, 0, "27 17 20"},
	} {
		r, _, err := w.reverseRun(t.Context(), shop(1), "2026-03-31", 30, "It was wrong", c.part, 0, noKey)
		if c.members == 0 {
			refused(t, err, "nothing_to_reverse")
		} else if err != nil || r.Expected.Members != c.members {
			t.Errorf("%+v: %+v, %v", c.part, r.Expected, err)
		}
		if _, err := w.reverseDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(w.balance(1, 7), w.balance(1, 8), w.balance(1, 9)); got != c.want {
			t.Errorf("%+v leaves %s, want %s", c.part, got, c.want)
		}
	}
	if got := w.balance(2, 7); got != 0 {
		t.Errorf("the twin has %d", got)
	}
}
