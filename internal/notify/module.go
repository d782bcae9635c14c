// Package notify owns messages to people (schema "notify"): who is to be written to, the templates, and what became of each mail.
//
// It tells:  notify.message_sent.v1, notify.message_failed.v1, notify.message_suppressed.v1
// It hears:  gateway.site_changed.v1, customer.person_changed.v1 (its projections), customer.person_anonymized.v1 (erasure), customer.person_merged.v1, customer.person_unmerged.v1,
// loyalty.points_earned.v1, loyalty.redemption_fulfilled.v1, referral.offer_shared.v1, referral.offer_created.v1, referral.referral_created.v1, referral.reward_issued.v1,
// referral.share_reminder_due.v1, loyalty.points_expiring.v1, loyalty.tier_changed.v1, loyalty.achievement_reached.v1, loyalty.member_invited.v1 (the occasions of mails, which mail.go lists), referral.referral_approved.v1, referral.referral_voided.v1,
// referral.reward_clawed_back.v1 (their ends), and what webhooks are told
//
// A message goes out at most once for its occasion: the dedupe key is unique, and a message whose transmission began and whose
// outcome nobody knows is marked uncertain and waits for a person's decision. Who has unsubscribed gets only what is necessary, who
// is anonymized nothing, and nobody more than some recommendations a day: other messages end as suppressed.
package notify

import (
	"context"
	"errors"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

// Deps are what the module needs.
type Deps struct {
	DB       *sqlx.DB
	Outbox   *bus.Outbox
	Log      zerolog.Logger
	Reg      prometheus.Registerer
	Now      clock.Clock
	Cursors  *web.Cursors
	SMTP     string // see ParseSMTP
	SMS      string // see ParseSMS; "": none are sent
	SMSDaily int    // most SMS of a site in a day
	Calls    *outcall.Client
	People   People // who people are, where conditions of mails ask; nil: nobody is known
	Secret   []byte // what webhooks' secrets are sealed with, the same in all replicas and on no account in this schema
	From     string // sender of sites that name none, unless the SMTP URL has one

	PublicURL string // where the links for unsubscribing lead; "": mails have none
}

// Module is the notify module.
type Module struct {
	Deps
	metrics postgres.Apart[*metrics]
	mails   *mailbook
	kick    chan struct{}

	hooked    chan struct{} // deliveries may be due
	resending chan struct{} // somebody asked for failed deliveries
}

// New makes the module. A wrong SMTP URL is told by Run; ParseSMTP tells it before.
func New(d Deps) *Module {
	return &Module{Deps: d, metrics: metricsApart(d.Reg), mails: &mailbook{now: d.Now}, kick: make(chan struct{}, workers),
		hooked: make(chan struct{}, 1), resending: make(chan struct{}, 1)}
}

// Run sends what is due and tidies up until ctx ends; then it finishes the messages in transmission and gives back the others.
func (m *Module) Run(ctx context.Context) error {
	server, err := ParseSMTP(m.SMTP)
	if err != nil {
		return err
	}
	sender := server.From
	if sender == "" {
		sender = m.From
	}
	if sender == "" {
		return errors.New("notify: no sender's address is configured")
	}
	provider, err := ParseSMS(m.SMS)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		w := &worker{Module: m, server: server, sender: sender}
		if provider != nil {
			w.sms = provider
		}
		g.Go(func() error { return w.run(ctx) })
	}
	g.Go(func() error { return m.tend(ctx) })
	g.Go(func() error { return m.askMails(ctx) })
	g.Go(func() error { return newCourier(m).run(ctx) })
	g.Go(func() error { return m.tendHooks(ctx) })
	return g.Wait()
}
