package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// Refund is money that goes back to the customer.
type Refund struct {
	Amount      *int64    // minor units; nil: all that is left
	RefundedAt  time.Time // zero means now
	Idempotency idempotency.Key
}

// refund is a row of customer.refund.
type refund struct {
	ID     int64  `db:"id"`
	Key    string `db:"key"`
	Amount int64  `db:"amount"`
}

var errRefunded = fault.New(fault.Invalid, "already_refunded", "Origin has already been refunded")

// amountOf decides how much goes back. Refunds add up and never exceed the origin; one without an amount takes what is left.
func (o *origin) amountOf(asked *int64) (int64, error) {
	left := o.Subtotal - o.RefundedTotal
	switch {
	case !o.Verified:
		return 0, fault.New(fault.Invalid, "origin_unverified", "Only a browser told of this origin so far; there is nothing to refund.")
	case o.RefundedAt != nil && left == 0:
		return 0, errRefunded
	case asked == nil:
		return left, nil
	case *asked <= 0 && o.Subtotal > 0:
		return 0, fault.New(fault.Invalid, "invalid_request", "refund_subtotal: must be more than zero.").
			At("/data/refund_subtotal", "must be more than zero")
	case *asked < 0 || *asked > left:
		return 0, fault.New(fault.Invalid, "refund_exceeds", "The refund exceeds what is left of the origin: %s %s.",
			money.Format(left, o.Currency), o.Currency).At("/data/refund_subtotal", "is more than what is left")
	}
	return *asked, nil
}

// Refund takes back part or all of an origin, which slug names as Talkable's origin_slug does.
func (m *Module) Refund(ctx context.Context, s site.Site, slug string, in Refund) (customerapi.Recorded, error) {
	return m.refund(ctx, s, slug, in, func(string) (*int64, error) { return in.Amount, nil })
}

// refund is Refund with an amount that is known only when the origin's currency is.
func (m *Module) refund(ctx context.Context, s site.Site, slug string, in Refund, amount func(currency string) (*int64, error)) (customerapi.Recorded, error) {
	var f findings
	if f.moment("/data/refunded_at", in.RefundedAt, m.now()); f.err() != nil {
		return customerapi.Recorded{}, f.err()
	}
	var out customerapi.Recorded
	var full bool
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		out, full = customerapi.Recorded{}, false
		claimed, err := idempotency.TakeOne(ctx, u.Tx, "customer", u.Now, s.ID, in.Idempotency)
		if err != nil {
			return err
		}
		if claimed.Replayed {
			err := json.Unmarshal(claimed.Answer, &out)
			out.Replayed = true
			return wrap("answer kept with an idempotency key", err)
		}
		o, err := originBySlug(ctx, u, s.ID, slug, "")
		if err != nil {
			return err
		}
		if err := shareOwner(ctx, u, o); err != nil { // before the origin, as who records one does
			return err
		}
		o, err = originBySlug(ctx, u, s.ID, slug, "for no key update")
		if err != nil {
			return err
		}
		asked, err := amount(o.Currency)
		if err != nil {
			return err
		}
		p, err := ownerOf(ctx, u, o)
		if err != nil {
			return err
		}
		if full, err = refundIn(ctx, u, &o, p, asked, in); err != nil {
			return err
		}
		out = o.recorded(p)
		kept, err := json.Marshal(out)
		if err != nil {
			return wrap("keep the answer", err)
		}
		return idempotency.KeepOne(ctx, u.Tx, "customer", s.ID, in.Idempotency, kept)
	})
	switch _, refused := fault.Of(err); {
	case refused:
		m.metrics.Of(ctx).refunds.WithLabelValues("refused").Inc()
	case err == nil && !out.Replayed && full:
		m.metrics.Of(ctx).refunds.WithLabelValues("full").Inc()
	case err == nil && !out.Replayed:
		m.metrics.Of(ctx).refunds.WithLabelValues("partial").Inc()
	}
	return out, err
}

// refundIn refunds an origin of p's that is locked. A key that the origin has seen is answered with what stands, for ever.
func refundIn(ctx context.Context, u *bus.Unit, o *origin, p *person, asked *int64, in Refund) (full bool, err error) {
	earlier, err := refundsOf(ctx, u, o.SiteID, o.ID)
	if err != nil {
		return false, err
	}
	key := fmt.Sprintf("seq:%d", len(earlier)+1)
	if in.Idempotency.Value != "" {
		key = "key:" + in.Idempotency.Value
	}
	for _, r := range earlier {
		if r.Key != key {
			continue
		}
		if asked != nil && *asked != r.Amount {
			return false, fault.New(fault.Unprocessable, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
		}
		return o.RefundedTotal == o.Subtotal, nil
	}
	amount, err := o.amountOf(asked)
	if err != nil {
		return false, err
	}
	at := in.RefundedAt.UTC().Truncate(time.Microsecond)
	if in.RefundedAt.IsZero() {
		at = u.Now
	}
	id, err := insertRefund(ctx, u, *o, key, amount, at)
	if err != nil {
		return false, err
	}
	o.RefundedTotal, o.RefundedAt = o.RefundedTotal+amount, &at
	if err := saveRefunded(ctx, u, *o); err != nil {
		return false, err
	}
	full = o.RefundedTotal == o.Subtotal
	e := customerevent.OriginRefunded{SiteID: o.SiteID, OriginID: o.ID, RefundID: id, Subtotal: o.Subtotal, Currency: o.Currency,
		Refunded: amount, RefundedTotal: o.RefundedTotal, Full: full, OccurredAt: o.OccurredAt, RefundedAt: at,
		Type: o.Type, Category: o.Category, TrafficSource: o.TrafficSource, DeviceType: web.DeviceType(o.UserAgent),
		UTMSource: o.UTM.Source, UTMMedium: o.UTM.Medium, UTMCampaign: o.UTM.Campaign}
	if p != nil {
		e.PersonID = p.ID
	}
	u.Tell(o.SiteID, o.key(), e) // the key under which the origin was told
	return full, nil
}
