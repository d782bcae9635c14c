package customer

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkRecord posts different orders of known people from many goroutines: the group commit.
func BenchmarkRecord(b *testing.B) {
	m := newBundle(b, 4)
	var n atomic.Int64
	b.SetParallelism(32) // goroutines a core
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if _, err := m.Record(b.Context(), m.a, purchase(fmt.Sprint(i), fmt.Sprintf("p%d@example.com", i%1000), 100)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
