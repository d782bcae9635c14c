package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// errand is a claimed delivery with what its call needs.
type errand struct {
	SiteID     int64     `db:"site_id"`
	ID         int64     `db:"id"`
	EndpointID int64     `db:"endpoint_id"`
	Type       string    `db:"type"`
	Occasion   string    `db:"occasion"`
	MessageID  string    `db:"message_id"`
	PersonID   int64     `db:"person_id"`
	FriendID   int64     `db:"friend_id"`
	Data       string    `db:"data"`
	Body       string    `db:"body"` // "": not yet sent
	Attempts   int       `db:"attempts"`
	Claim      int       `db:"claim"`
	OccurredAt time.Time `db:"occurred_at"`
	QueuedAt   time.Time `db:"queued_at"`

	URL       string     `db:"url"`
	Style     string     `db:"style"`
	Secret    []byte     `db:"secret"`
	OldSecret []byte     `db:"old_secret"`
	OldUntil  *time.Time `db:"old_secret_until"`

	SiteKnown bool   `db:"site_known"`
	Slug      string `db:"slug"`
	Zone      string `db:"time_zone"`
	Person    known  `db:"person"`
	Friend    known  `db:"friend"`
}

// known is what is known of a person.
type known struct {
	Known          bool       `db:"known"`
	Email          string     `db:"email"`
	Phone          string     `db:"phone"`
	CustomerID     string     `db:"customer_id"`
	FirstName      string     `db:"first_name"`
	LastName       string     `db:"last_name"`
	UnsubscribedAt *time.Time `db:"unsubscribed_at"`
	Anonymized     bool       `db:"anonymized"`
}

// waits says whether the errand still lacks somebody or the site: their logs may be behind. After a while it goes without.
func (e errand) waits(now time.Time) bool {
	complete := e.SiteKnown && (e.PersonID == 0 || e.Person.Known) && (e.FriendID == 0 || e.Friend.Known)
	return !complete && !e.sample() && now.Sub(e.QueuedAt) < contactWait
}

// sample says that somebody wants to see what such a message looks like.
func (e errand) sample() bool { return strings.HasPrefix(e.Occasion, samplePrefix) }

const samplePrefix = "sample:"

// person is somebody in a message of our own.
type person struct {
	ID         int64  `json:"id"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	CustomerID string `json:"customer_id,omitempty"`
	FirstName  string `json:"first_name,omitempty"`
	LastName   string `json:"last_name,omitempty"`
}

func (k known) named(id int64) person {
	if k.Anonymized {
		return person{ID: id}
	}
	return person{ID: id, Email: k.Email, Phone: k.Phone, CustomerID: k.CustomerID, FirstName: k.FirstName, LastName: k.LastName}
}

// envelope is a message of our own. data is the event as docs/events.md lists it; people are those whom it names.
type envelope struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Site      string          `json:"site"`
	Sample    bool            `json:"sample,omitempty"`
	Data      json.RawMessage `json:"data"`
	People    []person        `json:"people"`
}

// write makes the body that every attempt sends.
func (e errand) write() (string, error) {
	if e.Style == talkable {
		return e.writeTalkable()
	}
	out := envelope{ID: e.MessageID, Type: e.Type, Timestamp: e.OccurredAt.UTC(), Site: e.Slug, Sample: e.sample(),
		Data: json.RawMessage(e.Data), People: []person{}}
	if e.PersonID != 0 {
		out.People = append(out.People, e.Person.named(e.PersonID))
	}
	if e.FriendID != 0 && e.FriendID != e.PersonID {
		out.People = append(out.People, e.Friend.named(e.FriendID))
	}
	body, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("write delivery %d of site %d: %w", e.ID, e.SiteID, err)
	}
	return string(body), nil
}
