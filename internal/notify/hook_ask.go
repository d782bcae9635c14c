package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// Delivery is a delivery as the API shows it.
type Delivery struct {
	ID          int64      `db:"id" json:"id"`
	WebhookID   int64      `db:"endpoint_id" json:"webhook_id"`
	MessageID   string     `db:"message_id" json:"message_id" doc:"The header webhook-id: the same at every attempt, by which a receiver knows what it has already"`
	Type        string     `db:"type" json:"type"`
	Sample      bool       `db:"sample" json:"sample"`
	State       string     `db:"state" json:"state" enum:"waiting,sending,delivered,failed"`
	Reason      *string    `db:"reason" json:"reason" doc:"Of a failed one: gave_up, gone, disabled, unrenderable"`
	Attempts    int        `db:"attempts" json:"attempts" doc:"Since it was queued, or queued again"`
	OccurredAt  time.Time  `db:"occurred_at" json:"occurred_at"`
	CreatedAt   time.Time  `db:"created_at" json:"created_at"`
	NextAt      *time.Time `db:"next_at" json:"next_attempt_at" doc:"Null unless it waits"`
	DeliveredAt *time.Time `db:"delivered_at" json:"delivered_at"`
	FailedAt    *time.Time `db:"failed_at" json:"failed_at"`
	LastStatus  *int       `db:"last_status" json:"last_status" doc:"Of the last answer; null if there was none"`
	LastError   *string    `db:"last_error" json:"last_error"`
}

func (d Delivery) shown() Delivery {
	if d.State != waiting {
		d.NextAt = nil
	}
	return d
}

// deliveryAttempt is one call.
type deliveryAttempt struct {
	Number       int       `db:"number" json:"number"`
	StartedAt    time.Time `db:"started_at" json:"started_at"`
	Milliseconds int64     `db:"milliseconds" json:"milliseconds"`
	Status       *int      `db:"status" json:"status" doc:"Null if there was no answer"`
	Error        *string   `db:"error" json:"error"`
	Answer       *string   `db:"answer" json:"answer" doc:"Its first 1,024 bytes"`
}

// wholeDelivery is a delivery with all that is kept of it.
type wholeDelivery struct {
	Delivery
	Body *string           `json:"body" doc:"What is sent at every attempt: the JSON, or the payload of Talkable's form. Null before the first one, and after somebody in it was anonymized"`
	Made []deliveryAttempt `json:"attempts_made" doc:"The last 50, newest first"`
}

// resendDelivery queues a delivery again that has ended, and has one that waits tried at once. It keeps its webhook-id, and its body.
// One that is just being sent stays as it is.
func (m *Module) resendDelivery(ctx context.Context, siteID, id int64, k idempotency.Key) (out Delivery, replayed bool, err error) {
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, &out, func() error {
			old, err := lockDelivery(ctx, u, siteID, id)
			if err != nil {
				return err
			}
			if old.State == sending {
				out = old
				return nil
			}
			e, err := endpointByID(ctx, u, siteID, old.WebhookID)
			if err != nil || !e.Enabled {
				return errDisabled
			}
			out, err = requeueDelivery(ctx, u, siteID, id, u.Now)
			return err
		})
		return err
	})
	if err == nil && !replayed {
		m.metrics.Of(ctx).deliveries.WithLabelValues(out.Type, hookQueued).Inc()
		m.kickHooks()
	}
	return out.shown(), replayed, err
}

// sendSample queues a message of made-up facts.
func (m *Module) sendSample(ctx context.Context, siteID, id int64, kind string, k idempotency.Key) (out Delivery, replayed bool, err error) {
	data, ok := samples[kind]
	if !ok {
		return out, false, fault.New(fault.Invalid, "invalid_webhook", "There is no such type.").At("/type", "is no type of this webhook")
	}
	text, err := json.Marshal(data)
	if err != nil {
		return out, false, fmt.Errorf("write a sample: %w", err)
	}
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, k, &out, func() error {
			e, err := lockEndpoint(ctx, u, siteID, id)
			switch {
			case err != nil:
				return err
			case !e.Enabled:
				return errDisabled
			case styleOf(kind) != e.Style:
				return fault.New(fault.Invalid, "invalid_webhook", "The webhook has another style.").At("/type", "is no type of this webhook")
			}
			key := samplePrefix + uuid.NewString()
			out, err = insertSample(ctx, u, siteID, parcel{occasion: occasion{at: u.Now}, endpointID: id, kind: kind, key: key,
				messageID: m.messageID(siteID, key), data: string(text)}, u.Now)
			return err
		})
		return err
	})
	if err == nil && !replayed {
		m.metrics.Of(ctx).deliveries.WithLabelValues(kind, hookQueued).Inc()
		m.kickHooks()
	}
	return out.shown(), replayed, err
}
