package notify

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
)

const (
	leaseRound = 2 * time.Second // between looks for workers that died
	bodyRound  = 1800            // lease rounds between looks for old bodies: an hour
	bodyBatch  = 500
	keysStay   = 7 * 24 * time.Hour // of idempotency keys
)

// tend ends the leases of workers that died, drops old bodies and measures, until ctx ends. Replicas may do the same.
func (m *Module) tend(ctx context.Context) error {
	ticker := time.NewTicker(leaseRound)
	defer ticker.Stop()
	for round := 0; ; round++ {
		err := m.tidy(ctx, round%bodyRound == 0)
		if err == nil && round%bodyRound == 0 {
			err = m.forget(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.Log.Warn().Err(err).Msg("tidying up messages failed")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (m *Module) tidy(ctx context.Context, bodies bool) error {
	if err := m.endLeases(ctx); err != nil {
		return err
	}
	waiting, underway, err := backlog(ctx, m.DB)
	if err != nil {
		return err
	}
	m.metrics.Real.backlog.WithLabelValues(queued).Set(float64(waiting))
	m.metrics.Real.backlog.WithLabelValues(sending).Set(float64(underway))
	for bodies && ctx.Err() == nil {
		n, err := dropBodies(ctx, m.DB, m.Now().Add(-bodiesStay), m.Now(), bodyBatch)
		if err != nil {
			return err
		}
		bodies = n == bodyBatch
	}
	return nil
}

// forget drops idempotency keys that nobody will send again.
func (m *Module) forget(ctx context.Context) error {
	if err := forgetSMSDays(ctx, m.DB, m.Now().Add(-keysStay)); err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, err := dropMailAsks(ctx, m.DB, m.Now().Add(-mailAsksKept), bodyBatch)
		if err != nil {
			return err
		}
		if n < bodyBatch {
			break
		}
	}
	for ctx.Err() == nil {
		n, err := idempotency.Sweep(ctx, m.DB, "notify", m.Now().Add(-keysStay), bodyBatch)
		if err != nil || n < bodyBatch {
			return err
		}
	}
	return nil
}

// endLeases lets messages go on whose worker died. Those that were in transmission may have arrived: they are told as uncertain
// and stay so.
func (m *Module) endLeases(ctx context.Context) error {
	var returned int
	var doubtful []job
	err := m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if returned, doubtful, err = endLeases(ctx, u, u.Now); err != nil {
			return err
		}
		for _, j := range doubtful {
			if j.Doubted.Valid { // a doubt is told once
				continue
			}
			u.Tell(j.SiteID, j.key(), j.failed(uncertain, u.Now))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, j := range doubtful {
		m.metrics.Of(ctx).messages.WithLabelValues(j.Template, uncertain).Inc()
	}
	if returned+len(doubtful) > 0 {
		m.Log.Warn().Int("returned", returned).Int("uncertain", len(doubtful)).Msg("a worker died with messages in hand")
	}
	return nil
}
