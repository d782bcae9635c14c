// Package customer owns persons, visitors, what they did (origins) and what was taken back (schema "customer").
//
// It tells:  customer.person_changed.v1, customer.person_anonymized.v1, customer.person_merged.v1, customer.person_unmerged.v1, customer.origin_recorded.v1, customer.origin_refunded.v1
// It hears:  nothing.
//
// Two persons who are one are merged by the merchant, and parted again: the duplicate's row stays, and whatever finds it goes on to the survivor.
// Nobody is merged by a guess. Families share phones and addresses, shops mistype customer ids, and what was earned, spent or told to the wrong
// person meanwhile can't be taken back; so what looks like one person is only suggested. A guest, of whom only the hash of an address is known, is merged with whose
// address that is: see guest.go.
//
// A person is found by e-mail, else by customer id, else by phone; the merchant's newest word about a person counts, a browser's
// changes nobody who is known. An origin is unique for ever by its number. Telling it again with the same data is harmless, with
// other data it is refused; only what a browser told gives way, once, to what the merchant says.
package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

const (
	moduleName  = "customer"
	recordCrowd = 16 // origins that must wait for a second batch to run beside the first
)

// Deps is what the module needs.
type Deps struct {
	DB     *sqlx.DB    // pool whose role sees schema customer only
	Outbox *bus.Outbox // the door for transactions that tell
	Log    zerolog.Logger
	Reg    prometheus.Registerer
	Now    clock.Clock

	Cursors *web.Cursors
}

// Module is the module.
type Module struct {
	*agenda.Timers
	db      *sqlx.DB
	outbox  *bus.Outbox
	log     zerolog.Logger
	now     clock.Clock
	cursors *web.Cursors
	metrics postgres.Apart[*metrics]
	group   *postgres.Group[request, customerapi.Recorded]
}

// New makes the module.
func New(d Deps) *Module {
	m := &Module{Timers: new(agenda.Timers), db: d.DB, outbox: d.Outbox, log: d.Log, now: d.Now, cursors: d.Cursors, metrics: metricsApart(d.Reg)}
	m.group = postgres.NewGroup(500, func(ctx context.Context, in []request) ([]answer, error) {
		return m.record(ctx, in, 0, nil)
	}).Writers(2).Crowd(recordCrowd).Observe(func(size int) { m.metrics.Real.batch.Observe(float64(size)) })
	return m
}

// Consumer is nil: the module hears nothing.
func (m *Module) Consumer() *bus.Consumer { return nil }

// Empty says whether nobody is known yet, at any site.
func Empty(ctx context.Context, db sqlx.QueryerContext) (empty bool, err error) {
	if err = sqlx.GetContext(ctx, db, &empty, `select not exists (select from customer.person)`); err != nil {
		return false, fmt.Errorf("look for people: %w", err)
	}
	return empty, nil
}

// Run merges guests with who they turned out to be, and forgets old Idempotency-Keys until ctx ends; natural keys go on guarding.
func (m *Module) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn().Err(err).Msg("old idempotency keys stay")
		}
		m.Tick(func() {
			if n, err := m.mergeGuests(ctx); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Int("done", n).Msg("merge guests with who they are")
			} else if n > 0 {
				m.log.Info().Int("guests", n).Msg("guests are known by now")
			}
		})
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (m *Module) sweep(ctx context.Context) error {
	const most = 5000
	for {
		n, err := idempotency.Sweep(ctx, m.db, moduleName, m.now().AddDate(0, 0, -7), most)
		if err != nil || n < most {
			return err
		}
	}
}
