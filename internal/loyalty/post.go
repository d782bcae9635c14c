package loyalty

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
)

// postEarnings enrols who is to be, and posts what is new of the decisions, in their order. Its statements do not grow in number
// with them.
func (m *Module) postEarnings(ctx context.Context, u *bus.Unit, programs map[int64]program, all []earning) error {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(kindEarn))
	defer timer.ObserveDuration()
	all = firsts(spread(programs, all))
	if err := m.foresee(ctx, u, all); err != nil {
		return err
	}
	if err := weighAll(ctx, all, u.Now); err != nil {
		return err
	}
	var looked []person // whether or not they are members
	joiners := map[person]joining{}
	var decided []siteSource
	n := 0
	for i, e := range all {
		if e.Joins || e.Points > 0 {
			who, join := person{e.SiteID, e.PersonID}, programs[e.SiteID].joins(e, u.Now)
			if join.as == "" {
				looked = append(looked, who)
			} else if _, ok := joiners[who]; !ok { // the first that is heard, whatever is heard together with it
				join.by = i
				joiners[who] = join
			}
		}
		if e.occasion != nil || e.feat.some() {
			looked = append(looked, person{e.SiteID, e.PersonID})
		}
		if e.Points > 0 || e.Refused != "" || e.occasion != nil {
			decided = append(decided, siteSource{e.SiteID, e.Source})
		}
		if e.Points > 0 || e.occasion != nil {
			n++
		}
	}
	holders, fresh, err := m.members(ctx, u, joiners, looked, programs)
	if err != nil {
		return err
	}
	then := func(i int) *holder { // who a decision is about, as it would find them alone: who joins by a later one is nobody yet
		who := person{all[i].SiteID, all[i].PersonID}
		if h := holders[who]; h == nil || !h.fresh || i >= joiners[who].by {
			return h
		}
		return nil
	}
	for i := range all {
		if then(i) == nil {
			all[i].feat, all[i].points = nil, nil
		}
	}
	if err := m.recognize(ctx, u, programs, all, holders); err != nil {
		return err
	}
	if err := recallDates(ctx, u, all, holders); err != nil {
		return err
	}
	if err := walletsEarned(ctx, u, all, holders); err != nil {
		return err
	}
	if err := waits(ctx, u, programs, all, holders); err != nil {
		return err
	}
	b := &books{now: u.Now, programs: programs}
	if err := b.readMerits(ctx, u, meritsIn(all)); err != nil {
		return err
	}
	if err := b.readScores(ctx, u, each(holders)); err != nil {
		return err
	}
	asleep, err := b.asleep(ctx, u, holders)
	if err != nil {
		return err
	}
	if b.rooms, err = openRooms(ctx, u, all, holders); err != nil {
		return err
	}
	o := opened{}
	if len(decided) > 0 {
		accounts := []string{issued}
		lapsing := len(asleep) + b.mayLapse(all)
		if lapsing > 0 {
			accounts = append(accounts, expired)
		}
		if o, err = open(ctx, u, n+lapsing, sitesOf(all, func(e earning) int64 { return e.SiteID }), inWallets(accounts, each(holders)), decided); err != nil {
			return err
		}
	}
	b.ids, b.own = o.ids, o.own
	if err := m.countParts(ctx, u, b, all, holders); err != nil {
		return err
	}
	for i, e := range all {
		h := then(i)
		if h != nil && h.fresh && joiners[person{e.SiteID, e.PersonID}].by == i {
			b.joined = append(b.joined, h)
		}
		had := len(b.txns)
		if err := b.settle(ctx, h, e, o.known[siteSource{e.SiteID, e.Source}]); err != nil {
			return err
		}
		b.countPoints(i, b.txns[had:])
		b.swing(i)
		b.noteDues()
	}
	if len(b.joined) < len(fresh) { // survivors of merges, who join in their duplicates' place
		b.joined = append(b.joined, slices.DeleteFunc(slices.Clone(fresh), func(h *holder) bool { return slices.Contains(b.joined, h) })...)
	}
	return m.save(ctx, u, b, each(holders), asleep, joinedIn(fresh))
}

// joining is since when and as what somebody is to be a member: an active one, or a candidate.
type joining struct {
	at time.Time
	as string
	by int // which decision of the batch makes them one

	cause, note string // of a candidate
	keyID       int64
	forfeit     *time.Time // when its points end, unless it becomes a member
}

// members locks the people's memberships, and those of who is looked at. Who is to be a member and is none yet is enrolled as of the
// time of what makes a member, and told of.
func (m *Module) members(ctx context.Context, u *bus.Unit, since map[person]joining, looked []person, programs map[int64]program) (map[person]*holder, []*holder, error) {
	people := slices.Grow(looked, len(since))
	for who := range since {
		people = append(people, who)
	}
	if len(people) == 0 {
		return nil, nil, nil
	}
	people = inOrder(people)
	holders, err := lockHolders(ctx, u, people)
	if err != nil {
		return nil, nil, err
	}
	strangers := slices.DeleteFunc(people, func(p person) bool { return holders[p] != nil || since[p].as == "" })
	if len(strangers) == 0 {
		return holders, nil, nil
	}
	fresh, err := enrol(ctx, u, strangers, programs, since)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range fresh {
		h.JoinedAt, h.fresh = since[person{h.SiteID, h.PersonID}].at, true
		holders[person{h.SiteID, h.PersonID}] = h
		if h.Status == active {
			u.Tell(h.SiteID, h.key(), h.joined())
		}
	}
	if err := m.keepCandidates(ctx, u, fresh, since); err != nil {
		return nil, nil, err
	}
	if len(fresh) < len(strangers) { // another transaction was quicker with some of them
		late, err := lockHolders(ctx, u, slices.DeleteFunc(strangers, func(p person) bool { return holders[p] != nil }))
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(holders, late)
	}
	late, err := m.survivors(ctx, u, slices.DeleteFunc(strangers, func(p person) bool { return holders[p] != nil }), holders, since, programs)
	return holders, append(fresh, late...), err
}

// settle decides about one thing that may earn points, and posts what it earns; h is nil for who is no member and becomes none. What is known
// already only counts towards tiers, where it didn't yet.
func (b *books) settle(ctx context.Context, h *holder, e earning, known bool) (err error) {
	if why := b.barred(h, e); why != "" {
		if !known {
			b.bar(e, why)
		}
		return nil
	}
	counted := b.merit(h, e)
	if e.occasion != nil && !known {
		if e, err = b.judge(ctx, h, e); err != nil {
			return err
		}
	}
	switch {
	case known:
	case e.Points > 0:
		h := h.in(e.Wallet)
		if h.lapsed(b.now) && !moment(e.EffectiveAt, b.now).Before(*h.LapsesAt) { // too late: the timer would have come by first
			if err := b.expireDue(h); err != nil {
				return err
			}
		}
		if err := b.earn(h, e); err != nil {
			return err
		}
	case e.Refused != "":
		b.refused = append(b.refused, e)
	}
	if counted {
		b.placeBy(h, b.programs[e.SiteID], tierChange{Cause: e.Merit, Source: e.Source, At: moment(e.EffectiveAt, b.now)})
	}
	return nil
}

type siteID struct{ site, id int64 }

// hand gives the holders their lots, but for those that are pending, and returns all by id.
func hand(lots []*lot, holders []*holder) map[siteID]*lot {
	byAccount := make(map[siteID]*holder, len(holders))
	for _, h := range holders {
		byAccount[siteID{h.SiteID, h.ID}] = h
	}
	byID := make(map[siteID]*lot, len(lots))
	for _, l := range lots {
		byID[siteID{l.SiteID, l.ID}] = l
		if h := byAccount[siteID{l.SiteID, l.AccountID}]; h != nil {
			l.member, h.lots = h, append(h.lots, l)
		}
	}
	return byID
}

// save writes what a batch decided, in one statement, and tells it.
func (m *Module) save(ctx context.Context, u *bus.Unit, b *books, holders []*holder, lots []*lot, joined int) error {
	accounts := values(b.own)
	for _, h := range holders {
		accounts = append(accounts, &h.account)
		if h.pending != nil {
			accounts = append(accounts, h.pending)
		}
	}
	if err := b.unscored(holders); err != nil {
		return err
	}
	var s saving
	s.txns(b.txns)
	s.entries(b.entries)
	s.newLots(b.lots)
	s.allocations(b.uses)
	s.usedLots(lots)
	s.accounts(accounts, holders)
	s.members(holders)
	s.changes(b.changes)
	s.merits(b.merits)
	s.meritDays(holders)
	s.refusals(b.refused, b.now)
	s.redemptions(b.spent)
	s.cancelled(b.unspent)
	s.rewardCounts(b.counts)
	s.fulfilAsks(b.spent)
	s.dates(b.dates)
	s.holds(b.kept)
	s.endedHolds(b.ended)
	s.rooms(b.rooms)
	s.feats(b)
	dues := b.dues()
	s.dues(dues)
	if err := s.run(ctx, u); err != nil {
		return err
	}
	if len(dues) > 0 {
		m.asked.Store(3)
	}
	for _, t := range b.tells {
		u.Tell(t.site, t.key, t.body)
	}
	m.m.Of(ctx).count(b, joined)
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

func keys[K comparable, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func values[K comparable, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
