package main

// referralInvariants: offers, visits, attribution and the states of referrals.
var referralInvariants = []invariant{
	{ID: "referral/origin-once", Says: "an origin makes one referral",
		SQL: `select site_id, origin_id, count(*) from referral.referral group by 1, 2 having count(*) > 1`},
	{ID: "referral/friend-once", Says: "a friend has one referral of a campaign that counts or may yet",
		SQL: `
			select site_id, campaign_id, friend_id, count(*) from referral.referral
			where status in ('pending', 'flagged', 'approved') and track_method <> 'event_chain' group by 1, 2, 3 having count(*) > 1`},
	{ID: "referral/self", Says: "who refers himself was blocked, and only a person may have undone that",
		SQL: `
			select r.site_id, r.id, r.status, r.cause from referral.referral r
			where r.advocate_id = r.friend_id
				and not exists (select from referral.status_log l where l.site_id = r.site_id and l.referral_id = r.id and l.new = 'blocked')`},
	{ID: "referral/steps", Says: "each status follows the one before it by a step that is allowed, and the last is the present one",
		SQL: `
			with step as (
				select site_id, referral_id, id, old, new, lag(new) over w as before, lead(id) over w is null as last
				from referral.status_log window w as (partition by site_id, referral_id order by id)
			)
			select site_id, referral_id, old, new, before from step
			where old is distinct from before or old is not null
				and not (old in ('pending', 'flagged') and new in ('approved', 'voided', 'blocked') or old = 'blocked' and new = 'pending')
			union all
			select r.site_id, r.id, r.status, s.new, null from referral.referral r
			left join step s on s.site_id = r.site_id and s.referral_id = r.id and s.last
			where s.new is distinct from r.status`},
	{ID: "referral/told", Says: "each referral, and each step of it to approved, voided or blocked, was told once",
		SQL: `
			with step as (
				select site_id, referral_id as id, count(*) filter (where old is null) as created, count(*) filter (where new = 'approved') as approved,
					count(*) filter (where old is not null and new in ('voided', 'blocked')) as ended
				from referral.status_log group by 1, 2
			), told as (
				select site, (p ->> 'referral_id')::bigint as id, count(*) filter (where kind = 'referral.referral_created.v1') as created,
					count(*) filter (where kind = 'referral.referral_approved.v1') as approved,
					count(*) filter (where kind = 'referral.referral_voided.v1') as ended
				from ` + told("referral.referral_created.v1", "referral.referral_approved.v1", "referral.referral_voided.v1") + ` e group by 1, 2
			)
			select coalesce(s.site_id, t.site) as site_id, coalesce(s.id, t.id) as id, s.created, s.approved, s.ended,
				t.created as told_created, t.approved as told_approved, t.ended as told_ended
			from step s
			full join told t on t.site = s.site_id and t.id = s.id
			where (s.created, s.approved, s.ended) is distinct from (t.created, t.approved, t.ended)`},
	{ID: "referral/attributed", Says: "of each verified purchase and event it was decided once, of who placed it or whom that is merged into, whose link it came by", Settled: true,
		SQL: `
			select coalesce(o.site_id, a.site_id) as site_id, coalesce(o.id, a.origin_id) as origin_id, o.person_id, a.person_id as attributed
			from (select site_id, id, person_id from customer.origin where verified and type in ('Purchase', 'Event')) o
			full join referral.attribution a on a.site_id = o.site_id and a.origin_id = o.id
			where o.id is null or a.origin_id is null or a.person_id <> coalesce(o.person_id, 0) and not exists (
				select from customer.merge g where g.site_id = o.site_id and g.survivor_id = a.person_id and g.duplicate_id = o.person_id)`},
	{ID: "referral/attribution", Says: "an origin that was referred has its referral, of that friend, and nothing else has one",
		SQL: `
			select coalesce(a.site_id, r.site_id) as site_id, coalesce(a.origin_id, r.origin_id) as origin_id, a.outcome, a.referral_id, r.id, a.person_id, r.friend_id
			from (select * from referral.attribution where outcome <> 'none' or referral_id is not null) a
			full join referral.referral r on r.site_id = a.site_id and r.origin_id = a.origin_id
			where a.origin_id is null or r.id is null or (a.referral_id, a.person_id, a.offer_id) is distinct from (r.id, r.friend_id, r.offer_id)`},
	{ID: "referral/trace", Says: "the trace of a decision keeps the touch that made the referral, and none where there is no referral",
		SQL: `
			select a.site_id, a.origin_id, a.outcome, a.method, a.offer_id, a.trace
			from referral.attribution a
			where a.method not in ('manually_generated', 'force_manually_generated')
				and jsonb_path_query_array(a.trace, '$.candidates[*] ? (@.kept == true).offer_id')
					<> case when a.offer_id is null then '[]' else jsonb_build_array(a.offer_id) end`},
	{ID: "referral/personal", Says: "a code of an advocate's own is a coupon for many uses, of the advocate's offer, which shows one of its codes",
		SQL: `
			select p.site_id, p.offer_id, p.coupon_id, o.person_id, p.person_id as of_code
			from referral.personal_coupon p
			left join referral.coupon c on c.site_id = p.site_id and c.id = p.coupon_id and not c.single_use and c.list_id is not null
			left join referral.offer o on o.site_id = p.site_id and o.id = p.offer_id
			where c.id is null or o.person_id is distinct from p.person_id
			union all
			select o.site_id, o.id, null, o.person_id, null from referral.offer o
			where o.coupon_code <> '' and not exists (select from referral.personal_coupon p
				join referral.coupon c on c.site_id = p.site_id and c.id = p.coupon_id
				where p.site_id = o.site_id and p.offer_id = o.id and c.code = o.coupon_code)`},
	{ID: "referral/verified", Says: "a referral has a verified origin, whose person, subtotal and currency are its own",
		SQL: `
			select r.site_id, r.id, r.origin_id, r.subtotal, o.subtotal as of_origin, o.verified
			from referral.referral r
			left join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id
			where o.id is null or not o.verified or o.person_id is distinct from r.friend_id or (o.subtotal, o.currency) <> (r.subtotal, r.currency)`},
	{ID: "referral/refunded", Says: "a referral knows how far its origin was refunded", Settled: true,
		SQL: `
			select r.site_id, r.id, r.refunded_total, r.refunded_full, o.refunded_total as of_origin
			from referral.referral r
			join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id
			where r.refunded_total <> o.refunded_total or r.refunded_full <> (o.refunded_at is not null and o.refunded_total = o.subtotal)`},
	{ID: "referral/refunded-voided", Says: "a referral that was refunded in full before it counted does not count",
		SQL: `select site_id, id, status from referral.referral where refunded_full and status in ('pending', 'flagged')`},
	{ID: "referral/offer-once", Says: "a person and a visitor have one offer of a campaign, and a code leads to one",
		SQL: `
			select site_id, campaign_id, person_id::text as holder, count(*) from referral.offer where person_id is not null group by 1, 2, 3 having count(*) > 1
			union all
			select site_id, campaign_id, visitor_id::text, count(*) from referral.offer where visitor_id is not null group by 1, 2, 3 having count(*) > 1
			union all
			select min(site_id), null, code, count(*) from referral.link group by code having count(*) > 1`},
	{ID: "referral/offer-told", Says: "each offer was told once",
		SQL: `
			select coalesce(o.site_id, t.site) as site_id, coalesce(o.id, t.id) as id, t.n from referral.offer o
			full join (select site, (p ->> 'offer_id')::bigint as id, count(*) as n from ` + told("referral.offer_created.v1") + ` e group by 1, 2) t
				on t.site = o.site_id and t.id = o.id
			where o.id is null or t.n is distinct from 1`},
	{ID: "referral/edges", Says: "links, visits, referrals and rewards hang on things of their own site",
		SQL: `
			select 'link' as thing, l.site_id, l.offer_id as id from referral.link l
			left join referral.offer o on o.site_id = l.site_id and o.id = l.offer_id where o.id is null
			union all
			select 'visit', v.site_id, v.id from referral.visit v
			left join referral.offer o on o.site_id = v.site_id and o.id = v.offer_id and o.campaign_id = v.campaign_id where o.id is null
			union all
			select 'friend offer', f.site_id, f.id from referral.friend_offer f
			left join referral.offer o on o.site_id = f.site_id and o.id = f.offer_id and o.campaign_id = f.campaign_id where o.id is null
			union all
			select 'offer', o.site_id, o.id from referral.offer o
			left join referral.campaign c on c.site_id = o.site_id and c.id = o.campaign_id where c.id is null
			union all
			select 'offer of a person', o.site_id, o.id from referral.offer o
			left join customer.person p on p.site_id = o.site_id and p.id = o.person_id where o.person_id is not null and p.id is null
			union all
			select 'referral', r.site_id, r.id from referral.referral r
			left join referral.offer o on o.site_id = r.site_id and o.id = r.offer_id and o.campaign_id = r.campaign_id
			where o.id is null or o.person_id <> r.advocate_id
			union all
			select 'advocate', r.site_id, r.id from referral.referral r
			left join customer.person p on p.site_id = r.site_id and p.id = r.advocate_id where p.id is null
			union all
			select 'reward', w.site_id, w.id from referral.reward w
			left join referral.incentive i on i.site_id = w.site_id and i.id = w.incentive_id and i.campaign_id = w.campaign_id where i.id is null`},
	{ID: "referral/visits-counted", Says: "a friend offer counts its visits, and each visit of a live campaign has one",
		SQL: `
			select coalesce(f.site_id, v.site_id) as site_id, coalesce(f.offer_id, v.offer_id) as offer_id, coalesce(f.visitor_id, v.visitor_id) as visitor_id, f.visits, v.n
			from referral.friend_offer f
			full join (select site_id, offer_id, visitor_id, count(*) as n from referral.visit where live group by 1, 2, 3) v
				on v.site_id = f.site_id and v.offer_id = f.offer_id and v.visitor_id = f.visitor_id
			where f.visits is distinct from coalesce(v.n, 0)`},
	{ID: "referral/visit-told", Says: "each visit was told once",
		SQL: `
			select coalesce(v.site_id, t.site) as site_id, coalesce(v.id, t.id) as id, v.offer_id, t.n
			from referral.visit v
			full join (
				select e.site, (x ->> 'visit_id')::bigint as id, min((x ->> 'offer_id')::bigint) as offer_id, count(*) as n
				from ` + told("referral.links_visited.v1") + ` e cross join lateral jsonb_array_elements(e.p -> 'visits') x group by 1, 2) t
				on t.site = v.site_id and t.id = v.id
			where v.id is null or t.n is distinct from 1 or v.offer_id <> t.offer_id`},
	{ID: "referral/identities", Says: "the browsers of verified origins are known as their persons'", Settled: true,
		SQL: `
			select o.site_id, o.id, o.person_id, o.visitor from (
				select site_id, id, person_id, unnest(visitors) as visitor from customer.origin where verified and person_id is not null) o
			left join referral.identity i on i.site_id = o.site_id and i.person_id = o.person_id and i.visitor_id = o.visitor
			where i.person_id is null`},
}

const wholeReward = `(w.points + w.amount)`

// clawedShare is how much of reward w the refunds of its referral r take back.
const clawedShare = `case
	when r.refunded_full then ` + wholeReward + `
	when w.kind = 'coupon' or r.refunded_total <= 0 or r.subtotal <= 0 then 0
	when r.refunded_total >= r.subtotal then ` + wholeReward + `
	else div(` + wholeReward + `::numeric * r.refunded_total, r.subtotal) end`

// rewardInvariants: what referrals earn, and what refunds take of it.
var rewardInvariants = []invariant{
	{ID: "reward/once", Says: "a referral gives one reward by an incentive and side, a click one by an incentive",
		SQL: `
			select site_id, referral_id, friend_offer_id, incentive_id, side, count(*) from referral.reward
			group by 1, 2, 3, 4, 5 having count(*) > 1`},
	{ID: "reward/approved", Says: "only an approved referral gives a reward, to its own advocate and friend; only a friend offer a click's",
		SQL: `
			select w.site_id, w.id, w.referral_id, r.status, w.person_id from referral.reward w
			left join referral.referral r on r.site_id = w.site_id and r.id = w.referral_id
			where w.referral_id is not null and (r.id is null or r.status <> 'approved' or r.origin_id is distinct from w.origin_id
				or w.person_id is distinct from case w.side when 'advocate' then r.advocate_id else r.friend_id end)
			union all
			select w.site_id, w.id, w.friend_offer_id, 'click', w.person_id from referral.reward w
			left join referral.friend_offer f on f.site_id = w.site_id and f.id = w.friend_offer_id
			where w.friend_offer_id is not null and (f.id is null or f.visitor_id is distinct from w.visitor_id)`},
	{ID: "reward/exact", Says: "an approved referral has exactly the rewards that its offer promised, but for those of which it is kept why they were refused",
		SQL: `
			with approved as (
				select r.site_id, r.id, r.subtotal, r.currency, c.limits, v.terms -> 'incentives' as incentives
				from referral.referral r
				join referral.offer o on o.site_id = r.site_id and o.id = r.offer_id
				join referral.campaign c on c.site_id = o.site_id and c.id = o.campaign_id
				join referral.campaign_version v on v.site_id = o.site_id and v.campaign_id = o.campaign_id and v.version = o.version
				where r.status = 'approved'
			), promised as (
				select r.site_id, r.id, r.subtotal, r.currency, (i ->> 'id')::bigint as incentive_id, i ->> 'action_type' as action, i ->> 'kind' as kind,
					coalesce((i ->> 'points')::bigint, 0) as points, coalesce((i ->> 'basis_points')::bigint, 0) as basis_points,
					(i ->> 'commission_plan_id')::bigint as plan_id, coalesce((i ->> 'amount')::bigint, 0) as amount, coalesce(i ->> 'currency', '') as own_currency, (i ->> 'subtotal_min')::bigint as subtotal_min
				from approved r cross join lateral jsonb_array_elements(r.incentives) i
			), due as (
				select i.site_id, i.id, i.incentive_id, case i.action when 'referrer' then 'advocate' else 'friend' end as side, i.kind,
					case i.kind when 'points' then i.points else 0 end as points,
					case when i.kind <> 'commission' then 0 when i.basis_points > 0 then div(i.subtotal::numeric * i.basis_points + 5000, 10000)
						else i.amount end::bigint as amount,
					case when i.kind <> 'commission' then '' when i.basis_points > 0 then i.currency else i.own_currency end as currency
				from promised i
				where i.action <> 'click' and (i.subtotal_min is null or i.subtotal >= i.subtotal_min) and i.plan_id is null
			), refused as (
				select x.site_id, x.referral_id as id, x.incentive_id, x.side from referral.reward_refused x
				join approved r on r.site_id = x.site_id and r.id = x.referral_id
				where x.cause in ('limit_total', 'limit_30_days') and r.limits ?| array['advocate_total', 'advocate_30_days']
					or x.cause in ('budget', 'budget_currency') and r.limits ? 'budget'
			), got as (
				select w.site_id, w.referral_id as id, w.incentive_id, w.side, w.kind, w.points, w.amount, w.currency
				from referral.reward w
				join approved r on r.site_id = w.site_id and r.id = w.referral_id
				where not exists (select from referral.commission c where c.site_id = w.site_id and c.reward_id = w.id and c.plan_id is not null)
			)
			(select 'missing' as what, * from (select * from due where (kind <> 'commission' or amount > 0)
				and (site_id, id, incentive_id, side) not in (select * from refused) except select * from got) m)
			union all
			(select 'given and refused', * from (select * from got where (site_id, id, incentive_id, side) in (select * from refused)) m)
			union all
			(select 'too many', * from (select * from got except select * from due) m)`},
	{ID: "reward/told", Says: "each reward was told once as it is",
		SQL: `
			with told as (
				select site, (p ->> 'reward_id')::bigint as id, count(*) as n, min(coalesce((p ->> 'points')::bigint, 0)) as points,
					min(coalesce((p ->> 'amount')::bigint, 0)) as amount, min(coalesce((p ->> 'person_id')::bigint, 0)) as person_id
				from ` + told("referral.reward_issued.v1") + ` e group by 1, 2
			)
			select coalesce(w.site_id, t.site) as site_id, coalesce(w.id, t.id) as id, w.points, w.amount, t.n, t.points as told_points, t.amount as told_amount
			from (select * from referral.reward where coupon_list_id is null or coupon_id is not null) w -- what waits for its coupon is told when it comes
			full join told t on t.site = w.site_id and t.id = w.id
			where w.id is null or t.n is distinct from 1 or (w.points, w.amount, coalesce(w.person_id, 0)) <> (t.points, t.amount, t.person_id)`},
	{ID: "reward/clawed", Says: "refunds have taken back exactly the share of a reward that the cumulative refund stands for",
		SQL: `
			select w.site_id, w.id, w.kind, w.points, w.amount, w.clawed, w.status, r.refunded_total, r.subtotal, r.refunded_full
			from referral.reward w
			join referral.referral r on r.site_id = w.site_id and r.id = w.referral_id
			where r.status = 'approved' and (w.clawed <> ` + clawedShare + ` or (w.status = 'Voided') <> (r.refunded_full
				or w.kind <> 'coupon' and r.refunded_total > 0 and r.subtotal > 0 and ` + clawedShare + ` = ` + wholeReward + `))`},
	{ID: "reward/clawed-told", Says: "what was told of a reward's claw-backs adds up to what was taken, and its end was told",
		SQL: `
			with told as (
				select site, (p ->> 'reward_id')::bigint as id,
					sum(coalesce((p ->> 'points')::bigint, 0) + coalesce((p ->> 'amount')::bigint, 0)) as taken,
					max(coalesce((p ->> 'points_total')::bigint, 0) + coalesce((p ->> 'amount_total')::bigint, 0)) as total,
					count(*) filter (where (p ->> 'full')::bool) as ends
				from ` + told("referral.reward_clawed_back.v1") + ` e group by 1, 2
			)
			select coalesce(w.site_id, t.site) as site_id, coalesce(w.id, t.id) as id, w.clawed, w.status, t.taken, t.total, t.ends
			from referral.reward w
			full join told t on t.site = w.site_id and t.id = w.id
			where w.id is null or w.clawed <> coalesce(t.taken, 0) or w.clawed <> coalesce(t.total, 0)
				or coalesce(t.ends, 0) <> case w.status when 'Voided' then 1 else 0 end`},
	{ID: "reward/verified", Says: "what only a browser told of yields no reward",
		SQL: `
			select w.site_id, w.id, w.origin_id from referral.reward w
			left join customer.origin o on o.site_id = w.site_id and o.id = w.origin_id
			where w.origin_id is not null and (o.id is null or not o.verified)`},
}
