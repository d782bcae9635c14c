package loyalty

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// postEarnings enrols who is to be, and posts what is new of the decisions, in their order. Its statements do not grow in number
// with them.
func (m *Module) postEarnings(ctx context.Context, u *bus.Unit, programs map[int64]program, all []earning) error {
	timer := prometheus.NewTimer(m.m.seconds.WithLabelValues(kindEarn))
	defer timer.ObserveDuration()
	all = firsts(all)
	joiners := map[person]time.Time{}
	var earners []person
	for _, e := range all {
		who := person{e.SiteID, e.PersonID}
		if e.Joins || e.Points > 0 {
			at := moment(e.EffectiveAt, u.Now)
			if first, ok := joiners[who]; !ok || at.Before(first) {
				joiners[who] = at
			}
		}
		if e.Points > 0 {
			earners = append(earners, who)
		}
	}
	members, err := m.join(ctx, u, joiners, programs)
	if err != nil {
		return err
	}
	holders, err := lockHolders(ctx, u, inOrder(earners))
	if err != nil {
		return err
	}
	fresh, err := m.undecided(ctx, u, all)
	if err != nil {
		return err
	}
	var posts, refused []earning
	for _, e := range fresh {
		if e.Points > 0 {
			posts = append(posts, e)
		} else if e.Refused != "" {
			refused = append(refused, e)
			m.m.refused.WithLabelValues(e.Refused).Inc()
		}
	}
	b := &books{now: u.Now, programs: programs}
	if len(posts) > 0 {
		if b.ids, err = takeIDs(ctx, u, len(posts)); err != nil {
			return err
		}
		if b.own, err = lockOwn(ctx, u, sitesOf(posts, func(e earning) int64 { return e.SiteID }), issued); err != nil {
			return err
		}
	}
	for _, e := range posts {
		if err := b.earn(holders[person{e.SiteID, e.PersonID}], e); err != nil {
			return err
		}
	}
	if err := keepRefusals(ctx, u, refused, u.Now); err != nil {
		return err
	}
	return m.save(ctx, u, b, values(holders), nil, members)
}

// join enrols people, each as of the time of what made them a member, and tells of those who were no members.
func (m *Module) join(ctx context.Context, u *bus.Unit, since map[person]time.Time, programs map[int64]program) (int, error) {
	if len(since) == 0 {
		return 0, nil
	}
	people := make([]person, 0, len(since))
	for who := range since {
		people = append(people, who)
	}
	fresh, err := enrol(ctx, u, inOrder(people), programs, since)
	for _, j := range fresh {
		u.Tell(j.SiteID, sourceOf("member", j.ID), loyaltyevent.MemberJoined{SiteID: j.SiteID, MemberID: j.ID, PersonID: j.PersonID,
			JoinedAt: since[person{j.SiteID, j.PersonID}]})
	}
	return len(fresh), err
}

// undecided leaves out what was decided before.
func (m *Module) undecided(ctx context.Context, u *bus.Unit, all []earning) ([]earning, error) {
	var sites []int64
	var sources []string
	for _, e := range all {
		if e.Points > 0 || e.Refused != "" {
			sites, sources = append(sites, e.SiteID), append(sources, e.Source)
		}
	}
	if len(sites) == 0 {
		return nil, nil
	}
	known, err := decidedAlready(ctx, u, sites, sources)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e earning) bool { return known[siteSource{e.SiteID, e.Source}] }), nil
}

// postClawBacks takes back, in order, what is due by now of earnings. What was never earned is passed over.
func (m *Module) postClawBacks(ctx context.Context, u *bus.Unit, claws []clawBack) error {
	if len(claws) == 0 {
		return nil
	}
	timer := prometheus.NewTimer(m.m.seconds.WithLabelValues(kindClawBack))
	defer timer.ObserveDuration()
	var sites []int64
	var sources []string
	seen := map[siteSource]bool{}
	for _, c := range claws {
		if of := (siteSource{c.SiteID, c.Of}); !seen[of] {
			seen[of] = true
			sites, sources = append(sites, c.SiteID), append(sources, c.Of)
		}
	}
	programs, err := sharePrograms(ctx, u, sites)
	if err != nil {
		return err
	}
	earnings, err := earnedBy(ctx, u, sites, sources)
	if err != nil || len(earnings) == 0 {
		return err
	}
	people := make([]person, 0, len(earnings))
	for _, e := range earnings {
		people = append(people, person{e.SiteID, e.PersonID})
	}
	holders, err := lockHolders(ctx, u, inOrder(people))
	if err != nil {
		return err
	}
	lots, err := lotsOf(ctx, u, holders, earnings)
	if err != nil {
		return err
	}
	b := &books{now: u.Now, programs: programs}
	if b.ids, err = takeIDs(ctx, u, len(claws)); err != nil {
		return err
	}
	if b.own, err = lockOwn(ctx, u, sitesOf(values(holders), func(h *holder) int64 { return h.SiteID }), issued); err != nil {
		return err
	}
	own := hand(lots, values(holders))
	for _, c := range claws {
		e, ok := earnings[siteSource{c.SiteID, c.Of}]
		if !ok {
			m.m.refused.WithLabelValues("never_earned").Inc()
			continue
		}
		if err := b.clawBack(holders[person{e.SiteID, e.PersonID}], own[siteID{e.SiteID, e.ID}], e.txn(), c); err != nil {
			return err
		}
	}
	return m.save(ctx, u, b, values(holders), lots, 0)
}

type siteID struct{ site, id int64 }

// hand gives the holders their lots, and returns these by id.
func hand(lots []*lot, holders []*holder) map[siteID]*lot {
	byAccount := make(map[siteID]*holder, len(holders))
	for _, h := range holders {
		byAccount[siteID{h.SiteID, h.ID}] = h
	}
	byID := make(map[siteID]*lot, len(lots))
	for _, l := range lots {
		byID[siteID{l.SiteID, l.ID}] = l
		h := byAccount[siteID{l.SiteID, l.AccountID}]
		h.lots = append(h.lots, l)
	}
	return byID
}

// save writes what a batch decided, a statement a table, and tells it.
func (m *Module) save(ctx context.Context, u *bus.Unit, b *books, holders []*holder, lots []*lot, joined int) error {
	accounts := values(b.own)
	for _, h := range holders {
		accounts = append(accounts, &h.account)
	}
	for _, step := range []func() error{
		func() error { return insertTxns(ctx, u, b.txns, b.now) },
		func() error { return insertEntries(ctx, u, b.entries) },
		func() error { return insertLots(ctx, u, b.lots) },
		func() error { return insertAllocations(ctx, u, b.uses) },
		func() error { return updateLots(ctx, u, lots) },
		func() error { return updateAccounts(ctx, u, accounts) },
		func() error { return updateMembers(ctx, u, holders) },
		func() error { return insertChanges(ctx, u, b.changes) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, t := range b.tells {
		u.Tell(t.site, t.key, t.body)
	}
	m.m.count(b, joined)
	return nil
}

// firsts keeps the first decision of each source.
func firsts(all []earning) []earning {
	seen := make(map[siteSource]bool, len(all))
	return slices.DeleteFunc(all, func(e earning) bool {
		k := siteSource{e.SiteID, e.Source}
		if seen[k] {
			return true
		}
		seen[k] = true
		return false
	})
}

// inOrder sorts people into the order of locks, each once.
func inOrder(people []person) []person {
	slices.SortFunc(people, func(a, b person) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id))
	})
	return slices.Compact(people)
}

// sitesOf are the sites of things, each once, in order.
func sitesOf[T any](things []T, site func(T) int64) []int64 {
	sites := make([]int64, len(things))
	for i, t := range things {
		sites[i] = site(t)
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

func values[K comparable, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
