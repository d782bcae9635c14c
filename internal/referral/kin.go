package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// kin says which persons are one: a survivor, and who was merged into it. Nearly always it is empty.
type kin struct {
	root map[key]int64
	of   map[key][]int64 // by the survivor: all of them, the survivor first
}

// one is who a person is by now.
func (k kin) one(siteID, personID int64) int64 {
	if s, ok := k.root[key{siteID, personID}]; ok {
		return s
	}
	return personID
}

// all are the ids under which a person is known.
func (k kin) all(siteID, personID int64) []int64 {
	one := k.one(siteID, personID)
	if all := k.of[key{siteID, one}]; all != nil {
		return all
	}
	return []int64{one}
}

// and puts two together.
func (k kin) and(o kin) kin {
	if len(k.root) == 0 {
		return o
	}
	for person, s := range o.root {
		k.root[person] = s
	}
	for s, all := range o.of {
		k.of[s] = all
	}
	return k
}

// merged are the sites that have merged persons. On all others nothing is looked up.
type merged struct {
	real clock.Clock // the machine's, also where the platform's clock is moved

	mu    sync.Mutex
	sites map[int64]bool
	asked time.Time
}

// mergedAge is how long another replica's first merge of a site may go unseen.
const mergedAge = time.Second

// has says whether the site has some, as of a second ago at most.
func (m *merged) has(ctx context.Context, q sqlx.QueryerContext, siteID int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.real(); now.Sub(m.asked) >= mergedAge || now.Before(m.asked) {
		sites, err := sitesWithMerged(ctx, q)
		if err != nil {
			return false, err
		}
		m.sites, m.asked = sites, now
	}
	return m.sites[siteID], nil
}

// add notes that a site has some now.
func (m *merged) add(siteID int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sites == nil {
		m.sites = map[int64]bool{}
	}
	m.sites[siteID] = true
}

// kinOf looks up which of the people are one with others. Without merged persons in their sites that costs nothing.
func (m *Module) kinOf(ctx context.Context, q sqlx.QueryerContext, people []key) (kin, error) {
	var asked []key
	for _, p := range people {
		has, err := m.merged.has(ctx, q, p.site)
		if err != nil {
			return kin{}, err
		}
		if has && p.id != 0 {
			asked = append(asked, p)
		}
	}
	if len(asked) == 0 {
		return kin{}, nil
	}
	return kinOf(ctx, q, asked)
}

// sitesWithMerged steps from one to the next in the index, however many aliases a site has.
func sitesWithMerged(ctx context.Context, q sqlx.QueryerContext) (map[int64]bool, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, q, &sites, `
		with recursive site (id) as (
			(select site_id from referral.person_alias order by site_id limit 1)
			union all
			select (select site_id from referral.person_alias where site_id > s.id order by site_id limit 1) from site s where s.id is not null
		)
		select id from site where id is not null`)
	if err != nil {
		return nil, fmt.Errorf("find sites with merged persons: %w", err)
	}
	out := make(map[int64]bool, len(sites))
	for _, s := range sites {
		out[s] = true
	}
	return out, nil
}

func kinOf(ctx context.Context, q sqlx.QueryerContext, people []key) (kin, error) {
	sites, ids := split(people)
	var rows []struct {
		SiteID     int64 `db:"site_id"`
		PersonID   int64 `db:"person_id"`
		SurvivorID int64 `db:"survivor_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select distinct a.site_id, a.person_id, a.survivor_id
		from unnest($1::bigint[], $2::bigint[]) u (s, p)
		cross join lateral (
			select coalesce((select survivor_id from referral.person_alias where site_id = u.s and person_id = u.p), u.p) as one offset 0) o
		cross join lateral (
			select site_id, person_id, survivor_id from referral.person_alias where site_id = u.s and survivor_id = o.one offset 0) a
		order by a.site_id, a.survivor_id, a.person_id`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return kin{}, fmt.Errorf("find who is one: %w", err)
	}
	out := kin{root: map[key]int64{}, of: map[key][]int64{}}
	for _, r := range rows {
		one := key{r.SiteID, r.SurvivorID}
		if out.of[one] == nil {
			out.of[one] = []int64{r.SurvivorID}
		}
		out.root[key{r.SiteID, r.PersonID}], out.of[one] = r.SurvivorID, append(out.of[one], r.PersonID)
	}
	return out, nil
}

// personMerged notes who is one from now on. What was decided of them stays; limits are counted anew.
func (m *Module) personMerged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonMerged]) error {
	for _, e := range batch {
		_, err := u.ExecContext(ctx, `
			insert into referral.person_alias (site_id, person_id, survivor_id, merge_id) values ($1, $2, $3, $4) on conflict (site_id, person_id) do nothing`,
			e.Body.SiteID, e.Body.DuplicateID, e.Body.SurvivorID, e.Body.MergeID)
		if err != nil {
			return fmt.Errorf("note who was merged: %w", err)
		}
		if err := recountAdvocates(ctx, u, e.Body.SiteID, e.Body.SurvivorID, e.Body.DuplicateID); err != nil {
			return err
		}
		m.merged.add(e.Body.SiteID)
	}
	return nil
}

// personUnmerged notes that they are two again.
func (m *Module) personUnmerged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonUnmerged]) error {
	for _, e := range batch {
		_, err := u.ExecContext(ctx, `delete from referral.person_alias where site_id = $1 and person_id = $2 and merge_id = $3`,
			e.Body.SiteID, e.Body.DuplicateID, e.Body.MergeID)
		if err != nil {
			return fmt.Errorf("forget who was merged: %w", err)
		}
		if err := recountAdvocates(ctx, u, e.Body.SiteID, e.Body.SurvivorID, e.Body.DuplicateID); err != nil {
			return err
		}
	}
	return nil
}

// recountAdvocates has the approved referrals of both be counted when the next one asks.
func recountAdvocates(ctx context.Context, u *bus.Unit, siteID int64, people ...int64) error {
	slices.Sort(people)
	_, err := u.ExecContext(ctx, `
		update referral.advocate_count a set approved = -1
		from (select c.id, p from referral.campaign c cross join unnest($2::bigint[]) p where c.site_id = $1 order by c.id, p) k (campaign, person)
		where a.site_id = $1 and a.campaign_id = k.campaign and a.person_id = k.person`, siteID, pq.Array(people))
	if err != nil {
		return fmt.Errorf("count an advocate anew: %w", err)
	}
	return nil
}

// asOne has what was told of a person before a merge, and is heard after it, be the survivor's; it says who is one.
func (m *Module) asOne(ctx context.Context, u *bus.Unit, deeds []deed) (kin, error) {
	k, err := m.kinOf(ctx, u, friendsOf(deeds))
	for i := range deeds {
		deeds[i].body.PersonID = k.one(deeds[i].body.SiteID, deeds[i].body.PersonID)
	}
	return k, err
}

func friendsOf(deeds []deed) []key {
	out := make([]key, len(deeds))
	for i, d := range deeds {
		out[i] = key{d.body.SiteID, d.body.PersonID}
	}
	return out
}

// advocatesAsOne has referrals that are decided now count for who their advocates are by now.
func (m *Module) advocatesAsOne(ctx context.Context, u *bus.Unit, list []referral) (kin, error) {
	people := make([]key, len(list))
	for i, r := range list {
		people[i] = key{r.SiteID, r.AdvocateID}
	}
	k, err := m.kinOf(ctx, u, people)
	for i := range list {
		list[i].AdvocateID = k.one(list[i].SiteID, list[i].AdvocateID)
	}
	return k, err
}

// spread makes of each advocate's key one for everybody who is this person, and says which it came from.
func (k kin) spread(keys []advocateKey) (out []advocateKey, from []int) {
	for i, a := range keys {
		for _, person := range k.all(a.site, a.person) {
			out, from = append(out, advocateKey{a.site, a.campaign, person}), append(from, i)
		}
	}
	return out, from
}

// idsOf are the ids under which a person is known.
func (m *Module) idsOf(ctx context.Context, siteID, personID int64) ([]int64, error) {
	k, err := m.kinOf(ctx, m.db, []key{{siteID, personID}})
	return k.all(siteID, personID), err
}

// Counts is what a person's page says of referral, of whoever is the person added up.
func (m *Module) Counts(ctx context.Context, siteID, personID int64) (referralapi.Counts, error) {
	people, err := m.idsOf(ctx, siteID, personID)
	if err != nil {
		return referralapi.Counts{}, err
	}
	out, err := m.counts(ctx, siteID, people[0])
	for _, id := range people[1:] {
		if err != nil {
			break
		}
		var more referralapi.Counts
		more, err = m.counts(ctx, siteID, id)
		for _, sum := range [][2]map[string]int64{{out.Referrals, more.Referrals}, {out.Rewards, more.Rewards}, {out.Shares, more.Shares}} {
			for name, n := range sum[1] {
				sum[0][name] += n
			}
		}
		out.ReferredBy, out.LastInvitedBy = cmp.Or(out.ReferredBy, more.ReferredBy), cmp.Or(out.LastInvitedBy, more.LastInvitedBy)
		out.PersonalClaimURL = cmp.Or(out.PersonalClaimURL, more.PersonalClaimURL)
	}
	return out, err
}

// kinOfAdvocates is kinOf for advocates of campaigns.
func (m *Module) kinOfAdvocates(ctx context.Context, q sqlx.QueryerContext, keys []advocateKey) (kin, error) {
	people := make([]key, len(keys))
	for i, k := range keys {
		people[i] = key{k.site, k.person}
	}
	return m.kinOf(ctx, q, people)
}
