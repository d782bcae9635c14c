package loyalty

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/postgres"
)

// metrics counts business facts. A batch that is repeated after a rollback is counted again: the ledger has the exact sums.
type metrics struct {
	earned   *prometheus.CounterVec // reason
	clawed   *prometheus.CounterVec // reason
	expired  prometheus.Counter
	byHand   *prometheus.CounterVec // direction
	spent    prometheus.Counter
	holds    *prometheus.CounterVec // change
	reminded prometheus.Counter
	unspent  prometheus.Counter
	let      prometheus.Counter
	passed   prometheus.Counter
	pooled   prometheus.Counter
	closed   prometheus.Counter
	returned prometheus.Counter
	group    prometheus.Histogram
	members  prometheus.Counter
	tiers    *prometheus.CounterVec // cause
	refused  *prometheus.CounterVec // why
	seconds  *prometheus.HistogramVec
	ruled    *prometheus.CounterVec // result
	feats    *prometheus.CounterVec // change
	states   *prometheus.CounterVec // to, cause

	invitations *prometheus.CounterVec // change
	wallets     *prometheus.CounterVec // kind
	redemptions *prometheus.CounterVec // kind, change
	fulfilments *prometheus.CounterVec // state, answer
	tested      *prometheus.CounterVec // state
}

// metricsApart are the module's metrics, and others that nobody sees, for rehearsals.
func metricsApart(reg prometheus.Registerer) postgres.Apart[*metrics] {
	return postgres.Apart[*metrics]{Real: newMetrics(reg), Rehearsed: newMetrics(prometheus.NewRegistry())}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "talkable", Subsystem: "loyalty", Name: name, Help: help}
	}
	m := &metrics{
		earned:   prometheus.NewCounterVec(counter("points_earned_total", "Points posted to members."), []string{"reason"}),
		clawed:   prometheus.NewCounterVec(counter("points_clawed_back_total", "Points taken back from members."), []string{"reason"}),
		expired:  prometheus.NewCounter(counter("points_expired_total", "Points that passed their date.")),
		byHand:   prometheus.NewCounterVec(counter("points_adjusted_total", "Points given or taken by hand."), []string{"direction"}),
		spent:    prometheus.NewCounter(counter("points_redeemed_total", "Points that members spent.")),
		unspent:  prometheus.NewCounter(counter("points_restored_total", "Points of redemptions that were cancelled.")),
		let:      prometheus.NewCounter(counter("points_activated_total", "Pending points that members can spend now.")),
		passed:   prometheus.NewCounter(counter("points_transferred_total", "Points that members gave to others.")),
		pooled:   prometheus.NewCounter(counter("points_pooled_total", "Points that went to another member of a pool, who spent them, and back.")),
		closed:   prometheus.NewCounter(counter("months_closed_total", "Months that were closed in the books.")),
		returned: prometheus.NewCounter(counter("points_reinstated_total", "Points that had expired and were given back, because a run of expiry was reversed.")),
		reminded: prometheus.NewCounter(counter("expiry_reminders_total", "Times that points were told of as expiring.")),
		holds:    prometheus.NewCounterVec(counter("points_held_total", "Points that checkouts kept, and what became of them."), []string{"change"}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "loyalty", Name: "actions_per_commit",
			Help: "Adjustments, redemptions and cancellations of a transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		members:     prometheus.NewCounter(counter("members_joined_total", "People that became members.")),
		tiers:       prometheus.NewCounterVec(counter("tier_changes_total", "Moves of members between tiers."), []string{"cause"}),
		refused:     prometheus.NewCounterVec(counter("unearned_total", "Things heard that earned no points."), []string{"why"}),
		fulfilments: prometheus.NewCounterVec(counter("fulfilment_asks_total", "Tries to ask fulfilment hooks, by what became of the question."), []string{"state", "answer"}),
		wallets:     prometheus.NewCounterVec(counter("wallet_points_total", "Points that were moved in wallets beside the main one, by kind of transaction."), []string{"kind"}),
		tested:      prometheus.NewCounterVec(counter("backtests_total", "Backtests by the API that are over."), []string{"state"}),
		redemptions: prometheus.NewCounterVec(counter("redemptions_total", "Redemptions that were made, that were fulfilled after waiting, and that were cancelled."),
			[]string{"kind", "change"}),
		feats:       prometheus.NewCounterVec(counter("achievements_total", "Achievements that members reached, and lost, and streaks that broke."), []string{"change"}),
		states:      prometheus.NewCounterVec(counter("member_changes_total", "Changes of members' states, but for who became an active member at once."), []string{"to", "cause"}),
		ruled:       prometheus.NewCounterVec(counter("rules_asked_total", "Rules of earning that were asked, by what became of them."), []string{"result"}),
		invitations: prometheus.NewCounterVec(counter("invitations_total", "Invitations that were made, accepted and revoked."), []string{"change"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "loyalty",
			Name: "posting_seconds", Help: "Time to decide and write one batch of postings.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10)}, []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.earned, m.clawed, m.expired, m.byHand, m.spent, m.unspent, m.group, m.members, m.tiers, m.refused, m.seconds, m.reminded, m.holds,
			m.let, m.passed, m.pooled, m.ruled, m.closed, m.returned, m.redemptions, m.fulfilments, m.wallets, m.states, m.tested, m.feats, m.invitations)
	}
	return m
}

// count adds what a batch decided.
func (m *metrics) count(b *books, joined int) {
	for _, t := range b.txns {
		if t.Wallet != "" { // another currency than that of the counters below
			m.wallets.WithLabelValues(t.Kind).Add(math.Abs(float64(t.Points)))
			continue
		}
		switch t.Kind {
		case kindEarn:
			m.earned.WithLabelValues(t.Reason).Add(float64(t.Points))
		case kindClawBack:
			m.clawed.WithLabelValues(t.Reason).Add(float64(t.Points))
		case kindExpire:
			m.expired.Add(float64(t.Points))
		case kindAdjust:
			direction := "given"
			if t.Points < 0 {
				direction = "taken"
			}
			m.byHand.WithLabelValues(direction).Add(math.Abs(float64(t.Points)))
		case kindRedeem:
			m.spent.Add(float64(t.Points))
		case kindHold, kindCommit, kindRelease, kindRestore:
			m.holds.WithLabelValues(t.Kind).Add(float64(t.Points))
		case kindReinstate:
			m.returned.Add(float64(t.Points))
		case kindActivate:
			m.let.Add(float64(t.Points))
		case kindTransferOut:
			m.passed.Add(float64(t.Points))
		case kindPoolOut:
			m.pooled.Add(float64(t.Points))
		case kindCancel:
			m.unspent.Add(float64(t.Points))
		}
	}
	for _, e := range b.refused {
		m.refused.WithLabelValues(e.Refused).Inc()
	}
	if b.feats != nil {
		m.feats.WithLabelValues("reached").Add(float64(len(b.feats.reached)))
		m.feats.WithLabelValues("lost").Add(float64(len(b.feats.lost)))
	}
	for _, s := range b.asked {
		m.ruled.WithLabelValues(s.Result).Inc()
	}
	for _, r := range b.spent {
		m.redemptions.WithLabelValues(r.Kind, "made").Inc()
	}
	for _, r := range b.unspent {
		if r.dirty {
			m.redemptions.WithLabelValues(r.Kind, cancelled).Inc()
		}
	}
	for _, c := range b.changes {
		m.tiers.WithLabelValues(c.Cause).Inc()
	}
	m.members.Add(float64(joined))
}
