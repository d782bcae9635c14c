package referral

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
)

// Each order of the friend that earns nothing says why, when it is asked and later.
func TestCommissions_say_why_a_plan_stopped(t *testing.T) {
	t.Parallel()
	p := setup(t)
	two, sixty := 2, 60*24*time.Hour
	in := commissionPlanInput{Name: "Partners", Default: percent("10"), Recurring: &recurringInput{Months: 2, Orders: 2}}
	plan := p.plan(p.one, in)
	p.pays(p.one, plan.ID, nil)
	endless := p.plan(p.two, commissionPlanInput{Default: percent("10"), Recurring: &recurringInput{}})
	p.pays(p.two, endless.ID, nil)
	p.touchedAt(p.one, uuidOf(1), 10)
	p.touchedAt(p.one, uuidOf(2), 10)
	begin := p.clock.Now()
	order := func(n, friend int64, after time.Duration, visitors ...string) customerevent.OriginRecorded {
		o := p.purchase(p.one, n, friend, 1_000, visitors...)
		o.OccurredAt = begin.Add(after)
		return o
	}
	event := order(9, 20, 5*time.Hour)
	event.Type = customerevent.Event
	p.bought(order(1, 20, 0, uuidOf(1)), order(2, 20, time.Hour), order(3, 20, 2*time.Hour), order(4, 20, -time.Hour), order(5, 20, sixty+48*time.Hour), event,
		order(6, 30, 0, uuidOf(2)))
	p.clock.Move(time.Hour)
	off := false
	in.Active = &off
	if _, _, err := p.saveCommissionPlan(t.Context(), p.one, 1, plan.ID, in, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.bought(order(7, 30, time.Hour))
	on := true
	in.Active = &on
	if _, _, err := p.saveCommissionPlan(t.Context(), p.one, 1, plan.ID, in, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}

	unpaid := func(origin int64) []followingJSON {
		t.Helper()
		code, out, _ := p.call(p.one, "GET", fmt.Sprintf("/api/v2/origins/%d/explain", origin), nil, "")
		if code != 200 {
			t.Fatal(origin, code, out)
		}
		return into[originExplanation](t, out).Unpaid
	}
	for origin, want := range map[int64]string{1: "", 2: "", 3: stopOrders, 4: stopEarlier, 5: stopMonths, 6: "", 7: stopPlan, 9: ""} {
		got := unpaid(origin)
		switch {
		case want == "" && len(got) > 0, want != "" && len(got) != 1:
			t.Errorf("order %d: %+v", origin, got)
		case want != "" && (*got[0].Stopped != want || got[0].Detail != stopWords[want] || got[0].PlanID != plan.ID || *got[0].Orders != two):
			t.Errorf("order %d: %+v, want %s", origin, got[0], want)
		}
	}

	recurring := func(origin int64) *followingJSON {
		t.Helper()
		for _, c := range p.commissionsOf(p.one, 10) {
			if c.OriginID == origin {
				_, out, _ := p.call(p.one, "GET", "/api/v2/commissions/"+itoa(c.ID), nil, "")
				return into[explainedCommission](t, out).Recurring
			}
		}
		t.Fatalf("no commission of order %d", origin)
		return nil
	}
	for _, origin := range []int64{1, 2} { // the first one's promise, wherever it is asked
		if r := recurring(origin); r.Stopped == nil || *r.Stopped != stopOrders || r.Paid != 2 || r.FriendID != 20 {
			t.Errorf("of order %d: %+v", origin, r)
		}
	}
	if r := recurring(6); r.Stopped != nil || r.Paid != 1 || r.Until == nil {
		t.Errorf("it goes on: %+v", r)
	}
	p.clock.Move(sixty + 48*time.Hour)
	if r := recurring(6); r.Stopped == nil || *r.Stopped != stopMonths {
		t.Errorf("after its months: %+v", r)
	}
	t.Run("a promise without an end", func(t *testing.T) {
		p.touchedAt(p.two, uuidOf(1), 10)
		p.tell(p.purchase(p.two, 1, 20, 1_000, uuidOf(1)))
		c := p.commissionsOf(p.two, 10)
		if len(c) != 1 {
			t.Fatal(c)
		}
		if r, err := recurrenceOf(t.Context(), p.db, &c[0], p.clock.Now()); err != nil || r.Stopped != nil || r.Orders != nil || r.Until != nil {
			t.Errorf("%+v %v", r, err)
		}
	})
}

func TestCommission_says_what_made_it_less(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		e      commissionExplained
		clawed int64
		want   []string
	}{
		{},
		{e: commissionExplained{CapsApplied: []explainedCap{{Cap: "order"}, {Cap: "friend"}}}, want: []string{"cap_order", "cap_friend"}},
		{e: commissionExplained{Refused: &explainedRefusal{Cause: "budget"}}, want: []string{"budget"}},
		{e: commissionExplained{CapsApplied: []explainedCap{{Cap: "month"}}}, clawed: 1, want: []string{"cap_month", "refunded"}},
	} {
		c := commission{Explain: rawJSON(one.e.text()), Clawed: one.clawed}
		if got := c.reducedBy(); !slices.Equal(got, one.want) {
			t.Errorf("%v, want %v", got, one.want)
		}
	}
}
