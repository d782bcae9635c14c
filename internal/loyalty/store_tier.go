package loyalty

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// meritsOf reads the merits of sources that are known.
func meritsOf(ctx context.Context, tx sqlx.QueryerContext, of []siteSource) (map[siteSource]*merit, error) {
	sites, sources := column(of, func(s siteSource) int64 { return s.SiteID }), column(of, func(s siteSource) string { return s.Source })
	var rows []struct {
		SiteID   int64      `db:"site_id"`
		Source   string     `db:"source"`
		Kind     string     `db:"kind"`
		MemberID int64      `db:"member_id"`
		PersonID int64      `db:"person_id"`
		Day      *time.Time `db:"day"`
		Amount   int64      `db:"amount"`
		Refunded int64      `db:"refunded"`
		Gone     bool       `db:"gone"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select q.site_id, q.source, q.kind, coalesce(q.member_id, 0) as member_id, coalesce(m.person_id, 0) as person_id, q.day, q.amount, q.refunded, q.gone
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.merit q where q.site_id = u.site_id and q.source = u.source offset 0) q
		left join lateral (select m.person_id from loyalty.member m where m.site_id = q.site_id and m.id = q.member_id offset 0) m on true`,
		pq.Array(sites), pq.Array(sources))
	if err != nil {
		return nil, fmt.Errorf("read merits: %w", err)
	}
	out := make(map[siteSource]*merit, len(of))
	for _, r := range rows {
		m := &merit{SiteID: r.SiteID, Source: r.Source, Kind: r.Kind, MemberID: r.MemberID, PersonID: r.PersonID, Amount: r.Amount, Refunded: r.Refunded, Gone: r.Gone}
		if r.Day != nil {
			m.Day = dayOf(*r.Day, time.UTC)
		}
		out[siteSource{r.SiteID, r.Source}] = m
	}
	return out, nil
}

// countsRow is what a day counts, as the tables have it.
type countsRow struct {
	Day       *time.Time `db:"day"`
	Earned    int64      `db:"earned"`
	Spend     int64      `db:"spend"`
	Orders    int64      `db:"orders"`
	Referrals int64      `db:"referrals"`
	Custom    int64      `db:"custom"`
}

func (r countsRow) counts() counts {
	return counts{countEarned: r.Earned, countSpend: r.Spend, countOrders: r.Orders, countReferrals: r.Referrals, countCustom: r.Custom}
}

// scores reads members' days, each by a look-up. Of a lifetime, what was before today comes as one. A tier that changed while nobody
// looked needs the days before that, too.
const scores = `
	select u.o, m.joined_at, coalesce(m.counted, false) as counted, m.tier_due_at, q.day, coalesce(q.earned, 0) as earned, coalesce(q.spend, 0) as spend,
		coalesce(q.orders, 0) as orders, coalesce(q.referrals, 0) as referrals, coalesce(q.custom, 0) as custom
	from unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[]) with ordinality as u (site_id, member_id, since, whole, o)
	cross join lateral (select * from loyalty.member m where m.site_id = u.site_id and m.id = u.member_id offset 0) m
	left join lateral (
		select case when m.counted and u.whole then greatest(q.day, u.since::date) else q.day end as day, sum(q.earned)::bigint as earned, sum(q.spend)::bigint as spend,
			sum(q.orders)::bigint as orders, sum(q.referrals)::bigint as referrals, sum(q.custom)::bigint as custom
		from loyalty.merit_day q
		where q.site_id = u.site_id and q.member_id = u.member_id
			and q.day >= case when u.whole or m.counted is null then date '-infinity' else u.since::date - greatest($5::date - m.tier_due_at::date, 0) end
		group by 1) q on true
	order by u.o, q.day`

// scoresOf gives members what counts of them, as far as it can matter now. Points of somebody who wasn't counted before are taken from
// the ledger.
func scoresOf(ctx context.Context, tx sqlx.QueryerContext, programs map[int64]program, holders []*holder, now time.Time) error {
	since, whole := make([]string, len(holders)), make([]bool, len(holders))
	for i, h := range holders {
		p := programs[h.SiteID]
		from := p.since(dayOf(now, p.TierPlan.zone()))
		whole[i] = from == longAgo || p.TierPlan.Window == lifetime
		since[i] = max(from, calendarDay(1, time.January, 1)).String()
	}
	var rows []struct {
		O       int        `db:"o"`
		Joined  time.Time  `db:"joined_at"`
		Counted bool       `db:"counted"`
		Due     *time.Time `db:"tier_due_at"`
		countsRow
	}
	err := sqlx.SelectContext(ctx, tx, &rows, scores,
		pq.Array(column(holders, func(h *holder) int64 { return h.SiteID })), pq.Array(column(holders, func(h *holder) int64 { return h.MemberID })),
		pq.Array(since), pq.Array(whole), now.UTC().Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("read what counts: %w", err)
	}
	var fresh []*holder
	for _, r := range rows {
		h := holders[r.O-1]
		if h.score == nil {
			h.score = &score{joined: dayOf(r.Joined, programs[h.SiteID].TierPlan.zone()), due: orNone(r.Due)}
			if !r.Counted {
				fresh = append(fresh, h)
			}
		}
		if r.Day != nil {
			h.score.days = append(h.score.days, dayCounts{dayOf(*r.Day, time.UTC), r.counts()})
		}
	}
	return fromLedger(ctx, tx, programs, fresh)
}

// fromLedger counts the points of members by the days for which they were earned, less what was clawed back of them, and what was
// given or taken by hand and counts for tiers. What is pending doesn't count yet.
func fromLedger(ctx context.Context, tx sqlx.QueryerContext, programs map[int64]program, holders []*holder) error {
	if len(holders) == 0 {
		return nil
	}
	zone := func(h *holder) string { return programs[h.SiteID].TierPlan.zone().String() }
	var rows []struct {
		O int `db:"o"`
		countsRow
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select u.o, e.day, e.earned
		from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality as u (site_id, member_id, zone, o)
		cross join lateral (
			select (t.effective_at at time zone u.zone)::date as day, sum(case t.kind when 'earn' then l.granted - l.clawed else t.points end)::bigint as earned
			from loyalty.txn t
			left join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			where t.site_id = u.site_id
				and t.member_id = any (array(select u.member_id union all select unnest(m.duplicates) from loyalty.member m where m.site_id = u.site_id and m.id = u.member_id))
				and (t.kind = 'earn' and l.pending is null and l.tierless is null or t.kind = 'adjust' and (t.rule::jsonb ->> 'counts_for_tier')::boolean)
			group by 1) e`,
		pq.Array(column(holders, func(h *holder) int64 { return h.SiteID })), pq.Array(column(holders, func(h *holder) int64 { return h.MemberID })),
		pq.Array(column(holders, zone)))
	if err != nil {
		return fmt.Errorf("count what was earned: %w", err)
	}
	for _, h := range holders {
		for _, d := range slices.Clone(h.score.days) { // days that were counted once, and not since
			h.score.add(d.Day, counts{countEarned: -d.Counts[countEarned]})
		}
		h.score.dirty = true
	}
	for _, r := range rows {
		holders[r.O-1].score.add(dayOf(*r.Day, time.UTC), r.counts())
	}
	return nil
}

func (s *saving) merits(all map[siteSource]*merit) {
	var rows []*merit
	for _, m := range all {
		if m.dirty {
			rows = append(rows, m)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("merits", `
		insert into loyalty.merit as q (site_id, source, kind, member_id, day, amount, refunded, gone)
		select site_id, source, kind, nullif(member_id, 0), case when member_id <> 0 then day::date end, amount, refunded, gone from $rows
		order by site_id, source
		on conflict on constraint merit_pkey do update set kind = excluded.kind, member_id = excluded.member_id, day = excluded.day, amount = excluded.amount,
			refunded = excluded.refunded, gone = excluded.gone`,
		`site_id source:text kind:text member_id day:text amount refunded gone:boolean`,
		column(rows, func(m *merit) int64 { return m.SiteID }), column(rows, func(m *merit) string { return m.Source }),
		column(rows, func(m *merit) string { return m.Kind }), column(rows, func(m *merit) int64 { return m.MemberID }),
		column(rows, func(m *merit) string { return m.Day.String() }), column(rows, func(m *merit) int64 { return m.Amount }),
		column(rows, func(m *merit) int64 { return m.Refunded }), column(rows, func(m *merit) bool { return m.Gone }))
}

func (s *saving) meritDays(holders []*holder) {
	type added struct {
		*holder
		dayCounts
	}
	var rows []added
	for _, h := range holders {
		if h.score == nil {
			continue
		}
		for d, c := range h.score.added {
			if c != (counts{}) {
				rows = append(rows, added{h, dayCounts{d, c}})
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	of := func(i int) []int64 { return column(rows, func(a added) int64 { return a.Counts[i] }) }
	s.add("days that count", `
		insert into loyalty.merit_day as q (site_id, member_id, day, earned, spend, orders, referrals, custom)
		select site_id, member_id, day::date, earned, spend, orders, referrals, custom from $rows
		order by site_id, member_id, day
		on conflict on constraint merit_day_pkey do update set earned = q.earned + excluded.earned, spend = q.spend + excluded.spend,
			orders = q.orders + excluded.orders, referrals = q.referrals + excluded.referrals, custom = q.custom + excluded.custom`,
		`site_id member_id day:text earned spend orders referrals custom`,
		column(rows, func(a added) int64 { return a.SiteID }), column(rows, func(a added) int64 { return a.MemberID }),
		column(rows, func(a added) string { return a.Day.String() }), of(countEarned), of(countSpend), of(countOrders), of(countReferrals), of(countCustom))
}
