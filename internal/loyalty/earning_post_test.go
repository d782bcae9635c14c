package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
)

// onlyRules is a programme that earns by these rules and nothing else.
func onlyRules(rules ...earnRule) settings {
	s := ruled(stackAll, rules...)
	s.PointsPerUnit, s.PointsPerReferral = 0, 0
	return s
}

func ten(limits ...earnLimit) earnRule {
	return earnRule{Key: "ten", Kind: kindFixed, Points: 10, Limits: limits}
}

// heard is what became of orders of a person, told one by one: their balance after each.
func (w *world) heard(siteID, personID int64, ids ...int64) string {
	w.t.Helper()
	var out []string
	for _, id := range ids {
		hear(w, w.originsRecorded, siteID, w.bought(siteID, personID, id, 1000))
		out = append(out, fmt.Sprint(w.balance(siteID, personID)))
	}
	return strings.Join(out, " ")
}

func (w *world) configured(siteID, id int64, s settings) {
	w.t.Helper()
	if _, _, err := w.configure(w.t.Context(), shop(siteID), id, s, 0, idempotency.Key{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestRulesPostPoints(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, site := range []int64{1, 2} {
		w.start(site, ruled(stackAll, ten(), earnRule{Key: "gold", Kind: kindMultiplier, Multiplier: 20_000, Tiers: []string{"Silver"}}))
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000), w.bought(1, 7, 2, 1000), w.bought(1, 7, 1, 10_000))
	if got := w.balance(1, 7); got != 1010+220 { // the first one makes Silver, which doubles the second
		t.Errorf("got %d", got)
	}
	before := w.dump()
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000), w.bought(1, 7, 2, 1000))
	if w.dump() != before {
		t.Error("the same again is not nothing")
	}
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 1000))
	if got := w.balance(2, 7); got != 110 {
		t.Errorf("the twin: %d", got)
	}
	d, err := decisionOf(t.Context(), w.db, 1, "origin:2")
	if err != nil || d.Points != 220 || !strings.Contains(string(d.Rule), `"stacking":"all","amount":1000,"tier":"Silver","rules":[{"rule":"ten","kind":"fixed","result":"gave","value":"10.0000","points":10},`+
		`{"rule":"default","kind":"per_money","result":"gave","value":"100.0000","points":100},{"rule":"gold","kind":"multiplier","result":"multiplied","value":"110.0000","points":110}]`) {
		t.Errorf("%+v, %v", d, err)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 500, 1000))
	if got := w.balance(1, 7); got != 1010+110 {
		t.Errorf("refunded in part: %d", got)
	}
}

// TestRulesAndStrangers: who earns nothing becomes no member, and is told why.
func TestRulesAndStrangers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	review := earnRule{Key: "review", On: onEvent, EventCategory: "review", Kind: kindFixed, Points: 5, When: `member.tier == "Silver" || origin.traffic_source == "mail"`}
	w.start(1, onlyRules(review))
	event := func(id int64, category, source string) customerevent.OriginRecorded {
		e := w.bought(1, 7, id, 0)
		e.Type, e.Category, e.TrafficSource = customerevent.Event, category, source
		return e
	}
	hear(w, w.originsRecorded, 1, event(1, "review", "web"), event(2, "visit", "mail"))
	if got := w.told(1); len(got) != 0 {
		t.Errorf("told %v", got)
	}
	if d, err := decisionOf(t.Context(), w.db, 1, "origin:1"); err != nil || d.Outcome != "refused" || d.Reason != refusedNoRule || !strings.Contains(string(d.Rule), `"result":"not_met"`) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := decisionOf(t.Context(), w.db, 1, "origin:2"); err == nil {
		t.Error("decided about what no rule speaks of")
	}
	hear(w, w.originsRecorded, 1, event(3, "review", "mail"))
	if got := w.balance(1, 7); got != 5 {
		t.Errorf("got %d", got)
	}
	hear(w, w.originsRecorded, 1, event(1, "review", "mail"))
	if got := w.balance(1, 7); got != 5 {
		t.Errorf("a decision was changed: %d", got)
	}
}

// TestRulesAboutPeople: conditions look at who it is, and what is personal isn't kept.
func TestRulesAboutPeople(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.people = known{7: {ID: 7, Email: "Ann@Shop.example", CustomProperties: map[string]string{"colour": "red"}, SubscribedAt: &noon}}
	r := ten()
	r.When = `person.email_domain == "shop.example" && person.custom_properties["colour"] == "red" && person.new_subscriber`
	w.start(1, onlyRules(r))
	if a, b := w.heard(1, 7, 1), w.heard(1, 8, 2); a != "10" || b != "0" {
		t.Errorf("got %s and %s", a, b)
	}
	d, err := decisionOf(t.Context(), w.db, 1, "origin:1")
	if text := string(d.Rule); err != nil || !strings.Contains(text, `"person.email_domain":"shop.example"`) || strings.Contains(text, "red") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		rule earnRule
		want string // balances after orders of today, today, tomorrow and next month
	}{
		"none":               {ten(), "10 20 30 40"},
		"once a day":         {ten(earnLimit{Per: "day", Times: 1}), "10 10 20 30"},
		"points of a day":    {ten(earnLimit{Per: "day", Points: 15}), "10 15 25 35"},
		"once a month":       {ten(earnLimit{Per: "month", Times: 1}), "10 10 10 20"},
		"points of all time": {ten(earnLimit{Per: "ever", Points: 25}), "10 20 25 25"},
		"two":                {ten(earnLimit{Per: "day", Times: 1}, earnLimit{Per: "year", Times: 2}), "10 10 20 20"},
		"a cooldown":         {earnRule{Key: "ten", Kind: kindFixed, Points: 10, Cooldown: 24*60 + 1}, "10 10 10 20"},
		"a budget":           {earnRule{Key: "ten", Kind: kindFixed, Points: 10, Budget: points64(32)}, "10 20 30 32"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.start(1, onlyRules(c.rule))
			w.start(2, onlyRules(c.rule))
			got := w.heard(1, 7, 1, 2)
			w.clock.Move(24 * time.Hour)
			got += " " + w.heard(1, 7, 3)
			w.clock.Move(31 * 24 * time.Hour)
			got += " " + w.heard(1, 7, 4)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := w.heard(2, 7, 1); got != "10" {
				t.Errorf("the twin: %s", got)
			}
		})
	}
}

func points64(n int64) *int64 { return &n }

// TestLimitsOfABatch: what is decided together counts like what is decided one by one.
func TestLimitsOfABatch(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := ten(earnLimit{Per: "day", Points: 25})
	r.Budget = points64(40)
	w.start(1, onlyRules(r))
	var batch []customerevent.OriginRecorded
	for id := int64(1); id <= 6; id++ {
		batch = append(batch, w.bought(1, 7+id%2, id, 1000))
	}
	hear(w, w.originsRecorded, 1, batch...)
	if a, b := w.balance(1, 7), w.balance(1, 8); a+b != 40 || a > 25 || b > 25 {
		t.Errorf("got %d and %d", a, b)
	}
}

// TestLimitsHoldAtOnce: of many at once none is too many.
func TestLimitsHoldAtOnce(t *testing.T) {
	t.Parallel()
	budgeted := ten()
	budgeted.Budget = points64(95)
	for what, c := range map[string]struct {
		rule   earnRule
		person func(id int64) int64
		want   int64
	}{
		"a budget of everybody":  {budgeted, func(id int64) int64 { return 100 + id }, 95},
		"a budget of one":        {budgeted, func(int64) int64 { return 7 }, 95},
		"points of a member":     {ten(earnLimit{Per: "day", Points: 73}), func(int64) int64 { return 7 }, 73},
		"times of a member":      {ten(earnLimit{Per: "month", Times: 4}), func(int64) int64 { return 7 }, 40},
		"times of three of them": {ten(earnLimit{Per: "ever", Times: 2}), func(id int64) int64 { return 7 + id%3 }, 60},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.start(1, onlyRules(c.rule))
			var ready, done sync.WaitGroup
			gate := make(chan struct{})
			for id := range int64(20) {
				ready.Add(1)
				done.Go(func() {
					ready.Done()
					<-gate
					if err := tryHear(w, w.originsRecorded, 1, w.bought(1, c.person(id), 1+id, 1000)); err != nil {
						t.Error(err)
					}
				})
			}
			ready.Wait()
			close(gate)
			done.Wait()
			var sum, counted int64
			if err := w.admin.Get(&sum, `select sum(points) from loyalty.txn where kind = 'earn'`); err != nil || sum != c.want {
				t.Errorf("given %d, %v; want %d", sum, err, c.want)
			}
			if err := w.admin.Get(&counted, `select coalesce(sum(points), 0) + (select coalesce(sum(spent), 0) from loyalty.rule_budget) from loyalty.rule_tally`); err != nil || counted != c.want {
				t.Errorf("counted %d, %v; want %d", counted, err, c.want)
			}
		})
	}
}

// given is an order as the reference remembers it.
type given struct {
	person, day, points, taken, subtotal int64
}

// TestLimits_equal_a_naive_reference, which adds up all that was ever given and taken back, each time.
func TestLimits_equal_a_naive_reference(t *testing.T) {
	t.Parallel()
	w := setup(t)
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		site++
		w.clock.Move(noon.Sub(w.clock.Now()))
		perDay, everPoints, budget := rapid.Int64Range(1, 30).Draw(rt, "a day"), rapid.Int64Range(1, 60).Draw(rt, "ever"), rapid.Int64Range(1, 120).Draw(rt, "budget")
		w.start(site, onlyRules(earnRule{Key: "a", Kind: kindPerMoney, Points: 3, Limits: []earnLimit{{Per: "day", Points: perDay}, {Per: "ever", Points: everPoints}}, Budget: &budget}))
		var orders []given
		day := int64(0)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				day++
				w.clock.Move(24 * time.Hour)
			case 1, 2:
				if len(orders) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(orders)-1).Draw(rt, "of")
				o := &orders[i]
				part := rapid.Int64Range(1, o.subtotal).Draw(rt, "part")
				hear(w, w.originsRefunded, site, w.refund(site, int64(i+1), rapid.Int64().Draw(rt, "refund"), part, o.subtotal))
				o.taken = max(o.taken, o.points*part/o.subtotal)
			default:
				o := given{person: rapid.Int64Range(1, 2).Draw(rt, "person"), day: day, subtotal: rapid.Int64Range(1, 2000).Draw(rt, "subtotal")}
				left := []int64{perDay, everPoints, budget}
				for _, was := range orders {
					net := was.points - was.taken
					if left[2] -= net; was.person == o.person {
						if left[1] -= net; was.day == o.day {
							left[0] -= net
						}
					}
				}
				o.points = max(0, min(o.subtotal*3/100, left[0], left[1], left[2]))
				orders = append(orders, o)
				hear(w, w.originsRecorded, site, w.bought(site, o.person, int64(len(orders)), o.subtotal))
			}
			for person := int64(1); person <= 2; person++ {
				want, is := int64(0), false
				for _, o := range orders {
					if o.person == person {
						want, is = want+o.points-o.taken, true
					}
				}
				if is && w.balance(site, person) != want {
					rt.Fatalf("person %d has %d, want %d: %+v", person, w.balance(site, person), want, orders)
				}
			}
		}
	})
}

// TestRefundsGiveBack what limits and budgets counted, and another order may have it.
func TestRefundsGiveBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := ten(earnLimit{Per: "day", Times: 1, Points: 10})
	r.Budget = points64(10)
	w.start(1, onlyRules(r))
	if got := w.heard(1, 7, 1, 2); got != "10 10" {
		t.Fatal(got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 400, 1000)) // four points: the time is not given back
	if got := w.heard(1, 7, 3); got != "6" {
		t.Error(got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 2, 1000, 1000), w.refund(1, 1, 2, 1000, 1000))
	if got := w.heard(1, 7, 4, 5); got != "10 10" {
		t.Error(got)
	}
	if got := w.heard(1, 8, 6); got != "0" {
		t.Errorf("beyond the budget: %s", got)
	}
}

// TestRefundsInAnyOrder leave limits and budgets the same.
func TestRefundsInAnyOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := earnRule{Key: "a", Kind: kindPerMoney, Points: 7, Limits: []earnLimit{{Per: "ever", Points: 1_000_000}}, Budget: points64(1_000_000)}
	double := earnRule{Key: "b", Kind: kindMultiplier, Multiplier: 13_333, Limits: []earnLimit{{Per: "ever", Points: 1_000_000}}}
	state := func(site int64) (out string) {
		if err := w.admin.Get(&out, `select string_agg(rule || ' ' || points || ' ' || times, ', ' order by rule) || (select '; ' || spent from loyalty.rule_budget where site_id = $1)
			from loyalty.rule_tally where site_id = $1`, site); err != nil {
			t.Fatal(err)
		}
		return out
	}
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		var want string
		cuts := rapid.SliceOfNDistinct(rapid.Int64Range(1, 998), 1, 4, rapid.ID).Draw(rt, "cuts")
		for _, order := range [][]int64{append(cuts, 999), {999}} {
			site++
			w.start(site, onlyRules(r, double))
			hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1000), w.bought(site, 7, 2, 1000))
			most := int64(0)
			for i, part := range order {
				most = max(most, part) // totals only grow: what is told late says less than was heard
				hear(w, w.originsRefunded, site, w.refund(site, 1, int64(i+1), most, 1000))
			}
			if got := state(site); want == "" {
				want = got
			} else if got != want {
				rt.Fatalf("%v: %s, and at once %s", cuts, want, got)
			}
		}
	})
}

// TestRulesChange: what was decided stays, the limits go on by the rule's key.
func TestRulesChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	if got := w.heard(1, 7, 1); got != "100" {
		t.Fatal(got)
	}
	w.configured(1, p.ID, onlyRules(ten(earnLimit{Per: "ever", Times: 1})))
	if got := w.heard(1, 7, 1, 2, 3); got != "100 110 110" {
		t.Error(got)
	}
	w.configured(1, p.ID, onlyRules(earnRule{Key: "ten", Kind: kindFixed, Points: 20, Limits: []earnLimit{{Per: "ever", Times: 2}}}))
	if got := w.heard(1, 7, 2, 4, 5); got != "110 130 130" {
		t.Error(got)
	}
	w.configured(1, p.ID, club())
	if got := w.heard(1, 7, 6); got != "230" {
		t.Error(got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 4, 1, 1000, 1000))
	if got := w.balance(1, 7); got != 210 {
		t.Errorf("a refund after the rules are gone: %d", got)
	}
}
