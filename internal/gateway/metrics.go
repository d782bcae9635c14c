package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics counts requests. Every label is of a closed set: methods that HTTP knows, routes that exist, classes of status.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
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
	return string('0'+rune(status/100)) + "xx"
}
