package notify

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/timeline"
)

// message is a message as the API shows it.
type message struct {
	ID              int64      `db:"id" json:"id"`
	PersonID        int64      `db:"person_id" json:"person_id"`
	Channel         string     `db:"channel" json:"channel" example:"email"`
	Template        string     `db:"template" json:"template" example:"points_earned"`
	TemplateVersion *int       `db:"template_version" json:"template_version" doc:"Of the words that were sent; null before the first attempt"`
	DedupeKey       string     `db:"dedupe_key" json:"dedupe_key" doc:"The occasion; at most one message each" example:"points_earned:7"`
	Status          string     `db:"status" json:"status" enum:"queued,sending,transmitting,sent,failed,uncertain,suppressed"`
	Reason          *string    `db:"reason" json:"reason" doc:"Why it isn't sent: no_contact, no_site, no_address, refused, gave_up, lost, unrenderable, capped; of a suppressed one: unsubscribed, anonymized, too_many, passed, switched_off, condition, merchant; of a queued one: asking"`
	Attempts        int        `db:"attempts" json:"attempts"`
	Recipient       *string    `db:"recipient" json:"recipient"`
	Subject         *string    `db:"subject" json:"subject"`
	Text            *string    `db:"text" json:"text,omitempty" doc:"Only where one message is asked for, until it is dropped after 180 days"`
	HTML            *string    `db:"html" json:"html,omitempty" doc:"Like text"`
	MessageID       *string    `db:"message_id_header" json:"message_id_header" doc:"The mail's Message-ID, the same for every attempt"`
	LastError       *string    `db:"last_error" json:"last_error"`
	NextAt          *time.Time `db:"next_at" json:"next_attempt_at" doc:"Null unless it is queued"`
	QueuedAt        time.Time  `db:"queued_at" json:"queued_at"`
	SentAt          *time.Time `db:"sent_at" json:"sent_at" doc:"When the next server accepted it"`
	FailedAt        *time.Time `db:"failed_at" json:"failed_at"`
	SuppressedAt    *time.Time `db:"suppressed_at" json:"suppressed_at" doc:"When it was decided that the person gets no such mail"`
	BodyDroppedAt   *time.Time `db:"body_dropped_at" json:"body_dropped_at"`
}

// shown hides what doesn't apply to the message's state.
func (m message) shown() message {
	if m.Status != queued {
		m.NextAt = nil
	}
	if m.Recipient != nil && *m.Recipient == "" { // it was sent to somebody, and nobody is to know to whom
		m.Recipient = nil
	}
	return m
}

// resend queues a message again that failed or whose outcome nobody knows: a person takes the risk that it comes twice.
func (m *Module) resend(ctx context.Context, siteID, id int64, key idempotency.Key) (answer message, replayed bool, err error) {
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "notify", u.Now, siteID, key, &answer, func() error {
			if answer, err = lockMessage(ctx, u, siteID, id); err != nil {
				return err
			}
			if !resendable(answer.Status) {
				return fault.New(fault.Conflict, "message_not_resendable",
					"Only a failed or an uncertain message can be sent again; this one is %s.", answer.Status)
			}
			if answer.BodyDroppedAt != nil {
				return fault.New(fault.Conflict, "message_too_old", "The message is too old to be sent again.")
			}
			answer, err = requeue(ctx, u, siteID, id, u.Now)
			return err
		})
		return err
	})
	if err != nil {
		return message{}, false, err
	}
	if !replayed {
		m.metrics.Of(ctx).messages.WithLabelValues(answer.Template, queued).Inc()
		select {
		case m.kick <- struct{}{}:
		default:
		}
	}
	return answer.shown(), replayed, nil
}

// notSent are the reasons of suppressed messages that aren't the person's wish.
var notSent = map[string]string{tooMany: "the person had enough that day", passed: "its occasion was over", switchedOff: "the site sends no such mail any more",
	unmet: "the site's condition for it wasn't met", objected: "the shop said no"}

// Timeline tells what happened to a person's messages, newest first.
func (m *Module) Timeline(ctx context.Context, siteID, personID int64, before timeline.Place, limit int) ([]timeline.Entry, error) {
	found, err := happenings(ctx, m.DB, siteID, personID, before, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]timeline.Entry, len(found))
	for i, h := range found {
		data := map[string]any{"template": h.Template, "channel": h.Channel}
		summary, what := "", "An e-mail"
		if h.Channel == bySMS {
			what = "An SMS"
		}
		switch h.Type {
		case "message_queued":
			summary = what + " was queued: " + h.Template
		case "message_sent":
			summary = what + " was sent: " + h.Template
		case "message_suppressed":
			summary = what + " was not sent, because the person wants none: " + h.Template
			if why := notSent[h.Reason.String]; why != "" {
				summary = what + " was not sent, because " + why + ": " + h.Template
			}
			data["reason"] = h.Reason.String
		default:
			summary = what + " failed: " + h.Template
			if h.Status == uncertain {
				summary = "Nobody knows whether a" + what[1:] + " arrived: " + h.Template
			}
			data["status"], data["reason"] = h.Status, h.Reason.String
		}
		entries[i] = timeline.Entry{At: h.At.UTC(), Module: "notify", Type: h.Type, ID: h.ID, Summary: summary, Data: data}
	}
	return entries, nil
}
