package loyalty

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// naiveOrder is an order as the recount remembers it.
type naiveOrder struct {
	person             int64
	at                 time.Time // in the site's zone
	subtotal, refunded int64
	heard              bool
	taken              int64 // refunded since it was heard: what is told before it was earned takes back no points
}

// naiveFeats are compared with a recount of all orders that knows no spans: it goes by how dates are written.
func naiveFeats() []feat.Achievement {
	return []feat.Achievement{
		{Key: "month", Counts: feat.Orders, Period: "month", Goal: 2, Repeat: feat.Again, Revoke: true},
		{Key: "week", Counts: feat.Spend, Period: "week", Goal: 150, Repeat: feat.Again},
		{Key: "ever", Counts: feat.Spend, Levels: []feat.Level{{Name: "a", Goal: 200}, {Name: "b", Goal: 400}}, Revoke: true},
		{Key: "days", Kind: feat.KindStreak, Counts: feat.Orders, Period: "day", Goal: 3, Freezes: 1},
		{Key: "rolling", Counts: feat.Orders, Period: feat.Rolling, Days: 5, Goal: 3, Revoke: true},
		{Key: "points", Counts: feat.Points, Period: "month", Goal: 100, Repeat: feat.Again, Revoke: true},
	}
}

// metNow are the names of what a person meets by all orders that are known.
func metNow(orders []*naiveOrder, person int64) map[string]bool {
	spend, days := int64(0), map[string]int{}
	counts, sums, points := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, o := range orders {
		if o.person != person || !o.heard {
			continue
		}
		monday := o.at.AddDate(0, 0, -(int(o.at.Weekday())+6)%7).Format(time.DateOnly)
		spend, sums[monday] = spend+o.subtotal-o.refunded, sums[monday]+o.subtotal-o.refunded
		points[o.at.Format("2006-01")+"-01"] += o.subtotal - o.taken
		if o.refunded < o.subtotal {
			counts[o.at.Format("2006-01")+"-01"]++
			days[o.at.Format(time.DateOnly)]++
		}
	}
	out := map[string]bool{}
	for since, n := range counts {
		out["month/1/"+since] = n >= 2
	}
	for since, n := range points {
		out["points/1/"+since] = n >= 100
	}
	for since, n := range sums {
		out["week/1/"+since] = n >= 150
	}
	out["ever/1/"], out["ever/2/"] = spend >= 200, spend >= 400
	length, missed := 0, 0
	for d := noon.AddDate(0, 0, -5); d.Before(noon.AddDate(0, 0, 60)); d = d.AddDate(0, 0, 1) {
		window := 0
		for back := range 5 {
			window += days[d.AddDate(0, 0, -back).Format(time.DateOnly)]
		}
		if window >= 3 {
			out["rolling/1/"] = true
		}
		if days[d.Format(time.DateOnly)] == 0 {
			missed++
			continue
		}
		if missed > 1 {
			length, missed = 0, 0
		}
		if length++; length == 1 {
			missed = 0
		}
		if length >= 3 {
			out["days/1/"] = true
		}
	}
	maps.DeleteFunc(out, func(_ string, is bool) bool { return !is })
	return out
}

// TestAchievements_equal_a_naive_recount, whatever is refunded, told late, early or twice, in a zone that puts its clocks forward meanwhile.
func TestAchievements_equal_a_naive_recount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		site++
		s := achieving(naiveFeats()...)
		s.Feats.Zone = zone.String()
		s.Earning.Rules = append(s.Earning.Rules, earnRule{Key: "order", Kind: kindPerMoney, Points: 1, PerAmount: 1})
		here := shop(site)
		here.Zone = zone
		if _, _, err := w.create(t.Context(), here, s, 0, noKey); err != nil {
			rt.Fatal(err)
		}
		var orders []*naiveOrder
		kept := map[int64]map[string]bool{7: {}, 8: {}}
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			var who int64
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0: // a refund, perhaps of what isn't told yet
				if len(orders) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(orders)-1).Draw(rt, "of")
				o := orders[i]
				part := rapid.Int64Range(1, o.subtotal).Draw(rt, "part")
				if o.refunded = max(o.refunded, part); o.heard {
					o.taken = max(o.taken, part)
				}
				hear(w, w.originsRefunded, site, w.refund(site, int64(i+1), rapid.Int64Range(1, 1<<40).Draw(rt, "refund"), part, o.subtotal))
			case 1: // an order that will be told later
				orders = append(orders, drawOrder(rt, zone))
			default:
				late := slices.IndexFunc(orders, func(o *naiveOrder) bool { return !o.heard })
				if late < 0 || rapid.Bool().Draw(rt, "another") {
					orders = append(orders, drawOrder(rt, zone))
					late = len(orders) - 1
				}
				o := orders[late]
				o.heard, who = true, o.person
				e := w.bought(site, o.person, int64(late+1), o.subtotal)
				e.OccurredAt = o.at
				hear(w, w.originsRecorded, site, slices.Repeat([]customerevent.OriginRecorded{e}, rapid.IntRange(1, 2).Draw(rt, "times"))...)
			}
			for _, person := range []int64{7, 8} {
				now := metNow(orders, person)
				for name := range now {
					if key, _, _ := strings.Cut(name, "/"); person == who && (key == "week" || key == "days") {
						kept[person][name] = true
					}
				}
				want := maps.Clone(kept[person])
				for name := range now {
					if key, _, _ := strings.Cut(name, "/"); key != "week" && key != "days" {
						want[name] = true
					}
				}
				if got := w.featsLive(rt, site, person); got != strings.Join(slices.Sorted(maps.Keys(want)), ", ") {
					rt.Fatalf("person %d reached %s, want %v; %s", person, got, slices.Sorted(maps.Keys(want)), showOrders(orders))
				}
			}
		}
	})
}

func drawOrder(rt *rapid.T, zone *time.Location) *naiveOrder {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, zone).Add(time.Duration(rapid.IntRange(0, 40*24*2).Draw(rt, "half hours")) * 30 * time.Minute)
	return &naiveOrder{person: rapid.SampledFrom([]int64{7, 8}).Draw(rt, "person"), at: at, subtotal: rapid.Int64Range(1, 120).Draw(rt, "subtotal")}
}

func showOrders(orders []*naiveOrder) (out string) {
	for _, o := range orders {
		out += fmt.Sprintf("\n%d %s %d-%d %v", o.person, o.at.Format(time.RFC3339), o.subtotal, o.refunded, o.heard)
	}
	return out
}

// featsLive are the names of what a person has reached and not lost.
func (w *world) featsLive(rt *rapid.T, siteID, personID int64) string {
	var out string
	err := w.admin.Get(&out, `
		select coalesce(string_agg(name, ', ' order by name collate "C"), '') from (
			select r.key || '/' || r.level || '/' || case when r.since > '0001-01-01' then to_char(r.since, 'YYYY-MM-DD') else '' end as name
			from loyalty.achievement_reached r join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id
			where m.site_id = $1 and m.person_id = $2 and r.lost_at is null) n`, siteID, personID)
	if err != nil {
		rt.Fatal(err)
	}
	return out
}
