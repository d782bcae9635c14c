// Package notifyevent is what module notify tells: what became of its messages, and of webhooks. The key of a message's events is
// "message:ID".
package notifyevent

import "time"

// Types lists every event of this package, for the catalogue and the golden files.
var Types = []interface{ EventType() string }{MessageSent{}, MessageFailed{}, MessageSuppressed{}, EndpointDisabled{}}

// MessageSent says that the next server accepted a message.
type MessageSent struct {
	SiteID    int64     `json:"site_id"`
	MessageID int64     `json:"message_id"`
	PersonID  int64     `json:"person_id,omitempty"`
	Template  string    `json:"template"`
	Channel   string    `json:"channel"` // email, sms
	SentAt    time.Time `json:"sent_at"`

	// UncertainAt is the FailedAt at which it was told as uncertain before; zero if it wasn't.
	UncertainAt time.Time `json:"uncertain_at,omitzero"`
}

func (MessageSent) EventType() string { return "notify.message_sent.v1" }

// MessageFailed says that a message was given up, or that its outcome cannot be known; the latter once, until something else is told.
type MessageFailed struct {
	SiteID    int64     `json:"site_id"`
	MessageID int64     `json:"message_id"`
	PersonID  int64     `json:"person_id,omitempty"`
	Template  string    `json:"template"`
	Channel   string    `json:"channel"`
	Status    string    `json:"status"` // failed, uncertain
	FailedAt  time.Time `json:"failed_at"`

	// UncertainAt is the FailedAt at which it was told as uncertain before; zero if it wasn't.
	UncertainAt time.Time `json:"uncertain_at,omitzero"`
}

func (MessageFailed) EventType() string { return "notify.message_failed.v1" }

// MessageSuppressed says that a message is not sent: for its person's sake, or because there is no reason for it any more.
type MessageSuppressed struct {
	SiteID       int64     `json:"site_id"`
	MessageID    int64     `json:"message_id"`
	PersonID     int64     `json:"person_id,omitempty"`
	Template     string    `json:"template"`
	Channel      string    `json:"channel"`
	Reason       string    `json:"reason"` // unsubscribed, anonymized, too_many, passed, switched_off
	SuppressedAt time.Time `json:"suppressed_at"`

	// UncertainAt is the FailedAt at which it was told as uncertain before; zero if it wasn't.
	UncertainAt time.Time `json:"uncertain_at,omitzero"`
}

func (MessageSuppressed) EventType() string { return "notify.message_suppressed.v1" }

// EndpointDisabled says that a webhook is told no more, and that nobody asked for it. Key: "endpoint:ID".
type EndpointDisabled struct {
	SiteID     int64     `json:"site_id"`
	EndpointID int64     `json:"endpoint_id"`
	Reason     string    `json:"reason"` // gone: it answered 410; failing: it only failed for five days
	DisabledAt time.Time `json:"disabled_at"`
}

func (EndpointDisabled) EventType() string { return "notify.endpoint_disabled.v1" }
