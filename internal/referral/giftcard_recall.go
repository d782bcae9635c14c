package referral

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

var errCardNotRetry = fault.New(fault.Conflict, "gift_card_not_failed", "Only a gift card that failed, is uncertain or was kept can be tried again.")

// lost says that somebody has a gift card that is nobody's reward any more.
func (g *giftCard) lost() bool { return g.Status == cardKept }

// recall has an order cancelled at the provider from now on, which may have it.
func (g *giftCard) recall(now time.Time) {
	if g.Status != cardCancelling {
		g.Status, g.Attempts, g.NextAt = cardCancelling, 0, now
	}
}

// settleCancel says what becomes of an order after an attempt to cancel it. id is the provider's number, where it has the order.
func (g *giftCard) settleCancel(id string, err error, now time.Time, jitter float64) {
	g.LeaseUntil, g.UpdatedAt = nil, now
	if id != "" {
		g.OrderID = &id
	}
	if err == nil {
		g.Status, g.Error = cardCancelled, nil
		return
	}
	g.fail(err, cardCancelling, cardKept, now, jitter)
}

// cancelGiftCard asks the provider to take an order back. It is asked for by our number, so it doesn't matter whether we know that it has it.
func (m *Module) cancelGiftCard(ctx context.Context, g *giftCard) error {
	asked, cancel := context.WithTimeout(ctx, cardDeadline)
	defer cancel()
	id, refused := m.giftCards.Cancel(asked, g.key())
	return m.settleGiftCard(ctx, g, refused, func(u *bus.Unit, g *giftCard) error {
		g.settleCancel(id, refused, u.Now, rand.Float64())
		return nil
	})
}

// retryGiftCard lets what failed be tried again, the order or its cancelling; replayed says that the Idempotency-Key had done it before.
func (m *Module) retryGiftCard(ctx context.Context, s site.Site, of cardOf, k idempotency.Key) (out giftCardJSON, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			g, err := lockGiftCard(ctx, u.Tx, s.ID, of)
			if err != nil {
				return err
			}
			if err := g.retry(u.Now); err != nil {
				return err
			}
			out = g.json()
			return saveGiftCards(ctx, u.Tx, []giftCard{g})
		})
		return err
	})
	return out, replayed, err
}

func (g *giftCard) retry(now time.Time) error {
	switch {
	case g.Status != cardFailed && g.Status != cardUncertain && g.Status != cardKept:
		return errCardNotRetry
	case g.RecalledAt != nil:
		g.recall(now)
	default:
		g.Status, g.NextAt = cardQueued, now
		g.Attempts = min(g.Attempts, 1) // not zero: the provider may know it
	}
	g.UpdatedAt = now
	return nil
}
