package bus_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/lib/pq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// BenchmarkFourConsumers tells b.N events, 50 to a transaction from four producers, and waits until four consumers have applied
// them all by one folded upsert a batch. BENCH_DURABLE gives it a cluster with the settings of production.
func BenchmarkFourConsumers(b *testing.B) {
	url := bustest.Database(b)
	if os.Getenv("BENCH_DURABLE") != "" {
		s, _ := pgtest.Durable(b)
		url = s.URL("postgres")
		if err := bustest.Prepare(context.Background(), url); err != nil {
			b.Fatal(err)
		}
	}
	w := bustest.NewWorld(b, url, url, func(_ testing.TB, producer *bus.Table) bus.Log { return producer })
	var hearing []*bus.Consumer
	for i := range 4 {
		c := bus.NewConsumer(fmt.Sprintf("c%d", i), w.Till, zerolog.Nop(), prometheus.NewRegistry())
		prefix := fmt.Sprintf("%d/", i)
		bus.On(c, func(ctx context.Context, u *bus.Unit, batch []bus.Event[bustest.Counted]) error {
			keys, sums := bus.Fold(batch, func(e bus.Event[bustest.Counted]) string { return prefix + e.Key },
				func(sum *int64, e bus.Event[bustest.Counted]) { *sum += e.Body.N })
			_, err := u.ExecContext(ctx, `
				insert into till.count (key, n) select * from unnest($1::text[], $2::bigint[])
				on conflict (key) do update set n = count.n + excluded.n`, pq.Array(keys), pq.Array(sums))
			return err
		})
		bustest.Go(b, func(ctx context.Context) error { return c.Run(ctx, "shop", w.Log) })
		hearing = append(hearing, c)
	}
	b.ResetTimer()
	var producers sync.WaitGroup
	for p := range 4 {
		producers.Go(func() {
			for n := p * 50; n < b.N; n += 200 {
				err := w.Shop.InTx(context.Background(), func(u *bus.Unit) error {
					for i := range min(50, b.N-n) {
						u.Tell(1, fmt.Sprintf("k%d", (n+i)%1000), bustest.Counted{N: 1})
					}
					return nil
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	producers.Wait()
	for _, c := range hearing {
		w.Settle(b, c)
	}
	b.StopTimer()
	var sum int64
	if err := w.Till.DB().Get(&sum, `select coalesce(sum(n), 0) from till.count`); err != nil || sum != int64(4*b.N) {
		b.Fatalf("%d were applied, want %d: %v", sum, 4*b.N, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
