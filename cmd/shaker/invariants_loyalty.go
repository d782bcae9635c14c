package main

// programme is what a site's programme has granted at each of its versions; a second is its first.
const programme = `
	programme as (
		select p.site_id, p.created_at + interval '1 second' as since, bool_and((v.settings ->> 'points_per_unit')::bigint > 0) as per_unit,
			bool_and((v.settings ->> 'points_per_referral')::bigint > 0) as per_referral, bool_and(v.settings ->> 'status' = 'active') as active
		from loyalty.program p
		join loyalty.program_version v on v.site_id = p.site_id and v.program_id = p.id
		group by p.site_id, p.id
	)`

// ruleSteps are what the rules of earning gave, decision by decision, and what is left of it.
const ruleSteps = `
	step as (
		select t.site_id, t.member_id, s ->> 'rule' as rule, s -> 'since' as since, coalesce((s ->> 'budget')::boolean, false) as budget, l.clawed < l.granted as lives,
			p.points - case when l.clawed = l.granted then p.points else div(p.points::numeric * l.clawed, l.granted) end as kept
		from (select * from loyalty.txn where kind = 'earn' and rule like '{"rule":"rules"%' offset 0) t
		join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
		cross join jsonb_array_elements(t.rule::jsonb #> '{trace,rules}') s
		cross join lateral (select coalesce((s ->> 'points')::bigint, 0) as points) p
		where s ? 'since' or s ? 'budget'
	)`

// loyaltyInvariants: that the ledger has heard what the other modules told, once, and says what it did.
var loyaltyInvariants = []invariant{
	{ID: "loyalty/purchases", Says: "each verified purchase of a known person earned points once, or was refused them", Settled: true,
		SQL: `
			with ` + programme + `, decided as (
				select site_id, source from loyalty.txn where kind = 'earn' and reason = 'purchase'
				union all select site_id, source from loyalty.refusal
			)
			select o.site_id, o.id, o.number, o.subtotal from customer.origin o
			join programme p on p.site_id = o.site_id and p.per_unit and o.recorded_at > p.since
			left join decided d on d.site_id = o.site_id and d.source = 'origin:' || o.id
			where o.verified and o.person_id is not null and o.type in ('Purchase', 'Event') and o.subtotal > 0 and d.source is null`},
	{ID: "loyalty/purchase-points", Says: "a purchase earns its own person the points of its subtotal by the programme's version, and an unverified one none",
		SQL: `
			select t.site_id, t.id, t.source, t.points, o.subtotal, o.person_id, m.person_id as member
			from (
				select site_id, id, member_id, origin_id, source, wallet, points, (r ->> 'program_id')::bigint as program_id, (r ->> 'version')::int as version, r ->> 'rule' as ruled
				from (select *, rule::jsonb as r from loyalty.txn where kind = 'earn' and reason = 'purchase' offset 0) t) t
			join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
			left join customer.origin o on o.site_id = t.site_id and o.id = t.origin_id
			left join (
				select site_id, program_id, version, (settings ->> 'points_per_unit')::bigint as rate, (10 ^ (settings ->> 'digits')::int)::bigint as unit
				from loyalty.program_version offset 0) v
				on v.site_id = t.site_id and v.program_id = t.program_id and v.version = t.version
			where o.id is null or not o.verified or o.person_id is distinct from m.person_id or t.source <> concat_ws(':', 'origin', o.id, t.wallet) or v.version is null
				or t.ruled is distinct from 'rules' and t.points <> o.subtotal * v.rate / v.unit`},
	{ID: "loyalty/rule-tallies", Says: "what a rule gave a member is counted, less what was taken back, and within its limits",
		SQL: `
			with ` + ruleSteps + `, given as (
				select s.site_id, s.member_id, s.rule, d.key as span, d.value::date as since, sum(s.kept) as points, count(*) filter (where s.lives) as times
				from step s cross join jsonb_each_text(s.since) d group by 1, 2, 3, 4, 5
			)
			select coalesce(g.site_id, t.site_id) as site_id, coalesce(g.member_id, t.member_id) as member_id, coalesce(g.rule, t.rule) as rule, g.points, t.points as counted, g.times, t.times as counted_times
			from given g
			full join loyalty.rule_tally t on (t.site_id, t.member_id, t.rule, t.span, t.since) = (g.site_id, g.member_id, g.rule, g.span, g.since)
			where (coalesce(g.points, 0), coalesce(g.times, 0)) is distinct from (coalesce(t.points, 0)::numeric, coalesce(t.times, 0))
			union all
			select t.site_id, t.member_id, t.rule, (l ->> 'points')::bigint, t.points, (l ->> 'times')::bigint, t.times from loyalty.rule_tally t
			join loyalty.program p on p.site_id = t.site_id
			join loyalty.program_version v on v.site_id = p.site_id and v.program_id = p.id and v.version = p.rules_version
			cross join jsonb_array_elements(v.settings::jsonb #> '{earning,rules}') r
			cross join jsonb_array_elements(r -> 'limits') l
			where r ->> 'key' = t.rule and l ->> 'per' = t.span and (t.points > (l ->> 'points')::bigint or t.times > (l ->> 'times')::bigint)`},
	{ID: "loyalty/rule-budgets", Says: "a rule's budget has spent what the rule gave, less what was taken back, and no more than there is",
		SQL: `
			with ` + ruleSteps + `, given as (
				select site_id, rule, sum(kept) as points from step where budget group by 1, 2
			)
			select coalesce(g.site_id, b.site_id) as site_id, coalesce(g.rule, b.rule) as rule, g.points, b.spent from given g
			full join loyalty.rule_budget b on b.site_id = g.site_id and b.rule = g.rule
			where coalesce(g.points, 0) <> coalesce(b.spent, 0)
			union all
			select b.site_id, b.rule, (r ->> 'budget')::bigint, b.spent from loyalty.rule_budget b
			join loyalty.program p on p.site_id = b.site_id and p.id = b.program_id
			join loyalty.program_version v on v.site_id = p.site_id and v.program_id = p.id and v.version = p.rules_version
			cross join jsonb_array_elements(v.settings::jsonb #> '{earning,rules}') r
			where r ->> 'key' = b.rule and b.spent > (r ->> 'budget')::bigint`},
	{ID: "loyalty/rewards", Says: "each reward of points was posted to whom it was issued, once", Settled: true,
		SQL: `
			with ` + programme + `
			select w.site_id, w.id, w.person_id, w.points from referral.reward w
			join programme p on p.site_id = w.site_id and w.issued_at > p.since
			left join loyalty.txn t on t.site_id = w.site_id and t.kind = 'earn' and t.source = 'reward:' || w.id
			left join loyalty.refusal r on r.site_id = w.site_id and r.source = 'reward:' || w.id
			where w.kind = 'points' and w.points > 0 and w.person_id is not null and t.id is null and r.source is null`},
	{ID: "loyalty/reward-points", Says: "points that were posted for a reward are that reward's, to its person",
		SQL: `
			select t.site_id, t.id, t.points, w.points as of_reward, w.person_id, m.person_id as member from loyalty.txn t
			join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
			left join referral.reward w on w.site_id = t.site_id and w.id = t.reward_id
			where t.kind = 'earn' and t.reason = 'reward' and (w.id is null or w.kind <> 'points' or w.points <> t.points
				or w.person_id is distinct from m.person_id or t.source <> 'reward:' || w.id)`},
	{ID: "loyalty/referrals", Says: "each approved referral earned its advocate the programme's points once", Settled: true,
		SQL: `
			with ` + programme + `, approved as (
				select site_id, referral_id, min(at) as at from referral.status_log where new = 'approved' group by 1, 2
			)
			select a.site_id, a.referral_id from approved a
			join programme p on p.site_id = a.site_id and p.per_referral and a.at > p.since
			left join loyalty.txn t on t.site_id = a.site_id and t.kind = 'earn' and t.source = 'referral:' || a.referral_id
			left join loyalty.refusal f on f.site_id = a.site_id and f.source = 'referral:' || a.referral_id
			where t.id is null and f.source is null`},
	{ID: "loyalty/referral-points", Says: "points per referral are an approved referral's, to its advocate, and stay as long as it is approved",
		SQL: `
			select t.site_id, t.id, t.referral_id, r.status, l.clawed from loyalty.txn t
			join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
			left join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			left join referral.referral r on r.site_id = t.site_id and r.id = t.referral_id
			where t.kind = 'earn' and t.reason = 'referral' and (r.id is null or r.status <> 'approved' or l.clawed <> 0
				or r.advocate_id <> m.person_id or t.source <> 'referral:' || r.id)`},
	{ID: "loyalty/refunds", Says: "of what a purchase earned, exactly the share of its cumulative refund was taken back", Settled: true,
		SQL: `
			select l.site_id, l.id, l.granted, l.clawed, o.refunded_total, o.subtotal from loyalty.lot l
			join loyalty.txn t on t.site_id = l.site_id and t.id = l.id and t.reason = 'purchase'
			join customer.origin o on o.site_id = t.site_id and o.id = t.origin_id
			where l.clawed <> case when o.refunded_total = o.subtotal then l.granted
				else div(l.granted::numeric * o.refunded_total, greatest(o.subtotal, 1)) end`},
	{ID: "loyalty/reward-clawed", Says: "of a reward's points was taken back what referral took of the reward", Settled: true,
		SQL: `
			select l.site_id, l.id, l.granted, l.clawed, w.clawed as of_reward from loyalty.lot l
			join loyalty.txn t on t.site_id = l.site_id and t.id = l.id and t.reason = 'reward'
			join referral.reward w on w.site_id = t.site_id and w.id = t.reward_id
			where l.clawed <> least(w.clawed, l.granted)`},
	{ID: "loyalty/members", Says: "who bought under an active programme is a member", Settled: true,
		SQL: `
			with ` + programme + `
			select distinct o.site_id, o.person_id from customer.origin o
			join programme p on p.site_id = o.site_id and p.active and o.recorded_at > p.since
			left join loyalty.member m on m.site_id = o.site_id and m.person_id = o.person_id
			where o.verified and o.type = 'Purchase' and o.person_id is not null and m.id is null`},
	{ID: "loyalty/person", Says: "a member is a person of the site",
		SQL: `
			select m.site_id, m.id, m.person_id from loyalty.member m
			left join customer.person p on p.site_id = m.site_id and p.id = m.person_id where p.id is null`},
	{ID: "loyalty/told", Says: "each transaction was told once, with its points and the balance that it made",
		SQL: `
			with told as (
				select site, (p ->> 'transaction_id')::bigint as id, kind, (p ->> 'points')::bigint as points, case when p ->> 'change' = 'commit' or p ->> 'pending' = 'true' then null else (p ->> 'balance')::bigint end as balance,
					(p ->> 'person_id')::bigint as person_id
				from ` + told("loyalty.points_earned.v1", "loyalty.points_clawed_back.v1", "loyalty.points_expired.v1", "loyalty.points_adjusted.v1",
			"loyalty.points_redeemed.v1", "loyalty.redemption_cancelled.v1", "loyalty.hold_changed.v1", "loyalty.points_activated.v1",
			"loyalty.points_transferred.v1", "loyalty.points_reinstated.v1", "loyalty.points_pooled.v1") + ` e
			), kept as (
				select t.site_id, t.id, t.points, e.balance_after, m.person_id, 'loyalty.' || case t.kind when 'earn' then 'points_earned'
					when 'claw_back' then 'points_clawed_back' when 'expire' then 'points_expired' when 'adjust' then 'points_adjusted'
					when 'redeem' then 'points_redeemed' when 'cancel' then 'redemption_cancelled'
					when 'activate' then 'points_activated' when 'reinstate' then 'points_reinstated' when 'transfer_out' then 'points_transferred' when 'pool_out' then 'points_pooled' else 'hold_changed' end || '.v1' as kind
				from loyalty.txn t
				join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
				join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = coalesce(t.wallet, 'points')
				left join loyalty.entry e on e.site_id = t.site_id and e.txn_id = t.id and e.account_id = a.id
				where t.points <> 0 and t.kind not in ('transfer_in', 'pool_in', 'merge_in', 'merge_out') -- who gave tells of both; points_merged names the merge
			)
			select coalesce(k.site_id, t.site) as site_id, coalesce(k.id, t.id) as id, k.kind, k.points, k.balance_after, t.points as told_points, t.balance
			from kept k
			full join told t on t.site = k.site_id and t.id = k.id
			where (k.kind, k.points, k.balance_after, k.person_id) is distinct from (t.kind, t.points, t.balance, t.person_id)
			union all
			select site, id, 'told twice', null, null, null, null from told group by 1, 2 having count(*) > 1`},
	{ID: "loyalty/members-told", Says: "each member and each change of tier was told once",
		SQL: `
			with told as (
				select site, (p ->> 'member_id')::bigint as id, count(*) filter (where kind = 'loyalty.member_joined.v1') as joined,
					count(*) filter (where kind = 'loyalty.tier_changed.v1') as moved
				from ` + told("loyalty.member_joined.v1", "loyalty.tier_changed.v1") + ` e group by 1, 2
			)
			select coalesce(m.site_id, t.site) as site_id, coalesce(m.id, t.id) as id, t.joined, c.moves, t.moved
			from loyalty.member m
			left join (select site_id, member_id, count(*) as moves from loyalty.tier_change group by 1, 2) c on c.site_id = m.site_id and c.member_id = m.id
			full join told t on t.site = m.site_id and t.id = m.id
			where m.id is null or t.joined > 1 or m.status = 'active' and t.joined is distinct from 1 or coalesce(c.moves, 0) <> t.moved`},
}
