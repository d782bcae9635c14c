package notify

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	messages *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
	seconds  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "notify", Name: "messages_total",
			Help: "What happened to messages: queued, sent, failed, uncertain, suppressed, or retried after a failed attempt."},
			[]string{"template", "status"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "notify", Name: "backlog",
			Help: "Messages that wait to be sent, and those that a worker has; up to 100000."}, []string{"status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "notify", Name: "send_seconds",
			Help: "Time to hand one message to the SMTP server.", Buckets: []float64{.005, .02, .1, .5, 1, 5, 20, 60}}),
	}
	reg.MustRegister(m.messages, m.backlog, m.seconds)
	return m
}
