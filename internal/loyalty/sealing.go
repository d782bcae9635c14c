package loyalty

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/loyalty/seal"
	"github.com/talkable/talkable/internal/postgres"
)

const (
	perSeal       = 1000 // transactions of one set, and of a pass
	anchorEvery   = 1000 // places
	milestoneStep = 256  // entries of an account
)

// sealer follows what was posted and makes it provable: it extends each site's chain, keeps where to look for old balances and what came to each quarter of an hour, and signs a
// checkpoint a day. Nobody waits for it. Package seal says what a chain is.
type sealer struct {
	key         ed25519.PrivateKey // nil: checkpoints are not signed
	places      prometheus.Counter
	checkpoints *prometheus.CounterVec
	behind      prometheus.Gauge
}

func newSealer(key ed25519.PrivateKey, reg prometheus.Registerer) sealer {
	s := sealer{key: key,
		places: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "loyalty", Name: "sealed_transactions_total",
			Help: "Transactions that were put into their sites' chains."}),
		checkpoints: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "loyalty", Name: "ledger_checkpoints_total",
			Help: "Daily checkpoints of sites' ledgers."}, []string{"signed"}),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "loyalty", Name: "unsealed_ids",
			Help: "How far the ids of transactions are ahead of what may be sealed: it stays high while a transaction of the database does not end."}),
	}
	if reg != nil {
		reg.MustRegister(s.places, s.checkpoints, s.behind)
	}
	return s
}

// keepSealing seals once a minute, until ctx ends, and while there is more to do, a set at a time, rests three times as long as each took: a long
// burst would have purchases queue behind it. Any number of replicas may do so: they pass each other by.
func (m *Module) keepSealing(ctx context.Context) {
	for {
		began, pause := m.now(), tick
		n, err := m.seal(ctx, perSeal)
		if err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Int("done", n).Msg("seal the ledger")
		}
		last := m.now()
		if n >= perSeal {
			pause = min(3*last.Sub(began), tick)
		}
		for passed := time.Duration(0); passed >= 0 && passed < pause; passed = m.now().Sub(last) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(look, pause-passed)):
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// Seal puts what is decided into the sites' chains, and returns how many transactions those were. What was posted since the last call is
// left to the next, because others that are still under way may come to stand before it.
func (m *Module) Seal(ctx context.Context) (n int, err error) { return m.seal(ctx, math.MaxInt) }

// seal is Seal for a while: it ends soon after it has sealed so many.
func (m *Module) seal(ctx context.Context, most int) (n int, err error) {
	floor, err := m.settleFloor(ctx)
	if err != nil {
		return 0, err
	}
	sites, err := unsealedSites(ctx, m.db, floor)
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for more := true; more && n < most; {
			done, err := m.sealSome(ctx, site, floor)
			if err != nil {
				return n, err
			}
			n += done
			more = done == perSeal
		}
	}
	m.seals.places.Add(float64(n))
	return n, m.checkpoint(ctx)
}

// settleFloor moves the floor up to the last mark if all that was under way then is over, and sets the next mark.
func (m *Module) settleFloor(ctx context.Context) (floor int64, err error) {
	err = postgres.InTx(ctx, m.db, func(tx *sqlx.Tx) error {
		last, err := lastID(ctx, tx) // before this transaction has an xid of its own: see the horizon's table
		if err != nil {
			return err
		}
		h, err := moveHorizon(ctx, tx, last)
		floor = h.Floor
		m.seals.behind.Set(float64(last - floor))
		return err
	})
	return floor, err
}

// sealSome extends a site's chain by one set. 0: there is nothing, or somebody else is at it.
func (m *Module) sealSome(ctx context.Context, site, floor int64) (n int, err error) {
	err = postgres.InTx(ctx, m.db, func(tx *sqlx.Tx) error {
		n = 0
		c, ok, err := lockChain(ctx, tx, site)
		if err != nil || !ok {
			return err
		}
		records, err := recordsOf(ctx, tx, site, c.ID, floor, perSeal)
		if err != nil || len(records) == 0 {
			return err
		}
		var anchors []seal.Anchor
		var due []milestone
		for _, r := range records {
			c.Add(r)
			if c.Place%anchorEvery == 0 {
				anchors = append(anchors, seal.Anchor{Place: c.Place, ID: c.ID, Hash: c.Hash})
			}
			for _, e := range r.Entries {
				if e.Seq%milestoneStep == 0 {
					due = append(due, milestone{AccountID: e.AccountID, Seq: e.Seq})
				}
			}
		}
		n = len(records)
		if err := saveAnchors(ctx, tx, site, anchors); err != nil {
			return err
		}
		if err := saveMilestones(ctx, tx, site, due); err != nil {
			return err
		}
		if err := saveTurnover(ctx, tx, site, turnoverOf(records)); err != nil {
			return err
		}
		return saveChain(ctx, tx, c, m.now())
	})
	if err != nil {
		return 0, fmt.Errorf("seal site %d: %w", site, err)
	}
	return n, nil
}

// checkpoint makes one for each site whose chain has grown since its last, once the day (UTC) is over.
func (m *Module) checkpoint(ctx context.Context) error {
	now := m.now().UTC()
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	sites, err := sitesToCheck(ctx, m.db, day)
	if err != nil {
		return err
	}
	for _, site := range sites {
		err := postgres.InTx(ctx, m.db, func(tx *sqlx.Tx) error {
			c, ok, err := lockChain(ctx, tx, site)
			if err != nil || !ok {
				return err
			}
			k := seal.Sign(c, day.Format(time.DateOnly), now, m.seals.key)
			fresh, err := saveCheckpoint(ctx, tx, k)
			if err == nil && fresh {
				m.seals.checkpoints.WithLabelValues(map[bool]string{true: "yes", false: "no"}[m.seals.key != nil]).Inc()
				m.log.Info().Int64("site", site).Str("day", k.Day).Int64("place", k.Place).Stringer("hash", k.Hash).Msg("the ledger has a checkpoint")
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("checkpoint of site %d: %w", site, err)
		}
	}
	return nil
}
