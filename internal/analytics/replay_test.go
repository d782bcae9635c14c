package analytics

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// heard is some of what is told.
type heard struct {
	origins []customerevent.OriginRecorded
	refunds []customerevent.OriginRefunded
	visits  []referralevent.LinksVisited
}

// logs are what analytics hears, by who tells it: sales and refunds of many people, visits, and points. All their traffic sources are kept apart.
func logs(t *testing.T) map[string]*bustest.Feed {
	t.Helper()
	out := map[string]*bustest.Feed{"gateway": {}, "customer": {}, "referral": {}, "loyalty": {}}
	for id, zone := range zones {
		out["gateway"].Tell(t, start, id, fmt.Sprint("site:", id), gatewayevent.SiteChanged{SiteID: id, Currency: homes[id], TimeZone: zone, ChangedAt: start})
	}
	some := rapid.Custom(func(rt *rapid.T) (h heard) {
		h.origins, h.refunds, h.visits = generated(rt)
		return h
	})
	for seed := range 2 {
		h := some.Example(seed)
		for i, o := range h.origins {
			o.TrafficSource = fmt.Sprint("source ", (i+seed)%5)
			out["customer"].Tell(t, start, o.SiteID, fmt.Sprint("person:", i%7), o)
			out["loyalty"].Tell(t, start, o.SiteID, fmt.Sprint("member:", i%7), loyaltyevent.PointsEarned{SiteID: o.SiteID, PersonID: int64(i % 7), Points: o.Subtotal / 100,
				Reason: loyaltyevent.ForPurchase, EffectiveAt: o.OccurredAt})
		}
		for _, r := range h.refunds {
			r.Type, r.TrafficSource = customerevent.Purchase, ""
			out["customer"].Tell(t, start, r.SiteID, fmt.Sprint("person:", r.OriginID%7), r)
		}
		for i, v := range h.visits {
			out["referral"].Tell(t, start, v.SiteID, fmt.Sprint("visits:", i%3), v)
		}
	}
	return out
}

// TestReplay: the same logs, cut into batches in other ways, are the same numbers. Which sources were heard first is of the order between people, which isn't promised.
func TestReplay(t *testing.T) {
	t.Parallel()
	logs := logs(t)
	var want []string
	for cut, most := range bustest.Cuts() {
		if cut == "one by one" {
			continue // the consumer rests after each batch, so as to find more in the next: minutes
		}
		b := newBench(t)
		for _, source := range []string{"gateway", "customer", "referral", "loyalty"} {
			bustest.Deliver(t, b.Consumer(), source, bustest.Cut{Log: logs[source], Most: most})
		}
		got := state(b)
		if want == nil {
			want = got
		}
		bustest.Same(t, cut, want, got, 50)
	}
}

func state(b *bench) []string {
	b.t.Helper()
	db, err := postgres.Open(b.t.Context(), postgres.Pool{URL: b.url})
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	return bustest.Rows{Apart: []string{"label"}}.State(b.t, db, "analytics")
}
