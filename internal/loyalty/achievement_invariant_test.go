package loyalty

import "maps"

func init() { maps.Copy(invariants, featInvariants) }

// featInvariants hold for achievements after every test; each query returns what breaks it.
var featInvariants = map[string]string{
	"what counts for achievements is the sum of its parts": `
		select 1 from (
			select q.site_id, coalesce(o.merged_into, o.id) as member_id, q.key, q.since, q.name, sum(q.counts) as n
			from loyalty.achievement_part q join loyalty.member o on o.site_id = q.site_id and o.id = q.member_id group by 1, 2, 3, 4, 5) q
		full join loyalty.achievement_span s using (site_id, member_id, key, since, name) where coalesce(q.n, 0) <> coalesce(s.amount, 0)`,
	"points for an achievement are for one that was reached, and of one that is lost nothing is left": `
		select t.id from loyalty.txn t join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
		left join loyalty.achievement_reached r on r.site_id = t.site_id and r.member_id = t.member_id
			and t.source like 'achievement:' || r.member_id || ':' || r.key || ':' || r.level || ':' || to_char(r.since, 'YYYY-MM-DD') || ':' || r.nth || ':%'
		where t.kind = 'earn' and t.reason = 'achievement' and (r.id is null or l.clawed < l.granted and (r.lost_at is not null or split_part(t.source, ':', 7)::int < r.round)
			and not exists (select from loyalty.achievement_lost x where x.site_id = r.site_id and x.member_id = r.member_id))`,
	"a streak is no longer than the longest": `
		select 1 from loyalty.achievement_streak where length > longest or breaks_at is not null and began is null`,
}
