package analytics

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type bench struct {
	*Module
	t   testing.TB
	url string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t}
	b.url = pgtest.Database(t, "analytics", func(ctx context.Context, url string) error {
		for _, module := range []string{"analytics", "customer"} { // customer: a producer for the test through the bus
			if _, err := migrations.Schema(module).Migrate(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
	db, err := postgres.Open(context.WithoutCancel(t.Context()), postgres.Pool{URL: b.url, Role: "talkable_analytics"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	now := clock.NewMovable(start)
	b.Module = New(Deps{DB: db, Outbox: bus.NewOutbox("analytics", db, now.Now, nil), Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: now.Now})
	return b
}

func (b *bench) site(id int64, currency, zone string) {
	b.t.Helper()
	err := b.Outbox.InTx(b.t.Context(), func(u *bus.Unit) error {
		return b.onSite(b.t.Context(), u, events(gatewayevent.SiteChanged{SiteID: id, Currency: currency, TimeZone: zone, ChangedAt: start}))
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func events[T bus.Payload](bodies ...T) []bus.Event[T] {
	batch := make([]bus.Event[T], len(bodies))
	for i, b := range bodies {
		batch[i] = bus.Event[T]{Seq: int64(i + 1), Body: b}
	}
	return batch
}

// apply counts events as the consumer does.
func apply[T bus.Payload](b *bench, facts func(T) []fact, bodies ...T) error {
	return b.Outbox.InTx(b.t.Context(), func(u *bus.Unit) error {
		var all []fact
		for _, e := range bodies {
			all = append(all, facts(e)...)
		}
		return b.countAll(b.t.Context(), u, all)
	})
}

// table is the whole table of days.
func (b *bench) table() []string {
	b.t.Helper()
	var out []string
	err := b.DB.SelectContext(b.t.Context(), &out, `
		select concat_ws(' ', site_id, metric, day, campaign_id, '''' || currency || '''', sum(count), sum(sum)) from analytics.daily group by site_id, metric, day, campaign_id, currency`)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func lines(rows []row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = fmt.Sprintf("%d %s %s %d '%s' %d %d", r.site, r.key, r.day, r.campaign, r.currency, r.count, r.sum)
	}
	slices.Sort(out)
	return out
}

func (b *bench) server(siteID int64, currency string) http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req := &web.Request{ID: "req", Site: site.Site{ID: siteID, Currency: currency, Zone: time.UTC}}
			next.ServeHTTP(w, r.WithContext(web.With(r.Context(), req)))
		})
	})
	b.Routes(web.NewAPI(r, "test", "1", ""))
	return r
}

func get(t testing.TB, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	return w.Code, w.Body.String()
}

// golden compares with a file of testdata; GOLDEN=write renews it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}
