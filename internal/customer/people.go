package customer

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/timeline"
)

// SavedPerson is what became of a person that was imported.
type SavedPerson struct {
	ID           int64
	New, Changed bool
}

// SavePeople makes persons known, or makes known ones what the merchant says of them, in one transaction; at, when not nil, is
// moved in the same. The end is as if they had come one by one.
func (m *Module) SavePeople(ctx context.Context, s site.Site, in []customerapi.Identity, at *Checkpoint) ([]postgres.Result[SavedPerson], error) {
	return inOne(in, at, func(part []customerapi.Identity, at *Checkpoint) ([]postgres.Result[SavedPerson], error) {
		return m.savePeople(ctx, s.ID, part, at)
	})
}

func (m *Module) savePeople(ctx context.Context, siteID int64, in []customerapi.Identity, at *Checkpoint) ([]postgres.Result[SavedPerson], error) {
	var out []postgres.Result[SavedPerson]
	err := m.inTx(ctx, func(u *bus.Unit) error {
		out = make([]postgres.Result[SavedPerson], len(in))
		who, marks := make([]identity, len(in)), map[mark]bool{}
		for i := range in {
			if who[i], out[i].Err = checkPerson(in[i]); out[i].Err == nil {
				who[i].addMarks(siteID, marks)
			}
		}
		stored, err := lockPeople(ctx, u, marks)
		if err != nil {
			return err
		}
		b := newBook(newPeople(stored), nil, u.Now)
		persons, existing := make([]*person, len(in)), map[*person]bool{}
		for i, w := range who {
			if out[i].Err != nil {
				continue
			}
			p := b.people.find(siteID, w, true)
			was := p != nil && p.changed
			if p != nil {
				p.changed = false
			}
			out[i].Value.New = p == nil
			var told bool
			if p, told, err = b.people.describe(p, siteID, w, u.Now); err != nil {
				out[i].Err = err
				continue
			}
			if told {
				b.tellPerson(p)
			}
			persons[i] = p
			if e := in[i].ExistingCustomer; e != nil && *e != p.Existing && p.AnonymizedAt == nil {
				p.Existing, p.changed, existing[p] = *e, true, true
			}
			out[i].Value.Changed = p.changed && !out[i].Value.New
			p.changed = p.changed || was
		}
		if err := b.save(ctx, u); err != nil {
			return err
		}
		if err := markExisting(ctx, u, slices.Collect(maps.Keys(existing))); err != nil {
			return err
		}
		for i, p := range persons {
			if p != nil {
				out[i].Value.ID = p.ID
			}
		}
		return moveCheckpoint(ctx, u, siteID, at)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Person finds a person by Talkable's person_slug.
func (m *Module) Person(ctx context.Context, siteID int64, slug string) (customerapi.Person, error) {
	p, err := personBySlug(ctx, m.db, siteID, slug)
	if err != nil {
		return customerapi.Person{}, err
	}
	return p.api(), nil
}

// People reads persons by their ids; those whom the site doesn't have are missing. Under the id of a duplicate stands its survivor.
func (m *Module) People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error) {
	rows, err := peopleByID(ctx, m.db, siteID, ids)
	if err != nil {
		return nil, err
	}
	survivors, err := survivorsOf(ctx, m.db, siteID, rows)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]customerapi.Person, len(rows))
	for _, p := range rows {
		if s, merged := survivors[p.MergedInto]; merged {
			out[p.ID] = s.api()
			continue
		}
		out[p.ID] = p.api()
	}
	return out, nil
}

// Origin finds an origin by Talkable's origin_slug.
func (m *Module) Origin(ctx context.Context, siteID int64, slug string) (customerapi.Recorded, error) {
	o, err := originBySlug(ctx, m.db, siteID, slug, "")
	if err != nil {
		return customerapi.Recorded{}, err
	}
	return recordedWithPerson(ctx, m.db, o)
}

// Timeline tells what a person did: sign-ups, purchases, events, refunds.
func (m *Module) Timeline(ctx context.Context, siteID, personID int64, before timeline.Place, limit int) ([]timeline.Entry, error) {
	at, kind, id := before.At, before.Type, before.ID
	switch {
	case at.IsZero():
		at, kind = m.now().AddDate(1, 0, 0), "~"
	case before.Module > moduleName: // entries of this module come after it at the same moment
		kind, id = "~", math.MaxInt64
	case before.Module < moduleName:
		kind, id = "", 0
	}
	deeds, err := deedsOf(ctx, m.db, siteID, personID, at, kind, id, limit)
	if err != nil {
		return nil, err
	}
	out := make([]timeline.Entry, len(deeds))
	for i, d := range deeds {
		out[i] = d.entry()
	}
	return out, nil
}
