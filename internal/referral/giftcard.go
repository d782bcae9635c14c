package referral

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// States of a gift card's order.
const (
	cardQueued    = "queued"
	cardSending   = "sending"
	cardSent      = "sent"
	cardFailed    = "failed"    // the provider said no, or nobody knows an address
	cardUncertain = "uncertain" // the provider did not answer to the end; whether it has the order is not known
	cardCancelled = "cancelled" // the reward was taken back first
)

const (
	cardBatch    = 20
	cardLease    = 5 * time.Minute // longer than a batch takes
	cardDeadline = 15 * time.Second
	cardPoll     = 2 * time.Second
	cardAttempts = 18 // over some three days
	cardPause    = 30 * time.Second
	cardPauseMax = 6 * time.Hour
)

var (
	errNoGiftCard   = fault.New(fault.NotFound, "gift_card_not_found", "No such gift card.")
	errCardNotRetry = fault.New(fault.Conflict, "gift_card_not_failed", "Only a gift card that failed or is uncertain can be tried again.")
)

// GiftCards is a provider that mails gift cards. The same key never orders twice, so an order whose answer was lost may be repeated.
type GiftCards interface {
	Name() string
	Order(ctx context.Context, o GiftCardOrder) (id string, err error)
}

// GiftCardOrder is what the provider is told.
type GiftCardOrder struct {
	Key      string // ours, the same for ever
	Name     string // of the recipient; "" if nobody knows it
	Email    string
	Amount   int64 // minor units
	Currency string
}

// GiftCardError is a provider's answer that is no order. Any other error means that there was no answer.
type GiftCardError struct {
	Final  bool // it will be the same next time
	Detail string
}

func (e *GiftCardError) Error() string { return e.Detail }

// giftCard is an order of a gift card, one a reward.
type giftCard struct {
	SiteID     int64      `db:"site_id"`
	RewardID   int64      `db:"reward_id"`
	CampaignID int64      `db:"campaign_id"`
	PersonID   int64      `db:"person_id"`
	Amount     int64      `db:"amount"`
	Currency   string     `db:"currency"`
	Status     string     `db:"status"`
	Attempts   int        `db:"attempts"`
	NextAt     time.Time  `db:"next_at"`
	LeaseUntil *time.Time `db:"lease_until"`
	OrderID    *string    `db:"order_id"`
	Error      *string    `db:"error"`
	CreatedAt  time.Time  `db:"created_at"`
	UpdatedAt  time.Time  `db:"updated_at"`

	Voided   bool   `db:"voided"`   // its reward was taken back
	Referral *int64 `db:"referral"` // of its reward
}

// key is what the provider knows the order by.
func (g *giftCard) key() string { return "talkable-" + itoa(g.SiteID) + "-reward-" + itoa(g.RewardID) }

// lost says that somebody has a gift card that is nobody's reward any more.
func (g *giftCard) lost() bool { return g.Status == cardSent && g.Voided }

// noteLost counts a lost gift card, and says so where a person may see it.
func (m *Module) noteLost(ctx context.Context, siteID, rewardID int64) {
	m.metrics.Of(ctx).cardsLost.Inc()
	m.log.Warn().Int64("site", siteID).Int64("reward", rewardID).Msg("a gift card was sent, and its reward is taken back: it isn't called back")
}

// claim says what becomes of an order that is due: it is tried, or not any more.
func (g *giftCard) claim(now time.Time) {
	g.UpdatedAt = now
	if g.Voided && g.Attempts == 0 { // else the provider may have it, and only asking again tells
		g.Status = cardCancelled
		return
	}
	until := now.Add(cardLease)
	g.Status, g.LeaseUntil, g.Attempts = cardSending, &until, g.Attempts+1
}

// settle says what becomes of an order after an attempt.
func (g *giftCard) settle(orderID string, err error, now time.Time, jitter float64) {
	g.LeaseUntil, g.UpdatedAt = nil, now
	if err == nil {
		g.Status, g.OrderID, g.Error = cardSent, &orderID, nil
		return
	}
	said := firstRunes(err.Error(), 500)
	g.Error = &said
	var answer *GiftCardError
	answered := errors.As(err, &answer)
	switch {
	case answered && answer.Final:
		g.Status = cardFailed
	case g.Attempts < cardAttempts:
		g.Status, g.NextAt = cardQueued, now.Add(cardWait(g.Attempts, jitter))
	case answered:
		g.Status = cardFailed
	default:
		g.Status = cardUncertain
	}
}

// cardWait is the pause after so many attempts: doubled each time, with up to a fifth more so that not all come at once.
func cardWait(attempts int, jitter float64) time.Duration {
	wait := cardPauseMax
	if shift := attempts - 1; shift < 20 {
		wait = min(cardPause<<shift, cardPauseMax)
	}
	return wait + time.Duration(jitter*float64(wait)/5)
}

func firstRunes(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n])
	}
	return s
}

// sendGiftCards works off what is due until ctx ends.
func (m *Module) sendGiftCards(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := m.SendGiftCards(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("sending gift cards failed; it is tried again")
		}
		if n == cardBatch && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(cardPoll):
		}
	}
}

// SendGiftCards orders the gift cards that are due, and returns how many were tried. A lease keeps others from trying the same; if this
// process dies, another one asks the provider again under the same key.
func (m *Module) SendGiftCards(ctx context.Context) (int, error) {
	if m.giftCards == nil {
		return 0, nil // they wait for a provider
	}
	var list []giftCard
	err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if list, err = lockDueGiftCards(ctx, u.Tx, u.Now, cardBatch); err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			list[i].claim(u.Now)
		}
		return saveGiftCards(ctx, u.Tx, list)
	})
	if err != nil {
		return 0, err
	}
	for i := range list {
		g := &list[i]
		if g.Status != cardSending {
			m.metrics.Of(ctx).cards.WithLabelValues(g.Status).Inc()
			continue
		}
		if err := m.sendGiftCard(context.WithoutCancel(ctx), g); err != nil { // a known answer isn't lost because we are to stop
			return len(list), err
		}
	}
	return len(list), nil
}

func (m *Module) sendGiftCard(ctx context.Context, g *giftCard) error {
	id, sent := m.orderGiftCard(ctx, g)
	attempts := g.Attempts
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		held, err := lockGiftCard(ctx, u.Tx, g.SiteID, g.RewardID)
		if err != nil {
			return err
		}
		if held.Status != cardSending || held.Attempts != attempts {
			*g = held // somebody else took it when our lease had ended
			return nil
		}
		held.settle(id, sent, u.Now, rand.Float64())
		*g = held
		if g.Status == cardSent {
			if err := payReward(ctx, u.Tx, u.Now, g.SiteID, g.RewardID); err != nil {
				return err
			}
			u.Tell(g.SiteID, (&reward{ID: g.RewardID, ReferralID: g.Referral}).key(), referralevent.GiftCardSent{SiteID: g.SiteID, RewardID: g.RewardID,
				CampaignID: g.CampaignID, PersonID: g.PersonID, Amount: g.Amount, Currency: g.Currency, Provider: m.giftCards.Name(), OrderID: id, SentAt: u.Now})
		}
		return saveGiftCards(ctx, u.Tx, []giftCard{held})
	})
	if err != nil {
		return err
	}
	m.metrics.Of(ctx).cards.WithLabelValues(g.Status).Inc()
	if g.lost() { // it was under way when its reward was taken back
		m.noteLost(ctx, g.SiteID, g.RewardID)
	}
	if g.Status != cardSent {
		m.log.Warn().Int64("site", g.SiteID).Int64("reward", g.RewardID).Int("attempts", g.Attempts).Str("status", g.Status).AnErr("error", sent).
			Msg("a gift card was not ordered")
	}
	return nil
}

// orderGiftCard asks the provider. Who gets it is asked at the last moment, so no address is kept here.
func (m *Module) orderGiftCard(ctx context.Context, g *giftCard) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cardDeadline)
	defer cancel()
	known, err := m.peopleOfSites(ctx, []key{{g.SiteID, g.PersonID}})
	if err != nil {
		return "", err
	}
	p, ok := known[key{g.SiteID, g.PersonID}]
	if !ok || p.Email == "" {
		return "", &GiftCardError{Final: true, Detail: "nobody knows an e-mail address of the person"}
	}
	name := p.FirstName
	if p.LastName != "" {
		name += " " + p.LastName
	}
	return m.giftCards.Order(ctx, GiftCardOrder{Key: g.key(), Name: name, Email: p.Email, Amount: g.Amount, Currency: g.Currency})
}

// retryGiftCard lets a gift card that failed be tried again; replayed says that the Idempotency-Key had done it before.
func (m *Module) retryGiftCard(ctx context.Context, s site.Site, rewardID int64, k idempotency.Key) (out giftCardJSON, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			g, err := lockGiftCard(ctx, u.Tx, s.ID, rewardID)
			if err != nil {
				return err
			}
			if g.Status != cardFailed && g.Status != cardUncertain {
				return errCardNotRetry
			}
			g.Status, g.NextAt, g.UpdatedAt = cardQueued, u.Now, u.Now
			g.Attempts = min(g.Attempts, 1) // not zero: the provider may know it
			out = g.json()
			return saveGiftCards(ctx, u.Tx, []giftCard{g})
		})
		return err
	})
	return out, replayed, err
}
