package referral

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// offers are those that a batch of requests may get, as far as they are known. Who is held out is written in a table of the same form,
// so there are rows of that, too.
type offers struct {
	table     holders
	byPerson  map[personKey]*offer
	byVisitor map[visitorKey]*offer
}

// holders is a table with one row a campaign and person, and one a campaign and visitor while no person is known.
type holders struct {
	find   func(context.Context, sqlx.QueryerContext, []personKey, []visitorKey) ([]offer, error)
	adopt  func(context.Context, *sqlx.Tx, []offer) ([]offer, error)
	insert func(context.Context, *sqlx.Tx, time.Time, []offer) ([]offer, error)
}

var (
	offerTable   = holders{findOffers, adoptOffers, insertOffers}
	heldOutTable = holders{findHeldOut, adoptHeldOut, insertHeldOut}
)

func newOffers() *offers { return newHolders(offerTable) }

func newHolders(t holders) *offers {
	return &offers{table: t, byPerson: map[personKey]*offer{}, byVisitor: map[visitorKey]*offer{}}
}

// find reads what the requests may get.
func (o *offers) find(ctx context.Context, q sqlx.QueryerContext, wants []want) error {
	var people []personKey
	var visitors []visitorKey
	for _, w := range wants {
		if w.campaign == nil {
			continue
		}
		if w.person != 0 {
			people = append(people, personKey{w.s.ID, w.campaign.ID, w.person})
		}
		for _, v := range w.visitors {
			visitors = append(visitors, visitorKey{w.s.ID, w.campaign.ID, v})
		}
	}
	if len(people)+len(visitors) == 0 {
		return nil
	}
	found, err := o.table.find(ctx, q, people, visitors)
	o.add(found)
	return err
}

func (o *offers) add(list []offer) {
	for i := range list {
		one := &list[i]
		if one.PersonID != nil {
			o.byPerson[personKey{one.SiteID, one.CampaignID, *one.PersonID}] = one
		}
		if one.VisitorID != nil {
			o.byVisitor[visitorKey{one.SiteID, one.CampaignID, *one.VisitorID}] = one
		}
	}
}

// resolve is the request's offer; adopt says that it is a visitor's who turned out to be the request's person. A visitor's offer
// that belongs to another person already is not for this one: browsers are shared.
func (o *offers) resolve(w want) (one *offer, adopt bool) {
	if w.person != 0 {
		if one := o.byPerson[personKey{w.s.ID, w.campaign.ID, w.person}]; one != nil {
			return one, false
		}
	}
	for _, v := range w.visitors {
		one := o.byVisitor[visitorKey{w.s.ID, w.campaign.ID, v}]
		if one != nil && (w.person == 0 || one.PersonID == nil) {
			return one, w.person != 0
		}
	}
	return nil, false
}

// settle adopts and makes what the requests need, and returns what it made.
func (o *offers) settle(ctx context.Context, u *bus.Unit, wants []want) ([]offer, error) {
	var made []offer
	for range 3 {
		adopt, create := o.plan(wants)
		if len(adopt)+len(create) == 0 {
			return made, nil
		}
		var adopted, created []offer
		var err error
		if len(adopt) > 0 {
			if adopted, err = o.table.adopt(ctx, u.Tx, adopt); err != nil {
				return nil, err
			}
		}
		if len(create) > 0 {
			if created, err = o.table.insert(ctx, u.Tx, u.Now, create); err != nil {
				return nil, err
			}
		}
		o.add(adopted)
		o.add(created)
		made = append(made, created...)
		if len(adopted)+len(created) < len(adopt)+len(create) { // somebody else was first: see what is there now
			if err := o.find(ctx, u, wants); err != nil {
				return nil, err
			}
		}
	}
	return nil, errRaced
}

// plan says which offers have to be adopted and which made, each once.
func (o *offers) plan(wants []want) (adopt, create []offer) {
	taken := map[int64]bool{}
	people, visitors := map[personKey]bool{}, map[visitorKey]bool{}
	for _, w := range wants {
		if w.campaign == nil {
			continue
		}
		one, free := o.resolve(w)
		made := offer{SiteID: w.s.ID, CampaignID: w.campaign.ID, Version: w.campaign.Version, Variant: w.variant, whence: w.whence}
		p := personKey{w.s.ID, w.campaign.ID, w.person}
		switch {
		case one != nil && !free, w.person != 0 && people[p]:
		case free && !taken[one.ID]:
			taken[one.ID], people[p] = true, true
			adopted := *one
			adopted.PersonID = &w.person
			adopt = append(adopt, adopted)
		case w.person != 0:
			people[p] = true
			made.PersonID = &w.person
			create = append(create, made)
		case len(w.visitors) > 0:
			v := visitorKey{w.s.ID, w.campaign.ID, w.visitors[0]}
			if !visitors[v] {
				visitors[v] = true
				made.VisitorID = &w.visitors[0]
				create = append(create, made)
			}
		}
	}
	return adopt, create
}
