package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const leisure = 50 * time.Millisecond // nobody reads a mail so soon

// Consumer says what the module hears.
func (m *Module) Consumer() *bus.Consumer {
	c := bus.NewConsumer("notify", m.Outbox, m.Log, m.Reg).Leisurely(leisure)
	bus.On(c, m.onSite)
	bus.On(c, m.onPerson)
	bus.On(c, m.onAnonymized)
	bus.On(c, m.onMerged)
	bus.On(c, m.onUnmerged)
	bus.On(c, m.onPointsEarned)
	bus.On(c, m.onShared)
	bus.On(c, m.onReward)
	bus.On(c, m.onOffer)
	bus.On(c, m.onReferral)
	bus.On(c, m.onApproval)
	bus.On(c, m.onVoid)
	bus.On(c, m.onClawback)
	bus.On(c, m.onReminder)
	bus.On(c, m.onExpiring)
	bus.On(c, m.onTier)
	bus.On(c, m.onAchievement)
	bus.On(c, m.onInvited)
	bus.On(c, m.onInvitationEnded)
	bus.On(c, m.onRewardReady)
	m.hearAll(c)
	return c
}

func (m *Module) onSite(ctx context.Context, u *bus.Unit, batch []bus.Event[gatewayevent.SiteChanged]) error {
	return saveSites(ctx, u, newest(batch, func(s gatewayevent.SiteChanged) [2]int64 { return [2]int64{s.SiteID} }))
}

func (m *Module) onPerson(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonChanged]) error {
	if err := announce(ctx, m, u, batch, fromPerson); err != nil {
		return err
	}
	return saveContacts(ctx, u, newest(batch, func(p customerevent.PersonChanged) [2]int64 { return [2]int64{p.SiteID, p.PersonID} }))
}

// onPointsEarned writes to advocates about points of the main wallet. A friend's own reward and points for one's own purchases have no message.
func (m *Module) onPointsEarned(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.PointsEarned]) error {
	if err := announce(ctx, m, u, batch, fromEarning); err != nil {
		return err
	}
	var orders []order
	seen := map[string]bool{}
	for _, e := range batch {
		p := e.Body
		if p.Wallet != "" || p.Reason != loyaltyevent.ForReward && p.Reason != loyaltyevent.ForReferral || p.PersonID == p.FriendID || p.Points <= 0 {
			continue
		}
		data, err := json.Marshal(facts{Points: p.Points, Balance: p.Balance, Reason: p.Reason, ReferralID: p.ReferralID})
		if err != nil {
			return fmt.Errorf("data of a message: %w", err)
		}
		o := order{siteID: p.SiteID, personID: p.PersonID, dedupeKey: fmt.Sprintf("%s:%d", pointsEarned, p.TransactionID), data: string(data)}
		if id := fmt.Sprint(o.siteID, " ", o.dedupeKey); !seen[id] {
			seen[id] = true
			orders = append(orders, o)
		}
	}
	return m.queue(ctx, u, pointsEarned, orders)
}

// queue queues messages of one template, where their sites send it, and tells of those that end where they begin.
func (m *Module) queue(ctx context.Context, u *bus.Unit, template string, orders []order) error {
	if len(orders) == 0 {
		return nil
	}
	orders, err := m.wanted(ctx, u, template, orders)
	if err != nil || len(orders) == 0 {
		return err
	}
	waiting, mute, err := insertOrders(ctx, u, template, u.Now, orders)
	if err != nil {
		return err
	}
	m.metrics.Of(ctx).messages.WithLabelValues(template, queued).Add(float64(waiting))
	m.tellEnds(ctx, u, mute)
	return nil
}

// onAnonymized forgets who people were: nothing more is sent to them, and what was written to them loses its words.
func (m *Module) onAnonymized(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonAnonymized]) error {
	people := newest(batch, func(p customerevent.PersonAnonymized) [2]int64 { return [2]int64{p.SiteID, p.PersonID} })
	slices.SortFunc(people, func(x, y customerevent.PersonAnonymized) int {
		return cmp.Or(cmp.Compare(x.SiteID, y.SiteID), cmp.Compare(x.PersonID, y.PersonID))
	})
	stopped, err := anonymizeContacts(ctx, u, people, u.Now)
	if err != nil {
		return err
	}
	m.tellEnds(ctx, u, stopped)
	return forgetInDeliveries(ctx, u, people)
}

// tellEnds tells of messages that ended without an attempt, and counts them.
func (m *Module) tellEnds(ctx context.Context, u *bus.Unit, all []ended) {
	for _, e := range all {
		e.tellEnd(u, fate{status: e.Status, reason: e.Reason})
		m.metrics.Of(ctx).messages.WithLabelValues(e.Template, e.Status).Inc()
	}
}

// newest keeps the last body of each key, in the log's order.
func newest[T bus.Payload](batch []bus.Event[T], key func(T) [2]int64) []T {
	place := make(map[[2]int64]int, len(batch))
	var out []T
	for _, e := range batch {
		k := key(e.Body)
		if i, ok := place[k]; ok {
			out[i] = e.Body
			continue
		}
		place[k] = len(out)
		out = append(out, e.Body)
	}
	return out
}
