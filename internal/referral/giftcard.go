package referral

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// States of a gift card's order.
const (
	cardQueued    = "queued"
	cardSending   = "sending"
	cardSent      = "sent"
	cardFailed    = "failed"    // the provider said no, or nobody knows an address
	cardUncertain = "uncertain" // the provider did not answer to the end; whether it has the order is not known
	cardCancelled = "cancelled" // the reward was taken back, and nobody gets it

	cardCancelling = "cancelling" // the reward was taken back, and the provider is to take the order back
	cardKept       = "kept"       // which it didn't: it was too late
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

var errNoGiftCard = fault.New(fault.NotFound, "gift_card_not_found", "No such gift card.")

// GiftCards is a provider that mails gift cards. The same key never orders twice, so an order whose answer was lost may be repeated; nor does
// cancelling what is cancelled already harm anything.
type GiftCards interface {
	Name() string
	Order(ctx context.Context, o GiftCardOrder) (id string, err error)
	// Cancel takes an order back, if there is one; id is "" where there is none. A GiftCardError that is Final means that somebody keeps it.
	Cancel(ctx context.Context, key string) (id string, err error)
}

// GiftCardOrder is what the provider is told.
type GiftCardOrder struct {
	Key      string // ours, the same for ever
	Name     string // of the recipient; "" if nobody knows it
	Email    string
	Amount   int64 // minor units
	Currency string
}

// GiftCardError is a provider's answer that doesn't do what it was asked for. Any other error means that there was no answer.
type GiftCardError struct {
	Final  bool // it will be the same next time
	Detail string

	missing bool // the provider doesn't know what was asked for
}

func (e *GiftCardError) Error() string { return e.Detail }

// cardOf is what a gift card is for: a reward, or a redemption of points.
type cardOf struct{ reward, redemption int64 }

func (g *giftCard) of() cardOf { return cardOf{g.RewardID, g.RedemptionID} }

// giftCard is an order of a gift card, one a reward or a redemption.
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

	RecalledAt *time.Time `db:"recalled_at"` // when its reward was taken back

	ID           int64  `db:"id"`
	RedemptionID int64  `db:"redemption_id"` // of points; 0: it is of a reward
	Referral     *int64 `db:"referral"`      // of its reward
}

// key is what the provider knows the order by.
func (g *giftCard) key() string {
	if g.RedemptionID != 0 {
		return "talkable-" + itoa(g.SiteID) + "-redemption-" + itoa(g.RedemptionID)
	}
	return "talkable-" + itoa(g.SiteID) + "-reward-" + itoa(g.RewardID)
}

// claim says what becomes of an order that is due: it is tried, or not any more.
func (g *giftCard) claim(now time.Time) {
	g.UpdatedAt = now
	until := now.Add(cardLease)
	switch {
	case g.RecalledAt == nil:
		g.Status = cardSending
	case g.Status == cardQueued && g.Attempts == 0: // the provider has never heard of it
		g.Status = cardCancelled
		return
	default:
		g.recall(now)
	}
	g.LeaseUntil, g.Attempts = &until, g.Attempts+1
}

// settle says what becomes of an order after an attempt. One whose reward was taken back meanwhile goes back if the provider may have it.
func (g *giftCard) settle(orderID string, err error, now time.Time, jitter float64) {
	g.LeaseUntil, g.UpdatedAt = nil, now
	if err == nil {
		g.Status, g.OrderID, g.Error = cardSent, &orderID, nil
	} else {
		g.fail(err, cardQueued, cardFailed, now, jitter)
	}
	if g.RecalledAt != nil && g.Status != cardFailed {
		g.recall(now)
	}
}

// fail says what becomes of an order after an attempt that didn't do it: it is tried again, refused, or nobody knows.
func (g *giftCard) fail(err error, again, refused string, now time.Time, jitter float64) {
	said := firstRunes(err.Error(), 500)
	g.Error = &said
	var answer *GiftCardError
	answered := errors.As(err, &answer)
	switch {
	case answered && answer.Final:
		g.Status = refused
	case g.Attempts < cardAttempts:
		g.Status, g.NextAt = again, now.Add(cardWait(g.Attempts, jitter))
	case answered:
		g.Status = refused
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
		n, err := 0, error(nil)
		m.Tick(func() { n, err = m.SendGiftCards(ctx) })
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
		if g.Status == cardCancelled {
			m.metrics.Of(ctx).cards.WithLabelValues(g.Status).Inc()
			continue
		}
		attempt := m.sendGiftCard
		if g.Status == cardCancelling {
			attempt = m.cancelGiftCard
		}
		if err := attempt(context.WithoutCancel(ctx), g); err != nil { // a known answer isn't lost because we are to stop
			return len(list), err
		}
	}
	return len(list), nil
}

func (m *Module) sendGiftCard(ctx context.Context, g *giftCard) error {
	id, sent := m.orderGiftCard(ctx, g)
	return m.settleGiftCard(ctx, g, sent, func(u *bus.Unit, g *giftCard) error {
		g.settle(id, sent, u.Now, rand.Float64())
		if sent == nil {
			at := "redemption:" + itoa(g.RedemptionID)
			if g.RewardID != 0 {
				at = (&reward{ID: g.RewardID, ReferralID: g.Referral}).key()
				if err := payReward(ctx, u.Tx, u.Now, g.SiteID, g.RewardID); err != nil {
					return err
				}
			}
			u.Tell(g.SiteID, at, referralevent.GiftCardSent{SiteID: g.SiteID, RewardID: g.RewardID, RedemptionID: g.RedemptionID,
				CampaignID: g.CampaignID, PersonID: g.PersonID, Amount: g.Amount, Currency: g.Currency, Provider: m.giftCards.Name(), OrderID: id, SentAt: u.Now})
		}
		return nil
	})
}

// settleGiftCard keeps what became of an attempt, unless somebody else has taken the order when the lease had ended.
func (m *Module) settleGiftCard(ctx context.Context, g *giftCard, failed error, settle func(*bus.Unit, *giftCard) error) error {
	status, attempts := g.Status, g.Attempts
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		held, err := lockGiftCard(ctx, u.Tx, g.SiteID, g.of())
		if err != nil {
			return err
		}
		if held.Status != status || held.Attempts != attempts || held.LeaseUntil == nil {
			*g = held
			return nil
		}
		if err := settle(u, &held); err != nil {
			return err
		}
		*g = held
		return saveGiftCards(ctx, u.Tx, []giftCard{held})
	})
	if err != nil {
		return err
	}
	m.metrics.Of(ctx).cards.WithLabelValues(g.Status).Inc()
	if g.lost() {
		m.metrics.Of(ctx).cardsLost.Inc()
	}
	if failed != nil {
		m.log.Warn().Int64("site", g.SiteID).Int64("reward", g.RewardID).Int64("redemption", g.RedemptionID).Int("attempts", g.Attempts).Str("status", g.Status).Err(failed).
			Msg("a gift card's provider didn't do what it was asked for")
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
