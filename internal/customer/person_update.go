package customer

import (
	"strings"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
)

// update is a PersonUpdate that has been checked and normalised.
type update struct {
	customerapi.PersonUpdate
	who identity // of its members; those that are left out are ""
}

var (
	errNoPerson   = fault.New(fault.Invalid, "person_not_found", "No person found by `person_slug`.")
	errAnonymized = fault.New(fault.Unprocessable, "person_anonymized", "Validation failed: Person has been anonymized")
	errNobody     = fault.New(fault.Unprocessable, "validation_failed",
		"Validation failed: Email, phone number, customer id or username must be present").At("/data", "takes away all that names the person")
	errNoAddress = fault.New(fault.Unprocessable, "validation_failed", "Validation failed: "+emailMessage)
)

// taken are Talkable's words for a mark that another person has.
var taken = [...]*fault.Error{
	byEmail:      fault.New(fault.Unprocessable, "email_taken", "Validation failed: Email has already been taken").At("/data/email", "is another person's"),
	byCustomerID: fault.New(fault.Unprocessable, "customer_id_taken", "Validation failed: Customer id has already been taken").At("/data/customer_id", "is another person's"),
	byPhone:      fault.New(fault.Unprocessable, "phone_number_taken", "Validation failed: Phone number has already been taken").At("/data/phone_number", "is another person's"),
	byUsername: fault.New(fault.Unprocessable, "username_taken", "Validation failed: Username has already been taken. Please try another one.").
		At("/data/username", "is another person's"),
}

// checkUpdate says what is wrong with an update, in Talkable's manner: 422, "Validation failed: …".
func checkUpdate(in customerapi.PersonUpdate, now time.Time) (update, error) {
	var f findings
	told := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	out := update{PersonUpdate: in, who: identityOf(customerapi.Identity{Email: told(in.Email), Phone: told(in.Phone), CustomerID: told(in.CustomerID),
		Username: told(in.Username), FirstName: told(in.FirstName), LastName: told(in.LastName), CustomProperties: in.CustomProperties}, &f)}
	f.mark("/data/identifier_hash", told(in.IdentifierHash), 255)
	if in.Email != nil && *in.Email == "" {
		f.add("/data/email", "is no e-mail address")
	}
	if in.UnsubscribedAt != nil {
		f.moment("/data/unsubscribed_at", *in.UnsubscribedAt, now)
		if at := in.UnsubscribedAt.UTC().Truncate(time.Microsecond); at.IsZero() { // which would be never
			f.add("/data/unsubscribed_at", "is before 1970")
		} else {
			out.UnsubscribedAt = &at
		}
	}
	if len(f.fields) == 0 {
		return out, nil
	}
	first := f.fields[0]
	e := fault.New(fault.Unprocessable, "validation_failed", "")
	name, _, _ := strings.Cut(strings.TrimPrefix(first.Pointer, "/data/"), "/")
	switch {
	case name == "email":
		e.Detail = "Validation failed: " + emailMessage
	case first.Pointer == "/data/custom_properties" && strings.HasPrefix(first.Detail, "has a name"):
		e.Detail = "Validation failed: " + identifierMessage
	default:
		e.Detail = "Validation failed: " + strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "_", " ") + " " + first.Detail
	}
	e.Fields = f.fields
	return update{}, e
}

const identifierMessage = "Identifier can contain lowercase letters, numbers and '_' only and cannot begin with a number"

// named finds the mark that makes a person of a slug whom nobody has: an e-mail address or a phone number. What else a slug may be
// can't be told apart.
func named(slug string) identity {
	w := identity{}
	var ok bool
	if w.emailNorm, ok = normalEmail(slug); ok {
		w.email = slug
	} else if strings.HasPrefix(slug, "+") {
		w.phone, _ = normalPhone(slug)
	}
	return w
}

// update makes p what the merchant says of it, or p is nil: then slug makes the person.
func (b *people) update(p *person, site int64, slug identity, in update, now time.Time) (*person, error) {
	switch {
	case p == nil && !slug.named():
		return nil, errNoPerson
	case p == nil:
		p = b.create(site, now)
		if in.Email == nil {
			in.who.email, in.who.emailNorm = slug.email, slug.emailNorm
		}
		if in.Phone == nil {
			in.who.phone = slug.phone
		}
	case p.AnonymizedAt != nil:
		return nil, errAnonymized
	}
	for _, m := range []struct {
		kind       markKind
		said       bool
		value, old string
	}{
		{byEmail, in.who.emailNorm != "", in.who.emailNorm, p.EmailNorm}, // an address is never taken away
		{byPhone, in.Phone != nil || in.who.phone != "", in.who.phone, p.Phone},
		{byCustomerID, in.CustomerID != nil, in.who.customerID, p.CustomerID},
		{byUsername, in.Username != nil, in.who.usernameNorm, p.UsernameNorm},
	} {
		if !m.said || m.value == m.old {
			continue
		}
		if m.value != "" && !b.take(p, m.kind, m.value, m.old) {
			return nil, taken[m.kind]
		}
		switch m.kind {
		case byEmail:
			p.EmailNorm = m.value
		case byPhone:
			p.Phone = m.value
		case byCustomerID:
			p.CustomerID = m.value
		case byUsername:
			p.UsernameNorm = m.value
		}
	}
	if in.who.email != "" { // as it was written, which may be all that is new
		p.Email = in.who.email
	}
	for _, text := range []struct{ said, is *string }{{in.Username, &p.Username}, {in.FirstName, &p.FirstName}, {in.LastName, &p.LastName},
		{in.IdentifierHash, &p.IdentifierHash}} {
		if text.said != nil {
			*text.is = *text.said
		}
	}
	if p.EmailNorm == "" && p.Phone == "" && p.CustomerID == "" && p.UsernameNorm == "" {
		return nil, errNobody
	}
	p.subscribe(in, now)
	return p, p.merge(in.CustomProperties)
}

// subscribe notes what the person wants of mail. The first moment of a wish stays until it ends, unless another is told.
func (p *person) subscribe(in update, now time.Time) {
	if in.Subscribed != nil {
		if !*in.Subscribed {
			p.SubscribedAt = nil
		} else {
			if p.SubscribedAt == nil {
				p.SubscribedAt = &now
			}
			if p.OptedInAt == nil { // the first time, which stays
				p.OptedInAt = &now
			}
		}
	}
	switch {
	case in.Unsubscribed != nil && !*in.Unsubscribed:
		p.UnsubscribedAt = nil
	case in.UnsubscribedAt != nil:
		p.UnsubscribedAt = in.UnsubscribedAt
	case in.Unsubscribed != nil && p.UnsubscribedAt == nil:
		p.UnsubscribedAt = &now
	}
}

// merge adds custom properties to those that there are.
func (p *person) merge(more map[string]string) error {
	if len(more) == 0 {
		return nil
	}
	all := properties{}
	for _, some := range []map[string]string{p.Properties, more} {
		for k, v := range some {
			all[k] = v
		}
	}
	if len(all) > maxProperties {
		return errManyProperties
	}
	p.Properties = all
	return nil
}

// unsubscribe makes p somebody who wants no mail but what is necessary; an address that nobody has becomes a person who doesn't.
func (b *people) unsubscribe(p *person, site int64, slug identity, now time.Time) (*person, error) {
	if p == nil {
		if slug.emailNorm == "" {
			return nil, errNoAddress
		}
		p = b.create(site, now)
		b.take(p, byEmail, slug.emailNorm, "")
		p.Email, p.EmailNorm = slug.email, slug.emailNorm
	}
	if p.UnsubscribedAt == nil {
		p.UnsubscribedAt = &now
	}
	return p, nil
}

// anonymize takes from p all that says who it is, and says whether there was something to take. The address that is left leads nowhere.
func (p *person) anonymize(address string, now time.Time) bool {
	if p.AnonymizedAt != nil {
		return false
	}
	p.Email, p.EmailNorm, p.Phone, p.CustomerID, p.Username, p.UsernameNorm = address, address, "", "", "", ""
	p.FirstName, p.LastName, p.IdentifierHash, p.Properties = "", "", "", properties{}
	p.SubscribedAt, p.OptedInAt, p.PhoneOptedInAt, p.AnonymizedAt = nil, nil, nil, &now
	if p.UnsubscribedAt == nil {
		p.UnsubscribedAt = &now
	}
	return true
}
