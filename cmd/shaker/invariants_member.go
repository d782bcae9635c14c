package main

// liveFeat is an achievement of a programme's version in force that counts orders, each the same, for ever: what it must say is known without its code.
const liveFeat = `
	feat as (
		select p.site_id, f ->> 'key' as key, (f ->> 'goal')::bigint as goal, p.created_at + interval '1 second' as since from loyalty.program p
		join loyalty.program_version v on v.site_id = p.site_id and v.program_id = p.id and v.version = p.feats_version
		cross join jsonb_array_elements(v.settings::jsonb #> '{achievements,list}') f
		where f ->> 'counts' = 'orders' and coalesce(f ->> 'period', 'ever') = 'ever' and coalesce(f ->> 'repeat', 'once') = 'once' and f ->> 'goal' is not null
			and coalesce(f ->> 'when', '') = '' and coalesce((f ->> 'revoke')::boolean, false) and coalesce(f ->> 'enrolment', 'automatic') <> 'opt_in'
	)`

// loans are what others of a pool paid of a redemption or hold, lot by lot of who spent, with what came back of it.
const loans = `
	loan as (
		select o.site_id, o.earn_id as spend_id, o.id as out_id, o.member_id as lender, o.points, i.id as lot_id, i.member_id as spender
		from loyalty.txn o join loyalty.txn i on i.site_id = o.site_id and i.earn_id = o.id and i.kind = 'pool_in'
		where o.kind = 'pool_out' and not o.rule::jsonb ? 'back'
	), returned as (
		select o.site_id, u.lot_id, sum(o.points) as points, array_agg(distinct i.member_id) as members, array_agg(distinct i.id) as ins
		from loyalty.txn o join loyalty.txn i on i.site_id = o.site_id and i.earn_id = o.id and i.kind = 'pool_in'
		join loyalty.allocation u on u.site_id = o.site_id and u.txn_id = o.id
		where o.kind = 'pool_out' and o.rule::jsonb ? 'back' group by 1, 2
	)`

// memberInvariants: who members are, what they spend together, and what they reach.
var memberInvariants = []invariant{
	{ID: "pool/lent", Says: "a redemption or hold spent of others what its rule says, which nobody does who is in debt, and the lots on the way are empty",
		SQL: `
			with ` + loans + `, sums as (
				select site_id, spend_id, sum(points) as points from loan group by 1, 2
			)
			select t.site_id, t.id, t.kind, t.rule::jsonb ->> 'of_others' as said, s.points from loyalty.txn t
			left join sums s on s.site_id = t.site_id and s.spend_id = t.id
			where t.kind in ('redeem', 'hold') and coalesce((t.rule::jsonb ->> 'of_others')::bigint, 0) <> coalesce(s.points, 0)
			union all
			select n.site_id, n.spend_id, 'the lot on the way', l.remaining::text, n.points from loan n
			left join loyalty.lot l on l.site_id = n.site_id and l.id = n.lot_id where l.id is null or l.remaining <> 0
			union all
			select n.site_id, n.spend_id, 'by who is in debt', (e.balance_after - e.amount)::text, n.points from loan n
			join loyalty.entry e on e.site_id = n.site_id and e.txn_id = n.lot_id
			join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id and a.owner_id is not null
			where e.balance_after - e.amount < 0`},
	{ID: "pool/returned", Says: "what comes back of what others paid comes to who paid it, all of it where all comes back, and no more than was paid",
		SQL: `
			with ` + loans + `
			select n.site_id, n.spend_id, n.out_id, n.points, r.points as back, n.lender, r.members from loan n
			left join returned r on r.site_id = n.site_id and r.lot_id = n.lot_id
			left join loyalty.redemption d on d.site_id = n.site_id and d.id = n.spend_id
			left join loyalty.hold h on h.site_id = n.site_id and h.id = n.spend_id
			where coalesce(r.points, 0) > n.points or (d.status = 'cancelled' or h.status in ('released', 'timed_out')) and r.points is distinct from n.points
				or d.id is not null and d.status <> 'cancelled' and r.points > 0 or h.status = 'held' and r.points > 0
				or exists (
					select from unnest(r.members) x (id)
					join loyalty.member m on m.site_id = n.site_id and m.id = x.id join loyalty.member o on o.site_id = n.site_id and o.id = n.lender
					where coalesce(m.merged_into, m.id) <> coalesce(o.merged_into, o.id))`},
	{ID: "pool/places", Says: "nobody is in two pools, and a pool has no more members than the programme ever let it have",
		SQL: `
			select site_id, member_id, min(pool_id) as pool_id, count(*) from loyalty.pool_member where left_at is null group by 1, 2 having count(*) > 1
			union all
			select x.site_id, null, x.pool_id, count(*) from loyalty.pool_member x
			join (select site_id, max(coalesce((settings ->> 'pool_size')::int, 0)) as most from loyalty.program_version group by 1) v on v.site_id = x.site_id
			where x.left_at is null group by 1, 3, v.most having count(*) > v.most`},
	{ID: "member/state", Says: "a member is in the state to which its last change led, each change begins where the one before it ended, and was told once",
		SQL: `
			with step as (
				select site_id, member_id, id, from_status, to_status, lag(to_status) over w as before, lead(id) over w is null as last
				from loyalty.member_change window w as (partition by site_id, member_id order by id)
			), heard as (
				select site, (p ->> 'member_id')::bigint as member_id, coalesce(p ->> 'from', '') as from_status, p ->> 'to' as to_status, count(*) as n
				from ` + told("loyalty.member_status_changed.v1") + ` e group by 1, 2, 3, 4
			), kept as (
				select site_id, member_id, from_status, to_status, count(*) as n from loyalty.member_change group by 1, 2, 3, 4
			)
			select site_id, member_id, from_status, to_status, before from step where from_status <> coalesce(before, case when from_status in ('', 'active') then from_status else 'active' end)
			union all
			select m.site_id, m.id, s.to_status, m.status, null from loyalty.member m
			join step s on s.site_id = m.site_id and s.member_id = m.id and s.last where m.status not in (s.to_status, 'merged')
			union all
			select coalesce(k.site_id, h.site), coalesce(k.member_id, h.member_id), coalesce(k.from_status, h.from_status), coalesce(k.to_status, h.to_status), 'told ' || coalesce(h.n, 0)
			from kept k full join heard h on (h.site, h.member_id, h.from_status, h.to_status) = (k.site_id, k.member_id, k.from_status, k.to_status)
			where coalesce(k.n, 0) <> coalesce(h.n, 0)`},
	{ID: "member/invited", Says: "who is invited has one open invitation at most, and each that was accepted made a member once",
		SQL: `
			select site_id, member_id, count(*) from loyalty.invitation where status = 'open' group by 1, 2 having count(*) > 1
			union all
			select i.site_id, i.member_id, i.n from (select site_id, member_id, count(*) as n from loyalty.invitation where status = 'accepted' group by 1, 2) i
			left join (select site_id, member_id, count(*) as n from loyalty.member_change where cause = 'accepted' group by 1, 2) c using (site_id, member_id)
			join loyalty.member m on m.site_id = i.site_id and m.id = i.member_id
			where c.n is distinct from i.n and m.duplicates is null and m.merged_into is null`},
	{ID: "member/guests", Says: "guests whose address is somebody's are one with them", Settled: true,
		SQL: `
			select g.site_id, g.id, p.id as person_id from customer.person g
			join customer.person p on p.site_id = g.site_id and g.customer_id = 'sha256:' || encode(sha256(convert_to(p.email_norm, 'UTF8')), 'hex')
			where g.email_norm is null and g.phone is null and g.merged_into is distinct from coalesce(p.merged_into, p.id)
				and not exists (select from customer.merge x where x.site_id = g.site_id and x.duplicate_id = g.id)`},
	{ID: "achievement/spans", Says: "what counts for an achievement is the sum of the things that do",
		SQL: `
			select coalesce(q.site_id, s.site_id) as site_id, coalesce(q.member_id, s.member_id) as member_id, coalesce(q.key, s.key) as key, q.n, s.amount from (
				select q.site_id, coalesce(o.merged_into, o.id) as member_id, q.key, q.since, q.name, sum(q.counts) as n
				from loyalty.achievement_part q join loyalty.member o on o.site_id = q.site_id and o.id = q.member_id group by 1, 2, 3, 4, 5) q
			full join loyalty.achievement_span s on (s.site_id, s.member_id, s.key, s.since, s.name) = (q.site_id, q.member_id, q.key, q.since, q.name)
			where coalesce(q.n, 0) <> coalesce(s.amount, 0)`},
	{ID: "achievement/orders", Says: "each verified order of somebody who hasn't left counts once for what counts orders, until all of it is refunded", Settled: true,
		SQL: `
			with ` + liveFeat + `, must as (
				select o.site_id, f.key, 'origin:' || o.id as source, o.person_id, o.refunded_total >= o.subtotal and o.refunded_at is not null as gone from customer.origin o
				join feat f on f.site_id = o.site_id and o.recorded_at > f.since
				join loyalty.member m on m.site_id = o.site_id and m.person_id = o.person_id
				where o.verified and o.type = 'Purchase' and not exists (
					select from loyalty.member_change c where c.site_id = m.site_id and c.member_id in (m.id, m.merged_into) and c.to_status in ('closed', 'erased'))
			), is_there as (
				select q.*, m.person_id from loyalty.achievement_part q
				join loyalty.member m on m.site_id = q.site_id and m.id = q.member_id
				join feat f on f.site_id = q.site_id and f.key = q.key
			)
			select m.site_id, m.key, m.source, m.person_id, m.gone, q.person_id as counted_for, q.counts from must m
			left join is_there q on q.site_id = m.site_id and q.key = m.key and q.source = m.source
			where q.source is null or q.counts <> case when m.gone then 0 else 1 end
				or q.person_id <> m.person_id and not exists (
					select from loyalty.member a join loyalty.member b on b.site_id = a.site_id and coalesce(b.merged_into, b.id) = coalesce(a.merged_into, a.id)
					where a.site_id = m.site_id and a.person_id = m.person_id and b.person_id = q.person_id)`},
	{ID: "achievement/reached", Says: "who has done enough has reached it, and who hasn't any more has lost it", Settled: true,
		SQL: `
			with ` + liveFeat + `
			select f.site_id, m.id, f.key, f.goal, coalesce(s.amount, 0) as counts, r.lost_at, r.id is not null as reached from feat f
			join loyalty.member m on m.site_id = f.site_id and m.merged_into is null and m.duplicates is null
			left join loyalty.achievement_span s on s.site_id = f.site_id and s.member_id = m.id and s.key = f.key
			left join loyalty.achievement_reached r on r.site_id = f.site_id and r.member_id = m.id and r.key = f.key
			where (coalesce(s.amount, 0) >= f.goal) <> (r.id is not null and r.lost_at is null) and coalesce(r.source, '') <> 'hand' and coalesce(r.lost_by, '') <> 'hand'`},
	{ID: "achievement/points", Says: "points for an achievement are for one that was reached, and of one that is lost nothing is left", Settled: true,
		SQL: `
			select t.site_id, t.id, t.source, r.lost_at, l.granted, l.clawed from loyalty.txn t
			join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			left join loyalty.achievement_reached r on r.site_id = t.site_id and r.member_id = t.member_id
				and t.source like 'achievement:' || r.member_id || ':' || r.key || ':' || r.level || ':' || to_char(r.since, 'YYYY-MM-DD') || ':' || r.nth || ':%'
			where t.kind = 'earn' and t.reason = 'achievement' and (r.id is null or l.clawed < l.granted and (r.lost_at is not null or split_part(t.source, ':', 7)::int < r.round))`},
	{ID: "achievement/told", Says: "what is reached was told once for each time, and what is lost once for each time that it was",
		SQL: `
			with heard as (
				select site, (p ->> 'member_id')::bigint as member_id, p ->> 'achievement' as key, (p ->> 'level')::int as level, coalesce((p ->> 'nth')::int, 1) as nth,
					(p ->> 'round')::int as round, kind, p ->> 'period' as period, count(*) as n
				from ` + told("loyalty.achievement_reached.v1", "loyalty.achievement_lost.v1") + ` e group by 1, 2, 3, 4, 5, 6, 7, 8
			)
			select site, member_id, key, round, kind, 'told ' || n as what from heard where n > 1
			union all
			select r.site_id, r.member_id, r.key, r.round, null, 'told ' || coalesce(h.n, 0) || ' times in rounds' from loyalty.achievement_reached r
			left join (select site, member_id, key, level, nth, count(*) filter (where kind = 'loyalty.achievement_reached.v1') as n,
				count(*) filter (where kind = 'loyalty.achievement_lost.v1') as lost, max(round) as round from heard group by 1, 2, 3, 4, 5) h
				on (h.site, h.member_id, h.key, h.level, h.nth) = (r.site_id, r.member_id, r.key, r.level, r.nth)
			where r.since = '0001-01-01' and (h.round is distinct from r.round or h.n <> r.round or h.lost <> r.round - case when r.lost_at is null then 1 else 0 end)`},
}
