package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/postgres"
)

type metrics struct {
	messages *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
	seconds  prometheus.Histogram

	deliveries        *prometheus.CounterVec
	hookBacklog       *prometheus.GaugeVec
	hookSeconds       prometheus.Histogram
	endpointsDisabled *prometheus.CounterVec
	mailAsks          *prometheus.CounterVec
}

// metricsApart are the module's metrics, and others that nobody sees, for rehearsals.
func metricsApart(reg prometheus.Registerer) postgres.Apart[*metrics] {
	return postgres.Apart[*metrics]{Real: newMetrics(reg), Rehearsed: newMetrics(prometheus.NewRegistry())}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "notify", Name: "messages_total",
			Help: "What happened to messages: queued, sent, failed, uncertain, suppressed, or retried after a failed attempt."},
			[]string{"template", "status"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "notify", Name: "backlog",
			Help: "Messages that wait to be sent, and those that a worker has; up to 100000."}, []string{"status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "notify", Name: "send_seconds",
			Help: "Time to hand one message to the SMTP server.", Buckets: []float64{.005, .02, .1, .5, 1, 5, 20, 60}}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "notify", Name: "webhook_deliveries_total",
			Help: "What happened to deliveries of webhooks: queued, delivered, failed, or retried after a failed attempt."}, []string{"type", "outcome"}),
		hookBacklog: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "notify", Name: "webhook_backlog",
			Help: "Deliveries that wait, and those under way; up to 100000."}, []string{"state"}),
		hookSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "notify", Name: "webhook_seconds",
			Help: "Time of one call of a webhook.", Buckets: []float64{.005, .02, .1, .5, 1, 5, 15}}),
		endpointsDisabled: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "notify", Name: "webhooks_disabled_total",
			Help: "Webhooks that are told no more: gone, or failing for days."}, []string{"reason"}),
	}
	m.mailAsks = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "notify", Name: "mail_hook_tries_total",
		Help: "Tries to ask shops before a mail, by what became of the question."}, []string{"state", "send"})
	reg.MustRegister(m.mailAsks, m.messages, m.backlog, m.seconds, m.deliveries, m.hookBacklog, m.hookSeconds, m.endpointsDisabled)
	return m
}
