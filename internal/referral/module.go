// Package referral owns campaigns and their incentives, offers and their links, visits, referrals, rewards and coupons (schema "referral").
//
// It tells:  referral.offer_created.v1, referral.links_visited.v1, referral.referral_created.v1, referral.referral_approved.v1,
// referral.referral_voided.v1, referral.reward_issued.v1, referral.reward_clawed_back.v1, referral.coupon_issued.v1,
// referral.coupons_low.v1, referral.offer_shared.v1, referral.offer_claimed.v1, referral.offer_withheld.v1, referral.share_reminder_due.v1, referral.coupons_used.v1, referral.personal_coupon_made.v1,
// referral.budget_reached.v1, referral.gift_card_sent.v1, referral.commission_earned.v1, referral.commission_released.v1,
// referral.commission_clawed_back.v1, referral.account_adjusted.v1, referral.payout_paid.v1, referral.payout_failed.v1,
// referral.offers_moved.v1, referral.referrals_moved.v1
//
// It hears:  gateway.site_changed.v1 (a projection), customer.origin_recorded.v1 (attribution), customer.origin_refunded.v1,
// customer.person_changed.v1 (names), customer.person_anonymized.v1 (erasure), customer.person_merged.v1 and
// customer.person_unmerged.v1 (who is one), loyalty.points_redeemed.v1 (a coupon for it), loyalty.redemption_cancelled.v1 (no coupon for it)
//
// An advocate joins a campaign and gets an offer; a friend opens its link: a visit, and a friend offer; the friend buys: the
// origin is attributed by the rule of the campaign (attribution_rule.go), and a referral is made, checked for fraud, approved and rewarded. Each origin's
// decision is kept with its reasons, also when there is no referral.
//
// What incentives give is decided by their terms (incentive_terms.go, reward_decide.go), the advocate's tally (reward_count.go), limits and
// the budget of the campaign (limit.go, budget.go); a reward that is not given leaves a row that says why (reward_refused.go).
//
// Fraud rules judge a referral when it is made, by the policy of its campaign or its site (fraud_profile.go); what each of them saw
// is kept with its verdict (fraud_rule.go), so that it can be explained, and tried again by another policy (what_if.go). Addresses
// are asked of Deps.People, and only where a rule compares them.
package referral

import (
	"context"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

const (
	schema        = "referral"
	joinBatch     = 200
	visitBatch    = 500
	visitCrowd    = 32
	linksKnown    = 50_000 // links kept in memory, some 10 MB
	versionsKnown = 5_000  // of campaigns that offers were made under, some KB each

	approveEvery = time.Second
	daysEvery    = time.Hour
	sweepBatch   = 10_000
	sweepAge     = 48 * time.Hour // of Idempotency-Keys
)

// Deps are what the module needs.
type Deps struct {
	DB        *sqlx.DB    // a pool whose role sees schema referral and nothing else
	Outbox    *bus.Outbox // of the same schema
	Log       zerolog.Logger
	Reg       prometheus.Registerer
	Now       clock.Clock
	Cursors   *web.Cursors
	People    People          // who knows addresses; nil: nobody, so rules that compare them are skipped
	Facts     Facts           // who knows what was told of origins; needed by what is done by hand
	PublicURL string          // links are PublicURL + "/x/" + code
	GiftCards GiftCards       // nil: gift cards wait for a provider
	Payer     Payer           // who pays commissions out; nil: the merchant, by hand
	Calls     *outcall.Client // by which decision hooks are asked; nil: none can be set
}

// Module is the referral module.
type Module struct {
	agenda.Timers
	db        *sqlx.DB
	outbox    *bus.Outbox
	log       zerolog.Logger
	reg       prometheus.Registerer
	now       clock.Clock
	cursors   *web.Cursors
	publicURL string
	cookie    string // what follows the visitor in the cookie
	metrics   postgres.Apart[*metrics]

	catalog   *catalog
	merged    *merged
	books     *books
	people    People
	facts     Facts
	known     *lru.Cache[string, cachedLink]
	versions  *lru.Cache[versionKey, *campaign]
	trials    *experimenting
	offers    *lru.Cache[offerKey, cachedOffer]
	joins     *postgres.Group[want, *referralapi.Offer]
	visits    *postgres.Group[visit, visited]
	shares    *postgres.Group[sharing, idempotency.Done[keptShared]]
	claims    *postgres.Group[claiming, idempotency.Done[keptClaim]]
	steps     *postgres.Group[stepping, idempotency.Done[referralapi.Referral]]
	giftCards GiftCards
	payer     Payer
	calls     *outcall.Client

	kept   time.Time // the day of the last housekeeping by RunDue
	lostMu sync.Mutex
	lostAt time.Time // when lost visits were last written to the log
}

// New makes the module.
func New(d Deps) *Module {
	known, err := lru.New[string, cachedLink](linksKnown)
	if err != nil {
		panic(err) // the size is positive
	}
	versions, err := lru.New[versionKey, *campaign](versionsKnown)
	if err != nil {
		panic(err) // so is this one
	}
	offers, err := lru.New[offerKey, cachedOffer](offersKnown)
	if err != nil {
		panic(err) // and this one
	}
	m := &Module{db: d.DB, outbox: d.Outbox, log: d.Log, reg: d.Reg, now: d.Now, cursors: d.Cursors,
		publicURL: strings.TrimRight(d.PublicURL, "/"),
		cookie:    cookieTail(strings.HasPrefix(d.PublicURL, "https://")), metrics: metricsApart(d.Reg), catalog: newCatalog(d.DB, d.Now), known: known,
		versions: versions, trials: &experimenting{real: clock.System}, merged: &merged{real: clock.System}, offers: offers,
		books: newBooks(d.Now), people: d.People, facts: d.Facts, giftCards: d.GiftCards, payer: d.Payer, calls: d.Calls}
	m.joins = postgres.NewGroup(joinBatch, m.join).Writers(2).Observe(m.sizes("join"))
	m.visits = postgres.NewGroup(visitBatch, m.visit).Writers(2).Crowd(visitCrowd).Observe(m.sizes("visit"))
	m.shares = postgres.NewGroup(shareBatch, m.share).Writers(2).Crowd(shareCrowd).Observe(m.sizes("share"))
	m.claims = postgres.NewGroup(claimBatch, m.carryOutClaims).Writers(2).Crowd(claimCrowd).Observe(m.sizes("claim"))
	m.steps = postgres.NewGroup(stepBatch, m.takeSteps).Writers(2).Crowd(stepCrowd).Observe(m.sizes("step"))
	return m
}

// sizes observes how many requests of a kind are committed together.
func (m *Module) sizes(kind string) func(int) {
	return func(n int) { m.metrics.Real.batch.WithLabelValues(kind).Observe(float64(n)) }
}

// Consumer is what the module hears.
func (m *Module) Consumer() *bus.Consumer {
	c := bus.NewConsumer(schema, m.outbox, m.log, m.reg)
	bus.On(c, m.siteChanged)
	bus.On(c, m.recorded)
	bus.On(c, m.refunded)
	bus.On(c, m.personChanged)
	bus.On(c, m.anonymized)
	bus.On(c, m.personMerged)
	bus.On(c, m.personUnmerged)
	bus.On(c, m.redeemed)
	bus.On(c, m.redemptionCancelled)
	return c
}

// Run approves referrals whose delay is over, asks decision hooks, and shops for codes, serves those who wait for coupons, watches their stock, keeps days for visits ahead, and
// drops what is too old. It returns when ctx ends.
func (m *Module) Run(ctx context.Context) error {
	approve, days, serve, low := time.NewTicker(approveEvery), time.NewTicker(daysEvery), time.NewTicker(serveEvery), time.NewTicker(lowEvery)
	defer approve.Stop()
	defer days.Stop()
	defer serve.Stop()
	defer low.Stop()
	var commissions sync.WaitGroup
	commissions.Go(func() { m.tendCommissions(ctx) })
	defer commissions.Wait()
	flagged := time.NewTicker(flaggedEvery)
	defer flagged.Stop()
	m.keep(ctx)
	var hooks sync.WaitGroup
	defer hooks.Wait()
	m.sealOld(ctx)
	hooks.Go(func() { m.runHooks(ctx) })
	hooks.Go(func() { m.runSupply(ctx) })
	var drops sync.WaitGroup
	defer drops.Wait()
	drops.Go(func() { m.dropTestData(ctx) })
	var reminders sync.WaitGroup
	defer reminders.Wait()
	reminders.Go(func() { m.remindAll(ctx) })
	var cards sync.WaitGroup
	defer cards.Wait()
	if m.giftCards != nil {
		cards.Go(func() { m.sendGiftCards(ctx) }) // the provider's slowness is nobody else's
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-approve.C:
			m.tick(ctx, m.ApproveDue, "approving due referrals", "approved after their delay")
		case <-days.C:
			m.keep(ctx)
		case <-flagged.C:
			m.tick(ctx, m.ResolveFlagged, "resolving flagged referrals", "flagged ones were resolved by their sites' policies")
		case <-serve.C:
			m.tick(ctx, m.ServeWaiting, "handing out coupons to those who wait", "coupons were handed out to those who waited")
		case <-low.C:
			if err := m.CheckStock(ctx); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("looking for low coupon lists failed; it is tried again")
			}
		}
	}
}

// tick does a timer's work and notes what came of it.
func (m *Module) tick(ctx context.Context, do func(context.Context) (int, error), what, done string) {
	m.Tick(func() {
		if n, err := do(ctx); err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg(what + " failed; it is tried again")
		} else if n > 0 {
			m.log.Info().Int("count", n).Msg(done)
		}
	})
}

// keep does the housekeeping that nobody waits for.
func (m *Module) keep(ctx context.Context) {
	now := m.now()
	dropped, err := keepDays(ctx, m.db, now)
	for _, sweep := range []func() (int64, error){
		func() (int64, error) { return idempotency.Sweep(ctx, m.db, schema, now.Add(-sweepAge), sweepBatch) },
		func() (int64, error) { return dropMarks(ctx, m.db, now.AddDate(-1, 0, 0), sweepBatch) },
		func() (int64, error) { return dropClaimMarks(ctx, m.db, now.AddDate(-1, 0, 0), sweepBatch) },
		func() (int64, error) { return dropTouches(ctx, m.db, now, sweepBatch) },
		func() (int64, error) {
			return dropCodeRequests(ctx, m.db, now.AddDate(0, 0, -requestsKept), sweepBatch)
		},
		func() (int64, error) {
			return dropClickAsks(ctx, m.db, now.AddDate(0, 0, -clickAsksKept), sweepBatch)
		},
		func() (int64, error) { return dropRefusals(ctx, m.db, now.AddDate(0, 0, -visitDaysKept), sweepBatch) },
		func() (int64, error) {
			return dropAttributions(ctx, m.db, now.AddDate(0, 0, -visitDaysKept), sweepBatch)
		},
		func() (int64, error) {
			return dropExperimentPurchases(ctx, m.db, now.AddDate(0, 0, -experimentDays), sweepBatch)
		},
	} {
		if err == nil {
			err = wholly(sweep)
		}
	}
	switch {
	case err != nil && ctx.Err() == nil:
		m.log.Error().Err(err).Msg("housekeeping failed; it is tried again")
	case dropped > 0:
		m.log.Info().Int("days", dropped).Msg("dropped old visits")
	}
}

// wholly sweeps a batch at a time until nothing is left.
func wholly(sweep func() (int64, error)) error {
	for {
		if n, err := sweep(); err != nil || n < sweepBatch {
			return err
		}
	}
}
