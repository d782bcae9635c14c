package analytics

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Through a real log, with the consumer stopped and started again and two of them at once: each event counts once. Events that
// came before their site wait for it.
func TestThroughTheBus(t *testing.T) {
	b := newBench(t)
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: b.url, Role: "talkable_customer"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := bus.NewTable("customer", db, prometheus.NewRegistry(), zerolog.Nop())
	producer := bus.NewOutbox("customer", db, clock.System, log.Kick)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		if err := log.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	buy := func(n int) {
		t.Helper()
		for range n {
			err := producer.InTx(t.Context(), func(u *bus.Unit) error {
				for i := range 10 {
					u.Tell(1, fmt.Sprint("person:", i), customerevent.OriginRecorded{SiteID: 1, Type: customerevent.Purchase, Subtotal: 100,
						Verified: true, OccurredAt: start})
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	total := func() string {
		t.Helper()
		return fmt.Sprint(b.table())
	}
	hear := func(want string, midway func()) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		var consumers sync.WaitGroup
		for range 2 {
			c := bus.NewConsumer("analytics", b.Outbox, zerolog.Nop(), prometheus.NewRegistry())
			count(b.Module, c, originFacts)
			consumers.Go(func() {
				if err := c.Run(ctx, "customer", log); err != nil {
					t.Error(err)
				}
			})
		}
		midway()
		for deadline := time.Now().Add(3 * time.Minute); total() != want && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // time for anything that would come twice
		stop()
		consumers.Wait()
		if got := total(); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	buy(5)
	hear("[]", func() { time.Sleep(200 * time.Millisecond) })
	hear("[1 total_sales 2026-03-01 0 'USD' 100 10000]", func() { b.site(1, "USD", "UTC"); buy(5) })
	hear("[1 total_sales 2026-03-01 0 'USD' 100 10000]", func() {})
	hear("[1 total_sales 2026-03-01 0 'USD' 150 15000]", func() { buy(5) })
}

func TestOldVisitorsAreForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id := range int64(2) {
		b.site(id+1, "USD", "UTC")
	}
	visit := func(site int64, at time.Time) {
		t.Helper()
		err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
			return b.onVisits(t.Context(), u, events(referralevent.LinksVisited{SiteID: site, Visits: []referralevent.Visit{{CampaignID: 1, VisitorID: "v", VisitedAt: at}}}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	visit(1, start)
	visit(2, start)
	visit(1, start.AddDate(0, 0, visitorDays))
	visit(1, start.AddDate(0, 0, visitorDays+1)) // now the first is too old, at site 1 only
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left []string
	if err := b.DB.Select(&left, `select site_id || ' ' || day from analytics.visitor_day order by 1`); err != nil {
		t.Fatal(err)
	}
	if want := []string{"1 2026-05-02", "1 2026-05-03", "2 2026-03-01"}; !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
	visit(1, start.AddDate(0, 0, visitorDays)) // known
	if got := b.table(); !slices.Contains(got, "1 visits_unique 2026-05-02 1 '' 1 0") || !slices.Contains(got, "1 visits 2026-05-02 1 '' 2 0") {
		t.Errorf("%q", got)
	}
}
