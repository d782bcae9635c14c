package customer

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
)

// person is a row of customer.person. Where a mark is missing it is "".
type person struct {
	SiteID         int64      `db:"site_id" json:"site_id"`
	ID             int64      `db:"id" json:"id"`
	Email          string     `db:"email" json:"email"`
	EmailNorm      string     `db:"email_norm" json:"email_norm"`
	Phone          string     `db:"phone" json:"phone"`
	CustomerID     string     `db:"customer_id" json:"customer_id"`
	Username       string     `db:"username" json:"username"`
	UsernameNorm   string     `db:"username_norm" json:"username_norm"`
	FirstName      string     `db:"first_name" json:"first_name"`
	LastName       string     `db:"last_name" json:"last_name"`
	Properties     properties `db:"custom_properties" json:"custom_properties"`
	Purchases      int64      `db:"purchases" json:"purchases"`
	Events         int64      `db:"events" json:"events"`
	CreatedAt      time.Time  `db:"created_at" json:"created_at"`
	IdentifierHash string     `db:"identifier_hash" json:"-"` // these are written by savePerson only
	SubscribedAt   *time.Time `db:"subscribed_at" json:"-"`
	UnsubscribedAt *time.Time `db:"unsubscribed_at" json:"-"`
	OptedInAt      *time.Time `db:"opted_in_at" json:"-"`
	PhoneOptedInAt *time.Time `db:"phone_opted_in_at" json:"-"`
	AnonymizedAt   *time.Time `db:"anonymized_at" json:"-"`
	Existing       bool       `db:"existing_customer" json:"-"` // had bought before we heard of it; written by markExisting only
	MergedInto     int64      `db:"merged_into" json:"-"`       // is a duplicate of that person; 0: of none. Written by saveSides only

	signUp  *origin // the one sign-up that a person has
	changed bool    // the row isn't as it is stored
}

// properties are a person's custom properties.
type properties map[string]string

// Scan reads them from a jsonb column.
func (p *properties) Scan(v any) error {
	switch v := v.(type) {
	case []byte:
		return json.Unmarshal(v, p)
	case string:
		return json.Unmarshal([]byte(v), p)
	}
	return fmt.Errorf("custom properties are a %T", v)
}

func (p *person) key() string { return fmt.Sprintf("person:%d", p.ID) }

const maxProperties = 200 // of a person

var errManyProperties = fault.New(fault.Invalid, "too_many_custom_properties", "A person has at most 200 custom properties.").
	At("/data/custom_properties", "would make more than 200")

// contact is what PersonChanged carries.
type contact struct{ email, phone, customerID, first, last, username string }

func (p *person) contact() contact {
	return contact{p.Email, p.Phone, p.CustomerID, p.FirstName, p.LastName, p.Username}
}

func (c contact) event(p *person, now time.Time) customerevent.PersonChanged {
	e := customerevent.PersonChanged{SiteID: p.SiteID, PersonID: p.ID, Email: c.email, Phone: c.phone, CustomerID: c.customerID,
		FirstName: c.first, LastName: c.last, Username: c.username, ChangedAt: now}
	if p.UnsubscribedAt != nil {
		e.UnsubscribedAt = *p.UnsubscribedAt
	}
	return e
}

func (p *person) api() customerapi.Person {
	out := customerapi.Person{ID: p.ID, Email: p.Email, Phone: p.Phone, CustomerID: p.CustomerID, Username: p.Username,
		FirstName: p.FirstName, LastName: p.LastName, CustomProperties: p.Properties, CreatedAt: p.CreatedAt,
		SubscribedAt: p.SubscribedAt, UnsubscribedAt: p.UnsubscribedAt, OptedInAt: p.OptedInAt, PhoneOptedInAt: p.PhoneOptedInAt,
		AnonymizedAt: p.AnonymizedAt, EventsCount: p.Purchases + p.Events, PurchasesCount: p.Purchases, ExistingCustomer: p.Existing}
	if out.CustomProperties == nil {
		out.CustomProperties = map[string]string{}
	}
	return out
}

// mark is one of the things that find a person, each unique in its site.
type mark struct {
	site  int64
	kind  markKind
	value string
}

type markKind byte

const (
	byEmail markKind = iota
	byCustomerID
	byPhone
	byUsername
)

func (p *person) marks() [4]mark {
	return [4]mark{
		{p.SiteID, byEmail, p.EmailNorm}, {p.SiteID, byCustomerID, p.CustomerID},
		{p.SiteID, byPhone, p.Phone}, {p.SiteID, byUsername, p.UsernameNorm},
	}
}

// people are the persons that a batch may touch, locked, as the requests so far have left them.
type people struct {
	by  map[mark]*person
	id  map[[2]int64]*person // site, id
	new []*person            // in the order of their creation
}

func newPeople(stored []person) *people {
	b := &people{by: map[mark]*person{}, id: map[[2]int64]*person{}}
	for i := range stored {
		p := &stored[i]
		b.id[[2]int64{p.SiteID, p.ID}] = p
	}
	for i := range stored {
		for _, m := range stored[i].marks() {
			if m.value != "" {
				b.by[m] = b.survivor(&stored[i])
			}
		}
	}
	return b
}

// survivor is who stands for p: itself, or whom it was merged into.
func (b *people) survivor(p *person) *person {
	if p.MergedInto != 0 {
		return b.id[[2]int64{p.SiteID, p.MergedInto}]
	}
	return p
}

// find says who it is: by e-mail, else by customer id, else by phone. Families share a phone, so it doesn't find somebody whose
// e-mail or customer id is another. A customer id that comes with another e-mail means that the customer has changed it; but
// only the merchant can say so.
func (b *people) find(site int64, w identity, verified bool) *person {
	if p := b.owner(site, byEmail, w.emailNorm); p != nil {
		return p
	}
	if p := b.owner(site, byCustomerID, w.customerID); p != nil && (verified || w.emailNorm == "" || p.EmailNorm == "") {
		return p
	}
	p := b.owner(site, byPhone, w.phone)
	if p != nil && (w.emailNorm != "" && p.EmailNorm != "" || w.customerID != "" && p.CustomerID != "") {
		return nil
	}
	return p
}

func (b *people) owner(site int64, kind markKind, value string) *person {
	if value == "" {
		return nil
	}
	return b.by[mark{site, kind, value}]
}

// describe makes p what the merchant says of it: the newest word counts. A mark that another person has stays there. p may be
// nil: then the person is new. It says whether contact data changed. Who is anonymized stays so.
func (b *people) describe(p *person, site int64, w identity, now time.Time) (*person, bool, error) {
	if p != nil && p.AnonymizedAt != nil {
		return p, false, nil
	}
	merged := properties{}
	if p != nil {
		for k, v := range p.Properties {
			merged[k] = v
		}
	}
	grown := false
	for k, v := range w.properties {
		if old, ok := merged[k]; !ok || old != v {
			merged[k], grown = v, true
		}
	}
	if len(merged) > maxProperties {
		return nil, false, errManyProperties
	}
	fresh := p == nil
	if fresh {
		p = b.create(site, now)
	}
	before := p.contact()
	if grown {
		p.Properties, p.changed = merged, true
	}
	if w.emailNorm != p.EmailNorm && b.take(p, byEmail, w.emailNorm, p.EmailNorm) {
		p.Email, p.EmailNorm = w.email, w.emailNorm
	}
	if w.customerID != p.CustomerID && b.take(p, byCustomerID, w.customerID, p.CustomerID) {
		p.CustomerID = w.customerID
	}
	if w.phone != p.Phone && b.take(p, byPhone, w.phone, p.Phone) {
		p.Phone = w.phone
	}
	if w.usernameNorm != p.UsernameNorm && b.take(p, byUsername, w.usernameNorm, p.UsernameNorm) {
		p.Username, p.UsernameNorm = w.username, w.usernameNorm
	}
	if w.first != "" && w.first != p.FirstName {
		p.FirstName, p.changed = w.first, true
	}
	if w.last != "" && w.last != p.LastName {
		p.LastName, p.changed = w.last, true
	}
	return p, fresh || p.contact() != before, nil
}

// introduce makes a person of whom only a browser told. Its word must not bind one mark to another, or a stranger could have the
// merchant's next order by tying somebody's customer id to an e-mail of his own.
func (b *people) introduce(site int64, w identity, now time.Time) *person {
	p := b.create(site, now)
	p.FirstName, p.LastName = w.first, w.last
	switch {
	case w.emailNorm != "":
		b.take(p, byEmail, w.emailNorm, "")
		p.Email, p.EmailNorm = w.email, w.emailNorm
	case w.customerID != "" && b.take(p, byCustomerID, w.customerID, ""):
		p.CustomerID = w.customerID
	case w.phone != "" && b.take(p, byPhone, w.phone, ""):
		p.Phone = w.phone
	}
	return p
}

func (b *people) create(site int64, now time.Time) *person {
	p := &person{SiteID: site, CreatedAt: now, Properties: properties{}, changed: true}
	b.new = append(b.new, p)
	return p
}

// take gives a mark to p unless there is none to give or another person has it.
func (b *people) take(p *person, kind markKind, value, old string) bool {
	if value == "" || b.by[mark{p.SiteID, kind, value}] != nil {
		return false
	}
	if old != "" {
		delete(b.by, mark{p.SiteID, kind, old})
	}
	b.by[mark{p.SiteID, kind, value}] = p
	p.changed = true
	return true
}
