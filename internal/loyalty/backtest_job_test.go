package loyalty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// pastBooks know what people of some sites bought and returned. While they are read, something may happen.
type pastBooks struct {
	orders    map[int64][]customerevent.OriginRecorded
	refunds   map[int64][]customerevent.OriginRefunded
	many      int64
	meanwhile func(context.Context)
}

func (p *pastBooks) PastOrders(ctx context.Context, site int64, until time.Time, take func(customerevent.OriginRecorded)) error {
	for _, o := range p.orders[site] {
		if o.OccurredAt.Before(until) {
			take(o)
		}
	}
	if p.meanwhile != nil {
		p.meanwhile(ctx)
	}
	return ctx.Err()
}

func (p *pastBooks) PastRefunds(_ context.Context, site int64, until time.Time, take func(customerevent.OriginRefunded)) error {
	for _, r := range p.refunds[site] {
		if r.RefundedAt.Before(until) {
			take(r)
		}
	}
	return nil
}

func (p *pastBooks) CountPast(_ context.Context, site int64, _ time.Time, most int64) (int64, error) {
	return min(max(p.many, int64(len(p.orders[site]))), most), nil
}

// tested is a world of two sites with a programme each, whose people bought a little, the twin's for other amounts.
func tested(t *testing.T) (*world, *pastBooks) {
	t.Helper()
	w := setup(t)
	p := &pastBooks{orders: map[int64][]customerevent.OriginRecorded{}, refunds: map[int64][]customerevent.OriginRefunded{}}
	w.past = p
	for _, site := range []int64{1, 2} {
		w.start(site, club())
		for i := range int64(6) {
			o := w.bought(site, 7+i%2, i+1, 1000*(i+site))
			o.OccurredAt = noon.AddDate(0, 0, int(i)-40)
			p.orders[site] = append(p.orders[site], o)
		}
		r := w.refund(site, 3, 1, 500, 0)
		r.PersonID, r.Refunded, r.RefundedAt = 7, 500, noon.AddDate(0, 0, -36)
		p.refunds[site] = append(p.refunds[site], r)
	}
	return w, p
}

func (w *world) asksFor(site int64, ask BacktestAsk) backtestView {
	w.t.Helper()
	drafts, err := askedWith([]programBody{{Name: "Other", PointsPerUnit: 3}}, ask, shop(site))
	if err != nil {
		w.t.Fatal(err)
	}
	v, _, err := w.askBacktest(w.t.Context(), shop(site), drafts, ask, 5, idempotency.Key{})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// plays lets the worker play what waits, and says how one ended.
func (w *world) plays(site, id int64) string {
	w.t.Helper()
	if _, err := w.PlayBacktests(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.ended(site, id)
}

func (w *world) ended(site, id int64) string {
	w.t.Helper()
	b, err := backtestOf(w.t.Context(), w.db, site, id, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(b.State + " " + deref(b.Failure))
}

// TestBacktestsByAPI: what is asked for is played in the background, one at a time a site, and its report is what is played in memory, byte by byte.
func TestBacktestsByAPI(t *testing.T) {
	t.Parallel()
	w, _ := tested(t)
	goAhead := 3
	ask := BacktestAsk{Redeem: "when 20", Worth: "100=2.00", GoAhead: &goAhead}
	one, twin := w.asksFor(1, ask), w.asksFor(2, ask)
	if one.State != testWaits || one.Programmes[0].Label != "in force" || one.Programmes[1] != (backtestProgramme{"new", "Other"}) || one.Terms.Redeem != "when 20" {
		t.Errorf("%+v", one)
	}
	if _, _, err := w.askBacktest(t.Context(), shop(1), nil, ask, 5, idempotency.Key{}); !errors.Is(err, errTestRunning) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := w.reportPart(t.Context(), 1, one.ID, partJSON); !errors.Is(err, errTestNotDone) {
		t.Errorf("too early: %v", err)
	}
	before := w.dump()
	for site, v := range map[int64]backtestView{1: one, 2: twin} {
		if got := w.plays(site, v.ID); got != testDone {
			t.Fatalf("site %d: %s", site, got)
		}
		now, err := w.DraftInForce(t.Context(), shop(site))
		if err != nil {
			t.Fatal(err)
		}
		drafts, err := askedWith([]programBody{{Name: "Other", PointsPerUnit: 3}}, ask, shop(site))
		if err != nil {
			t.Fatal(err)
		}
		in, err := w.InputOf(t.Context(), shop(site), []Draft{now, drafts[0]}, ask)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Backtest(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := filesOf(r, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{partJSON, partHTML, partMonths, partPeople} {
			if got, err := w.reportPart(t.Context(), site, v.ID, part); err != nil || len(got) == 0 || !bytes.Equal(got, want[part]) {
				t.Errorf("site %d: %s is another: %d and %d bytes, %v", site, part, len(got), len(want[part]), err)
			}
		}
		if r.Programmes[0].Totals.Issued == 0 || r.Programmes[0].Totals.ClawedBack == 0 || r.Programmes[0].Totals.Redeemed == 0 {
			t.Errorf("so little that it shows nothing: %+v", r.Programmes[0].Totals)
		}
	}
	if w.dump() != before {
		t.Error("a backtest changed something")
	}
	if _, err := w.reportPart(t.Context(), 2, min(one.ID, twin.ID)-1, partJSON); !errors.Is(err, errNoTest) {
		t.Errorf("unknown: %v", err)
	}
	b, err := backtestOf(t.Context(), w.db, 1, one.ID, "")
	if err != nil || b.Total != 0 {
		t.Fatal(b, err)
	}
	if v, err := b.view(); err != nil || v.Progress != 100 || !v.People || v.StartedAt == nil {
		t.Errorf("%+v, %v", v, err)
	}
	list, err := backtestsOf(t.Context(), w.db, 1, forEver.Unix(), 9)
	if err != nil || len(list) != 1 || list[0].ID != one.ID {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestBacktestsEnd: each way in which one ends.
func TestBacktestsEnd(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		ask     BacktestAsk
		arrange func(w *world, p *pastBooks, id int64)
		want    string
	}{
		"no orders then":    {BacktestAsk{From: "1999-01-01", To: "1999-02-01"}, nil, "failed no_orders"},
		"no orders at all":  {BacktestAsk{}, func(_ *world, p *pastBooks, _ int64) { p.orders = nil }, "failed no_orders"},
		"too many orders":   {BacktestAsk{}, func(_ *world, p *pastBooks, _ int64) { p.many = mostTested + 1 }, "failed too_many_orders"},
		"days without end":  {BacktestAsk{To: "9998-01-01"}, nil, "failed invalid_days"},
		"cancelled before":  {BacktestAsk{}, func(w *world, _ *pastBooks, id int64) { w.cancels(1, id) }, "cancelled"},
		"cancelled in time": {BacktestAsk{}, func(w *world, p *pastBooks, id int64) { p.meanwhile = func(context.Context) { w.cancels(1, id) } }, "cancelled"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w, p := tested(t)
			v := w.asksFor(1, c.ask)
			if c.arrange != nil {
				c.arrange(w, p, v.ID)
			}
			if got := w.plays(1, v.ID); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if _, err := w.reportPart(t.Context(), 1, v.ID, partJSON); !errors.Is(err, errTestNotDone) {
				t.Errorf("%v", err)
			}
			p.meanwhile = nil
			if w.cancels(1, v.ID); w.ended(1, v.ID) != c.want {
				t.Errorf("cancelled afterwards: %s", w.ended(1, v.ID))
			}
			if again := w.asksFor(1, BacktestAsk{}); again.ID == v.ID {
				t.Error("the next is the same")
			}
		})
	}
}

func (w *world) cancels(site, id int64) {
	w.t.Helper()
	if _, _, err := w.cancelBacktest(w.t.Context(), site, id, 5, idempotency.Key{}); err != nil {
		w.t.Error(err)
	}
}

// TestBacktestsGoOn: when nothing is heard of who plays, another begins anew; who comes back too late keeps nothing; and what never ends is given up.
func TestBacktestsGoOn(t *testing.T) {
	t.Parallel()
	w, p := tested(t)
	v := w.asksFor(1, BacktestAsk{})
	claim := func() backtest {
		t.Helper()
		b, some, err := claimBacktest(t.Context(), w.db, w.clock.Now(), testLease)
		if err != nil || !some {
			t.Fatal(some, err)
		}
		return b
	}
	first := claim()
	if _, some, _ := claimBacktest(t.Context(), w.db, w.clock.Now(), testLease); some {
		t.Error("claimed twice")
	}
	w.clock.Move(testLease / 2)
	if ours, err := prolongBacktest(t.Context(), w.db, first, w.clock.Now().Add(testLease)); err != nil || !ours {
		t.Error(ours, err)
	}
	w.clock.Move(testLease * 2)
	if got := w.plays(1, v.ID); got != testDone {
		t.Errorf("begun anew: %s", got)
	}
	if ours, _ := prolongBacktest(t.Context(), w.db, first, w.clock.Now()); ours {
		t.Error("still the first one's")
	}
	if err := w.endTest(t.Context(), first, failedTime, nil); err != nil || w.ended(1, v.ID) != testDone {
		t.Errorf("who was late says %v, %s", err, w.ended(1, v.ID))
	}

	v = w.asksFor(1, BacktestAsk{})
	ctx, stop := context.WithCancel(t.Context())
	p.meanwhile = func(context.Context) { stop() }
	if _, err := w.PlayBacktests(ctx); err == nil || w.ended(1, v.ID) != testWaits {
		t.Errorf("the process ended: %v, %s", err, w.ended(1, v.ID))
	}
	p.meanwhile = nil
	for range testTries {
		if got := claim(); got.ID != v.ID {
			t.Fatal(got)
		}
		w.clock.Move(testLease)
	}
	if got := w.plays(1, v.ID); got != "failed interrupted" {
		t.Errorf("given up: %s", got)
	}
	w.clock.Move((keepTests + 1) * 24 * time.Hour)
	if err := sweepBacktests(t.Context(), w.db, w.clock.Now().AddDate(0, 0, -keepTests), 10); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := w.admin.Get(&left, `select (select count(*) from loyalty.backtest) + (select count(*) from loyalty.backtest_file)`); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	for range testsOfASite + 2 {
		v := w.asksFor(1, BacktestAsk{})
		w.cancels(1, v.ID)
	}
	if err := w.admin.Get(&left, `select count(*) from loyalty.backtest`); err != nil || left != testsOfASite {
		t.Errorf("%d of a site, %v", left, err)
	}
}

// TestBacktestsAtOnce: of twenty who ask at once one is served.
func TestBacktestsAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := tested(t)
	drafts, err := askedWith([]programBody{{Name: "Other", PointsPerUnit: 3}}, BacktestAsk{}, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range 20 {
		all.Go(func() {
			<-gate
			switch _, _, err := w.askBacktest(t.Context(), shop(1), drafts, BacktestAsk{}, 5, idempotency.Key{}); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, errTestRunning):
				t.Error(err)
			}
		})
	}
	close(gate)
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were served", won.Load())
	}
}

// TestBacktestRefusals: what is wrong is said place by place.
func TestBacktestRefusals(t *testing.T) {
	t.Parallel()
	bad := -1
	at := noon
	_, err := askedWith([]programBody{{Name: "", PointsPerUnit: -1}, {Name: "B", EffectiveAt: &at, Tiers: []tier{{Name: "Low"}}}},
		BacktestAsk{From: "2026-02-30", To: "soon", Redeem: "often", Worth: "1", GoAhead: &bad}, shop(1))
	f, ok := fault.Of(err)
	if !ok || f.Code != "invalid_backtest" {
		t.Fatalf("%v", err)
	}
	var places []string
	for _, x := range f.Fields {
		places = append(places, x.Pointer)
	}
	if got, want := fmt.Sprint(places), "[/programmes/0/name /programmes/0/points_per_unit /programmes/1/effective_at /programmes/1/tiers/0/threshold /redeem /point_value /go_ahead_days /from /to]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := askedWith([]programBody{{Name: "A"}}, BacktestAsk{From: "2026-02-02", To: "2026-02-01"}, shop(1)); err == nil {
		t.Error("days go backwards")
	}
}

// TestBacktestKeepsProgrammes: whatever a programme says is kept with what was asked.
func TestBacktestKeepsProgrammes(t *testing.T) {
	t.Parallel()
	for _, s := range clubs() {
		b := backtest{Asked: text(asked{Zone: "UTC", Drafts: []keptDraft{{"x", s}}})}
		_, drafts, _, err := b.input()
		was, _ := json.Marshal(s)
		is, _ := json.Marshal(drafts[0].settings)
		if err != nil || !bytes.Equal(was, is) {
			t.Errorf("%s became %s, %v", was, is, err)
		}
	}
}
