package customer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// merge is a row of customer.merge: two persons who are one, until it is undone.
type merge struct {
	SiteID      int64          `db:"site_id"`
	ID          int64          `db:"id"`
	SurvivorID  int64          `db:"survivor_id"`
	DuplicateID int64          `db:"duplicate_id"`
	Reason      string         `db:"reason"`
	KeyID       int64          `db:"key_id"`
	Lent        pq.StringArray `db:"lent"` // what is in Gained, by name
	Gained      gained         `db:"gained"`
	Purchases   int64          `db:"purchases"` // of the duplicate
	Events      int64          `db:"events"`
	MergedAt    time.Time      `db:"merged_at"`
	UndoReason  string         `db:"undo_reason"`
	UndoKeyID   int64          `db:"undo_key_id"`
	UndoneAt    *time.Time     `db:"undone_at"`
}

// gained is what a survivor got of the duplicate because it had none of its own: what undoing takes away again, unless it has changed since.
type gained struct {
	Email          string            `json:"email,omitempty"`
	EmailNorm      string            `json:"email_norm,omitempty"`
	Phone          string            `json:"phone,omitempty"`
	CustomerID     string            `json:"customer_id,omitempty"`
	Username       string            `json:"username,omitempty"`
	UsernameNorm   string            `json:"username_norm,omitempty"`
	FirstName      string            `json:"first_name,omitempty"`
	LastName       string            `json:"last_name,omitempty"`
	Properties     map[string]string `json:"custom_properties,omitempty"`
	UnsubscribedAt *time.Time        `json:"unsubscribed_at,omitempty"`
	Existing       bool              `json:"existing_customer,omitempty"`
}

// Scan reads it from a jsonb column.
func (g *gained) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok {
		return fmt.Errorf("what a merge gave is a %T", v)
	}
	return json.Unmarshal(b, g)
}

var (
	errSamePerson = fault.New(fault.Invalid, "same_person", "Survivor and duplicate are the same person.").At("/duplicate", "is the survivor, or merged into it")
	errMerged     = fault.New(fault.Conflict, "already_merged", "A person who is merged into another can't be merged again: undo that merge first.")
	errSurvives   = fault.New(fault.Conflict, "has_duplicates",
		"Others were merged into the duplicate: choose it as the survivor, or undo those merges first.").At("/duplicate", "is the survivor of another merge")
	errErased = fault.New(fault.Conflict, "person_anonymized", "Who has been anonymized can't be merged, nor be parted.")
)

// unite makes d a duplicate of s. The survivor's own word counts; what it has none of it gets of the duplicate, and a mark moves with it, since
// a mark is one row's. Consent is the stricter of both: who is unsubscribed as either stays so, and nobody is opted in by a merge.
func unite(s, d *person) (m merge, err error) {
	switch {
	case s.ID == d.ID || d.MergedInto == s.ID:
		return m, errSamePerson
	case s.MergedInto != 0 || d.MergedInto != 0:
		return m, errMerged
	case s.AnonymizedAt != nil || d.AnonymizedAt != nil:
		return m, errErased
	}
	m = merge{SiteID: s.SiteID, SurvivorID: s.ID, DuplicateID: d.ID, Purchases: d.Purchases, Events: d.Events}
	g := &m.Gained
	if s.EmailNorm == "" && d.EmailNorm != "" {
		g.Email, g.EmailNorm = d.Email, d.EmailNorm
		s.Email, s.EmailNorm, d.Email, d.EmailNorm = d.Email, d.EmailNorm, "", ""
	}
	if s.UsernameNorm == "" && d.UsernameNorm != "" {
		g.Username, g.UsernameNorm = d.Username, d.UsernameNorm
		s.Username, s.UsernameNorm, d.Username, d.UsernameNorm = d.Username, d.UsernameNorm, "", ""
	}
	move(&s.Phone, &d.Phone, &g.Phone)
	if !guestMark.MatchString(d.CustomerID) { // which still leads to the survivor, and leaves room for a customer id
		move(&s.CustomerID, &d.CustomerID, &g.CustomerID)
	}
	if s.FirstName == "" && s.LastName == "" { // a name is one thing
		s.FirstName, s.LastName, g.FirstName, g.LastName = d.FirstName, d.LastName, d.FirstName, d.LastName
	}
	g.Properties = s.complete(d.Properties)
	if s.UnsubscribedAt == nil && d.UnsubscribedAt != nil {
		s.UnsubscribedAt, g.UnsubscribedAt = d.UnsubscribedAt, d.UnsubscribedAt
	}
	if d.Existing && !s.Existing {
		s.Existing, g.Existing = true, true
	}
	s.Purchases, s.Events, d.MergedInto = s.Purchases+d.Purchases, s.Events+d.Events, s.ID
	m.Lent = g.names()
	return m, nil
}

// move gives the survivor a mark that it has none of.
func move(s, d, got *string) {
	if *s == "" {
		*s, *got, *d = *d, *d, ""
	}
}

// complete adds custom properties that a person has not, by name, as many as fit, and returns them.
func (p *person) complete(more properties) map[string]string {
	all, added := maps.Clone(p.Properties), map[string]string{}
	if all == nil {
		all = properties{}
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if _, has := all[name]; !has && len(all) < maxProperties {
			all[name], added[name] = more[name], more[name]
		}
	}
	p.Properties = all
	return added
}

// names are what a merge lent the survivor, without saying what it is.
func (g gained) names() pq.StringArray {
	out := pq.StringArray{}
	for _, n := range []struct {
		name string
		is   bool
	}{{"email", g.EmailNorm != ""}, {"phone_number", g.Phone != ""}, {"customer_id", g.CustomerID != ""}, {"username", g.UsernameNorm != ""},
		{"name", g.FirstName != "" || g.LastName != ""}, {"custom_properties", len(g.Properties) > 0}, {"unsubscribed", g.UnsubscribedAt != nil},
		{"existing_customer", g.Existing}} {
		if n.is {
			out = append(out, n.name)
		}
	}
	return out
}

// part undoes a merge. The duplicate is given back what it lent: from the survivor, if that still has it, else if nobody else took it since; taken says
// whose a mark is by now, nil: nobody's. Whatever came since stays the survivor's; who unsubscribed since has done so as both.
func part(m merge, s, d *person, taken func(mark) *person) error {
	switch {
	case s.AnonymizedAt != nil || d.AnonymizedAt != nil:
		return errErased
	case d.MergedInto != s.ID:
		return fmt.Errorf("merge %d holds, but person %d is no duplicate of %d", m.ID, d.ID, s.ID)
	}
	g := m.Gained
	regains := func(kind markKind, value string) bool {
		owner := taken(mark{s.SiteID, kind, value})
		return value != "" && (owner == nil || owner == s)
	}
	if regains(byEmail, g.EmailNorm) {
		if d.Email, d.EmailNorm = g.Email, g.EmailNorm; s.EmailNorm == g.EmailNorm {
			s.Email, s.EmailNorm = "", ""
		}
	}
	if regains(byUsername, g.UsernameNorm) {
		if d.Username, d.UsernameNorm = g.Username, g.UsernameNorm; s.UsernameNorm == g.UsernameNorm {
			s.Username, s.UsernameNorm = "", ""
		}
	}
	if regains(byPhone, g.Phone) {
		d.Phone = g.Phone
		drop(&s.Phone, g.Phone)
	}
	if regains(byCustomerID, g.CustomerID) {
		d.CustomerID = g.CustomerID
		drop(&s.CustomerID, g.CustomerID)
	}
	if s.FirstName == g.FirstName && s.LastName == g.LastName && g.FirstName+g.LastName != "" {
		s.FirstName, s.LastName = "", ""
	}
	left := maps.Clone(s.Properties)
	maps.DeleteFunc(left, func(name, value string) bool { lent, is := g.Properties[name]; return is && lent == value })
	s.Properties = left
	switch {
	case g.UnsubscribedAt != nil && sameMoment(s.UnsubscribedAt, g.UnsubscribedAt):
		s.UnsubscribedAt = nil
	case s.UnsubscribedAt != nil && d.UnsubscribedAt == nil && !s.UnsubscribedAt.Before(m.MergedAt):
		d.UnsubscribedAt = s.UnsubscribedAt
	}
	if g.Existing {
		s.Existing = false
	}
	s.Purchases, s.Events, d.MergedInto = s.Purchases-d.Purchases, s.Events-d.Events, 0
	return nil
}

func drop(is *string, gone string) {
	if *is == gone {
		*is = ""
	}
}
