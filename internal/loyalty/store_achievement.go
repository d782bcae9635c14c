package loyalty

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// openFeats notes what the keys of a version's achievements stand for, and refuses one that stood for something else.
func openFeats(ctx context.Context, tx sqlx.ExtContext, p program) error {
	if p.Feats == nil {
		return nil
	}
	keys := column(p.Feats.List, func(a feat.Achievement) string { return a.Key })
	bases := column(p.Feats.List, func(a feat.Achievement) string { return a.Basis() })
	var other []string
	err := sqlx.SelectContext(ctx, tx, &other, `
		with added as (
			insert into loyalty.achievement (site_id, program_id, key, basis)
			select $1, $2, key, basis from unnest($3::text[], $4::text[]) as u (key, basis) order by key
			on conflict (site_id, program_id, key) do nothing)
		select a.key from loyalty.achievement a join unnest($3::text[], $4::text[]) as u (key, basis) on u.key = a.key
		where a.site_id = $1 and a.program_id = $2 and a.basis <> u.basis order by a.key`, p.SiteID, p.ID, pq.Array(keys), pq.Array(bases))
	if err != nil {
		return fmt.Errorf("open achievements: %w", err)
	}
	if len(other) == 0 {
		return nil
	}
	bad := fault.New(fault.Invalid, "invalid_program", "The programme's settings are not valid.")
	for i, key := range keys {
		if key == other[0] {
			bad = bad.At(fmt.Sprintf("/achievements/%d/key", i), "stands for something else: kind, counts, of and the unit of period can't change; take another key")
		}
	}
	return bad.Pointed()
}

// partKey is a part by its name.
type partKey struct {
	siteSource
	key, name string
}

// lookedUp are sources, for a look-up of each.
func lookedUp(sources []siteSource) (sites, names any) {
	return pq.Array(column(sources, func(s siteSource) int64 { return s.SiteID })), pq.Array(column(sources, func(s siteSource) string { return s.Source }))
}

// partsKnown says which parts of sources are counted, and what of sources was refunded before they were heard.
func partsKnown(ctx context.Context, tx sqlx.QueryerContext, sources []siteSource) (map[partKey]bool, map[siteSource]part, error) {
	sites, names := lookedUp(sources)
	var rows []part
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select q.site_id, q.source, q.key, q.name, q.refunded, q.gone
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (
			(select site_id, source, key, name, refunded, gone from loyalty.achievement_part q where q.site_id = u.site_id and q.source = u.source)
			union all
			(select site_id, source, '', '', refunded, gone from loyalty.achievement_refund q where q.site_id = u.site_id and q.source = u.source)) q`, sites, names)
	if err != nil {
		return nil, nil, fmt.Errorf("read what counted: %w", err)
	}
	known, early := map[partKey]bool{}, map[siteSource]part{}
	for _, r := range rows {
		of := siteSource{r.SiteID, r.Source}
		if known[partKey{of, r.Key, r.Name}] = true; r.Key == "" {
			early[of] = r
		}
	}
	return known, early, nil
}

// featParts reads what counted of sources.
func featParts(ctx context.Context, tx sqlx.QueryerContext, sources []siteSource) (map[siteSource][]*part, error) {
	sites, names := lookedUp(sources)
	var rows []struct {
		part
		Since time.Time `db:"since"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select q.site_id, q.source, q.key, q.name, q.member_id, m.person_id, q.since, q.at, q.amount, q.refunded, q.money, q.is_earning, q.gone
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.achievement_part q where q.site_id = u.site_id and q.source = u.source offset 0) q
		cross join lateral (select m.person_id from loyalty.member m where m.site_id = q.site_id and m.id = q.member_id offset 0) m
		order by q.site_id, q.source, q.key, q.name`, sites, names)
	if err != nil {
		return nil, fmt.Errorf("read what counted: %w", err)
	}
	out := map[siteSource][]*part{}
	for _, r := range rows {
		p := r.part
		p.Since = feat.DayOf(r.Since, time.UTC)
		of := siteSource{p.SiteID, p.Source}
		out[of] = append(out[of], &p)
	}
	return out, nil
}

// stirred are members with achievements, for a look-up of each.
func stirred(list []*stir) []any {
	return []any{pq.Array(column(list, func(t *stir) int64 { return t.SiteID })), pq.Array(column(list, func(t *stir) int64 { return t.MemberID })),
		pq.Array(column(list, func(t *stir) string { return t.Key }))}
}

const featSpans = `
	select s.site_id, s.member_id, s.key, s.since, s.name, s.amount, coalesce(to_char(s.fades, 'YYYY-MM-DD'), '') as fades
	from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) as u (site_id, member_id, key, since)
	cross join lateral (select * from loyalty.achievement_span s where s.site_id = u.site_id and s.member_id = u.member_id and s.key = u.key and s.since >= u.since::date offset 0) s`

// spansOf reads how much counts, as far back as it matters.
func spansOf(ctx context.Context, tx sqlx.QueryerContext, list []*stir) (map[spanKey]*featSpan, error) {
	var rows []struct {
		featKey
		Since  time.Time `db:"since"`
		Name   string    `db:"name"`
		Amount int64     `db:"amount"`
		Fades  string    `db:"fades"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, featSpans, append(stirred(list), pq.Array(column(list, func(t *stir) string { return t.from.String() })))...)
	if err != nil {
		return nil, fmt.Errorf("read how much counts: %w", err)
	}
	out := make(map[spanKey]*featSpan, len(rows))
	for _, r := range rows {
		k := spanKey{r.featKey, feat.DayOf(r.Since, time.UTC), r.Name}
		out[k] = &featSpan{spanKey: k, amount: r.Amount, fades: r.Fades}
	}
	return out, nil
}

const featsReached = `
	select u.o, r.id, r.member_id, r.level, r.since, r.nth, r.period, r.round, coalesce(r.lost_by, '') as lost_by, r.goal, r.amount, r.source, r.reached_at
	from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality as u (site_id, member_id, key, o)
	cross join lateral (select array_append(m.duplicates, m.id) as ids from loyalty.member m where m.site_id = u.site_id and m.id = u.member_id offset 0) who
	cross join lateral (select * from loyalty.achievement_reached r where r.site_id = u.site_id and r.member_id = any (who.ids) and r.key = u.key offset 0) r
	order by u.o, r.id`

// reachedBy reads what members reached before, they and who was merged into them.
func reachedBy(ctx context.Context, tx sqlx.QueryerContext, list []*stir) (map[featKey][]*reached, error) {
	var rows []struct {
		O        int       `db:"o"`
		ID       int64     `db:"id"`
		MemberID int64     `db:"member_id"`
		Level    int       `db:"level"`
		Since    time.Time `db:"since"`
		Nth      int       `db:"nth"`
		Period   time.Time `db:"period"`
		Round    int       `db:"round"`
		LostBy   string    `db:"lost_by"`
		Goal     int64     `db:"goal"`
		Amount   int64     `db:"amount"`
		Source   string    `db:"source"`
		At       time.Time `db:"reached_at"`
	}
	if err := sqlx.SelectContext(ctx, tx, &rows, featsReached, stirred(list)...); err != nil {
		return nil, fmt.Errorf("read what was reached: %w", err)
	}
	out := map[featKey][]*reached{}
	for _, r := range rows {
		t := list[r.O-1]
		out[t.featKey] = append(out[t.featKey], &reached{SiteID: t.SiteID, MemberID: r.MemberID, ID: r.ID, Key: t.Key, Round: r.Round, LostBy: r.LostBy, Source: r.Source, At: r.At.UTC(),
			Reach: feat.Reach{Level: r.Level, Since: feat.DayOf(r.Since, time.UTC), Nth: r.Nth, Period: feat.DayOf(r.Period, time.UTC), Amount: r.Amount, Goal: r.Goal}})
	}
	return out, nil
}

const streakColumns = `s.site_id, s.member_id, s.key, s.began, s.last, s.length, s.missed, s.longest, s.breaks_at`

// streaksOf reads the streaks of members, and keeps the timer from them meanwhile.
func streaksOf(ctx context.Context, tx sqlx.QueryerContext, list []*stir) (map[featKey]*streak, error) {
	var those []*stir
	for _, t := range list {
		if t.achievement != nil && t.achievement.Kind == feat.KindStreak {
			those = append(those, t)
		}
	}
	if len(those) == 0 {
		return nil, nil
	}
	var rows []*streak
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+streakColumns+` from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (site_id, member_id, key)
		cross join lateral (select * from loyalty.achievement_streak s where s.site_id = u.site_id and s.member_id = u.member_id and s.key = u.key for update) s`, stirred(those)...)
	if err != nil {
		return nil, fmt.Errorf("read streaks: %w", err)
	}
	out := make(map[featKey]*streak, len(rows))
	for _, s := range rows {
		out[s.featKey] = s
	}
	return out, nil
}

const brokenBy = `select site_id, member_id, key, began, length, longest, breaks_at from loyalty.achievement_streak
	where breaks_at <= $1 order by breaks_at limit $2 for update skip locked`

// takeBroken takes streaks that are broken, the first to break first.
func takeBroken(ctx context.Context, tx sqlx.QueryerContext, now time.Time, limit int) ([]*streak, error) {
	var rows []*streak
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with broken as (`+brokenBy+`), taken as (
			update loyalty.achievement_streak s set breaks_at = null from broken b where s.site_id = b.site_id and s.member_id = b.member_id and s.key = b.key)
		select b.site_id, b.member_id, b.key, b.began, b.length, b.longest, b.breaks_at, m.person_id from broken b
		cross join lateral (select m.person_id from loyalty.member m where m.site_id = b.site_id and m.id = b.member_id offset 0) m
		order by b.breaks_at, b.site_id, b.member_id, b.key`, now, limit)
	return rows, wrapped("take streaks that broke", err)
}

func (k featKey) compare(o featKey) int {
	return cmp.Or(cmp.Compare(k.SiteID, o.SiteID), cmp.Compare(k.MemberID, o.MemberID), cmp.Compare(k.Key, o.Key))
}
