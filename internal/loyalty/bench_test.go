package loyalty

import (
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// BenchmarkPurchases posts batches of 500 purchases of 23,000 people.
func BenchmarkPurchases(b *testing.B) {
	w := setup(b)
	w.start(1, club())
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
