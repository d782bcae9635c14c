package notify

import (
	"context"
	"encoding/json"
	"fmt"
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
	bus.On(c, m.onPointsEarned)
	bus.On(c, m.onShared)
	return c
}

func (m *Module) onSite(ctx context.Context, u *bus.Unit, batch []bus.Event[gatewayevent.SiteChanged]) error {
	return saveSites(ctx, u, newest(batch, func(s gatewayevent.SiteChanged) [2]int64 { return [2]int64{s.SiteID} }))
}

func (m *Module) onPerson(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonChanged]) error {
	return saveContacts(ctx, u, newest(batch, func(p customerevent.PersonChanged) [2]int64 { return [2]int64{p.SiteID, p.PersonID} }))
}

// onPointsEarned writes to advocates. A friend's own reward and points for one's own purchases have no message.
func (m *Module) onPointsEarned(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.PointsEarned]) error {
	var orders []order
	seen := map[string]bool{}
	for _, e := range batch {
		p := e.Body
		if p.Reason != loyaltyevent.ForReward && p.Reason != loyaltyevent.ForReferral || p.PersonID == p.FriendID || p.Points <= 0 {
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

// queue queues messages of one template and tells of those that end where they begin.
func (m *Module) queue(ctx context.Context, u *bus.Unit, template string, orders []order) error {
	if len(orders) == 0 {
		return nil
	}
	waiting, mute, err := insertOrders(ctx, u, template, u.Now, orders)
	if err != nil {
		return err
	}
	for _, j := range mute {
		u.Tell(j.SiteID, j.key(), j.failed(failed, u.Now))
	}
	m.metrics.messages.WithLabelValues(template, queued).Add(float64(waiting))
	m.metrics.messages.WithLabelValues(template, failed).Add(float64(len(mute)))
	return nil
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
