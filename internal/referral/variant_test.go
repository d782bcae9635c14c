package referral

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// lots counts how often each is drawn for so many people.
func lots(salt string, people int, list []weighted) []int {
	out := make([]int, len(list))
	for n := range people {
		out[lot(salt, uuidOf(n), list)]++
	}
	return out
}

func TestDraw_gives_each_as_much_as_its_weight_says(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []weighted
		total := int64(0)
		for i := range rapid.IntRange(1, 6).Draw(t, "variants") {
			w := rapid.Int64Range(0, 10).Draw(t, "weight")
			list = append(list, weighted{fmt.Sprint("v", i), w})
			total += w
		}
		if total == 0 {
			return
		}
		const people = 4000
		for i, n := range lots(rapid.String().Draw(t, "salt"), people, list) {
			p := float64(list[i].weight) / float64(total)
			if off := math.Abs(float64(n) - p*people); off > 5.5*math.Sqrt(p*(1-p)*people)+1 { // one in ten million
				t.Fatalf("%v: %d of %d, want %.0f", list, n, people, p*people)
			}
		}
	})
}

// A weight that grows draws people only to itself, one that shrinks only away from itself, and as few as can be.
func TestDraw_moves_the_least(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		salt := rapid.String().Draw(t, "salt")
		was := []weighted{{"a", rapid.Int64Range(1, 9).Draw(t, "a")}, {"b", rapid.Int64Range(1, 9).Draw(t, "b")}, {"c", rapid.Int64Range(0, 9).Draw(t, "c")}}
		is := []weighted{was[2], was[0], was[1]} // their order doesn't matter
		at := rapid.IntRange(0, 2).Draw(t, "which")
		is[at].weight = rapid.Int64Range(0, 9).Draw(t, "weight")
		if is[0].weight+is[1].weight+is[2].weight == 0 {
			return
		}
		before := map[string]int64{}
		for _, w := range was {
			before[w.name] = w.weight
		}
		for n := range 500 {
			from, to := was[lot(salt, uuidOf(n), was)].name, is[lot(salt, uuidOf(n), is)].name
			grew := is[at].weight - before[is[at].name]
			switch {
			case from == to:
			case grew > 0 && to != is[at].name, grew < 0 && from != is[at].name, grew == 0:
				t.Fatalf("%v to %v: %d goes from %s to %s", was, is, n, from, to)
			}
		}
	})
}

func TestHolds_the_same_people_when_the_percentage_grows(t *testing.T) {
	t.Parallel()
	small, large, other := campaign{HoldOut: 10, Salt: "x"}, campaign{HoldOut: 30, Salt: "x"}, campaign{HoldOut: 10, Salt: "y"}
	held, both := 0, 0
	const people = 20_000
	for n := range people {
		if small.holds(uuidOf(n)) {
			if held++; !large.holds(uuidOf(n)) {
				t.Fatalf("%d is let go", n)
			}
			if other.holds(uuidOf(n)) {
				both++
			}
		}
	}
	if off := math.Abs(float64(held) - people/10); off > 5.5*math.Sqrt(people*0.1*0.9) {
		t.Errorf("%d of %d are held out", held, people)
	}
	if off := math.Abs(float64(both) - people/100); off > 5.5*math.Sqrt(people*0.01*0.99) {
		t.Errorf("%d of %d are held out by both of two campaigns", both, people)
	}
}

// compared is a campaign that compares two variants and holds out some.
func (p *place) compared(holdOut int) campaignJSON {
	p.t.Helper()
	return p.campaign(p.one, func(in *campaignInput) {
		in.HoldOutPercent, in.Texts = holdOut, map[string]string{"title": "Give", "more": "Read"}
		in.Incentives = []incentiveInput{{Identifier: "small", ActionType: "referrer", Kind: "points", Points: 100}, {Identifier: "large", ActionType: "referrer", Kind: "points", Points: 900}}
		in.Variants = []variantInput{{Name: "a", Incentives: []string{"small"}}, {Name: "b", Incentives: []string{"large"}, Texts: map[string]string{"title": "Give more"}}}
	})
}

func TestVariants_promise_different_things_and_stick(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.compared(0)
	seen := map[string]int{}
	for n := range 40 {
		o := p.join(p.one, 0, uuidOf(n)) // a browser first
		seen[o.Variant]++
		incentive, points, title := "small", int64(100), "Give"
		if o.Variant == "b" {
			incentive, points, title = "large", 900, "Give more"
		}
		if len(o.Incentives) != 1 || o.Incentives[incentive].Description == "" || o.Texts["title"] != title || o.Texts["more"] != "Read" {
			t.Fatalf("%+v", o)
		}
		again := p.join(p.one, int64(100+n), uuidOf(n)) // then a person
		later := p.join(p.one, int64(100+n), uuidOf(1000+n))
		if again.ID != o.ID || later.ID != o.ID || later.Variant != o.Variant {
			t.Fatalf("%d moved: %s, %s, %s", n, o.Variant, again.Variant, later.Variant)
		}
		if n < 6 {
			if got := p.earned(o.ClaimURL, int64(n+1)); got != points {
				t.Errorf("%s earned %d", o.Variant, got)
			}
		}
	}
	if seen["a"] < 8 || seen["b"] < 8 || seen["a"]+seen["b"] != 40 {
		t.Errorf("%v", seen)
	}
	p.publishes(c.ID, 5, "") // no variants any more: those who have one keep what it promised
	o := p.join(p.one, 100, uuidOf(0))
	if len(o.Incentives) != 1 || o.Incentives["p"].Description != "" || o.Variant == "" {
		t.Errorf("%+v", o)
	}
	if fresh := p.join(p.one, 500); fresh.Variant != "" || fresh.Incentives["p"].Description != "5 points" {
		t.Errorf("%+v", fresh)
	}
}

func TestHeldOut_stay_without_an_offer(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.compared(50)
	held, holders := map[int]bool{}, 0
	for n := range 60 {
		held[n] = p.join(p.one, 0, uuidOf(n)) == nil
		if held[n] {
			holders++
		}
		if held[n] != (p.join(p.one, int64(100+n), uuidOf(n)) == nil) || held[n] != (p.join(p.one, int64(100+n)) == nil) || held[n] != (p.join(p.one, int64(100+n), uuidOf(2000+n)) == nil) {
			t.Fatalf("%d moved", n)
		}
	}
	if holders < 10 || holders > 50 {
		t.Errorf("%d of 60 are held out", holders)
	}
	if n := p.count(`select count(*) from referral.held_out where person_id is not null`); n != int64(holders) {
		t.Errorf("%d rows for %d", n, holders)
	}
	told := map[string]int{}
	for _, e := range p.told() {
		told[e[:len("offer_withheld")]]++
	}
	if told["offer_withheld"] != holders {
		t.Errorf("told %v", told)
	}
	p.publishes(c.ID, 5, "") // nobody is held out any more
	for n := range 60 {
		if p.join(p.one, int64(100+n)) == nil {
			t.Fatalf("%d is still held out", n)
		}
	}
}

func TestHeldOut_once_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.compared(50)
	other := open(t, p.url, 8)
	gate, done := make(chan struct{}), make(chan error, 40)
	for n := range 40 {
		at := []*place{p, other}[n%2]
		go func() {
			<-gate
			_, err := at.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: int64(10 + n%5), Visitors: []string{uuidOf(n % 5)}})
			done <- err
		}()
	}
	close(gate)
	for range 40 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := p.count(`select count(*) from referral.held_out`) + p.count(`select count(*) from referral.offer`); n != 5 {
		t.Errorf("five people have %d places", n)
	}
}

func TestExperiment_tells_how_the_variants_do(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.compared(50)
	people := map[string][]int64{}
	links := map[int64]string{}
	for n := int64(10); n < 60; n++ {
		o, arm := p.join(p.one, n), heldOut
		if o != nil {
			arm, links[n] = o.Variant, o.ClaimURL
		}
		people[arm] = append(people[arm], n)
	}
	p.clock.Move(time.Hour)
	origin := int64(0)
	buys := func(person, subtotal int64) int64 {
		origin++
		e := p.purchase(p.one, origin, person, subtotal)
		p.tell(e)
		p.tell(e)
		return origin
	}
	early := p.purchase(p.one, 900, people[heldOut][0], 77_00)
	early.OccurredAt = epoch.Add(-time.Hour) // before anything was drawn
	p.tell(early)
	buys(people[heldOut][0], 50_00)
	back := buys(people[heldOut][1], 30_00)
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: back, Subtotal: 30_00, RefundedTotal: 10_00})
	buys(people["a"][0], 20_00)
	p.visitLink(links[people["b"][0]], uuidOf(700))
	p.visitLink(links[people["b"][0]], uuidOf(700))
	p.visitLink(links[people["b"][0]], uuidOf(701))
	p.clock.Move(time.Minute)
	p.tell(p.purchase(p.one, 901, 800, 99_00, uuidOf(700)))
	code, out, _ := p.call(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/experiment", c.ID), nil, "")
	if code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	got := map[string]string{}
	for _, v := range out["result"].(map[string]any)["experiment"].(map[string]any)["variants"].([]any) {
		v := v.(map[string]any)
		got[v["variant"].(string)] = fmt.Sprint(v["weight"], v["people"], v["friends"], v["referrals"], v["approved_referrals"], v["purchases"], v["buyers"], v["revenue"], v["referral_revenue"])
	}
	usd := func(n int) string { return fmt.Sprintf("[map[amount:%d currency:USD]]", n) }
	for arm, want := range map[string]string{
		heldOut: fmt.Sprint(nil, len(people[heldOut]), 0, 0, 0, 2, 2) + " " + usd(70_00) + " []",
		"a":     fmt.Sprint(1, len(people["a"]), 0, 0, 0, 1, 1) + " " + usd(20_00) + " []",
		"b":     fmt.Sprint(1, len(people["b"]), 2, 1, 1, 0, 0) + " [] " + usd(99_00),
	} {
		if got[arm] != want {
			t.Errorf("%s: %s\nwant %s", arm, got[arm], want)
		}
	}
	if code, _, _ := p.call(p.two, "GET", fmt.Sprintf("/api/v2/campaigns/%d/experiment", c.ID), nil, ""); code != 404 {
		t.Errorf("the other site: %d", code)
	}
	for body, want := range map[string]int{
		`"variants":[{"name":"A"}]`: 400, `"variants":[{"name":"a"},{"name":"a"}]`: 400, `"variants":[{"name":"a","weight":0}]`: 400, `"variants":[{"name":"hold_out"}]`: 400,
		`"variants":[{"name":"a","incentives":["none"]}]`: 400, `"hold_out_percent":91`: 400, `"texts":{"Å":"x"}`: 400, `"texts":{"a":"\u0000"}`: 400,
		`"type":"leaderboard","hold_out_percent":5`: 400, `"hold_out_percent":5`: 201,
	} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"x",`+body+`}`, ""); code != want {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
}
