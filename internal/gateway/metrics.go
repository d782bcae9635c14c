package gateway

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics counts requests. Every label is of a closed set: methods that HTTP knows, routes that exist, classes of status.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	known    sync.Map // kind to *meters: looking them up by their labels costs more than counting
}

// kind is what requests are counted by.
type kind struct{ method, route, status string }

// meters count the requests of a kind.
type meters struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func (m *metrics) of(k kind) *meters {
	if known, ok := m.known.Load(k); ok {
		return known.(*meters)
	}
	known, _ := m.known.LoadOrStore(k, &meters{m.requests.WithLabelValues(k.method, k.route, k.status), m.seconds.WithLabelValues(k.method, k.route, k.status)})
	return known.(*meters)
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "http", Name: "requests_total",
			Help: "Requests answered, by method, route and class of status."}, []string{"method", "route", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "http", Name: "request_seconds",
			Help: "How long requests took.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"method", "route", "status"}),
		inFlight: f.NewGauge(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "http", Name: "requests_in_flight",
			Help: "Requests being worked on."}),
	}
}

const unmatched = "unmatched" // the route of all paths that lead nowhere

func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "other"
}

func statusLabel(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return [...]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}[status/100]
}
