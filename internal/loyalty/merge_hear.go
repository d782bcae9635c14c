package loyalty

import (
	"context"
	"maps"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// merged: what a duplicate has is the survivor's.
func (m *Module) merged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonMerged]) error {
	if err := alone(ctx, u); err != nil {
		return err
	}
	for _, e := range batch {
		if err := m.mergeMembers(ctx, u, e.Body); err != nil {
			return err
		}
	}
	return nil
}

// unmerged: they are two again.
func (m *Module) unmerged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonUnmerged]) error {
	if err := alone(ctx, u); err != nil {
		return err
	}
	for _, e := range batch {
		known, err := dropAlias(ctx, u, e.Site, e.Body.DuplicateID, e.Body.MergeID)
		if err != nil {
			return err
		}
		if known {
			if err := m.partMembers(ctx, u, e.Body); err != nil {
				return err
			}
		}
	}
	return nil
}

// survivors are who stands for people that can't be enrolled, because they were merged into others; who isn't a member yet is enrolled. There
// is hardly ever anybody: what is told after a merge is told of the survivor.
func (m *Module) survivors(ctx context.Context, u *bus.Unit, people []person, holders map[person]*holder, since map[person]joining, programs map[int64]program) ([]*holder, error) {
	if len(people) == 0 {
		return nil, nil
	}
	aliases, err := aliasesOf(ctx, u, people)
	if err != nil || len(aliases) == 0 {
		return nil, err
	}
	joiners := map[person]joining{}
	for duplicate, survivor := range aliases {
		if first, ok := joiners[survivor]; holders[survivor] == nil && (!ok || since[duplicate].at.Before(first.at)) {
			joiners[survivor] = since[duplicate]
		}
	}
	found, fresh, err := m.members(ctx, u, joiners, nil, programs)
	if err != nil {
		return nil, err
	}
	maps.Copy(holders, found)
	for duplicate, survivor := range aliases {
		holders[duplicate] = holders[survivor]
	}
	return fresh, nil
}

// mergeMembers closes the duplicate's member, if there is one, and gives all to the survivor's, who becomes one if need be.
func (m *Module) mergeMembers(ctx context.Context, u *bus.Unit, e customerevent.PersonMerged) error {
	survivor, duplicate := person{e.SiteID, e.SurvivorID}, person{e.SiteID, e.DuplicateID}
	if _, err := poolsOf(ctx, u, []person{survivor, duplicate}, "for update"); err != nil { // before members, as who spends does
		return err
	}
	two, err := lockHolders(ctx, u, inOrder([]person{survivor, duplicate}))
	if err != nil {
		return err
	}
	if two[duplicate] == nil || two[duplicate].PersonID != duplicate.id { // no member, or closed by a merge that came later and was heard before
		return addAlias(ctx, u, e.SiteID, duplicate.id, survivor.id, e.MergeID)
	}
	joined := 0
	if two[survivor] == nil {
		programs, err := sharePrograms(ctx, u, []int64{e.SiteID})
		if err != nil {
			return err
		}
		if _, _, err := m.members(ctx, u, map[person]joining{survivor: programs[e.SiteID].joinsFor(two[duplicate], u.Now)}, nil, programs); err != nil {
			return err
		}
		if programs[e.SiteID].joinsFor(two[duplicate], u.Now).as == active {
			joined = 1
		}
	}
	if err := addAlias(ctx, u, e.SiteID, duplicate.id, survivor.id, e.MergeID); err != nil {
		return err
	}
	d, s, o, err := m.openTwo(ctx, u, survivor, duplicate, nil)
	if err != nil {
		return err
	}
	was := memberMerge{SiteID: e.SiteID, ID: e.MergeID, SurvivorID: s.MemberID, DuplicateID: o.MemberID, Status: o.Status, Points: o.Balance}
	if was.TxnID, err = d.absorb(s, o, e.MergeID); err != nil {
		return err
	}
	if err := moveLots(ctx, u, s, o); err != nil {
		return err
	}
	if err := d.absorbWallets(ctx, u, s, o, e.MergeID); err != nil {
		return err
	}
	if err := m.unite(ctx, u, s, o, d.programs[e.SiteID], &was); err != nil {
		return err
	}
	if err := m.save(ctx, u, d.books, each(d.holders), d.loaded, joined); err != nil {
		return err
	}
	if err := closeMember(ctx, u, s, o); err != nil {
		return err
	}
	if err := mergePlaces(ctx, u, s, o, e.MergeID); err != nil {
		return err
	}
	if err := keepMerge(ctx, u, was, u.Now); err != nil {
		return err
	}
	if err := m.mergeFeats(ctx, u, e.SiteID, s.MemberID, o.MemberID); err != nil {
		return err
	}
	return m.retierTwo(ctx, u, e.SiteID, s.MemberID, o.MemberID, forMerge)
}

// partMembers gives the duplicate's member back what is left of what it had.
func (m *Module) partMembers(ctx context.Context, u *bus.Unit, e customerevent.PersonUnmerged) error {
	was, found, err := mergeOf(ctx, u, e.SiteID, e.MergeID, u.Now)
	if err != nil || !found {
		return err
	}
	if err := partPlaces(ctx, u, was, e.SurvivorID, e.DuplicateID); err != nil {
		return err
	}
	if _, err := holdersByID(ctx, u, []siteID{{e.SiteID, was.SurvivorID}, {e.SiteID, was.DuplicateID}}, "for update"); err != nil {
		return err
	}
	how := unmerging{memberMerge: was}
	if was.TxnID != nil {
		used := map[siteID][]allocation{}
		if err := allocationsOf(ctx, u, []siteID{{e.SiteID, *was.TxnID}}, used); err != nil {
			return err
		}
		how.used = used[siteID{e.SiteID, *was.TxnID}]
	}
	if err := freeMember(ctx, u, was); err != nil {
		return err
	}
	d, s, o, err := m.openTwo(ctx, u, person{e.SiteID, e.SurvivorID}, person{e.SiteID, e.DuplicateID}, how.used)
	if err != nil {
		return err
	}
	if how.home, how.waiting, err = homeOf(ctx, u, was); err != nil {
		return err
	}
	how.pending = how.waiting[""]
	if err := d.part(s, o, how); err != nil {
		return err
	}
	if err := d.partWallets(ctx, u, s, o, how); err != nil {
		return err
	}
	if err := m.save(ctx, u, d.books, each(d.holders), d.loaded, 0); err != nil {
		return err
	}
	if err := reopenMember(ctx, u, s, o, d.programs[e.SiteID]); err != nil {
		return err
	}
	if was.SurvivorWas != nil && s.Status == *was.SurvivorMade {
		if err := m.reach(ctx, u, s, d.programs[e.SiteID], *was.SurvivorWas, memberChange{Cause: turnPart}); err != nil {
			return err
		}
	}
	if err := m.partFeats(ctx, u, e.SiteID, s.MemberID, o.MemberID); err != nil {
		return err
	}
	return m.retierTwo(ctx, u, e.SiteID, s.MemberID, o.MemberID, forUnmerge)
}

// waitTogether hands two members accounts of pending points: of the main wallet, and of those in which one of them has such points or had.
func waitTogether(ctx context.Context, u *bus.Unit, s, o *holder) error {
	if err := loadPending(ctx, u, slices.Concat(s.wallets, o.wallets), false); err != nil {
		return err
	}
	missing := []*holder{s, o}
	for _, w := range s.wallets {
		if other := o.in(w.Wallet); (w.pending == nil) != (other.pending == nil) {
			missing = append(missing, w, other)
		}
	}
	return loadPending(ctx, u, missing, true)
}

// sidesOfMerge are the most transactions that a merge, or its undoing, makes in a wallet.
const sidesOfMerge = 4

// openTwo locks two members with all that they have, lets expire what is due, brings their tiers up to now, and opens the books for what goes
// between them. used are allocations whose lots are wanted, too.
func (m *Module) openTwo(ctx context.Context, u *bus.Unit, survivor, duplicate person, used []allocation) (d *desk, s, o *holder, err error) {
	if d, err = openDesk(ctx, u, []action{{site: survivor.site, person: survivor.id, whole: true}, {site: duplicate.site, person: duplicate.id, whole: true}}, []int{0, 1}); err != nil {
		return nil, nil, nil, err
	}
	s, o = d.holders[survivor], d.holders[duplicate]
	if err := waitTogether(ctx, u, s, o); err != nil {
		return nil, nil, nil, err
	}
	spent := map[siteSource]earned{}
	for _, a := range used {
		if !slices.ContainsFunc(d.loaded, func(l *lot) bool { return l.ID == a.LotID }) {
			spent[siteSource{a.SiteID, sourceOf("lot", a.LotID)}] = earned{SiteID: a.SiteID, ID: a.LotID}
		}
	}
	more, err := lotsOf(ctx, u, nil, spent)
	if err != nil {
		return nil, nil, nil, err
	}
	d.loaded = append(d.loaded, more...)
	hand(more, each(d.holders))
	opened, err := open(ctx, u, sidesOfMerge*(1+len(s.wallets)), []int64{survivor.site}, inWallets([]string{transferred}, s.wallets), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	d.ids = append(d.ids, opened.ids...)
	maps.Copy(d.own, opened.own)
	for _, h := range slices.Concat([]*holder{s, o}, s.wallets, o.wallets) {
		if err := d.expireDue(h); err != nil {
			return nil, nil, nil, err
		}
		d.settleTier(h, d.programs[h.SiteID])
	}
	return d, s, o, nil
}

// retierTwo puts both members where what counts of them by now leads.
func (m *Module) retierTwo(ctx context.Context, u *bus.Unit, site, survivor, duplicate int64, cause string) error {
	programs, err := sharePrograms(ctx, u, []int64{site})
	if err != nil {
		return err
	}
	two, err := holdersByID(ctx, u, []siteID{{site, survivor}, {site, duplicate}}, "for update")
	if err != nil {
		return err
	}
	b := &books{now: u.Now, programs: programs}
	if err := b.readScores(ctx, u, two); err != nil {
		return err
	}
	for _, h := range two {
		b.place(h, programs[site], cause, 0, u.Now)
	}
	return m.save(ctx, u, b, two, nil, 0)
}
