package referral

import (
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// advocateMove is a set of advocates on its way in.
type advocateMove struct {
	s      site.Site
	source string
	rows   []referralapi.MovedAdvocate
	out    []taken
	offers []*offer // of each row; nil where it is refused
	counts map[string]int
	made   []offer // what wasn't there before
}

// TakeAdvocates gives those who shared elsewhere an offer here, and their old addresses, codes and names with it. A row that is refused for one of these
// keeps the others; the same again changes nothing.
func (m *Module) TakeAdvocates(ctx context.Context, s site.Site, source string, rows []referralapi.MovedAdvocate) ([]taken, error) {
	var a advocateMove
	err := m.takeIn(ctx, source, func(u *bus.Unit) error {
		a = advocateMove{s: s, source: source, rows: rows, out: make([]taken, len(rows)), counts: map[string]int{}}
		return m.takeAdvocates(ctx, u, &a)
	})
	if err != nil {
		return nil, err
	}
	for _, o := range a.offers {
		if o != nil {
			m.forgetOffer(o.SiteID, o.ID, o.Code)
		}
	}
	return a.out, nil
}

func (m *Module) takeAdvocates(ctx context.Context, u *bus.Unit, a *advocateMove) error {
	campaigns, ids := make([]int64, len(a.rows)), make([]int64, len(a.rows))
	for i, r := range a.rows {
		campaigns[i], ids[i] = r.CampaignID, r.PersonID
		if r.Since.After(u.Now.Add(touchSlack)) {
			a.out[i].Err = refused("invalid_date", "date", "is in the future")
		}
	}
	found, err := m.advocatesOf(ctx, u, a.s, ids, campaigns, a.out)
	if err != nil {
		return err
	}
	a.offers, a.made = found.offers, found.made
	if err := a.date(ctx, u); err != nil {
		return err
	}
	if err := a.takeLinks(ctx, u); err != nil {
		return err
	}
	if err := a.takeCodes(ctx, u, m, found.campaigns); err != nil {
		return err
	}
	if err := a.takeNames(ctx, u); err != nil {
		return err
	}
	a.counts["offers"] = len(a.made)
	return m.noteMove(ctx, u, a.s.ID, "advocates.moved", a.source, a.counts)
}

// advocates are the offers of a set of people.
type advocates struct {
	campaigns map[key]*campaign
	offers    []*offer
	made      []offer
}

// advocatesOf finds or makes the offer of each row's advocate. They are in no experiment, and nobody is held out: they shared before.
func (m *Module) advocatesOf(ctx context.Context, u *bus.Unit, s site.Site, people, campaigns []int64, out []taken) (a advocates, err error) {
	sites := make([]int64, len(people))
	for i := range sites {
		sites[i] = s.ID
	}
	if a.campaigns, err = campaignsByID(ctx, u, sites, campaigns, u.Now); err != nil {
		return a, err
	}
	var wants []want
	var at []int
	for i := range people {
		c := a.campaigns[key{s.ID, campaigns[i]}]
		switch {
		case out[i].Err != nil:
		case c == nil:
			out[i].Err = refused("campaign_not_found", "campaign_id", "is no campaign of this site")
		default:
			wants, at = append(wants, want{s: s, campaign: c, person: people[i]}), append(at, i)
		}
	}
	o := newOffers()
	if err = o.find(ctx, u, wants); err != nil {
		return a, err
	}
	if a.made, err = o.settle(ctx, u, wants); err != nil {
		return a, err
	}
	a.offers = make([]*offer, len(people))
	for n, i := range at {
		a.offers[i], _ = o.resolve(wants[n])
	}
	return a, nil
}

// date gives new offers the time since when their advocates shared, and tells of them.
func (a *advocateMove) date(ctx context.Context, u *bus.Unit) error {
	if len(a.made) == 0 {
		return nil
	}
	since := map[int64]time.Time{}
	for _, o := range a.made {
		since[o.ID] = u.Now
	}
	for i, r := range a.rows {
		o := a.offers[i]
		if o == nil {
			continue
		}
		if at, made := since[o.ID]; made {
			a.out[i].Value = true
			if !r.Since.IsZero() && r.Since.Before(at) {
				since[o.ID] = r.Since
			}
		}
	}
	told := referralevent.OffersMoved{SiteID: a.s.ID, Source: a.source}
	for _, o := range a.made {
		told.Offers = append(told.Offers, referralevent.MovedOffer{OfferID: o.ID, CampaignID: o.CampaignID, AdvocateID: deref(o.PersonID), CreatedAt: since[o.ID]})
	}
	u.Tell(a.s.ID, "moved:"+a.source, told)
	return datesOfOffers(ctx, u.Tx, a.s.ID, since)
}

func (a *advocateMove) takeLinks(ctx context.Context, u *bus.Unit) error {
	var list []oldLink
	at := map[int]address{}
	for i, r := range a.rows {
		if r.Link == "" || a.offers[i] == nil {
			continue
		}
		where, why := addressOfLink(r.Link, r.AnyCase)
		if why != "" {
			a.refuse(i, "invalid_link", "link", why)
			continue
		}
		at[i] = where
		list = append(list, oldLink{Host: where.host, Path: where.path, SiteID: a.s.ID, OfferID: a.offers[i].ID})
	}
	if len(list) == 0 {
		return nil
	}
	made, after, err := insertOldLinks(ctx, u.Tx, u.Now, a.s.ID, a.source, list)
	for i := range a.rows {
		where, asked := at[i]
		switch l := after[where]; {
		case !asked:
		case l.SiteID != a.s.ID || l.OfferID != a.offers[i].ID:
			a.refuse(i, "link_taken", "link", "leads to somebody else here already")
		case made[where]:
			a.counts["links"]++
			a.out[i].Value, made[where] = true, false
		}
	}
	return err
}

func (a *advocateMove) takeCodes(ctx context.Context, u *bus.Unit, m *Module, campaigns map[key]*campaign) error {
	asked, wanted := map[int]string{}, map[string]bool{}
	var list []personalCoupon
	var all []string
	offers := map[key]bool{}
	for i, r := range a.rows {
		o := a.offers[i]
		if r.Code == "" || o == nil {
			continue
		}
		code, plan := codeOfCoupon(r.Code), campaigns[key{o.SiteID, o.CampaignID}].Attribution.Personal
		switch why := codeFault(code); {
		case why != "":
			a.refuse(i, "invalid_coupon_code", "code", why)
			continue
		case plan == nil:
			a.refuse(i, "no_personal_coupons", "code", "can't lead to anybody while the campaign gives its advocates no codes of their own: set attribution.personal_coupons first")
			continue
		}
		if asked[i] = code; !wanted[code] {
			wanted[code], offers[key{o.SiteID, o.ID}] = true, true
			all = append(all, code)
			list = append(list, personalCoupon{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, PersonID: *o.PersonID, ListID: plan.ListID, Code: code, Chosen: true, MadeAt: u.Now})
		}
	}
	if len(list) == 0 {
		return nil
	}
	if _, err := lockCodesOfOffers(ctx, u.Tx, offers); err != nil {
		return err
	}
	before, err := ownersOfCodes(ctx, u, a.s.ID, all)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(c personalCoupon) bool { _, is := before[c.Code]; return is })
	made, err := m.savePersonal(ctx, u, list)
	if err != nil {
		return err
	}
	a.counts["codes"] = len(made)
	fresh := map[string]bool{}
	for _, c := range made {
		before[c.Code], fresh[c.Code] = c.OfferID, true
	}
	for i := range a.rows {
		code, is := asked[i]
		switch {
		case !is:
		case before[code] != a.offers[i].ID:
			a.refuse(i, "coupon_code_taken", "code", "is another coupon's here already")
		case fresh[code]:
			a.out[i].Value, fresh[code] = true, false
		}
	}
	return nil
}

func (a *advocateMove) takeNames(ctx context.Context, u *bus.Unit) error {
	asked := map[int]string{}
	var list []personName
	var all []string
	for i, r := range a.rows {
		if r.Name == "" || a.offers[i] == nil {
			continue
		}
		name, ok := nameOf(r.Name)
		if !ok {
			a.refuse(i, "invalid_name", "name", "can't stand in a link: 3 to 50 Latin letters, digits and _, no digit first, and none of the shop's own")
			continue
		}
		asked[i] = name
		list, all = append(list, personName{site: a.s.ID, name: name, person: *a.offers[i].PersonID, at: u.Now}), append(all, name)
	}
	if len(list) == 0 {
		return nil
	}
	before, err := peopleOfNames(ctx, u, a.s.ID, all)
	if err != nil {
		return err
	}
	if err := insertNames(ctx, u.Tx, list); err != nil {
		return err
	}
	after, err := peopleOfNames(ctx, u, a.s.ID, all)
	for i := range a.rows {
		name, is := asked[i]
		switch {
		case !is:
		case after[name] != *a.offers[i].PersonID:
			a.refuse(i, "name_taken", "name", "is somebody else's here already")
		case before[name] == 0:
			a.counts["names"]++
			a.out[i].Value, before[name] = true, after[name]
		}
	}
	return err
}

// refuse says of a row that something of it isn't taken in; the first finding stays.
func (a *advocateMove) refuse(i int, code, member, detail string) {
	if a.out[i].Err == nil {
		a.out[i].Err = refused(code, member, detail)
	}
}
