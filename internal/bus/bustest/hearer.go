package bustest

import (
	"context"
	"fmt"
	"testing"

	"github.com/lib/pq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
)

// Hearer is a consumer in "till" that writes an effect per event, and whose handler a test can make fail.
type Hearer struct {
	*bus.Consumer
	name   string
	refuse func(n int64, key string) error // refuses an event of a batch
	after  func(ctx context.Context, u *bus.Unit, keys []string, ns []int64) error
}

// Hear makes a consumer. refuse may be nil; it is asked for each event once the whole batch was applied, so that what it
// refuses has to be taken back.
func (w *World) Hear(name string, refuse func(n int64, key string) error) *Hearer {
	h := &Hearer{name: name, refuse: refuse}
	h.Consumer = bus.NewConsumer(name, w.Till, zerolog.Nop(), prometheus.NewRegistry())
	bus.On(h.Consumer, func(ctx context.Context, u *bus.Unit, batch []bus.Event[Counted]) error {
		return hear(ctx, h, u, batch, func(b Counted) int64 { return b.N })
	})
	bus.On(h.Consumer, func(ctx context.Context, u *bus.Unit, batch []bus.Event[Marked]) error {
		return hear(ctx, h, u, batch, func(b Marked) int64 { return b.N })
	})
	return h
}

// Start runs the hearer at log until the test ends.
func (h *Hearer) Start(t testing.TB, log bus.Log) (failed <-chan error, stop func()) {
	t.Helper()
	return Go(t, func(ctx context.Context) error { return h.Run(ctx, "shop", log) })
}

func hear[T bus.Payload](ctx context.Context, h *Hearer, u *bus.Unit, batch []bus.Event[T], number func(T) int64) error {
	n := len(batch)
	seqs, sites, ns, keys := make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	for i, e := range batch {
		seqs[i], sites[i], keys[i], ns[i] = e.Seq, e.Site, e.Key, number(e.Body)
	}
	_, err := u.ExecContext(ctx, `
		insert into till.effect (consumer, seq, site, key, n, type)
		select $1, seq, site, key, n, $6
		from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) with ordinality u (seq, site, key, n, o) order by o`,
		h.name, pq.Array(seqs), pq.Array(sites), pq.Array(keys), pq.Array(ns), batch[0].Body.EventType())
	if err != nil {
		return fmt.Errorf("effect: %w", err)
	}
	if h.after != nil {
		if err := h.after(ctx, u, keys, ns); err != nil {
			return err
		}
	}
	for i := range batch {
		if h.refuse == nil {
			break
		}
		if err := h.refuse(ns[i], keys[i]); err != nil {
			return err
		}
	}
	return nil
}
