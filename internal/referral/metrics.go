package referral

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/postgres"
)

type metrics struct {
	visits            *prometheus.CounterVec // result: recorded, inactive, machine, lost, blocked
	opened            openings
	attributions      *prometheus.CounterVec // outcome, reason
	found             *prometheus.CounterVec // method
	referrals         *prometheus.CounterVec // status at their making
	approved          *prometheus.CounterVec // cause
	rewards           *prometheus.CounterVec // side, kind
	refused           *prometheus.CounterVec // cause
	clawed            *prometheus.CounterVec // kind
	cards             *prometheus.CounterVec // status after an attempt
	cardsLost         prometheus.Counter
	coupons           *prometheus.CounterVec // for: reward, redemption, personal
	couponsLow        prometheus.Counter
	codeRequests      *prometheus.CounterVec // state after a try: waiting, answered, failed
	claimsSuspected   *prometheus.CounterVec // verdict: blocked, flagged
	shares            *prometheus.CounterVec // kind
	pageClaims        *prometheus.CounterVec // result: claimed, refused
	batch             *prometheus.HistogramVec
	commissions       *prometheus.CounterVec // state: waiting, earned, released
	commissionsClawed prometheus.Counter
	payouts           *prometheus.CounterVec // outcome: paid, failed, cancelled
	payoutCalls       *prometheus.CounterVec // provider, result: done, refused, failed
	decisions         *prometheus.CounterVec // state, decision
	published         prometheus.Counter
	withheld          prometheus.Counter
	testDropped       *prometheus.CounterVec // kind: referral, offer
}

// openings are the counters of visits, by result.
type openings struct{ recorded, inactive, machine, lost, blocked prometheus.Counter }

// metricsApart are the module's metrics, and others that nobody sees, for rehearsals.
func metricsApart(reg prometheus.Registerer) postgres.Apart[*metrics] {
	return postgres.Apart[*metrics]{Real: newMetrics(reg), Rehearsed: newMetrics(prometheus.NewRegistry())}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "referral", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		visits:            counter("visits_total", "Openings of claim links, by what became of them.", "result"),
		attributions:      counter("attributions_total", "Decisions about verified purchases and events.", "outcome", "reason"),
		found:             counter("advocates_found_total", "Purchases and events that made a referral, by how the advocate was found.", "method"),
		referrals:         counter("referrals_total", "Referrals made, by their first status.", "status"),
		approved:          counter("referrals_approved_total", "Referrals approved.", "cause"),
		rewards:           counter("rewards_total", "Rewards issued.", "side", "kind"),
		refused:           counter("rewards_refused_total", "Rewards that were not given, by why.", "cause"),
		clawed:            counter("rewards_clawed_total", "Claw-backs of rewards.", "kind"),
		cards:             counter("gift_cards_total", "Attempts to order gift cards, or to cancel them, by what became of the order.", "status"),
		cardsLost:         counter("gift_cards_lost_total", "Gift cards that their provider couldn't cancel any more when their rewards were taken back.").WithLabelValues(),
		coupons:           counter("coupons_issued_total", "Coupons handed out: single-use ones, and codes of advocates' own.", "for"),
		couponsLow:        counter("coupon_lists_low_total", "Coupon lists that ran low.").WithLabelValues(),
		codeRequests:      counter("code_requests_total", "Tries to ask shops for codes of coupon lists, by what became of the request.", "state"),
		claimsSuspected:   counter("claims_suspected_total", "Claims that a fraud rule hit.", "verdict"),
		shares:            counter("shares_total", "Offers shared.", "kind"),
		pageClaims:        counter("page_claims_total", "Addresses given on claim pages, by what became of them.", "result"),
		commissions:       counter("commissions_total", "Commissions that wait for a rate, were earned, or released from their hold.", "state"),
		commissionsClawed: counter("commissions_clawed_total", "Claw-backs of commissions.").WithLabelValues(),
		payouts:           counter("payout_lines_total", "Payouts to people, by what became of them.", "outcome"),
		payoutCalls:       counter("payout_calls_total", "Calls of payout providers.", "provider", "result"),
		testDropped:       counter("test_data_dropped_total", "Referrals and offers of test campaigns that were dropped.", "kind"),
		decisions:         counter("hook_tries_total", "Tries to ask decision hooks, by what became of the question.", "state", "decision"),
		published:         counter("campaign_versions_total", "Versions of campaigns published.").WithLabelValues(),
		withheld:          counter("offers_withheld_total", "People held out of a campaign.").WithLabelValues(),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "talkable", Subsystem: "referral", Name: "batch_requests",
			Help: "Requests that were committed together.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500}}, []string{"kind"}),
	}
	reg.MustRegister(m.batch)
	m.opened = openings{recorded: m.visits.WithLabelValues("recorded"), inactive: m.visits.WithLabelValues("inactive"),
		machine: m.visits.WithLabelValues("machine"), lost: m.visits.WithLabelValues("lost"), blocked: m.visits.WithLabelValues("blocked")}
	return m
}
