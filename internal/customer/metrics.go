package customer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/postgres"
)

type metrics struct {
	origins *prometheus.CounterVec
	refunds *prometheus.CounterVec
	people  *prometheus.CounterVec
	races   prometheus.Counter
	batch   prometheus.Histogram
}

// metricsApart are the module's metrics, and others that nobody sees, for rehearsals.
func metricsApart(reg prometheus.Registerer) postgres.Apart[*metrics] {
	return postgres.Apart[*metrics]{Real: newMetrics(reg), Rehearsed: newMetrics(prometheus.NewRegistry())}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		origins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "talkable_customer_origins_total",
			Help: "Origins told, by type and by what became of them: new, existing, confirmed, duplicate, invalid."}, []string{"type", "result"}),
		refunds: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "talkable_customer_refunds_total",
			Help: "Refunds asked for: partial, full, refused."}, []string{"result"}),
		people: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "talkable_customer_people_total",
			Help: "Persons whom the merchant updated, unsubscribed, anonymized, merged or unmerged."}, []string{"change"}),
		races: prometheus.NewCounter(prometheus.CounterOpts{Name: "talkable_customer_races_total",
			Help: "Transactions done again because another replica created the same meanwhile."}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "talkable_customer_batch_size",
			Help: "Origins that were committed together.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500}}),
	}
	reg.MustRegister(m.origins, m.refunds, m.people, m.races, m.batch)
	return m
}

// kindLabel keeps the label's values a closed set.
func kindLabel(kind string) string {
	switch kind {
	case customerevent.AffiliateMember, customerevent.Purchase, customerevent.Event:
		return kind
	}
	return "unknown"
}
