package customer

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// UpdatePerson makes a person what the merchant says of it. Who isn't known is made, if the slug is an e-mail address or a phone number.
// replayed: answered by the Idempotency-Key.
func (m *Module) UpdatePerson(ctx context.Context, siteID int64, slug string, in customerapi.PersonUpdate) (out customerapi.Person, replayed bool, err error) {
	checked, err := checkUpdate(in, m.now())
	if err != nil {
		return out, false, err
	}
	return m.alter(ctx, alteration{site: siteID, slug: slug, key: in.Idempotency, gives: checked.who, label: "updated"},
		func(b *people, p *person, now time.Time) (*person, error) {
			return b.update(p, siteID, named(slug), checked, now)
		})
}

// Unsubscribe makes somebody a person who wants no mail but what is necessary.
func (m *Module) Unsubscribe(ctx context.Context, siteID int64, slug string, key idempotency.Key) (out customerapi.Person, replayed bool, err error) {
	return m.alter(ctx, alteration{site: siteID, slug: slug, key: key, label: "unsubscribed"},
		func(b *people, p *person, now time.Time) (*person, error) {
			return b.unsubscribe(p, siteID, named(slug), now)
		})
}

// Anonymize takes from a person all that says who it is, for good, and lets the other modules know. What it did stays.
func (m *Module) Anonymize(ctx context.Context, siteID int64, slug string, key idempotency.Key) (out customerapi.Person, replayed bool, err error) {
	address := nowhere()
	return m.alter(ctx, alteration{site: siteID, slug: slug, key: key, label: "anonymized"},
		func(_ *people, p *person, now time.Time) (*person, error) {
			if p == nil {
				return nil, errNoPerson
			}
			p.anonymize(address, now)
			return p, nil
		})
}

// alteration says who is to be changed.
type alteration struct {
	site  int64
	slug  string
	key   idempotency.Key
	gives identity // marks that the change may give
	label string   // of the metric
}

// alter lets change decide upon the person whom the slug names, nil if there is none, under its lock, and saves and tells what came of it.
func (m *Module) alter(ctx context.Context, a alteration, change func(b *people, p *person, now time.Time) (*person, error)) (out customerapi.Person, replayed bool, err error) {
	err = m.inTx(ctx, func(u *bus.Unit) error {
		claimed, err := idempotency.TakeOne(ctx, u.Tx, moduleName, u.Now, a.site, a.key)
		if err != nil {
			return err
		}
		if replayed = claimed.Replayed; replayed {
			return wrap("answer kept with an idempotency key", json.Unmarshal(claimed.Answer, &out))
		}
		b, p, err := lockNamed(ctx, u, a)
		if err != nil {
			return err
		}
		var was person
		if p != nil {
			was = *p
		}
		if p, err = change(b, p, u.Now); err != nil {
			return err
		}
		if err := saveAltered(ctx, u, b, &was, p); err != nil {
			return err
		}
		out = p.api()
		kept, err := json.Marshal(out)
		if err != nil {
			return wrap("keep the answer", err)
		}
		return idempotency.KeepOne(ctx, u.Tx, moduleName, a.site, a.key, kept)
	})
	if err == nil && !replayed {
		m.metrics.Of(ctx).people.WithLabelValues(a.label).Inc()
	}
	return out, replayed, err
}

// lockNamed locks the person whom the slug names, and who else has the marks that are to be given, in the order of all transactions.
func lockNamed(ctx context.Context, u *bus.Unit, a alteration) (*people, *person, error) {
	hit, err := whomNames(ctx, u, a)
	if err != nil {
		return nil, nil, err
	}
	marks, slug := map[mark]bool{}, named(a.slug)
	for _, m := range append([]mark{{a.site, byEmail, slug.emailNorm}, {a.site, byPhone, slug.phone}, {a.site, byEmail, a.gives.emailNorm},
		{a.site, byPhone, a.gives.phone}, {a.site, byCustomerID, a.gives.customerID}, {a.site, byUsername, a.gives.usernameNorm}}, marksOf(hit)...) {
		if m.value != "" {
			marks[m] = true
		}
	}
	stored, err := lockPeople(ctx, u, marks)
	if err != nil {
		return nil, nil, err
	}
	b := newPeople(stored)
	if hit.ID == 0 { // who was made a moment ago is found next time
		if b.owner(a.site, byEmail, slug.emailNorm) != nil || b.owner(a.site, byPhone, slug.phone) != nil {
			return nil, nil, errRaced
		}
		return b, nil, nil
	}
	p := b.id[[2]int64{a.site, hit.ID}]
	if p == nil {
		return nil, nil, errRaced
	}
	if p.marks() != hit.marks() { // somebody else has just changed it; under the lock nobody does, so whom the slug names now is who it is
		if hit, err = whomNames(ctx, u, a); err != nil {
			return nil, nil, err
		}
		if hit.ID != p.ID {
			return nil, nil, errRaced
		}
	}
	return b, p, nil
}

// whomNames is the person whom the slug names, without an id if there is none.
func whomNames(ctx context.Context, u *bus.Unit, a alteration) (person, error) {
	p, err := personBySlug(ctx, u, a.site, a.slug)
	if f, ok := fault.Of(err); ok && f.Code == errNoPerson.Code {
		return person{}, nil
	}
	return p, err
}

func marksOf(p person) []mark {
	all := p.marks()
	return all[:]
}

// saveAltered writes what became of a person, and tells what others know of it. was is the person as it was, without an id if it is new.
func saveAltered(ctx context.Context, u *bus.Unit, b *people, was, p *person) error {
	if len(b.new) > 0 {
		if err := insertPeople(ctx, u, b); err != nil {
			return err
		}
	}
	if err := savePerson(ctx, u, p); err != nil {
		return err
	}
	fresh := was.ID == 0
	if fresh || was.contact() != p.contact() || !sameMoment(was.UnsubscribedAt, p.UnsubscribedAt) {
		u.Tell(p.SiteID, p.key(), p.contact().event(p, u.Now))
	}
	if was.AnonymizedAt != nil || p.AnonymizedAt == nil {
		return nil
	}
	if err := erase(ctx, u, p); err != nil {
		return err
	}
	return eraseDuplicates(ctx, u, p)
}

// erase has everybody forget who a person was that has just been anonymized.
func erase(ctx context.Context, u *bus.Unit, p *person) error {
	u.Tell(p.SiteID, p.key(), customerevent.PersonAnonymized{SiteID: p.SiteID, PersonID: p.ID, AnonymizedAt: *p.AnonymizedAt})
	if err := anonymizeOrigins(ctx, u, p); err != nil {
		return err
	}
	if err := forgetMerges(ctx, u, p); err != nil {
		return err
	}
	return anonymizeAnswers(ctx, u, p)
}

// eraseDuplicates does the same to all who were merged into the person: they are the same one.
func eraseDuplicates(ctx context.Context, u *bus.Unit, p *person) error {
	ids, err := duplicatesOf(ctx, u, p.SiteID, p.ID)
	if err != nil || len(ids) == 0 {
		return err
	}
	keys := make([][2]int64, len(ids))
	for i, id := range ids {
		keys[i] = [2]int64{p.SiteID, id}
	}
	duplicates, err := lockPeopleByID(ctx, u, keys)
	if err != nil {
		return err
	}
	for i := range duplicates {
		d := &duplicates[i]
		if !d.anonymize(nowhere(), *p.AnonymizedAt) {
			continue
		}
		if err := savePerson(ctx, u, d); err != nil {
			return err
		}
		u.Tell(d.SiteID, d.key(), d.contact().event(d, u.Now))
		if err := erase(ctx, u, d); err != nil {
			return err
		}
	}
	return nil
}

// nowhere is an address that leads to nobody.
func nowhere() string { return uuid.NewString() + "@anonymized.email" }

func sameMoment(x, y *time.Time) bool {
	return x == nil && y == nil || x != nil && y != nil && x.Equal(*y)
}

// personalData is all that the module keeps of a person: the person, and what it did, also as a duplicate, newest first.
func (m *Module) personalData(ctx context.Context, siteID int64, slug string) (person, []origin, error) {
	p, err := personBySlug(ctx, m.db, siteID, slug)
	if err != nil {
		return person{}, nil, err
	}
	ids, err := duplicatesOf(ctx, m.db, siteID, p.ID)
	if err != nil {
		return person{}, nil, err
	}
	origins, err := originsOfPeople(ctx, m.db, siteID, append(ids, p.ID))
	return p, origins, err
}

// TrafficSources lists where the site's origins came from, by name.
func (m *Module) TrafficSources(ctx context.Context, siteID int64) ([]string, error) {
	return trafficSources(ctx, m.db, siteID)
}
