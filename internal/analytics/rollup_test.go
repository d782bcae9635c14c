package analytics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// generated are events of two sites with the same ids, in zones whose days differ.
func generated(t *rapid.T) (origins []customerevent.OriginRecorded, refunds []customerevent.OriginRefunded, seen []referralevent.LinksVisited) {
	at := func(label string) time.Time {
		return start.Add(time.Duration(rapid.Int64Range(0, 5*24*3600).Draw(t, label)) * time.Second)
	}
	currency := rapid.SampledFrom([]string{"", "USD", "EUR"})
	for i := range rapid.IntRange(0, 30).Draw(t, "origins") {
		o := customerevent.OriginRecorded{SiteID: rapid.Int64Range(1, 2).Draw(t, "site"), OriginID: int64(i),
			Type:     rapid.SampledFrom([]string{customerevent.Purchase, customerevent.Purchase, customerevent.AffiliateMember, customerevent.Event}).Draw(t, "type"),
			Subtotal: rapid.Int64Range(0, 100_000).Draw(t, "subtotal"), Currency: currency.Draw(t, "currency"),
			TrafficSource: rapid.SampledFrom([]string{"", "ios", "web"}).Draw(t, "source"), DeviceType: rapid.SampledFrom([]string{"", "mobile"}).Draw(t, "device"),
			Verified: rapid.Bool().Draw(t, "verified"), FirstPurchase: rapid.Bool().Draw(t, "first"), OccurredAt: at("occurred")}
		origins = append(origins, o)
		var total int64
		for range rapid.IntRange(0, 2).Draw(t, "refunds") {
			part := rapid.Int64Range(1, 1000).Draw(t, "refund")
			total += part
			refunds = append(refunds, customerevent.OriginRefunded{SiteID: o.SiteID, OriginID: o.OriginID, Currency: o.Currency,
				Subtotal: o.Subtotal, Refunded: part, RefundedTotal: total, Type: o.Type, TrafficSource: o.TrafficSource, DeviceType: o.DeviceType, OccurredAt: o.OccurredAt, RefundedAt: at("refunded")})
		}
	}
	for range rapid.IntRange(0, 20).Draw(t, "commits") {
		l := referralevent.LinksVisited{SiteID: rapid.Int64Range(1, 2).Draw(t, "site")}
		for range rapid.IntRange(1, 4).Draw(t, "visits") {
			l.Visits = append(l.Visits, referralevent.Visit{CampaignID: rapid.Int64Range(1, 2).Draw(t, "campaign"),
				Channel: rapid.SampledFrom([]string{"", "facebook"}).Draw(t, "channel"), DeviceType: rapid.SampledFrom([]string{"", "desktop"}).Draw(t, "device"),
				VisitorID: fmt.Sprint("v", rapid.IntRange(1, 4).Draw(t, "visitor")), FirstOfThem: rapid.Bool().Draw(t, "new"), VisitedAt: at("visited")})
		}
		seen = append(seen, l)
	}
	return origins, refunds, seen
}

var zones = map[int64]string{1: "America/Los_Angeles", 2: "Asia/Kolkata"}
var homes = map[int64]string{1: "USD", 2: "INR"}

// recounted works the same numbers out another way: one event at a time, straight into a map of texts.
func recounted(t *rapid.T, origins []customerevent.OriginRecorded, refunds []customerevent.OriginRefunded, seen []referralevent.LinksVisited) []string {
	type sum struct{ n, v int64 }
	rows := map[string]sum{}
	day := func(site int64, at time.Time) string {
		zone, err := time.LoadLocation(zones[site])
		if err != nil {
			t.Fatal(err)
		}
		y, m, d := at.In(zone).Date()
		return fmt.Sprintf("%04d-%02d-%02d", y, m, d)
	}
	add := func(site int64, key string, at time.Time, campaign int64, currency string, n, v int64) {
		k := fmt.Sprintf("%d %s %s %d '%s'", site, key, day(site, at), campaign, currency)
		rows[k] = sum{rows[k].n + n, rows[k].v + v}
	}
	home := func(site int64, currency string) string {
		if currency == "" {
			return homes[site]
		}
		return currency
	}
	for _, o := range origins {
		if !o.Verified {
			continue
		}
		switch o.Type {
		case "Purchase":
			add(o.SiteID, "total_sales", o.OccurredAt, 0, home(o.SiteID, o.Currency), 1, o.Subtotal)
			if o.FirstPurchase {
				add(o.SiteID, "total_first_time_sales", o.OccurredAt, 0, home(o.SiteID, o.Currency), 1, o.Subtotal)
			}
		case "AffiliateMember":
			add(o.SiteID, "sign_up", o.OccurredAt, 0, "", 1, 0)
		case "Event":
			add(o.SiteID, "events", o.OccurredAt, 0, "", 1, 0)
		}
	}
	refunded := map[string]bool{}
	for _, r := range refunds {
		id, n := fmt.Sprint(r.SiteID, r.OriginID), int64(1)
		if refunded[id] {
			n = 0
		}
		refunded[id] = true
		add(r.SiteID, "refunded_sales", r.OccurredAt, 0, home(r.SiteID, r.Currency), n, r.Refunded)
	}
	visitors := map[string]bool{}
	for _, l := range seen {
		for _, v := range l.Visits {
			add(l.SiteID, "visits", v.VisitedAt, v.CampaignID, "", 1, 0)
			if v.FirstOfThem {
				add(l.SiteID, "first_time_visits", v.VisitedAt, v.CampaignID, "", 1, 0)
			}
			if id := fmt.Sprint(l.SiteID, day(l.SiteID, v.VisitedAt), v.CampaignID, v.VisitorID); !visitors[id] {
				visitors[id] = true
				add(l.SiteID, "visits_unique", v.VisitedAt, v.CampaignID, "", 1, 0)
			}
		}
	}
	var out []string
	for k, s := range rows {
		out = append(out, fmt.Sprintf("%s %d %d", k, s.n, s.v))
	}
	slices.Sort(out)
	return out
}

// Whatever happens, in whatever order and batches it is heard: the table is the sum of what happened.
func TestTableEqualsRecount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	rapid.Check(t, func(rt *rapid.T) {
		for _, q := range []string{`delete from analytics.daily`, `delete from analytics.visitor_day`} {
			if _, err := b.DB.Exec(q); err != nil {
				rt.Fatal(err)
			}
		}
		for id, zone := range zones {
			b.site(id, homes[id], zone)
		}
		origins, refunds, seen := generated(rt)
		want := recounted(rt, origins, refunds, seen)
		origins, refunds = rapid.Permutation(origins).Draw(rt, "order"), rapid.Permutation(refunds).Draw(rt, "refund order")
		for part := range slices.Chunk(origins, rapid.IntRange(1, 20).Draw(rt, "batch")) {
			if err := apply(b, originFacts, part...); err != nil {
				rt.Fatal(err)
			}
		}
		for part := range slices.Chunk(refunds, rapid.IntRange(1, 20).Draw(rt, "batch")) {
			if err := apply(b, refundFacts, part...); err != nil {
				rt.Fatal(err)
			}
		}
		for part := range slices.Chunk(rapid.Permutation(seen).Draw(rt, "visit order"), rapid.IntRange(1, 20).Draw(rt, "batch")) {
			err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error { return b.onVisits(t.Context(), u, events(part...)) })
			if err != nil {
				rt.Fatal(err)
			}
		}
		if got := b.table(); !slices.Equal(got, want) {
			rt.Fatalf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestFoldDoesNotMindOrder(t *testing.T) {
	t.Parallel()
	places := map[int64]place{}
	for id, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		places[id] = place{zone: zone, currency: homes[id]}
	}
	rapid.Check(t, func(t *rapid.T) {
		origins, _, _ := generated(t)
		var facts []fact
		for _, o := range origins {
			facts = append(facts, originFacts(o)...)
		}
		if a, b := fold(facts, places), fold(rapid.Permutation(facts).Draw(t, "order"), places); !slices.Equal(a, b) {
			t.Fatalf("%v\n%v", lines(a), lines(b))
		}
	})
}

func TestDaysOfASite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, at, want string }{
		{"America/New_York", "2026-03-08T04:59:59Z", "2026-03-07"}, // the night of the change: the 8th begins at 05:00 UTC
		{"America/New_York", "2026-03-08T05:00:00Z", "2026-03-08"},
		{"America/New_York", "2026-03-09T03:59:59Z", "2026-03-08"}, // and ends at 04:00
		{"America/New_York", "2026-03-09T04:00:00Z", "2026-03-09"},
		{"America/New_York", "2026-11-01T05:30:00Z", "2026-11-01"}, // half past one, twice
		{"America/New_York", "2026-11-01T06:30:00Z", "2026-11-01"},
		{"America/New_York", "2026-11-02T04:59:59Z", "2026-11-01"},
		{"America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03"}, // midnight didn't exist
		{"America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"},
		{"Asia/Kolkata", "2026-01-01T18:30:00Z", "2026-01-02"},
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"}, // the 30th didn't exist
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"},
		{"UTC", "2026-02-28T23:59:59.999999Z", "2026-02-28"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := (place{zone: zone}).dayOf(at); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.at, c.zone, got, c.want)
		}
	}
}

func TestSiteComesLater(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sale := customerevent.OriginRecorded{SiteID: 1, Type: customerevent.Purchase, Subtotal: 100, Verified: true, OccurredAt: start}
	err := apply(b, originFacts, sale)
	if err == nil || errors.Unwrap(err) == nil || !strings.Contains(err.Error(), "isn't known yet") {
		t.Fatalf("before its site: %v", err)
	}
	if got := b.table(); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
	b.site(1, "USD", "UTC")
	if err := apply(b, originFacts, sale); err != nil {
		t.Fatal(err)
	}
	if got := b.table(); !slices.Equal(got, []string{"1 total_sales 2026-03-01 0 'USD' 1 100"}) {
		t.Errorf("%v", got)
	}
}

// Each event of the other modules counts something, under keys that a metric reads.
func TestEveryKeyHasAMetric(t *testing.T) {
	t.Parallel()
	read := map[string]bool{}
	for _, m := range metrics {
		for _, k := range m.keys() {
			read[k] = true
		}
	}
	counted := map[string]bool{visits: true, uniqueVisits: true, firstVisits: true}
	for _, f := range everything() {
		counted[f.key] = true
	}
	if !maps.Equal(read, counted) {
		t.Errorf("shown: %v\ncounted: %v", slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(counted)))
	}
}
