package referral

import (
	"context"

	"github.com/jmoiron/sqlx"
)

// offers are those that a batch of requests may get, as far as they are known.
type offers struct {
	byPerson  map[personKey]*offer
	byVisitor map[visitorKey]*offer
}

func newOffers() *offers {
	return &offers{byPerson: map[personKey]*offer{}, byVisitor: map[visitorKey]*offer{}}
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
	found, err := findOffers(ctx, q, people, visitors)
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

// plan says which offers have to be adopted and which made, each once.
func (o *offers) plan(wants []want) (adopt, create []offer) {
	taken := map[int64]bool{}
	people, visitors := map[personKey]bool{}, map[visitorKey]bool{}
	for _, w := range wants {
		if w.campaign == nil {
			continue
		}
		one, free := o.resolve(w)
		made := offer{SiteID: w.s.ID, CampaignID: w.campaign.ID, Version: w.campaign.Version}
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
