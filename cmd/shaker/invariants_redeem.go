package main

// redemptionInvariants: points that members spent, and what they got for them.
var redemptionInvariants = []invariant{
	{ID: "redemption/transaction", Says: "a redemption is one transaction of its points, by its member, and each such transaction a redemption",
		SQL: `
			select coalesce(r.site_id, t.site_id) as site_id, coalesce(r.id, t.id) as id, r.points, t.points as moved, r.member_id, t.member_id as mover
			from loyalty.redemption r
			full join (select * from loyalty.txn where kind = 'redeem') t on t.site_id = r.site_id and t.id = r.id
			where r.id is null or t.id is null or (r.points, r.member_id) <> (t.points, t.member_id)`},
	{ID: "redemption/cancelled", Says: "a cancelled redemption gave its points back once, and no other did",
		SQL: `
			with back as (
				select site_id, earn_id as id, count(*) as n, sum(points) as points, min(id) as txn_id, min(member_id) as member_id
				from loyalty.txn where kind = 'cancel' group by 1, 2
			)
			select coalesce(r.site_id, b.site_id) as site_id, coalesce(r.id, b.id) as id, r.status, r.points, b.points as back, b.n
			from (select * from loyalty.redemption where status = 'cancelled') r
			full join back b on b.site_id = r.site_id and b.id = r.id
			where r.id is null or (b.n, b.points, b.txn_id, b.member_id) is distinct from (1, r.points, r.cancel_txn_id, r.member_id)`},
	{ID: "redemption/batch", Says: "a redemption is of a batch of its site's, by a member of its site's",
		SQL: `
			select r.site_id, r.id, r.batch_id, r.member_id from loyalty.redemption r
			left join loyalty.redemption_batch b on b.site_id = r.site_id and b.id = r.batch_id
			left join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id
			where b.id is null or m.id is null or (r.status = 'waiting' and r.coupon_list_id is null and r.kind <> 'gift_card' and coalesce(r.terms ->> 'fulfilment', 'at_once') = 'at_once')`},
	{ID: "redemption/stock", Says: "what is taken of a batch's stock and limits is the redemptions and holds that counted there and live, and never more than there was",
		SQL: `
			with live as (
				select r.site_id, r.batch_id, case k ->> 'of' when 'all' then 0 else r.member_id end as member_id, k ->> 'per' as span, (k ->> 'since')::date as since, count(*) as n
				from (
				select site_id, batch_id, member_id, terms -> 'counted' as counted from loyalty.redemption where status <> 'cancelled'
				union all
				select site_id, batch_id, member_id, counted from loyalty.hold where status in ('held', 'committed')) r
				cross join lateral jsonb_array_elements(r.counted) k
				group by 1, 2, 3, 4, 5
			)
			select coalesce(c.site_id, l.site_id) as site_id, coalesce(c.batch_id, l.batch_id) as id, coalesce(c.member_id, l.member_id) as member_id, c.span, c.since, c.taken, c.most, l.n
			from loyalty.redemption_count c
			full join live l on l.site_id = c.site_id and l.batch_id = c.batch_id and l.member_id = c.member_id and l.span = c.span and l.since = c.since
			where coalesce(c.taken, 0) <> coalesce(l.n, 0) and not (c.taken is null and l.span = 'day') or c.taken not between 0 and c.most`},
	{ID: "redemption/held", Says: "a hold was ended once, as its state says, gave back no more than it took, and what open ones keep is in the site's account",
		SQL: `
			with ended as (
				select site_id, earn_id as id, count(*) filter (where kind = 'commit') as commits, count(*) filter (where kind = 'release') as releases,
					coalesce(sum(points) filter (where kind = 'restore'), 0) as restored
				from loyalty.txn where kind in ('commit', 'release', 'restore') group by 1, 2
			)
			select coalesce(h.site_id, e.site_id) as site_id, coalesce(h.id, e.id) as id, h.status, e.commits, e.releases, h.restored, e.restored as moved
			from loyalty.hold h
			full join ended e on e.site_id = h.site_id and e.id = h.id
			where h.id is null or (coalesce(e.commits, 0), coalesce(e.releases, 0)) <> ((h.status = 'committed')::int, (h.status in ('released', 'timed_out'))::int)
				or h.restored <> coalesce(e.restored, 0) or h.restored > h.points
			union all
			select a.site_id, a.id, a.asset, a.balance, sum(h.points), null, null from loyalty.account a
			left join loyalty.hold h on h.site_id = a.site_id and h.status = 'held' and coalesce(h.wallet, 'points') = a.asset
			where a.owner_id is null and a.pending_of is null and a.name = 'held'
			group by a.site_id, a.id having a.balance <> coalesce(sum(h.points), 0)`},
	{ID: "redemption/limit", Says: "what is given by hand leaves a balance within the limit that the programme had",
		SQL: `
			select e.site_id, e.txn_id, e.balance_after from loyalty.entry e
			join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id and t.kind = 'adjust'
			join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id and a.owner_id is not null
			join (select site_id, max(adjustment_limit) as most from loyalty.program group by 1) p on p.site_id = e.site_id
			where e.balance_after not between 0 and p.most`},
	{ID: "redemption/accounts", Says: "the other side of a transaction is the account of its kind",
		SQL: `
			select e.site_id, e.txn_id, t.kind, a.name from loyalty.entry e
			join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id and a.owner_id is null and a.pending_of is null
			join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
			where t.kind <> 'commit' and a.name <> case t.kind when 'transfer_out' then 'transferred' when 'transfer_in' then 'transferred' when 'merge_out' then 'transferred' when 'merge_in' then 'transferred' when 'pool_out' then 'transferred' when 'pool_in' then 'transferred'
				when 'hold' then 'held' when 'release' then 'held' when 'restore' then 'redeemed' when 'expire' then 'expired' when 'reinstate' then 'expired' when 'adjust' then 'adjusted' when 'redeem' then 'redeemed'
				when 'cancel' then 'redeemed' else 'issued' end`},
	{ID: "redemption/served", Says: "each redemption of a coupon list has a coupon or waits for one; who cancelled waits for none", Settled: true,
		SQL: `
			select r.site_id, r.id, r.coupon_list_id, r.status from loyalty.redemption r
			left join referral.coupon c on c.site_id = r.site_id and c.redemption_id = r.id
			left join referral.coupon_wait w on w.site_id = r.site_id and w.redemption_id = r.id
			where (r.cancel_wanted_at is null or r.status = 'cancelled') -- else it is about to be
				and case when r.coupon_list_id is null then num_nonnulls(c.id, w.id) > 0 when r.status = 'cancelled' then w.id is not null
				else num_nonnulls(c.id, w.id) <> 1 end`},
	{ID: "redemption/coupon", Says: "a redemption shows the coupon that it was given", Settled: true,
		SQL: `
			select coalesce(r.site_id, c.site_id) as site_id, coalesce(r.id, c.redemption_id) as id, r.status, r.coupon_id, c.id as given
			from (select * from loyalty.redemption where coupon_list_id is not null) r
			full join (select * from referral.coupon where redemption_id is not null) c on c.site_id = r.site_id and c.redemption_id = r.id
			where r.id is null or (r.coupon_id, r.coupon_code) is distinct from (c.id, c.code) or c.id is not null and r.status = 'waiting'`},
}

// couponInvariants: who holds which coupon, and who waits for one.
var couponInvariants = []invariant{
	{ID: "coupon/code-once", Says: "a code is there once in a site",
		SQL: `select site_id, code, count(*) from referral.coupon group by 1, 2 having count(*) > 1`},
	{ID: "coupon/one-each", Says: "a reward or a redemption has one coupon, and a coupon one of them",
		SQL: `
			select site_id, reward_id, redemption_id, count(*) from referral.coupon where issued_at is not null group by 1, 2, 3 having count(*) > 1
			union all
			select site_id, coupon_id, null, count(*) from referral.reward where coupon_id is not null group by 1, 2 having count(*) > 1
			union all
			select site_id, null, coupon_id, count(*) from loyalty.redemption where coupon_id is not null group by 1, 3 having count(*) > 1`},
	{ID: "coupon/holder", Says: "a reward and its coupon name each other, and the reward's list is the coupon's",
		SQL: `
			select coalesce(w.site_id, c.site_id) as site_id, coalesce(w.id, c.reward_id) as reward_id, w.coupon_id, c.id, w.coupon_list_id, c.list_id
			from (select * from referral.reward where coupon_id is not null) w
			full join (select * from referral.coupon where reward_id is not null) c on c.site_id = w.site_id and c.id = w.coupon_id
			where w.id is null or c.id is null or c.reward_id <> w.id or (w.coupon_list_id, w.coupon_code) is distinct from (c.list_id, c.code)`},
	{ID: "coupon/redemption", Says: "a redemption's coupon is its member's, of its list",
		SQL: `
			select c.site_id, c.id, c.redemption_id, r.coupon_list_id, c.list_id, m.person_id, c.person_id as holder from referral.coupon c
			left join loyalty.redemption r on r.site_id = c.site_id and r.id = c.redemption_id
			left join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id
			where c.redemption_id is not null and (r.coupon_list_id, m.person_id) is distinct from (c.list_id, c.person_id)`},
	{ID: "coupon/stock", Says: "a list's stock is the coupons that it has, and those of them that were handed out",
		SQL: `
			select coalesce(s.site_id, c.site_id) as site_id, coalesce(s.list_id, c.list_id) as list_id, s.added, s.issued, c.n, c.given
			from (select site_id, list_id, sum(added) as added, sum(issued) as issued from referral.coupon_stock group by 1, 2) s
			full join (
				select site_id, list_id, count(*) as n, count(issued_at) as given from referral.coupon where list_id is not null and single_use group by 1, 2) c
				on c.site_id = s.site_id and c.list_id = s.list_id
			where coalesce(s.added, 0) <> coalesce(c.n, 0) or coalesce(s.issued, 0) <> coalesce(c.given, 0)`},
	{ID: "coupon/waiting", Says: "the rewards that wait for a coupon are in the queue, and nobody else's, nor one who has it",
		SQL: `
			select coalesce(w.site_id, q.site_id) as site_id, coalesce(w.id, q.reward_id) as reward_id, w.status, q.id
			from (select * from referral.reward where status = 'Waiting for coupon') w
			full join (select * from referral.coupon_wait where reward_id is not null) q on q.site_id = w.site_id and q.reward_id = w.id and q.list_id = w.coupon_list_id
			where w.id is null or q.id is null
			union all
			select q.site_id, q.redemption_id, 'has it', q.id from referral.coupon_wait q
			join referral.coupon c on c.site_id = q.site_id and c.redemption_id = q.redemption_id`},
	{ID: "coupon/idle", Says: "nobody waits for a list that has coupons", Settled: true,
		SQL: `
			select q.site_id, q.list_id, count(*) as waiting from referral.coupon_wait q
			join referral.coupon_list l on l.site_id = q.site_id and l.id = q.list_id and (l.expires_at is null or l.expires_at > now())
			where exists (select from referral.coupon c where c.site_id = q.site_id and c.list_id = q.list_id and c.single_use and c.issued_at is null)
				and q.since < now() - interval '15 seconds'
			group by 1, 2`},
	{ID: "coupon/order", Says: "of friends who claimed an offer, who came much later was not served earlier", Settled: true,
		SQL: `
			with claimed as (
				select w.site_id, w.coupon_list_id, w.id, w.occurred_at, case w.status when 'Waiting for coupon' then null else w.issued_at end as served
				from referral.reward w join referral.offer_claim c on c.site_id = w.site_id and c.friend_offer_id = w.friend_offer_id
				where w.coupon_list_id is not null and w.status in ('Paid', 'Waiting for coupon')
			)
			select a.site_id, a.coupon_list_id, a.id as waited, b.id as served from claimed a
			join claimed b on b.site_id = a.site_id and b.coupon_list_id = a.coupon_list_id and b.occurred_at > a.occurred_at + interval '15 seconds'
				and b.served + case when a.served is null then interval '0' else interval '15 seconds' end < coalesce(a.served, 'infinity')`},
	{ID: "coupon/told", Says: "each coupon that was handed out was told once, with whom it went to",
		SQL: `
			with told as (
				select site, (p ->> 'coupon_id')::bigint as id, count(*) as n, min(coalesce((p ->> 'reward_id')::bigint, 0)) as reward_id,
					min(coalesce((p ->> 'redemption_id')::bigint, 0)) as redemption_id
				from ` + told("referral.coupon_issued.v1") + ` e group by 1, 2
			)
			select coalesce(c.site_id, t.site) as site_id, coalesce(c.id, t.id) as id, t.n, c.reward_id, c.redemption_id
			from (select * from referral.coupon where issued_at is not null) c
			full join told t on t.site = c.site_id and t.id = c.id
			where c.id is null or (t.n, t.reward_id, t.redemption_id) is distinct from (1, coalesce(c.reward_id, 0), coalesce(c.redemption_id, 0))`},
}
