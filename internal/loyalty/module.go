// Package loyalty owns programmes, members and the points ledger (schema "loyalty").
//
// It tells:  loyalty.member_joined.v1, loyalty.member_status_changed.v1, loyalty.member_invited.v1, loyalty.points_earned.v1, loyalty.points_clawed_back.v1, loyalty.points_expired.v1,
// loyalty.points_expiring.v1, loyalty.points_activated.v1, loyalty.points_reinstated.v1, loyalty.points_transferred.v1, loyalty.points_merged.v1, loyalty.hold_changed.v1, loyalty.points_adjusted.v1, loyalty.points_redeemed.v1, loyalty.redemption_cancelled.v1, loyalty.redemption_fulfilled.v1, loyalty.tier_changed.v1, loyalty.pool_changed.v1, loyalty.points_pooled.v1
// It hears:  customer.origin_recorded.v1, customer.origin_refunded.v1, customer.person_anonymized.v1, customer.person_merged.v1, customer.person_unmerged.v1, referral.reward_issued.v1, referral.reward_clawed_back.v1,
// referral.referral_approved.v1, referral.referral_voided.v1, referral.offer_shared.v1, referral.coupon_issued.v1, referral.gift_card_sent.v1
//
// Points move in double entry: a transaction has one entry on the member's account and its opposite on an account of the site
// ("issued", "expired", "adjusted", "redeemed", "held", "transferred"). Points that can't be spent yet are on a second account of the member, "pending". Each earning makes a lot, which remembers how many of its points are left, expired
// or taken back; an allocation says which lots a transaction took its points from.
// Tiers follow from what counts, by days (tier_ladder.go). Programmes that ask for more than lifetime points keep merits and their days;
// others keep none. Members of a pool keep accounts of their own; what others pay of a spending moves to who spends just before it.
// Rows are locked in one order everywhere: idempotency keys, reversals of expiry, programmes by site, redemption batches, pools, members' accounts by site and
// person, redemptions, holds, counts of redemptions, budgets of rules, the site's own accounts.
package loyalty

import (
	"context"
	"crypto/ed25519"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// Deps is what the module needs.
type Deps struct {
	DB      *sqlx.DB    // a pool whose role sees schema loyalty and nothing else
	Outbox  *bus.Outbox // the same pool's
	Log     zerolog.Logger
	Reg     prometheus.Registerer
	Now     clock.Clock
	Cursors *web.Cursors
	People  People      // who knows the people that conditions ask about; nil: nobody, so that is empty
	Past    Past        // who knows what people did, for backtests; nil: nobody, so there is nothing to play
	Coupons couponLists // who has coupon lists; nil: nobody, so lists are not looked up

	Calls     *outcall.Client    // asks fulfilment hooks; nil: nobody is asked
	LedgerKey ed25519.PrivateKey // signs the ledger's checkpoints; nil: nobody does
}

// couponLists knows the lists whose coupons redemptions hand out, and what they handed out.
type couponLists interface {
	CouponLists(ctx context.Context, siteID int64, ids []int64) (map[int64]referralapi.CouponList, error)
	// TakeBack takes back what a redemption got, if it can still be had back; gone: it can't. It may be asked again.
	TakeBack(ctx context.Context, siteID, redemptionID int64) (gone bool, err error)
}

// Module is the loyalty module.
type Module struct {
	*agenda.Timers
	db      *sqlx.DB
	outbox  *bus.Outbox
	log     zerolog.Logger
	reg     prometheus.Registerer
	now     clock.Clock
	m       postgres.Apart[*metrics]
	cursors *web.Cursors
	coupons couponLists
	people  People
	past    Past
	calls   *outcall.Client
	counts  *lru.Cache[int64, memberCount] // of sites with many members
	curious *lru.Cache[siteID, bool]       // batches whose condition looks at the person
	known   *lru.Cache[versionKey, edition]
	marks   *lru.Cache[versionKey, []versionMark]
	actions *postgres.Group[action, loyaltyapi.Action]
	seals   sealer
	kick    chan struct{} // the timers have something to do now
	asked   *atomic.Int32 // looks in which rules are asked as well: what is due for them is committed by then
}

// New makes the module. It does no I/O.
func New(d Deps) *Module {
	known, err := lru.New[versionKey, edition](keptVersions)
	if err != nil {
		panic(err) // the size is positive
	}
	marks, err := lru.New[versionKey, []versionMark](keptVersions)
	if err != nil {
		panic(err)
	}
	curious, err := lru.New[siteID, bool](keptCurious)
	if err != nil {
		panic(err)
	}
	counts, err := lru.New[int64, memberCount](keptCounts)
	if err != nil {
		panic(err)
	}
	m := &Module{
		curious: curious, counts: counts,
		Timers: new(agenda.Timers), people: d.People, past: d.Past, calls: d.Calls, asked: new(atomic.Int32), known: known, marks: marks,
		db: d.DB, outbox: d.Outbox, log: d.Log.With().Str("module", "loyalty").Logger(), reg: d.Reg, now: d.Now,
		m: metricsApart(d.Reg), cursors: d.Cursors, coupons: d.Coupons, kick: make(chan struct{}, 1),
		seals: newSealer(d.LedgerKey, d.Reg),
	}
	m.actions = postgres.NewGroup(maxActions, m.act).Observe(func(size int) { m.m.Real.group.Observe(float64(size)) })
	return m
}

// Consumer is what the module hears.
func (m *Module) Consumer() *bus.Consumer {
	c := bus.NewConsumer("loyalty", m.outbox, m.log, m.reg).Ahead(lockAhead)
	bus.On(c, m.originsRecorded)
	bus.On(c, m.originsRefunded)
	bus.On(c, m.rewardsIssued)
	bus.On(c, m.rewardsClawedBack)
	bus.On(c, m.referralsApproved)
	bus.On(c, m.referralsVoided)
	bus.On(c, m.offersShared)
	bus.On(c, m.couponsIssued)
	bus.On(c, m.giftCardsSent)
	bus.On(c, m.anonymized)
	bus.On(c, m.merged)
	bus.On(c, m.unmerged)
	return c
}

const (
	tick        = time.Minute          // between passes, by the module's clock
	look        = time.Second          // at it: when it jumps, or the machine slept, what is due is not put off any longer
	keep        = 48 * time.Hour       // idempotency keys
	keepTallies = 400 * 24 * time.Hour // of days; a limit of a day forgets what is older
	keptCurious = 10_000
	perPass     = 500 // rows of a timer's transaction
)

// Run expires points, re-tiers members after a change of tiers, seals the ledger, and forgets old idempotency keys, until ctx ends. Any
// number of replicas may run it.
func (m *Module) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { m.keepSealing(ctx) })
	beside.Go(func() { m.keepAsking(ctx) }) // a shop's slowness is nobody else's
	beside.Go(func() { m.keepPlaying(ctx) })
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		last := m.now()
		m.Tick(func() { m.pass(ctx) })
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return nil
			case <-t.C:
				if m.asked.Load() > 0 {
					m.asked.Add(-1)
					m.Tick(func() { m.askRules(ctx) })
				}
				passed := m.now().Sub(last)
				again = passed >= tick || passed < 0
			case <-m.kick:
				again = true
			}
		}
	}
}

// pass is one round of the timers, in this order: holds that are over, points that expire, those of members who left, runs of expiry that are taken back, reminders, tiers. What fails is tried again
// at the next.
func (m *Module) pass(ctx context.Context) {
	if n, err := m.promoteDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("let scheduled programmes take effect")
	}
	if n, err := m.releaseDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("release holds")
	}
	if n, err := m.activateDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("activate points")
	}
	if n, err := m.ExpireDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("expire points")
	}
	if n, err := m.forfeitDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("end the points of who left")
	} else if n > 0 {
		m.log.Info().Int("members", n).Msg("points of members who left have ended")
	}
	if n, err := m.reverseDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("reverse a run of expiry")
	}
	if n, err := m.rewakeAll(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("follow a changed reminder")
	}
	if n, err := m.wakeDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("remind of points that expire")
	}
	if n, err := m.retierAll(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("re-tier members")
	}
	if n, err := m.beginDays(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("begin members' days")
	}
	if n, err := m.reviewDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("review achievements that changed")
	}
	m.askRules(ctx)
	if n, err := m.breakStreaks(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("break streaks")
	}
	if err := m.sweepFeats(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep what counted for achievements")
	}
	if err := m.sweepTallies(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep what rules gave")
	}
	if n, err := m.finishCancels(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("end cancellations")
	}
	if err := m.sweepCounts(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep counts of redemptions")
	}
	if err := sweepGoAheads(ctx, m.db, m.now().Add(-keepGoAheads), perPass); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep go-aheads")
	}
	if err := sweepInvitations(ctx, m.db, m.now().Add(-keepInvitations), perPass); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep invitations")
	}
	if err := sweepBacktests(ctx, m.db, m.now().AddDate(0, 0, -keepTests), 100); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep backtests")
	}
	if n, err := m.TiersDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("end tiers")
	} else if n > 0 {
		m.log.Info().Int("members", n).Msg("tiers that time changes")
	}
	if _, err := idempotency.Sweep(ctx, m.db, module, m.now().Add(-keep), 1000); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("sweep idempotency keys")
	}
}

// askRules decides what is due by rules.
func (m *Module) askRules(ctx context.Context) {
	if n, err := m.decideDue(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("ask rules")
	}
	if n, err := m.takeBackLost(ctx); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Int("done", n).Msg("take back points of what was lost")
	}
}

// wake lets the timers run now instead of at the next tick.
func (m *Module) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}
