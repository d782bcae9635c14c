package customer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// readBook locks the persons that the entries may touch, in one order for all transactions, and reads the origins. Those that are
// confirmed never change but by a refund, so they aren't locked.
func readBook(ctx context.Context, u *bus.Unit, entries []entry) (*book, error) {
	marks := map[mark]bool{}
	places := map[place]bool{}
	signUps := map[int64]bool{}
	for _, e := range entries {
		e.who.addMarks(e.site, marks)
		switch {
		case e.in.Type != customerevent.AffiliateMember:
			places[place{e.site, e.in.Type, e.in.Category, e.in.Number}] = true
		case !e.who.named():
			places[place{e.site, e.in.Type, "", strangerNumber(e.in)}] = true
		default:
			signUps[e.site] = true
		}
	}
	stored, err := lockPeople(ctx, u, marks)
	if err != nil {
		return nil, err
	}
	for _, p := range stored {
		if signUps[p.SiteID] {
			places[place{p.SiteID, customerevent.AffiliateMember, "", p.key()}] = true
		}
	}
	origins, err := originsAt(ctx, u, places)
	if err != nil {
		return nil, err
	}
	if !known(stored, origins) { // another replica may have made both a moment ago, and we came between: its person is there by now
		if stored, err = lockPeople(ctx, u, marks); err != nil {
			return nil, err
		}
		if stored, err = withOwners(ctx, u, stored, origins); err != nil {
			return nil, err
		}
	}
	return newBook(newPeople(stored), origins, u.Now), nil
}

// known says whether the persons of all origins are among those that were read.
func known(people []person, origins []origin) bool { return len(unknown(people, origins)) == 0 }

// unknown are the persons of origins, by site and id, who aren't among those that were read.
func unknown(people []person, origins []origin) (ids [][2]int64) {
	read := map[[2]int64]bool{}
	for _, p := range people {
		read[[2]int64{p.SiteID, p.ID}] = true
	}
	for _, o := range origins {
		if o.PersonID != nil && !read[[2]int64{o.SiteID, *o.PersonID}] {
			ids = append(ids, [2]int64{o.SiteID, *o.PersonID})
		}
	}
	return ids
}

// withOwners adds to the persons whom the requests name those of the origins: an order of a duplicate is the survivor's, by whatever mark
// it is told again.
func withOwners(ctx context.Context, u *bus.Unit, people []person, origins []origin) ([]person, error) {
	more, err := lockPeopleByID(ctx, u, unknown(people, origins))
	if err != nil {
		return nil, err
	}
	return withSurvivors(ctx, u, append(people, more...))
}

func (w identity) addMarks(site int64, to map[mark]bool) {
	for _, m := range [...]mark{{site, byEmail, w.emailNorm}, {site, byCustomerID, w.customerID}, {site, byPhone, w.phone},
		{site, byUsername, w.usernameNorm}} {
		if m.value != "" && w.named() {
			to[m] = true
		}
	}
}

// save writes what differs from what was read, a statement a table, and tells. A request without news costs nothing here.
func (b *book) save(ctx context.Context, u *bus.Unit) error {
	if err := b.people.save(ctx, u); err != nil {
		return err
	}
	for _, o := range append(slices.Clone(b.fresh), b.turned...) {
		o.PersonID = nil
		if o.person != nil {
			o.PersonID = &o.person.ID
			if o.Type == customerevent.AffiliateMember {
				o.Number = o.person.key()
			}
		}
	}
	if err := insertOrigins(ctx, u, b.fresh); err != nil {
		return err
	}
	if err := confirmOrigins(ctx, u, b.turned); err != nil {
		return err
	}
	if err := insertItems(ctx, u, b.fresh, b.turned); err != nil {
		return err
	}
	if err := saveVisitors(ctx, u, b.sightings()); err != nil {
		return err
	}
	if err := b.saveAlike(ctx, u); err != nil {
		return err
	}
	for _, tell := range b.told {
		tell(u)
	}
	return nil
}

// save writes new and changed persons.
func (b *people) save(ctx context.Context, u *bus.Unit) error {
	if err := insertPeople(ctx, u, b); err != nil {
		return err
	}
	var changed []*person
	for _, p := range b.id {
		if p.changed {
			changed = append(changed, p)
		}
	}
	return updatePeople(ctx, u, changed)
}

// sightings folds them to one a visitor: the first person counts, and the order is that of the locks.
func (b *book) sightings() []sighting {
	type key struct {
		site    int64
		visitor string
	}
	at := map[key]int{}
	var out []sighting
	for _, s := range b.seen {
		i, ok := at[key{s.site, s.visitor}]
		if !ok {
			at[key{s.site, s.visitor}] = len(out)
			out = append(out, s)
		} else if out[i].person == nil {
			out[i].person = s.person
		}
	}
	slices.SortFunc(out, func(x, y sighting) int {
		return cmp.Or(cmp.Compare(x.site, y.site), cmp.Compare(x.visitor, y.visitor))
	})
	return out
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
