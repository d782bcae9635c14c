package notify

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

const hookPiece = 500 // deliveries that are tended at once

// tendHooks looks after deliveries until ctx ends. Replicas may do the same.
func (m *Module) tendHooks(ctx context.Context) error {
	ticker := time.NewTicker(leaseRound)
	defer ticker.Stop()
	for round := 0; ; round++ {
		if err := m.tidyHooks(ctx, round%bodyRound == 0); err != nil && ctx.Err() == nil {
			m.Log.Warn().Err(err).Msg("tidying up webhooks failed")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.resending:
		case <-ticker.C:
		}
	}
}

// tidyHooks does what is due beside the calls; old says to forget what is old, too.
func (m *Module) tidyHooks(ctx context.Context, old bool) error {
	steps := []func(context.Context) (bool, error){
		func(ctx context.Context) (bool, error) {
			n, err := endCalls(ctx, m.DB, m.Now(), hookPiece)
			if n > 0 {
				m.Log.Warn().Int64("deliveries", n).Msg("a worker died with webhooks in hand")
			}
			return n == hookPiece, err
		},
		func(ctx context.Context) (bool, error) {
			n, err := dropDisabled(ctx, m.DB, m.Now(), hookPiece)
			return n == hookPiece, err
		},
		m.resendPiece,
	}
	if old {
		steps = append(steps, func(ctx context.Context) (bool, error) {
			n, err := sweepDeliveries(ctx, m.DB, m.Now().Add(-deliveryStays), hookPiece)
			return n == hookPiece, err
		})
	}
	for _, step := range steps {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = step(ctx); err != nil {
				return err
			}
		}
	}
	waits, underway, err := hookBacklog(ctx, m.DB)
	if err != nil {
		return err
	}
	m.metrics.Real.hookBacklog.WithLabelValues(waiting).Set(float64(waits))
	m.metrics.Real.hookBacklog.WithLabelValues(sending).Set(float64(underway))
	return nil
}

// resendPiece queues some failed deliveries again, if somebody asked for it.
func (m *Module) resendPiece(ctx context.Context) (more bool, err error) {
	var n int64
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		n, more, err = resendFailed(ctx, u, u.Now, hookPiece)
		return err
	})
	if n > 0 {
		m.kickHooks()
	}
	return more, err
}

// kickHooks has the courier look at once.
func (m *Module) kickHooks() {
	select {
	case m.hooked <- struct{}{}:
	default:
	}
}
