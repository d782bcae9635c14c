package bus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the families of all logs and consumers of one registry; each family is registered by whoever comes first.
type metrics struct {
	waiting, oldest, head *prometheus.GaugeVec   // log
	moves, moved          *prometheus.CounterVec // log
	lag, parked           *prometheus.GaugeVec   // consumer, source
	parkings, retries     *prometheus.CounterVec // consumer, source
	batch                 *prometheus.HistogramVec
	seconds               *prometheus.HistogramVec // consumer, type
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return shared(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "talkable_bus_" + name, Help: help}, labels))
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "talkable_bus_" + name, Help: help}, labels))
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return shared(reg, prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: "talkable_bus_" + name, Help: help, Buckets: buckets}, labels))
	}
	return &metrics{
		waiting:  gauge("outbox_events", "Committed events that wait to be moved into the log.", "log"),
		oldest:   gauge("outbox_oldest_seconds", "Age of the oldest event that waits to be moved.", "log"),
		head:     gauge("head_seq", "Last number of the log.", "log"),
		moves:    counter("moves_total", "Moves by this process that found something.", "log"),
		moved:    counter("moved_events_total", "Events that this process moved into the log.", "log"),
		lag:      gauge("consumer_lag_events", "Events of the log that the consumer has not passed.", "consumer", "source"),
		parked:   gauge("consumer_parked_events", "Events that are parked now.", "consumer", "source"),
		parkings: counter("consumer_parkings_total", "Events that were parked.", "consumer", "source"),
		retries:  counter("consumer_retries_total", "Batches that failed and were tried again.", "consumer", "source"),
		batch: histogram("consumer_batch_events", "Events of a committed batch.",
			[]float64{1, 2, 5, 10, 20, 50, 100, 200, 500}, "consumer", "source"),
		seconds: histogram("consumer_handler_seconds", "Time of one call of a handler.",
			prometheus.ExponentialBuckets(0.0005, 2.5, 11), "consumer", "type"),
	}
}

// shared registers c, or returns the one that an earlier log or consumer registered. reg may be nil.
func shared[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if err == nil {
		return c
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if earlier, ok := already.ExistingCollector.(C); ok {
			return earlier
		}
	}
	panic(err) // two families of one name: a mistake in this file
}
