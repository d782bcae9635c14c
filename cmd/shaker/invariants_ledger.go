package main

// ledgerInvariants: the books of points, by themselves.
var ledgerInvariants = []invariant{
	{ID: "ledger/entries-zero", Says: "the entries of a transaction sum to zero",
		SQL: `select site_id, txn_id, asset, sum(amount) from loyalty.entry group by 1, 2, 3 having sum(amount) <> 0`},
	{ID: "ledger/accounts-zero", Says: "all accounts of a site sum to zero",
		SQL: `select site_id, asset, sum(balance) from loyalty.account group by 1, 2 having sum(balance) <> 0`},
	{ID: "ledger/balance", Says: "an account's balance is the sum of its entries, and its seq their number",
		SQL: `
			select a.site_id, a.id, a.balance, a.seq, coalesce(sum(e.amount), 0) as entries, count(e.seq) as n
			from loyalty.account a
			left join loyalty.entry e on e.site_id = a.site_id and e.account_id = a.id
			group by a.site_id, a.id having a.balance <> coalesce(sum(e.amount), 0) or a.seq <> count(e.seq)`},
	{ID: "ledger/chain", Says: "each entry follows the one before it: number and balance",
		SQL: `
			select site_id, account_id, seq, amount, balance_after, before from (
				select site_id, account_id, seq, amount, balance_after, lag(seq, 1, 0::bigint) over w as previous,
					lag(balance_after, 1, 0::bigint) over w as before
				from loyalty.entry window w as (partition by site_id, account_id order by seq)) c
			where seq <> previous + 1 or balance_after <> before + amount`},
	{ID: "ledger/two-sides", Says: "a transaction has two entries, one of them its member's (none for what was held before, both for what was pending), of its points and in its direction",
		SQL: `
			with sides as (
				select e.site_id, e.txn_id, count(*) as n, count(coalesce(a.owner_id, a.pending_of)) as members, min(coalesce(a.owner_id, a.pending_of)) as owner,
					max(coalesce(a.owner_id, a.pending_of)) as other, sum(e.amount) filter (where coalesce(a.owner_id, a.pending_of) is not null) as amount,
					sum(e.amount) filter (where a.owner_id is not null) as spendable, bool_or(a.id is null) as stray
				from loyalty.entry e
				left join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
				group by 1, 2
			)
			select coalesce(t.site_id, s.site_id) as site_id, coalesce(t.id, s.txn_id) as txn_id, t.kind, t.points, t.member_id, s.n, s.owner, s.amount
			from loyalty.txn t
			full join sides s on s.site_id = t.site_id and s.txn_id = t.id
			where t.id is null or s.stray or coalesce(s.n, 0) <> case when t.points = 0 then 0 else 2 end
				or s.members <> case t.kind when 'commit' then 0 when 'activate' then 2 else 1 end or s.owner <> t.member_id or s.other <> t.member_id
				or s.amount <> t.points * case when t.kind in ('earn', 'adjust', 'cancel', 'release', 'restore', 'reinstate', 'transfer_in', 'merge_in', 'pool_in') then 1 when t.kind = 'activate' then 0 else -1 end
				or t.kind = 'activate' and s.spendable is distinct from t.points or t.kind not in ('earn', 'claw_back', 'commit', 'merge_out', 'merge_in') and t.points <> 0 and s.spendable is null`},
	{ID: "ledger/no-overdraft", Says: "spending, expiry and taking by hand never leave a member below zero: only a claw-back may",
		SQL: `
			select e.site_id, e.account_id, e.seq, e.balance_after, t.kind
			from loyalty.entry e
			join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
			join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
			where (t.kind in ('redeem', 'expire', 'hold', 'transfer_out') or t.kind = 'adjust' and t.points < 0 or t.kind = 'pool_out' and not t.rule::jsonb ? 'back') and a.owner_id is not null and e.balance_after < 0
				or a.pending_of is not null and e.balance_after < 0`},
	{ID: "ledger/lots-balance", Says: "a member's balance, or none in debt, is what remains in the lots; so is what is pending in those that are",
		SQL: `
			select a.site_id, a.id, a.owner_id, a.balance, coalesce(sum(l.remaining), 0) as remaining
			from loyalty.account a
			left join loyalty.lot l on l.site_id = a.site_id and l.account_id = a.id
			where coalesce(a.owner_id, a.pending_of) is not null
			group by a.site_id, a.id having case when a.pending_of is null then greatest(a.balance, 0) else a.balance end <> coalesce(sum(l.remaining), 0)
				or bool_or(coalesce(l.pending, false) <> (a.pending_of is not null)) filter (where l.id is not null)`},
	{ID: "ledger/lot-uses", Says: "what left a lot is the sum of its uses",
		SQL: `
			select l.site_id, l.id, l.granted, l.remaining, u.used
			from loyalty.lot l
			full join (select site_id, lot_id, sum(amount) as used from loyalty.allocation group by 1, 2) u on u.site_id = l.site_id and u.lot_id = l.id
			where l.id is null or l.remaining not between 0 and l.granted or l.granted - l.remaining <> coalesce(u.used, 0)`},
	{ID: "ledger/lot-earning", Says: "each earning, and each gift, has one lot of its points in its member's account, or in that of who the member was merged into, and each lot its earning",
		SQL: `
			select coalesce(t.site_id, l.site_id) as site_id, coalesce(t.id, l.id) as id, t.points, l.granted, t.member_id, a.owner_id
			from (select * from loyalty.txn where kind in ('earn', 'transfer_in') or kind = 'adjust' and points > 0 or kind = 'pool_in' and not rule::jsonb ? 'back') t
			full join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			left join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
			left join loyalty.member h on h.site_id = l.site_id and h.id = l.home
			where t.id is null or l.id is null or l.granted <> t.points or coalesce(l.home, a.owner_id, a.pending_of) is distinct from t.member_id
				or l.home is not null and h.merged_into is distinct from coalesce(a.owner_id, a.pending_of)`},
	{ID: "ledger/lot-taken", Says: "what a lot lost to claw-backs and expiry is what their transactions say",
		SQL: `
			with taken as (
				select site_id, earn_id, coalesce(sum(points) filter (where kind = 'claw_back'), 0) as clawed,
					coalesce(sum(points) filter (where kind = 'expire'), 0) as expired
				from loyalty.txn where kind in ('claw_back', 'expire') group by 1, 2
			)
			select coalesce(l.site_id, t.site_id) as site_id, coalesce(l.id, t.earn_id) as id, l.clawed, l.forgiven, l.waived, l.expired,
				t.clawed as clawed_by, t.expired as expired_by
			from loyalty.lot l
			full join taken t on t.site_id = l.site_id and t.earn_id = l.id
			where l.id is null or l.clawed - l.forgiven - l.waived <> coalesce(t.clawed, 0) or l.expired <> coalesce(t.expired, 0)`},
	{ID: "ledger/use-owner", Says: "a transaction takes from lots of its own member only, or of whom a merge made the same; what is spent, taken by hand or expires exactly its points",
		SQL: `
			with used as (
				select u.site_id, u.txn_id, sum(u.amount) as used, array_agg(distinct coalesce(l.home, a.owner_id, a.pending_of)) as members
				from loyalty.allocation u
				left join loyalty.lot l on l.site_id = u.site_id and l.id = u.lot_id
				left join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
				group by 1, 2
			)
			select coalesce(t.site_id, u.site_id) as site_id, coalesce(t.id, u.txn_id) as txn_id, t.kind, t.points, u.used, t.member_id, u.members
			from loyalty.txn t
			full join used u on u.site_id = t.site_id and u.txn_id = t.id
			where t.id is null or u.used > abs(t.points)
				or (t.kind in ('expire', 'redeem', 'hold', 'transfer_out', 'pool_out') or t.kind = 'adjust' and t.points < 0) and u.used is distinct from abs(t.points)
				or t.kind in ('cancel', 'release', 'restore', 'reinstate') and coalesce(-u.used, 0) <> t.points - coalesce((t.rule::jsonb ->> 'repaid_debt')::bigint, 0)
				or exists (
					select from unnest(u.members) x (id)
					where x.id is distinct from t.member_id and not exists (
						select from loyalty.member_merge g where g.site_id = t.site_id and (t.member_id, x.id) in ((g.survivor_id, g.duplicate_id), (g.duplicate_id, g.survivor_id))))`},
	{ID: "ledger/source-once", Says: "what happened outside makes one transaction of a kind",
		SQL: `select site_id, kind, source, count(*) from loyalty.txn group by 1, 2, 3 having count(*) > 1`},
	{ID: "ledger/decided-once", Says: "nothing both earned and was refused",
		SQL: `
			select t.site_id, t.source from loyalty.txn t
			join loyalty.refusal r on r.site_id = t.site_id and r.source = t.source
			where t.kind = 'earn'`},
	{ID: "ledger/transfers", Says: "what a member gave is what another got, and nothing is left between them",
		SQL: `
			select coalesce(o.site_id, i.site_id) as site_id, coalesce(o.id, i.id) as id, o.points, i.points as got
			from (select * from loyalty.txn where kind = 'transfer_out') o
			full join (select site_id, earn_id as id, sum(points) as points, min(member_id) as least, max(member_id) as most
				from loyalty.txn where kind = 'transfer_in' group by 1, 2) i on i.site_id = o.site_id and i.id = o.id
			where i.points is distinct from o.points or i.least <> i.most or i.least = o.member_id
			union all
			select site_id, id, balance, null from loyalty.account where owner_id is null and name = 'transferred' and balance <> 0`},
	{ID: "ledger/pools", Says: "what one of a pool pays for another comes to who spends it, and what comes back of it comes to who paid",
		SQL: `
			select coalesce(o.site_id, i.site_id) as site_id, coalesce(o.id, i.id) as id, o.points, i.points as got, s.kind
			from (select * from loyalty.txn where kind = 'pool_out') o
			full join (select * from loyalty.txn where kind = 'pool_in') i on i.site_id = o.site_id and i.earn_id = o.id
			left join loyalty.txn s on s.site_id = o.site_id and s.id = o.earn_id
			where i.points is distinct from o.points or s.id is null or (s.kind in ('redeem', 'hold')) = (o.rule::jsonb ? 'back')
			union all
			select site_id, id, null, null, null from loyalty.pool p where (closed_at is null) <> exists (
				select from loyalty.pool_member x where x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null and (p.closed_at is not null or x.member_id = p.owner_id))`},
	{ID: "ledger/merges", Says: "what left a member by a merge came to the other",
		SQL: `
			select coalesce(o.site_id, i.site_id) as site_id, coalesce(o.id, i.id) as id, o.points, i.points as got
			from (select * from loyalty.txn where kind = 'merge_out') o
			full join (select * from loyalty.txn where kind = 'merge_in') i on i.site_id = o.site_id and i.earn_id = o.id
			where i.points is distinct from o.points or i.member_id = o.member_id or i.source <> o.source`},
	{ID: "ledger/forfeited", Says: "who left and forfeited points has none, nor any that wait",
		SQL: `
			select m.site_id, m.id, m.status, a.asset, a.balance from loyalty.member m
			join loyalty.account a on a.site_id = m.site_id and m.id in (a.owner_id, a.pending_of) and a.balance > 0
			where m.forfeited and m.status <> 'merged'`},
	{ID: "ledger/barred", Says: "candidates, and who is suspended, closed or erased, spend nothing and lend nothing; who left earns nothing, nor who is suspended unless the programme says so",
		SQL: `
			with step as (
				select seq, site, kind, (p ->> 'member_id')::bigint as member_id, p ->> 'to' as state, count(p ->> 'to') over w as nth
				from ` + told("loyalty.member_status_changed.v1", "loyalty.points_redeemed.v1", "loyalty.hold_changed.v1", "loyalty.points_transferred.v1", "loyalty.points_pooled.v1", "loyalty.points_earned.v1") + ` e
				where seq is not null and coalesce(p ->> 'change', 'hold') = 'hold' and coalesce(p ->> 'back', 'false') = 'false'
				window w as (partition by site, p ->> 'member_id' order by seq) -- the log's order is that in which they had the member's lock
			), being as (
				select *, max(state) over (partition by site, member_id, nth) as was from step
			)
			select b.site, b.seq, b.kind, b.member_id, b.was from being b
			join (select site_id, min(coalesce(policy ->> 'suspended_earning', 'none')) as earns from loyalty.program group by 1) p on p.site_id = b.site
			where b.state is null and b.was <> 'active' and (b.kind <> 'loyalty.points_earned.v1' or b.was in ('closed', 'erased') or b.was = 'suspended' and p.earns = 'none')`},
	{ID: "ledger/merged", Says: "a merged member has nothing, counts nothing, and is one of its survivor's duplicates",
		SQL: `
			select d.site_id, d.id, d.earned, d.merged_into, s.duplicates, a.balance from loyalty.member d
			left join loyalty.member s on s.site_id = d.site_id and s.id = d.merged_into
			left join loyalty.account a on a.site_id = d.site_id and d.id in (a.owner_id, a.pending_of) and a.balance <> 0
			where d.merged_into is not null and (d.earned <> 0 or s.merged_into is not null or s.duplicates is null or not d.id = any (s.duplicates) or a.id is not null)
			union all
			select s.site_id, x.id, s.earned, s.id, s.duplicates, null from loyalty.member s
			cross join unnest(s.duplicates) x (id)
			left join loyalty.member d on d.site_id = s.site_id and d.id = x.id
			where d.merged_into is distinct from s.id`},
	{ID: "ledger/activated-once", Says: "pending points are activated once, and are not pending then",
		SQL: `
			select t.site_id, t.earn_id, count(*), bool_or(l.pending) from loyalty.txn t
			left join loyalty.lot l on l.site_id = t.site_id and l.id = t.earn_id
			where t.kind = 'activate' group by 1, 2 having count(*) > 1 or bool_or(l.id is null or l.pending)`},
	{ID: "ledger/activated", Says: "no points wait past their date", Settled: true,
		SQL: `select site_id, id, remaining, activates_at from loyalty.lot where pending and remaining > 0 and activates_at < now() - interval '3 minutes'`},
	{ID: "ledger/earned", Says: "a member's lifetime points are the earnings that can be spent less what was clawed back of them, and what was moved by hand that counts",
		SQL: `
			with earned as (
				select t.site_id, coalesce(o.merged_into, o.id) as member_id, sum(case t.kind when 'earn' then l.granted - l.clawed else t.points end) as points
				from loyalty.txn t
				join loyalty.member o on o.site_id = t.site_id and o.id = t.member_id
				left join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
				where t.kind = 'earn' and l.pending is null and l.tierless is null or t.kind = 'adjust' and t.rule like '%counts_for_tier%' group by 1, 2
			)
			select m.site_id, m.id, m.earned, e.points
			from loyalty.member m
			left join earned e on e.site_id = m.site_id and e.member_id = m.id
			where m.earned <> coalesce(e.points, 0)`},
	{ID: "ledger/member-account", Says: "each member has one account, each programme its own, and each account somebody whose it is",
		SQL: `
			select m.site_id, m.id, count(a.id) as accounts from loyalty.member m
			left join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
			group by 1, 2 having count(a.id) <> 1
			union all
			select a.site_id, a.owner_id, 1 from loyalty.account a
			left join loyalty.member m on m.site_id = a.site_id and m.id = a.owner_id
			where a.owner_id is not null and m.id is null
			union all
			select a.site_id, a.pending_of, count(*) from loyalty.account a
			left join loyalty.member m on m.site_id = a.site_id and m.id = a.pending_of
			where a.pending_of is not null group by 1, 2, a.asset having count(*) > 1 or count(m.id) <> 1 or count(a.owner_id) > 0
			union all
			select p.site_id, null, count(a.id) from loyalty.program p
			left join loyalty.account a on a.site_id = p.site_id and a.owner_id is null and a.name in ('issued', 'redeemed', 'expired', 'adjusted', 'held', 'transferred')
			group by p.site_id, p.policy having count(a.id) filter (where a.asset = 'points') <> 6
				or count(a.id) filter (where a.asset <> 'points') < 6 * jsonb_array_length(coalesce(p.policy -> 'wallets', '[]'))`},
	{ID: "ledger/wallets", Says: "what a transaction moves is of its wallet: entries and their accounts, the lot that it makes, and those that it takes from",
		SQL: `
			select t.site_id, t.id, t.wallet, e.asset, a.asset as of from loyalty.txn t
			join loyalty.entry e on e.site_id = t.site_id and e.txn_id = t.id
			join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
			where e.asset <> coalesce(t.wallet, 'points') or a.asset <> e.asset
			union all
			select t.site_id, t.id, t.wallet, a.asset, null from loyalty.txn t
			join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
			join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
			where a.asset <> coalesce(t.wallet, 'points')
			union all
			select t.site_id, t.id, t.wallet, o.wallet, null from loyalty.txn t
			join loyalty.allocation u on u.site_id = t.site_id and u.txn_id = t.id
			join loyalty.txn o on o.site_id = u.site_id and o.id = u.lot_id
			where o.wallet is distinct from t.wallet`},
	{ID: "ledger/member-once", Says: "a person is a member once",
		SQL: `select site_id, person_id, count(*) from loyalty.member group by 1, 2 having count(*) > 1`},
	{ID: "ledger/tier-kept", Says: "a member's tier is where its last change led, and each change begins where the one before it ended",
		SQL: `
			with step as (
				select site_id, member_id, id, from_tier, to_tier, lag(to_tier, 1, '') over w as before, lead(id) over w is null as last
				from loyalty.tier_change window w as (partition by site_id, member_id order by id)
			)
			select site_id, member_id, id, from_tier, before from step where from_tier <> before
			union all
			select m.site_id, m.id, s.id, s.to_tier, m.tier from loyalty.member m
			left join step s on s.site_id = m.site_id and s.member_id = m.id and s.last
			where m.tier <> coalesce(s.to_tier, '')`},
	{ID: "ledger/tier-reached", Says: "a member that was tiered by the tiers in force is in the highest that the earned points reach",
		SQL: `
			select m.site_id, m.id, m.earned, m.tier from loyalty.member m
			join loyalty.program p on p.site_id = m.site_id and p.tiers_version = m.tiers_version and p.policy -> 'tier_plan' is null
			where m.tier <> coalesce((
				select t ->> 'name' from jsonb_array_elements(p.tiers) t
				where (t ->> 'threshold')::bigint <= m.earned order by (t ->> 'threshold')::bigint desc limit 1), '')`},
	{ID: "ledger/expired", Says: "no points live past their date", Settled: true,
		SQL: `
			select l.site_id, l.id, l.remaining, l.expires_at, t.recorded_at from loyalty.lot l
			join loyalty.txn t on t.site_id = l.site_id and t.id = l.id
			where l.remaining > 0 and l.expires_at is not null and greatest(l.expires_at, t.recorded_at) < now() - interval '3 minutes'`},
}
