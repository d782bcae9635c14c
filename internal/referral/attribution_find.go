package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
)

// find gathers the candidates of a batch: one query for browsers and people, one for codes where orders came with some, and one for
// touches in between where the first and the last of an offer don't decide.
func (m *Module) find(ctx context.Context, u *bus.Unit, f *facts, deeds []deed) error {
	var err error
	if f.kin, err = m.kinOf(ctx, u, friendsOf(deeds)); err != nil {
		return err
	}
	rows, err := findCandidates(ctx, u, deeds, f.kin)
	if err != nil {
		return err
	}
	codes, err := findCodes(ctx, u, deeds)
	if err != nil {
		return err
	}
	advocates := make([]key, 0, len(rows)+len(codes))
	for _, r := range append(rows, codes...) {
		advocates = append(advocates, key{deeds[r.N].body.SiteID, r.AdvocateID})
	}
	kin, err := m.kinOf(ctx, u, advocates)
	if err != nil {
		return err
	}
	f.kin = f.kin.and(kin)
	var sites, ids []int64
	for _, r := range append(rows, codes...) {
		d := deeds[r.N]
		if r.Method == byEmail && !f.then(d, seen{d.body.SiteID, r.VisitorID, d.body.PersonID}) {
			continue
		}
		if r.Guessed && !f.then(d, seen{d.body.SiteID, r.OfferOwner, r.AdvocateID}) {
			r.AdvocateID = 0
		}
		r.AdvocateID = f.kin.one(d.body.SiteID, r.AdvocateID)
		c := r.candidate(d.body.OccurredAt)
		if c.method == byIP {
			if c.barred, err = m.barred(ctx, u, d); err != nil {
				return err
			}
		}
		f.candidates[r.N] = append(f.candidates[r.N], c)
		sites, ids = append(sites, d.body.SiteID), append(ids, r.CampaignID)
	}
	if f.campaigns, err = campaignsByID(ctx, u, sites, ids, u.Now); err != nil {
		return err
	}
	return f.lookBetween(ctx, u, deeds)
}

// barred says that a purchase's address is on the site's lists: of those that are blocked, or of the merchant's own tests.
func (m *Module) barred(ctx context.Context, u *bus.Unit, d deed) (bool, error) {
	b, err := m.books.of(ctx, u, d.body.SiteID)
	if err != nil {
		return false, err
	}
	return b.site.lists.blockedIPs.has(d.body.IP) || b.site.lists.qaIPs.has(d.body.IP), nil
}

// lookBetween reads the touches near the windows' ends of candidates that were touched before and after them. It's rare: orders that
// are told late, and first touches of those who come back for months.
func (f *facts) lookBetween(ctx context.Context, u *bus.Unit, deeds []deed) error {
	var asked []*candidate
	var list []stretch
	for n, d := range deeds {
		for i := range f.candidates[n] {
			c := &f.candidates[n][i]
			k := f.campaigns[key{d.body.SiteID, c.campaignID}]
			if k != nil && c.unsure(d.body.OccurredAt, k) {
				asked = append(asked, c)
				list = append(list, stretch{d.body.SiteID, c.offerID, c.visitor, c.since(d.body.OccurredAt, k), d.body.OccurredAt.Add(touchSlack)})
			}
		}
	}
	between, err := visitsBetween(ctx, u, list)
	for i, times := range between {
		asked[i].between = times
	}
	return err
}

// forgo takes out the first advocates of friends who are referred in the campaign already: what they do now may have come by others.
func (f *facts) forgo(deeds []deed) {
	for n, d := range deeds {
		f.candidates[n] = slices.DeleteFunc(f.candidates[n], func(c candidate) bool {
			return c.method == bySticky && f.referred[friendKey{d.body.SiteID, c.campaignID, d.body.PersonID}]
		})
	}
}

// cut parts the deeds of a batch where a friend comes again on a site that looks at earlier referrals: the part before makes them.
func cut(ctx context.Context, u *bus.Unit, deeds []deed) ([][]deed, error) {
	var again []int64
	seen := map[key]bool{}
	for _, d := range deeds {
		k := key{d.body.SiteID, d.body.PersonID}
		if d.body.PersonID != 0 && seen[k] {
			again = append(again, k.site)
		}
		seen[k] = true
	}
	if len(again) == 0 {
		return [][]deed{deeds}, nil
	}
	far, err := looksBack(ctx, u, again)
	if err != nil || len(far) == 0 {
		return [][]deed{deeds}, err
	}
	var out [][]deed
	clear(seen)
	begin := 0
	for n, d := range deeds {
		k := key{d.body.SiteID, d.body.PersonID}
		if far[k.site] && k.id != 0 && seen[k] {
			out, begin = append(out, deeds[begin:n]), n
			clear(seen)
		}
		seen[k] = true
	}
	return append(out, deeds[begin:]), nil
}
