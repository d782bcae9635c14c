package notify

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/talkable/talkable/internal/bus"
)

// hear tells merchants of the events of one type, and does nothing else with them.
func hear[T bus.Payload](m *Module, c *bus.Consumer, from func(T) (occasion, bool)) {
	bus.On(c, func(ctx context.Context, u *bus.Unit, batch []bus.Event[T]) error {
		return announce(ctx, m, u, batch, from)
	})
}

// announce makes a delivery of each event for each endpoint that wants it. Most sites want nothing: then that is all it asks.
func announce[T bus.Payload](ctx context.Context, m *Module, u *bus.Unit, batch []bus.Event[T], from func(T) (occasion, bool)) error {
	all := make([]occasion, 0, len(batch))
	for _, e := range batch {
		if o, ok := from(e.Body); ok {
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		return nil
	}
	wanted, err := subscribers(ctx, u, all)
	if err != nil || len(wanted) == 0 {
		return err
	}
	deliveries, err := m.deliveries(all, wanted)
	if err != nil {
		return err
	}
	made, err := insertDeliveries(ctx, u, deliveries, u.Now)
	if err != nil {
		return err
	}
	for _, kind := range made {
		m.metrics.Of(ctx).deliveries.WithLabelValues(kind, hookQueued).Inc()
	}
	return nil
}

// subject is a type of a site.
type subject struct {
	SiteID int64  `db:"site_id"`
	Type   string `db:"type"`
}

// parcel is a delivery that is to be made.
type parcel struct {
	occasion
	endpointID                 int64
	kind, key, messageID, data string
}

// deliveries are those that endpoints want, each once, in the order of their key.
func (m *Module) deliveries(all []occasion, wanted map[subject][]int64) ([]parcel, error) {
	var out []parcel
	seen := map[string]bool{}
	for _, o := range all {
		for _, kind := range []string{o.kind, o.talkable} {
			endpoints := wanted[subject{o.siteID, kind}]
			if kind == "" || len(endpoints) == 0 {
				continue
			}
			data, err := json.Marshal(o.data)
			if err != nil {
				return nil, fmt.Errorf("data of a delivery: %w", err)
			}
			key := kind + ":" + o.id
			if id := fmt.Sprint(o.siteID, " ", key); !seen[id] {
				seen[id] = true
			} else {
				continue
			}
			for _, e := range endpoints {
				out = append(out, parcel{occasion: o, endpointID: e, kind: kind, key: key, messageID: m.messageID(o.siteID, key), data: string(data)})
			}
		}
	}
	slices.SortFunc(out, func(x, y parcel) int {
		return cmp.Or(cmp.Compare(x.siteID, y.siteID), cmp.Compare(x.endpointID, y.endpointID), cmp.Compare(x.key, y.key))
	})
	return out, nil
}

// messageID is the webhook-id of an occasion: the same however often it is sent, and even if its delivery is made anew; another in
// each installation, because one receiver may serve several.
func (m *Module) messageID(siteID int64, key string) string {
	mac := hmac.New(sha256.New, m.Secret)
	fmt.Fprintf(mac, "webhook message\x00%d\x00%s", siteID, key)
	return "msg_" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}
