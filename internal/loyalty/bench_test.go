package loyalty

import (
	"fmt"
	"os"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/migrations"
)

// BenchmarkPurchases posts batches of 500 purchases of 23,000 people.
func BenchmarkPurchases(b *testing.B) { postPurchases(b, club()) }

// BenchmarkPurchasesByRules is the same where five rules decide, one with a condition, one with limits and one with a budget.
func BenchmarkPurchasesByRules(b *testing.B) {
	most := int64(maxPoints)
	postPurchases(b, ruled(stackAll, earnRule{Key: "first", Kind: kindFixed, Points: 50, When: "origin.subtotal > 10000"},
		earnRule{Key: "daily", Kind: kindFixed, Points: 5, Limits: []earnLimit{{Per: "day", Times: 3}, {Per: "ever", Points: 10_000}}},
		earnRule{Key: "budget", Kind: kindPerMoney, Points: 1, Budget: &most}, earnRule{Key: "sunday", Kind: kindMultiplier, Multiplier: 15_000, Hours: &earnHours{Weekdays: []string{"sun"}}},
		earnRule{Key: "gold", Kind: kindMultiplier, Multiplier: 20_000, Tiers: []string{"Gold"}}))
}

func postPurchases(b *testing.B, s settings) {
	w := setup(b)
	w.start(1, s)
	id := int64(0)
	batch := make([]customerevent.OriginRecorded, 500)
	for b.Loop() {
		for i := range batch {
			id++
			batch[i] = w.bought(1, id*7919%23_000+1, id, id%20_000+100)
		}
		hear(w, w.originsRecorded, 1, batch...)
	}
	b.ReportMetric(float64(id)/b.Elapsed().Seconds(), "purchases/s")
}

// counted is a world on a cluster that counts its statements.
func counted(b *testing.B) *world {
	dir := pgtest.Dir(b)
	s, err := embedded.Start(b.Context(), embedded.Config{DataDir: dir, BinDir: os.Getenv("PG_BINDIR"), Settings: map[string]string{
		"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on", "synchronous_commit": "off"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Stop(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	if _, err := migrations.Schema("loyalty").Migrate(b.Context(), s.URL("postgres")); err != nil {
		b.Fatal(err)
	}
	w := setupOn(b, s.URL("postgres"))
	w.admin.MustExec(`create extension pg_stat_statements schema public`)
	return w
}

// cost runs batches of postings and reports what one of them, and one posting, cost the database.
func (w *world) cost(b *testing.B, size int, run func(batch int64)) {
	for i := range int64(20) {
		run(i) // caches and statements are warm
	}
	w.admin.MustExec(`select public.pg_stat_statements_reset()`)
	n := int64(20)
	for b.Loop() {
		run(n)
		n++
	}
	var calls, exec, plan, wal float64
	if err := w.admin.QueryRow(`
		select sum(calls)::float8, sum(total_exec_time), sum(total_plan_time), sum(wal_bytes)::float8
		from public.pg_stat_statements where userid = 'talkable_loyalty'::regrole and query !~* '^(begin|start|commit)'`).Scan(&calls, &exec, &plan, &wal); err != nil {
		b.Fatal(err)
	}
	batches, postings := float64(n-20), float64(n-20)*float64(size)
	b.ReportMetric(calls/batches, "statements/batch")
	b.ReportMetric(1000*exec/postings, "exec-µs/posting")
	b.ReportMetric(1000*plan/postings, "plan-µs/posting")
	b.ReportMetric(wal/postings, "log-bytes/posting")
}

// BenchmarkBatches says what batches of several sizes cost.
func BenchmarkBatches(b *testing.B) {
	for _, size := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("purchases=%d", size), func(b *testing.B) {
			w := counted(b)
			w.start(1, club())
			w.cost(b, size, func(n int64) {
				batch := make([]customerevent.OriginRecorded, size)
				for i := range batch {
					id := n*int64(size) + int64(i) + 1
					batch[i] = w.bought(1, id*7919%2_300+1, id, id%20_000+100)
				}
				hear(w, w.originsRecorded, 1, batch...)
			})
		})
		b.Run(fmt.Sprintf("purchases_of_wallets=%d", size), func(b *testing.B) {
			w := counted(b)
			w.start(1, twoWallets())
			w.cost(b, size, func(n int64) {
				batch := make([]customerevent.OriginRecorded, size)
				for i := range batch {
					id := n*int64(size) + int64(i) + 1
					batch[i] = w.bought(1, id*7919%2_300+1, id, id%20_000+100)
				}
				hear(w, w.originsRecorded, 1, batch...)
			})
		})
		b.Run(fmt.Sprintf("refunds=%d", size), func(b *testing.B) {
			w := counted(b)
			w.start(1, club())
			var orders []customerevent.OriginRecorded
			for id := range int64(5_000) {
				orders = append(orders, w.bought(1, id*7919%2_300+1, id+1, 1_000_000))
			}
			for len(orders) > 0 {
				hear(w, w.originsRecorded, 1, orders[:500]...)
				orders = orders[500:]
			}
			w.cost(b, size, func(n int64) {
				batch := make([]customerevent.OriginRefunded, size)
				for i := range batch {
					id := n*int64(size) + int64(i)
					batch[i] = w.refund(1, id%5_000+1, id, (id/5_000+1)*100, 1_000_000)
				}
				hear(w, w.originsRefunded, 1, batch...)
			})
		})
		b.Run(fmt.Sprintf("redemptions=%d", size), func(b *testing.B) {
			w := counted(b)
			p := w.start(1, club())
			batch := w.offer(1, p.ID, 1, 0)
			for person := range int64(200) {
				hear(w, w.originsRecorded, 1, w.bought(1, person+1, person+1, 100_000_000))
			}
			w.cost(b, size, func(n int64) {
				in := make([]action, size)
				for i := range in {
					in[i] = action{site: 1, person: (n*int64(size)+int64(i))%200 + 1, kind: kindRedeem, id: batch, text: "api"}
				}
				out, err := w.act(b.Context(), in)
				if err != nil || out[0].Err != nil {
					b.Fatal(err, out[0].Err)
				}
			})
		})
	}
}
