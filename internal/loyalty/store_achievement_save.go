package loyalty

import (
	"time"
)

// feats writes what a batch counted for achievements, and what came of it.
func (s *saving) feats(b *books) {
	if b.feats == nil {
		return
	}
	s.featParts(b.feats.parts)
	s.featEarly(b.feats.early, b.now)
	s.featSpans(values(b.feats.spans))
	s.featsReached(b.feats.reached, b.now)
	s.featsLost(b.feats.lost, b.now)
	s.featStreaks(values(b.feats.streaks))
}

func (s *saving) featParts(rows []*part) {
	if len(rows) == 0 {
		return
	}
	s.add("what counts for achievements", `
		insert into loyalty.achievement_part (site_id, source, key, name, member_id, since, at, amount, refunded, money, gone, counts, is_earning, fades)
		select site_id, source, key, name, member_id, since::date, at::timestamptz, amount, refunded, money, gone, counts, is_earning, nullif(fades, '')::date from $rows
		order by site_id, source, key, name
		on conflict on constraint achievement_part_pkey do update set refunded = excluded.refunded, gone = excluded.gone, counts = excluded.counts`,
		`site_id source:text key:text name:text member_id since:text at:text amount refunded money:boolean gone:boolean counts is_earning:boolean fades:text`,
		column(rows, func(p *part) int64 { return p.SiteID }), column(rows, func(p *part) string { return p.Source }),
		column(rows, func(p *part) string { return p.Key }), column(rows, func(p *part) string { return p.Name }),
		column(rows, func(p *part) int64 { return p.MemberID }), column(rows, func(p *part) string { return p.Since.String() }),
		column(rows, func(p *part) string { return stamp(p.At) }), column(rows, func(p *part) int64 { return p.Amount }),
		column(rows, func(p *part) int64 { return p.Refunded }), column(rows, func(p *part) bool { return p.Money }),
		column(rows, func(p *part) bool { return p.Gone }), column(rows, func(p *part) int64 { return p.counted() }),
		column(rows, func(p *part) bool { return p.Points }),
		column(rows, func(p *part) string { return fades(p.achievement, p.Since) }))
}

// keepEarly is how long a refund waits for what it refunds.
const keepEarly = 400 * 24 * time.Hour

// featEarly are refunds of what isn't known, each thing once.
func (s *saving) featEarly(all []part, now time.Time) {
	bySource := map[siteSource]part{}
	for _, p := range all {
		was := bySource[siteSource{p.SiteID, p.Source}]
		p.Refunded, p.Gone = max(p.Refunded, was.Refunded), p.Gone || was.Gone
		bySource[siteSource{p.SiteID, p.Source}] = p
	}
	rows := values(bySource)
	if len(rows) == 0 {
		return
	}
	s.add("early refunds", `
		insert into loyalty.achievement_refund as q (site_id, source, refunded, gone, fades)
		select site_id, source, refunded, gone, fades::date from $rows order by site_id, source
		on conflict on constraint achievement_refund_pkey do update set refunded = greatest(q.refunded, excluded.refunded), gone = q.gone or excluded.gone`,
		`site_id source:text refunded gone:boolean fades:text`,
		column(rows, func(p part) int64 { return p.SiteID }), column(rows, func(p part) string { return p.Source }),
		column(rows, func(p part) int64 { return p.Refunded }), column(rows, func(p part) bool { return p.Gone }),
		column(rows, func(part) string { return now.Add(keepEarly).Format(time.DateOnly) }))
}

func (s *saving) featSpans(all []*featSpan) {
	var rows []*featSpan
	for _, t := range all {
		if t.dirty {
			rows = append(rows, t)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("how much counts for achievements", `
		insert into loyalty.achievement_span (site_id, member_id, key, since, name, amount, fades)
		select site_id, member_id, key, since::date, name, amount, nullif(fades, '')::date from $rows order by site_id, member_id, key, since, name
		on conflict on constraint achievement_span_pkey do update set amount = excluded.amount`,
		`site_id member_id key:text since:text name:text amount fades:text`,
		column(rows, func(t *featSpan) int64 { return t.SiteID }), column(rows, func(t *featSpan) int64 { return t.MemberID }),
		column(rows, func(t *featSpan) string { return t.Key }), column(rows, func(t *featSpan) string { return t.since.String() }),
		column(rows, func(t *featSpan) string { return t.name }), column(rows, func(t *featSpan) int64 { return t.amount }),
		column(rows, func(t *featSpan) string { return t.fades }))
}

// featsReached are levels that were reached; one that had been lost is the member's again.
func (s *saving) featsReached(rows []*reached, now time.Time) {
	if len(rows) == 0 {
		return
	}
	s.add("what was reached", `
		insert into loyalty.achievement_reached as r (site_id, member_id, key, level, since, nth, period, round, version, goal, amount, source, note, reached_at, recorded_at)
		select site_id, member_id, key, level, since::date, nth, period::date, round, version, goal, amount, source, nullif(note, ''), at::timestamptz, now::timestamptz
		from $rows order by site_id, member_id, key, level, since, nth
		on conflict on constraint achievement_reached_once do update set period = excluded.period, round = excluded.round, version = excluded.version, goal = excluded.goal,
			amount = excluded.amount, source = excluded.source, note = excluded.note, reached_at = excluded.reached_at, recorded_at = excluded.recorded_at,
			lost_at = null, lost_by = null`,
		`site_id member_id key:text level since:text nth period:text round version goal amount source:text note:text at:text now:text`,
		column(rows, func(r *reached) int64 { return r.SiteID }), column(rows, func(r *reached) int64 { return r.MemberID }),
		column(rows, func(r *reached) string { return r.Key }), column(rows, func(r *reached) int64 { return int64(r.Level) }),
		column(rows, func(r *reached) string { return r.Since.String() }), column(rows, func(r *reached) int64 { return int64(r.Nth) }),
		column(rows, func(r *reached) string { return r.Period.String() }), column(rows, func(r *reached) int64 { return int64(r.Round) }),
		column(rows, func(r *reached) int64 { return int64(r.Version) }), column(rows, func(r *reached) int64 { return r.Goal }),
		column(rows, func(r *reached) int64 { return r.Amount }), column(rows, func(r *reached) string { return r.Source }),
		column(rows, func(r *reached) string { return r.Note }), column(rows, func(r *reached) string { return stamp(r.At) }),
		column(rows, func(*reached) string { return stamp(now) }))
}

// featsLost are levels that are lost, and their points, which the timer takes back.
func (s *saving) featsLost(rows []*reached, now time.Time) {
	if len(rows) == 0 {
		return
	}
	at := column(rows, func(*reached) string { return stamp(now) })
	sites, members := column(rows, func(r *reached) int64 { return r.SiteID }), column(rows, func(r *reached) int64 { return r.MemberID })
	s.add("what was lost", `
		update loyalty.achievement_reached r set lost_at = u.at::timestamptz, lost_by = u.why from $rows where r.site_id = u.site_id and r.id = u.id`,
		`site_id id why:text at:text`, sites, column(rows, func(r *reached) int64 { return r.ID }), column(rows, func(r *reached) string { return r.LostBy }), at)
	s.add("points of what was lost", `
		insert into loyalty.achievement_lost (site_id, member_id, name, at) select site_id, member_id, name, at::timestamptz from $rows order by o`,
		`site_id member_id name:text at:text`, sites, members, column(rows, (*reached).name), at)
}

func (s *saving) featStreaks(rows []*streak) {
	if len(rows) == 0 {
		return
	}
	date := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	s.add("streaks", `
		insert into loyalty.achievement_streak (site_id, member_id, key, began, last, length, missed, longest, breaks_at)
		select site_id, member_id, key, nullif(began, '')::date, nullif(last, '')::date, length, missed, longest, nullif(breaks_at, '')::timestamptz from $rows
		order by site_id, member_id, key
		on conflict on constraint achievement_streak_pkey do update set began = excluded.began, last = excluded.last, length = excluded.length, missed = excluded.missed, longest = excluded.longest,
			breaks_at = excluded.breaks_at`,
		`site_id member_id key:text began:text last:text length missed longest breaks_at:text`,
		column(rows, func(s *streak) int64 { return s.SiteID }), column(rows, func(s *streak) int64 { return s.MemberID }),
		column(rows, func(s *streak) string { return s.Key }), column(rows, func(s *streak) string { return date(s.Began) }),
		column(rows, func(s *streak) string { return date(s.Last) }), column(rows, func(s *streak) int64 { return int64(s.Length) }),
		column(rows, func(s *streak) int64 { return int64(s.Missed) }), column(rows, func(s *streak) int64 { return int64(s.Longest) }), column(rows, func(s *streak) string { return stampOrNot(s.BreaksAt) }))
}
