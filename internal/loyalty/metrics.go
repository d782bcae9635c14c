package loyalty

import "github.com/prometheus/client_golang/prometheus"

// metrics counts business facts. A batch that is repeated after a rollback is counted again: the ledger has the exact sums.
type metrics struct {
	earned  *prometheus.CounterVec // reason
	clawed  *prometheus.CounterVec // reason
	expired prometheus.Counter
	members prometheus.Counter
	tiers   prometheus.Counter
	refused *prometheus.CounterVec // why
	seconds *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "talkable", Subsystem: "loyalty", Name: name, Help: help}
	}
	m := metrics{
		earned:  prometheus.NewCounterVec(counter("points_earned_total", "Points posted to members."), []string{"reason"}),
		clawed:  prometheus.NewCounterVec(counter("points_clawed_back_total", "Points taken back from members."), []string{"reason"}),
		expired: prometheus.NewCounter(counter("points_expired_total", "Points that passed their date.")),
		members: prometheus.NewCounter(counter("members_joined_total", "People that became members.")),
		tiers:   prometheus.NewCounter(counter("tier_changes_total", "Moves of members between tiers.")),
		refused: prometheus.NewCounterVec(counter("unearned_total", "Things heard that earned no points."), []string{"why"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "loyalty",
			Name: "posting_seconds", Help: "Time to decide and write one batch of postings.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10)}, []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.earned, m.clawed, m.expired, m.members, m.tiers, m.refused, m.seconds)
	}
	return m
}

// count adds what a batch decided.
func (m metrics) count(b *books, joined int) {
	for _, t := range b.txns {
		switch t.Kind {
		case kindEarn:
			m.earned.WithLabelValues(t.Reason).Add(float64(t.Points))
		case kindClawBack:
			m.clawed.WithLabelValues(t.Reason).Add(float64(t.Points))
		case kindExpire:
			m.expired.Add(float64(t.Points))
		}
	}
	m.tiers.Add(float64(len(b.changes)))
	m.members.Add(float64(joined))
}
