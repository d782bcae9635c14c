package analytics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// from are sales of a site that came from somewhere.
func from(site int64, sources ...string) []fact {
	var all []fact
	for _, s := range sources {
		all = append(all, originFacts(customerevent.OriginRecorded{SiteID: site, Type: customerevent.Purchase, Currency: "USD", Verified: true, OccurredAt: start, TrafficSource: s})...)
	}
	return all
}

func names(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf("s%03d", i))
	}
	return out
}

func (b *bench) sources(t *testing.T, site int64) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	rows, err := b.DB.Query(`select traffic_source, sum(count) from analytics.daily where site_id = $1 and metric = 'total_sales' group by 1`, site)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		out[name] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// A site's days are kept by fifty sources; the rest counts as other, and nothing is lost. Other sites don't mind.
func TestSourcesOfASiteAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	b.site(2, "USD", "UTC")
	hear := func(all []fact, then error) {
		t.Helper()
		err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
			if err := b.countAll(t.Context(), u, all); err != nil {
				return err
			}
			return then
		})
		if !errors.Is(err, then) {
			t.Fatal(err)
		}
	}
	lost := errors.New("lost")
	hear(from(1, names(1, 20)...), lost) // is rolled back: it takes no places, and nobody remembers it
	hear(from(1, names(101, 130)...), nil)
	hear(append(from(1, names(121, 160)...), from(2, "s160", "")...), nil) // twenty more have a place
	hear(append(from(1, names(101, 160)...), from(1, "", other, "purchase")...), nil)
	got := b.sources(t, 1)
	if kept := slices.Sorted(maps.Keys(got)); len(kept) != 50+3 || got[other] != 21 || got["s101"] != 2 || got["s150"] != 2 || got["s151"] != 0 || got["s001"] != 0 || got["purchase"] != 1 || got[""] != 1 {
		t.Errorf("%d sources: %v", len(kept), got)
	}
	if got := b.sources(t, 2); fmt.Sprint(got) != "map[:1 s160:1]" {
		t.Errorf("the twin: %v", got)
	}
	again := New(Deps{DB: b.DB, Outbox: b.Outbox, Log: b.Log, Reg: prometheus.NewRegistry(), Now: b.Now}) // after a restart
	if err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error { return again.countAll(t.Context(), u, from(1, "s102", "s159", "new")) }); err != nil {
		t.Fatal(err)
	}
	if got := b.sources(t, 1); got["s102"] != 3 || got[other] != 23 {
		t.Errorf("after a restart: %v", got)
	}
}

// Consumers of several logs add sources of one site at once: there are still fifty, each once.
func TestSourcesOfASiteAreBounded_at_once(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	var gate, all sync.WaitGroup
	gate.Add(1)
	for n := range 8 {
		m := New(Deps{DB: b.DB, Outbox: b.Outbox, Log: b.Log, Reg: prometheus.NewRegistry(), Now: b.Now})
		all.Go(func() {
			gate.Wait()
			for i := range 5 {
				added := names(10*n+2*i, 10*n+2*i+5)
				slices.Reverse(added)
				if err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error { return m.countAll(t.Context(), u, from(1, added...)) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	gate.Done()
	all.Wait()
	got := b.sources(t, 1)
	var sum int64
	for _, n := range got {
		sum += n
	}
	if len(got) != 51 || sum != 8*5*6 {
		t.Errorf("%d sources, %d sales: %v", len(got), sum, got)
	}
}

// What is known costs no statement: a site that has met its sources asks nothing more, and one that uses none never does.
func TestKnownSourcesCostNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	for n, sources := range [][]string{{"a", "b"}, {"a", "b"}, {"b", "a", "a"}, {"", ""}} {
		now := start.Add(time.Duration(n) * time.Minute)
		err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
			u.Now = now
			facts := from(1, sources...)
			if n < 2 { // the second reads what the first has written
				return b.bound(t.Context(), u, facts)
			}
			return b.bound(t.Context(), &bus.Unit{Now: now}, facts) // no transaction: it would panic
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
