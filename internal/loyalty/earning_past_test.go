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
