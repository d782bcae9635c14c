package customer

import (
	"cmp"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// book is what a batch works on: the persons and origins that it may touch, read once. Requests are decided one after another
// upon it, each seeing what those before it did; then the difference is written at once. So it makes no difference how requests
// are cut into batches.
type book struct {
	people  *people
	origins map[place]*origin
	fresh   []*origin // new ones, in order
	turned  []*origin // stored ones that are confirmed
	seen    []sighting
	told    []func(u *bus.Unit)
	alike   []pair // who may be one
	now     time.Time
}

// sighting is a visitor, and the person whom a verified origin named for it.
type sighting struct {
	site    int64
	visitor string
	person  *person
}

func newBook(people *people, stored []origin, now time.Time) *book {
	b := &book{people: people, origins: map[place]*origin{}, now: now}
	for i := range stored {
		o := &stored[i]
		o.stored = true
		if o.PersonID != nil {
			o.person = people.id[[2]int64{o.SiteID, *o.PersonID}]
		}
		if o.person != nil {
			o.person = people.survivor(o.person)
		}
		if o.Type == customerevent.AffiliateMember && o.person != nil {
			if o.person.signUp == nil || o.person.ID == *o.PersonID { // rather its own than a duplicate's
				o.person.signUp = o
			}
			continue
		}
		b.origins[o.place()] = o
	}
	return b
}

// result is what became of a request, in the words of the metric.
type result string

const (
	resultNew       result = "new"
	resultExisting  result = "existing"
	resultConfirmed result = "confirmed"
	resultDuplicate result = "duplicate"
	resultInvalid   result = "invalid"
)

// record decides one request. The origin's ids are there once the book is written.
func (b *book) record(e entry) (*origin, result, error) {
	p := b.people.find(e.site, e.who, e.in.Verified)
	if p != nil && p.AnonymizedAt != nil { // who still knows the address that is left adds nothing that tells who it was
		e.in.Visitors, e.in.WebVisitor, e.in.IP, e.in.UserAgent, e.in.ShippingAddress, e.in.ShippingZip, e.in.CardHash, e.who.phone = []string{}, "", "", "", "", "", "", ""
	}
	o := b.lookup(e, p)
	switch {
	case o == nil:
		return b.add(e, p)
	case e.in.Verified && !o.Verified:
		return b.confirm(o, e, p)
	case e.in.Type == customerevent.AffiliateMember:
		if e.in.Verified && e.who.named() { // a sign-up that comes again may bring news of the person
			if _, err := b.describe(e, p); err != nil {
				return nil, resultInvalid, err
			}
		}
		b.see(e, o)
		return o, resultExisting, nil
	case o.same(e, p):
		return o, resultExisting, nil
	case e.in.Type == customerevent.Event:
		return nil, resultDuplicate, errSameEvent
	default:
		return nil, resultDuplicate, errSameOrder
	}
}

// lookup finds the origin that the entry tells of. A person signs up once; so does a visitor of whom no more is known. Who
// neither is nor has a visitor is nobody, and all nobodies of a site share one sign-up.
func (b *book) lookup(e entry, p *person) *origin {
	if e.in.Type != customerevent.AffiliateMember {
		return b.origins[place{e.site, e.in.Type, e.in.Category, e.in.Number}]
	}
	if p != nil {
		return p.signUp
	}
	if e.who.named() {
		return nil
	}
	return b.origins[place{e.site, e.in.Type, "", strangerNumber(e.in)}]
}

// strangerNumber is the number of the sign-up of somebody unknown.
func strangerNumber(in customerapi.Origin) string {
	if len(in.Visitors) > 0 {
		return "visitor:" + in.Visitors[0]
	}
	return "nobody"
}

func (b *book) add(e entry, p *person) (*origin, result, error) {
	p, err := b.describe(e, p)
	if err != nil {
		return nil, resultInvalid, err
	}
	o := &origin{SiteID: e.site, Type: e.in.Type, Category: e.in.Category, Number: e.in.Number}
	o.fill(e, p, b.now)
	switch {
	case o.Type != customerevent.AffiliateMember:
		b.origins[o.place()] = o
	case p != nil:
		p.signUp = o // its number is the person's id, which may not be known yet
	default:
		o.Number = strangerNumber(e.in)
		b.origins[o.place()] = o
	}
	b.fresh = append(b.fresh, o)
	b.see(e, o)
	b.tell(o)
	return o, resultNew, nil
}

// confirm replaces what a browser said by what the merchant says. When both say the same, the browser's visitors stay: the cookie
// is what the thank-you page was there for. So do its address and its user agent, which a shop's server seldom tells.
func (b *book) confirm(o *origin, e entry, p *person) (*origin, result, error) {
	same := o.Type == customerevent.AffiliateMember || o.same(e, p)
	p, err := b.describe(e, p)
	if err != nil {
		return nil, resultInvalid, err
	}
	if same {
		for _, v := range o.Visitors {
			if !slices.Contains(e.in.Visitors, v) {
				e.in.Visitors = append(e.in.Visitors[:len(e.in.Visitors):len(e.in.Visitors)], v)
			}
		}
		e.in.WebVisitor = cmp.Or(e.in.WebVisitor, o.WebVisitor)
		e.in.IP, e.in.UserAgent = cmp.Or(e.in.IP, o.IP), cmp.Or(e.in.UserAgent, o.UserAgent)
	}
	o.fill(e, p, b.now)
	if o.stored && !o.turned {
		o.turned = true
		b.turned = append(b.turned, o)
	}
	b.see(e, o)
	b.tell(o)
	return o, resultConfirmed, nil
}

// describe finds or makes the entry's person, and makes it what the entry says of it. nil: nobody is named.
func (b *book) describe(e entry, p *person) (*person, error) {
	var told bool
	switch {
	case !e.who.named():
		return nil, nil
	case e.in.Verified:
		var err error
		if p, told, err = b.people.describe(p, e.site, e.who, b.now); err != nil {
			return nil, err
		}
		b.suspect(e, p)
	case p == nil:
		p, told = b.people.introduce(e.site, e.who, b.now), true
	}
	if told {
		b.tellPerson(p)
	}
	return p, nil
}

func (b *book) tellPerson(p *person) {
	c := p.contact()
	b.told = append(b.told, func(u *bus.Unit) { u.Tell(p.SiteID, p.key(), c.event(p, u.Now)) })
}

// see notes the entry's visitors.
func (b *book) see(e entry, o *origin) {
	for _, v := range e.in.Visitors {
		s := sighting{site: e.site, visitor: v}
		if e.in.Verified {
			s.person = o.person
		}
		b.seen = append(b.seen, s)
	}
}

// tell counts a verified origin for its person and tells of the origin as it is now.
func (b *book) tell(o *origin) {
	p := o.person
	event := o.event(o.Type == customerevent.Purchase && p != nil && p.Purchases == 0 && !p.Existing)
	event.Guest = p != nil && p.guest()
	if p != nil && o.Type == customerevent.AffiliateMember {
		event.OptedIn = o.optsIn || p.SubscribedAt != nil && p.UnsubscribedAt == nil
		event.FirstOptIn = o.optsIn && p.SubscribedAt == nil
	}
	b.told = append(b.told, func(u *bus.Unit) {
		event.OriginID = o.ID
		key := o.key()
		if p != nil { // as it was then: a confirmation later in the batch may name another person
			event.PersonID, key = p.ID, p.key()
		}
		if event.Type == customerevent.AffiliateMember {
			event.Number = ""
		}
		u.Tell(event.SiteID, key, event)
	})
	if p == nil || !o.Verified {
		return
	}
	switch o.Type {
	case customerevent.Purchase:
		p.Purchases++
		p.changed = true
	case customerevent.Event:
		p.Events++
		p.changed = true
	}
}
