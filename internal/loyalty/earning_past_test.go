package loyalty

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// histories know what people of some sites did, and sum it up as plainly as it can be.
type histories map[int64]*hindsight.History

func (all histories) People(context.Context, int64, []int64) (map[int64]customerapi.Person, error) {
	return nil, nil
}

func (all histories) Pasts(_ context.Context, site int64, asked []customerapi.Moment) ([]customerapi.Past, error) {
	out := make([]customerapi.Past, len(asked))
	for i, a := range asked {
		h := all[site]
		if h == nil {
			continue
		}
		for _, o := range h.Of(a.PersonID).Orders {
			if a.OriginID != 0 && o.ID > a.OriginID || o.At.After(a.At) {
				continue
			}
			if o.Details != nil && len(o.Details.Segments) > 0 {
				out[i].Segments = o.Details.Segments
			}
			if o.ID == a.OriginID || o.Event {
				continue
			}
			if out[i].LastAt = o.At; out[i].Orders == 0 {
				out[i].FirstAt = o.At
			}
			out[i].Orders++
			out[i].Spent += o.Subtotal
			for _, r := range o.Refunds {
				if r.At.Before(a.At) {
					out[i].Spent, out[i].Refunded = out[i].Spent-r.Amount, out[i].Refunded+r.Amount
				}
			}
		}
	}
	return out, nil
}

// TestRulesAboutThePast: conditions see what was bought before an order, and the segments told with it, and the trace keeps what they saw.
func TestRulesAboutThePast(t *testing.T) {
	t.Parallel()
	w := setup(t)
	h := &hindsight.History{}
	w.people = histories{1: h}
	third, vip := ten(), ten()
	third.Key, third.When = "third", `history.orders == 2 && history.spent >= 1900 && history.first_at < now`
	vip.Key, vip.When, vip.Points = "vip", `"vip" in person.segments && !("vip" in origin.segments)`, 3
	w.start(1, onlyRules(third, vip))
	buy := func(id int64, segments ...string) int64 {
		o := w.bought(1, 7, id, 1000)
		o.Segments = segments
		h.Take(o)
		hear(w, w.originsRecorded, 1, o)
		return w.balance(1, 7)
	}
	var got []int64
	for _, segments := range [][]string{{"vip"}, nil, nil, {"web"}, nil} {
		got = append(got, buy(int64(len(got)+1), segments...))
		w.clock.Move(time.Hour)
	}
	if fmt.Sprint(got) != "[0 3 16 16 16]" {
		t.Errorf("got %v", got)
	}
	d, err := decisionOf(t.Context(), w.db, 1, "origin:3")
	text := string(d.Rule)
	for _, want := range []string{`"history.orders":2`, `"history.spent":2000`, `"person.segments":["vip"]`, `"origin.segments":null`} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%s isn't in %s, %v", want, text, err)
		}
	}
}

// TestTrialOfThePast: an order is tried with what its person is said to have done before.
func TestTrialOfThePast(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r, s := ten(), ten()
	r.When, s.Key, s.When = `history.orders >= 3 && history.spent - history.refunded > 100 && history.last_at > history.first_at`, "vip", `"vip" in person.segments`
	p := w.start(1, onlyRules(r, s))
	first, last := noon.AddDate(-1, 0, 0), noon
	for want, b := range map[int64]trialBody{
		0:  {Subtotal: 1},
		10: {Subtotal: 1, History: &trialPast{Orders: 3, Spent: 500, Refunded: 300, FirstAt: &first, LastAt: &last, Segments: []string{"web"}}},
		20: {Subtotal: 1, Segments: []string{"vip"}, History: &trialPast{Orders: 9, Spent: 500, FirstAt: &first, LastAt: &last}},
	} {
		if got, _, err := w.try(t.Context(), shop(1), p.ID, b, idempotency.Key{}); err != nil || got.Points != want {
			t.Errorf("%+v gives %+v, %v", b, got, err)
		}
	}
	bad := trialBody{Segments: make([]string, 4), History: &trialPast{Orders: -1, Spent: -1, Refunded: -1, Segments: []string{""}}}
	if f, ok := fault.Of(bad.check()); !ok || len(f.Fields) != 5 {
		t.Errorf("%+v", f)
	}
}

// TestDatesInConditions: orders in the month of a member's birthday, by the site's calendar, earn double; of who has said none they don't, and no date is kept
// with a decision. Rewards and trials ask as rules do, and a backtest by what is known today.
func TestDatesInConditions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := onlyRules(earnRule{Key: "rate", Kind: kindPerMoney, Points: 1}, earnRule{Key: "month", Kind: kindMultiplier, Multiplier: 20_000, When: `member.birthday.month == today.month`},
		earnRule{Key: "wedding", Kind: kindFixed, Points: 5, When: `"wedding" in member.dates && member.dates["wedding"].day == today.day`})
	here, err := time.LoadLocation("Pacific/Auckland") // where it is the next day by noon
	if err != nil {
		t.Fatal(err)
	}
	var p programView
	for _, site := range []int64{2, 1} {
		there := shop(site)
		there.Zone = here
		if p, _, err = w.create(t.Context(), there, s, 0, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, site := range []int64{1, 2} {
		for _, who := range []int64{7, 8} {
			hear(w, w.originsRecorded, site, w.bought(site, who, who, 100))
		}
	}
	last := time.Date(2026, 3, 31, 11, 30, 0, 0, time.UTC) // the 1st of April in Auckland
	w.clock.Move(last.Sub(w.clock.Now()))
	for who, dates := range map[int64][]loyaltyapi.MemberDate{7: {{Identifier: "birthday", Date: "1990-04-30"}}, 8: {{Identifier: "birthday", Date: "1990-03-31"}, {Identifier: "wedding", Date: "2001-09-01"}}} {
		if _, _, err := w.SetMemberDates(t.Context(), 1, who, dates, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, site := range []int64{1, 2} {
		for _, who := range []int64{7, 8} {
			hear(w, w.originsRecorded, site, w.bought(site, who, 10+who, 1000))
		}
	}
	for who, want := range map[int64]int64{7: 1 + 20, 8: 1 + 10 + 5} {
		if got := w.balance(1, who); got != want {
			t.Errorf("person %d has %d, want %d", who, got, want)
		}
		if got := w.balance(2, who); got != 11 {
			t.Errorf("the twin of %d has %d", who, got)
		}
	}
	var kept string
	if err := w.admin.Get(&kept, `select string_agg(rule, ' ') from loyalty.txn where site_id = 1`); err != nil || strings.Contains(kept, "1990") || strings.Contains(kept, "2001") || !strings.Contains(kept, "today.month") {
		t.Errorf("%v: kept %s", err, kept)
	}
	b := trialBody{Subtotal: 1000, OccurredAt: &last, MemberDates: map[string]string{"birthday": "2000-04-02", "wedding": "2001-09-01"}}
	if got, _, err := w.try(t.Context(), shop(1), p.ID, b, idempotency.Key{}); err != nil || got.Points != 30 {
		t.Errorf("%+v, %v", got, err)
	}
	if f, ok := fault.Of(trialBody{MemberDates: map[string]string{"birthday": "soon"}}.check()); !ok || len(f.Fields) != 1 {
		t.Errorf("%+v", f)
	}
	whom, err := w.whom(t.Context(), 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	reward := redemptionBatch{}
	reward.Terms.RewardPlan = &loyaltyapi.RewardPlan{RewardTerms: loyaltyapi.RewardTerms{When: `member.birthday.month == today.month`}}
	for at, want := range map[time.Time]bool{last: false, last.Add(24 * time.Hour): true} {
		if why, err := reward.unmet(t.Context(), at, criteria.Member{ID: 1}, whom); err != nil || (why == nil) != want {
			t.Errorf("at %s: %v, %v", at, why, err)
		}
	}
}

// TestRewardsAboutThePast: the condition of a reward asks for it, too.
func TestRewardsAboutThePast(t *testing.T) {
	t.Parallel()
	w := setup(t)
	h := &hindsight.History{}
	w.people = histories{1: h}
	w.start(1, club())
	o := w.bought(1, 7, 1, 10_000)
	o.Segments = []string{"vip"}
	h.Take(o)
	hear(w, w.originsRecorded, 1, o)
	for when, want := range map[string]bool{`history.orders == 1 && history.spent == 10000`: true, `"vip" in person.segments`: true, `history.orders > 1`: false} {
		whom, err := w.whom(t.Context(), 1, 7)
		if err != nil {
			t.Fatal(err)
		}
		b := redemptionBatch{}
		b.Terms.RewardPlan = &loyaltyapi.RewardPlan{RewardTerms: loyaltyapi.RewardTerms{When: when}}
		if _, err := b.unmet(t.Context(), noon, criteria.Member{ID: 1}, nil); !errors.Is(err, errWho) {
			t.Errorf("%s asks nobody: %v", when, err)
		}
		if why, err := b.unmet(t.Context(), noon, criteria.Member{ID: 1}, whom); err != nil || (why == nil) != want {
			t.Errorf("%s: %v, %v", when, why, err)
		}
	}
}
