package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/analytics"
	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/loyalty"
	"github.com/talkable/talkable/internal/mailsink"
	"github.com/talkable/talkable/internal/notify"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/page"
	"github.com/talkable/talkable/internal/referral"
	"github.com/talkable/talkable/internal/smssink"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

// module is what the platform does with each of them.
type module interface {
	Consumer() *bus.Consumer // nil: hears nothing
	Run(ctx context.Context) error
}

// platform is all modules, wired. This file is the only one that knows every module.
type platform struct {
	dbs       *databases
	tables    map[string]*bus.Table
	modules   []module
	timed     []gateway.Timed // those that have timers, in the order in which they do what is due at one moment
	consumers []*bus.Consumer
	gateway   *gateway.Gateway
	customer  *customer.Module
	referrals *referral.Module
	points    *loyalty.Module
	calls     *outcall.Client
	store     asset.Store
	now       clock.Clock
	register  []func(huma.API)
	visit, qr http.Handler // of short links
	pages     *page.Pages
	apps      [2]http.Handler // what phones ask before they open links in an app: Apple's, Android's
	files     http.Handler    // of assets
	registry  *prometheus.Registry
	sink      *mailsink.Sink // nil where mail really leaves
	smsSink   *smssink.Sink  // nil where SMS really leave
	log       zerolog.Logger
}

// build wires the modules to their databases. It starts nothing but the sinks' listeners.
func build(ctx context.Context, c *config, d *databases, now clock.Clock, log zerolog.Logger) (*platform, error) {
	p := &platform{dbs: d, tables: map[string]*bus.Table{}, registry: prometheus.NewRegistry(), log: log}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, m := range migrations.Modules {
		p.registry.MustRegister(collectors.NewDBStatsCollector(d.pools[m].DB, m))
	}
	var err error
	if c.ledgerKey, err = c.signer(d.server != nil); err != nil {
		return nil, err
	}
	smtp, err := p.smtp(c)
	if err != nil {
		return nil, err
	}
	texts, err := p.sms(c)
	if err != nil {
		return nil, errors.Join(err, p.closeSinks())
	}
	return p, p.wire(c, now, smtp, texts, func(g *gateway.Gateway) ([]byte, error) { return g.CursorSecret(ctx) })
}

// operations are those of all modules, for their description; nothing stands behind them.
func operations() ([]func(huma.API), error) {
	p := &platform{dbs: &databases{}, tables: map[string]*bus.Table{}, registry: prometheus.NewRegistry(), log: zerolog.Nop()}
	err := p.wire(&config{}, clock.System, "smtp://localhost", "", func(*gateway.Gateway) ([]byte, error) { return nil, nil })
	return p.register, err
}

// wire makes the modules and hands each what it stands on.
func (p *platform) wire(c *config, now clock.Clock, smtp, texts string, secret func(*gateway.Gateway) ([]byte, error)) error {
	reg, pools := p.registry, p.dbs.pools
	outboxes, logs := map[string]*bus.Outbox{}, map[string]zerolog.Logger{}
	for _, m := range migrations.Modules {
		logs[m] = p.log.With().Str("event.module", m).Logger()
		p.tables[m] = bus.NewTable(m, pools[m], reg, logs[m]).Retain(bus.Retention{Keep: c.retention,
			Floor: func(ctx context.Context) (int64, error) { return p.floor(ctx, m) }})
		outboxes[m] = bus.NewOutbox(m, pools[m], now, p.tables[m].Kick)
	}
	edge := gateway.New(gateway.Deps{DB: pools["gateway"], Outbox: outboxes["gateway"], Log: logs["gateway"], Reg: reg, Gatherer: reg,
		Version: version, PublicURL: c.PublicURL, TrustedProxies: c.proxies, RatePerMinute: c.RateLimit, Limits: gateway.Limits{PlainRate: c.RateLimit},
		Refused: func(w http.ResponseWriter, r *http.Request, err error) { p.pages.Fail(w, r, err) },
		Old: func(ctx context.Context, host, path string) (string, error) {
			return p.referrals.OldLink(ctx, host, path)
		}})
	key, err := secret(edge)
	if err != nil {
		return err
	}
	cursors := web.NewCursors(key)
	calls := outcall.New(outcall.Settings{Private: c.PrivateTargets, Agent: "talkable/" + version, Now: now, Key: key})
	customers := customer.New(customer.Deps{DB: pools["customer"], Outbox: outboxes["customer"], Log: logs["customer"], Reg: reg, Now: now, Cursors: cursors})
	referrals := referral.New(referral.Deps{DB: pools["referral"], Outbox: outboxes["referral"], Log: logs["referral"], Reg: reg, Now: now,
		Cursors: cursors, People: customers, Facts: customers, Payer: payer(c), Calls: calls, PublicURL: c.PublicURL, GiftCards: c.giftCards})
	p.referrals = referrals
	points := loyalty.New(loyalty.Deps{DB: pools["loyalty"], Outbox: outboxes["loyalty"], Log: logs["loyalty"], Reg: reg, Now: now,
		Cursors: cursors, People: customers, Past: customers, Coupons: referrals, Calls: calls, LedgerKey: c.ledgerKey})
	counts := analytics.New(analytics.Deps{DB: pools["analytics"], Outbox: outboxes["analytics"], Log: logs["analytics"], Reg: reg, Now: now,
		Campaigns: referrals})
	messages := notify.New(notify.Deps{DB: pools["notify"], Outbox: outboxes["notify"], Log: logs["notify"], Reg: reg, Now: now, Cursors: cursors,
		SMTP: smtp, From: c.EmailFrom, PublicURL: c.PublicURL, SMS: texts, SMSDaily: c.SMSDaily, Calls: calls, People: customers, Secret: key})

	compose := gateway.Composition{Customers: customers, Referrals: referrals, Members: points, Cursors: cursors, Now: now,
		Tellers:  []gateway.Teller{customers, referrals, points, messages},
		Auditors: []gateway.Auditor{edge, customers, referrals, points, messages}, Keys: edge}
	jobs := gateway.NewJobs(gateway.JobsDeps{DB: pools["gateway"], Outbox: outboxes["gateway"], Log: logs["gateway"], Reg: reg, Now: now,
		Cursors: cursors, Customers: customers, Referrals: referrals})
	store, err := c.assets()
	if err != nil {
		return err
	}
	files := gateway.NewAssets(gateway.AssetsDeps{DB: pools["gateway"], Outbox: outboxes["gateway"], Log: logs["gateway"], Reg: reg, Now: now,
		Store: store, PublicURL: c.PublicURL, Quota: c.AssetsQuota})
	looks := gateway.NewLooks(pools["gateway"], outboxes["gateway"], now, c.PublicURL)
	programmes := gateway.NewProgrammes(gateway.ProgrammesDeps{DB: pools["gateway"], Outbox: outboxes["gateway"], Log: logs["gateway"], Reg: reg})
	p.timed = []gateway.Timed{customers, points, referrals, jobs, messages}
	hands := gateway.NewTestClock(gateway.TestClockDeps{DB: pools["gateway"], Outbox: outboxes["gateway"], Log: logs["gateway"], Reg: reg, Now: now,
		Time: c.testTime, Modules: p.timed, Drained: p.drained})
	p.pages = page.New(page.Deps{Referrals: referrals, Customers: customers, Members: points, Mails: compose, Looks: looks, Cursors: cursors, Reg: reg,
		PublicURL: c.PublicURL})
	compose.Printer = p.pages
	p.gateway, p.customer, p.points, p.calls, p.store, p.now = edge, customers, points, calls, store, now
	p.visit, p.qr, p.files = referrals.Visit(p.pages), referrals.QR(), files
	p.apps[0], p.apps[1] = referrals.Apps()
	p.register = []func(huma.API){compose.Routes, programmes.Routes, jobs.Routes, files.Routes, edge.Routes, looks.Routes, customers.Routes, referrals.Routes, points.Routes, counts.Routes, messages.Routes, hands.Routes}
	p.modules = []module{edge, jobs, files, hands, customers, referrals, points, counts, messages}
	for _, m := range p.modules {
		if consumer := m.Consumer(); consumer != nil {
			p.consumers = append(p.consumers, consumer)
		}
	}
	return nil
}

// payer is who pays commissions out, where one is set up.
func payer(c *config) referral.Payer {
	if c.PayPalClient == "" {
		return nil
	}
	return referral.NewPayPal(c.PayPalURL, c.PayPalClient, c.PayPalSecret)
}

// smtp is where mail goes: the configured server, or a sink of our own that writes it into the data directory.
func (p *platform) smtp(c *config) (string, error) {
	if c.SMTPURL != "" {
		return c.SMTPURL, nil
	}
	sink, err := mailsink.Start(filepath.Join(c.DataDir, "mail"), mailsink.Options{OnMail: func(m mailsink.Mail) {
		p.log.Info().Str("file.path", m.File).Msg("mail was caught: TALKABLE_SMTP_URL is not set")
	}})
	if err != nil {
		return "", err
	}
	p.sink = sink
	return sink.URL(), nil
}

// sms is where SMS go: the configured provider, or a sink of our own.
func (p *platform) sms(c *config) (string, error) {
	if c.SMSURL != "" {
		return c.SMSURL, nil
	}
	sink, err := smssink.Start(filepath.Join(c.DataDir, "sms"), smssink.Options{OnSMS: func(m smssink.SMS) {
		p.log.Info().Str("file.path", m.File).Msg("an SMS was caught: TALKABLE_SMS_URL is not set")
	}})
	if err != nil {
		return "", err
	}
	p.smsSink = sink
	return sink.URL(), nil
}

// closeSinks ends what caught mail and SMS.
func (p *platform) closeSinks() (err error) {
	if p.sink != nil {
		err = p.sink.Close()
	}
	if p.smsSink != nil {
		err = errors.Join(err, p.smsSink.Close())
	}
	return err
}

// handler is the public side.
func (p *platform) handler() http.Handler {
	return p.gateway.Handler(func(api huma.API) {
		for _, register := range p.register {
			register(api)
		}
	}, func(r chi.Router) {
		r.Handle("/x/{code}", p.visit)
		r.Handle("/x/{code}/qr.svg", p.qr)
		r.Handle("/x/{code}/qr.png", p.qr)
		r.Method(http.MethodGet, "/.well-known/apple-app-site-association", p.apps[0])
		r.Method(http.MethodGet, "/.well-known/assetlinks.json", p.apps[1])
		p.pages.Routes(r)
		r.Method(http.MethodGet, "/assets/{site}/{file}", p.files)
	})
}

// run moves events and timers until ctx ends. A part that stops by itself is a reason to look, so it ends the others too.
func (p *platform) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range migrations.Modules {
		group.Go(func() error { return part(ctx, "log of "+m, p.tables[m].Run) })
	}
	for _, c := range p.consumers {
		for _, source := range c.Sources() {
			group.Go(func() error {
				return part(ctx, "consumer of "+source, func(ctx context.Context) error { return c.Run(ctx, source, p.tables[source]) })
			})
		}
	}
	for _, m := range p.modules {
		group.Go(func() error { return part(ctx, fmt.Sprintf("%T", m), m.Run) })
	}
	return group.Wait()
}

func part(ctx context.Context, name string, run func(context.Context) error) error {
	if err := run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s stopped: %w", name, err)
	}
	return nil
}
