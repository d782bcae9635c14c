package main

// commissionInvariants: what people earn in money, their accounts, and payouts.
var commissionInvariants = []invariant{
	{ID: "commission/once", Says: "each commission reward of a person is one commission, and both say the same",
		SQL: `
			select coalesce(w.site_id, c.site_id) as site_id, w.id as reward_id, c.id as commission_id, w.amount, c.amount as earned, w.clawed, c.clawed as taken
			from (select * from referral.reward where kind = 'commission' and person_id is not null) w
			full join (select * from referral.commission where reward_id is not null) c on c.site_id = w.site_id and c.reward_id = w.id
			where w.id is null or c.id is null or (w.amount, w.clawed, w.currency, w.person_id) is distinct from (c.amount, c.clawed, c.currency, c.person_id)`},
	{ID: "commission/entries", Says: "a commission is in its account with what is left of it",
		SQL: `
			select c.site_id, c.id, c.amount, c.clawed, e.amount as entries from referral.commission c
			left join (select site_id, commission_id, sum(amount) as amount from referral.account_entry group by 1, 2) e
				on e.site_id = c.site_id and e.commission_id = c.id
			where c.amount - c.clawed <> coalesce(e.amount, 0)`},
	{ID: "commission/chain", Says: "an account's entries follow each other without a gap, and its balance is theirs",
		SQL: `
			with entry as (
				select *, lag(seq, 1, 0::bigint) over w as ps, lag(balance_after, 1, 0::bigint) over w as pb, lag(held_after, 1, 0::bigint) over w as ph
				from referral.account_entry window w as (partition by site_id, person_id, currency order by seq)
			)
			select site_id, person_id, currency, seq, amount, balance_after from entry where seq <> ps + 1 or balance_after <> pb + amount or held_after <> ph + held
			union all
			select a.site_id, a.person_id, a.currency, a.seq, a.held, a.balance from referral.account a
			left join (select site_id, person_id, currency, count(*) as n, sum(amount) as amount, sum(held) as held from referral.account_entry group by 1, 2, 3) e
				using (site_id, person_id, currency)
			where (a.seq, a.balance, a.held) is distinct from (coalesce(e.n, 0), coalesce(e.amount, 0), coalesce(e.held, 0))`},
	{ID: "commission/open", Says: "what a payout may take, and what one has taken, add up to the account",
		SQL: `
			with open as (
				select site_id, person_id, currency, sum(amount) filter (where held) as held, sum(amount) filter (where not held) as free
				from referral.open_entry group by 1, 2, 3
			), line as (
				select l.site_id, l.person_id, b.currency, sum(l.amount) as amount
				from referral.payout_line l join referral.payout_batch b on b.site_id = l.site_id and b.id = l.batch_id
				where l.status in ('pending', 'sent') group by 1, 2, 3
			)
			select a.site_id, a.person_id, a.currency, a.balance, a.held, a.reserved, o.free, o.held as on_hold, l.amount as in_lines
			from referral.account a
			left join open o using (site_id, person_id, currency)
			left join line l using (site_id, person_id, currency)
			where (a.balance - a.held - a.reserved, a.held, a.reserved) is distinct from (coalesce(o.free, 0), coalesce(o.held, 0), coalesce(l.amount, 0))`},
	{ID: "commission/caps", Says: "what caps count is what was earned, and within them; who got less than the order was worth found one used up",
		SQL: `
			with earned as (
				select site_id, id, plan_id, person_id, friend_id, amount, explain -> 'refused' as refused,
					least((explain ->> 'gross')::bigint, (explain #>> '{caps,order}')::bigint) as worth,
					(explain #>> '{caps,friend}')::bigint as friend_cap, (explain #>> '{caps,month}')::bigint as month_cap,
					to_char(occurred_at at time zone 'UTC', 'YYYYMM')::bigint as month
				from referral.commission where plan_id is not null and status = 'earned'
			), used as (
				select site_id, plan_id, person_id, 'friend' as kind, friend_id as subject, sum(amount) as amount, max(friend_cap) as cap
				from earned where friend_cap > 0 group by 1, 2, 3, 5
				union all
				select site_id, plan_id, person_id, 'month', month, sum(amount), max(month_cap) from earned where month_cap > 0 group by 1, 2, 3, 5
			)
			select coalesce(u.site_id, k.site_id) as site_id, coalesce(u.plan_id, k.plan_id) as plan_id, coalesce(u.person_id, k.person_id) as person_id,
				coalesce(u.subject, k.subject) as subject, u.cap, u.amount as earned, k.used
			from used u
			full join referral.commission_cap k on (k.site_id, k.plan_id, k.person_id, k.kind, k.subject) = (u.site_id, u.plan_id, u.person_id, u.kind, u.subject)
			where coalesce(u.amount, 0) <> coalesce(k.used, 0) or u.amount > u.cap
			union all
			select e.site_id, e.plan_id, e.person_id, e.id, e.worth, e.amount, null from earned e
			left join used f on (f.site_id, f.plan_id, f.person_id, f.kind, f.subject) = (e.site_id, e.plan_id, e.person_id, 'friend', e.friend_id)
			left join used m on (m.site_id, m.plan_id, m.person_id, m.kind, m.subject) = (e.site_id, e.plan_id, e.person_id, 'month', e.month)
			where e.amount > e.worth or e.refused is null and e.amount < e.worth and coalesce(f.amount < f.cap, true) and coalesce(m.amount < m.cap, true)`},
	{ID: "commission/recurring", Says: "of a friend's orders as many are paid for as the plan says, from the first on, without a gap", Settled: true,
		SQL: `
			select f.site_id, f.referral_id, f.plan_id, f.orders, n.paid, n.top, b.bought
			from referral.commission f
			cross join lateral (select count(*) as paid, max(nth) as top from referral.commission c
				where c.site_id = f.site_id and c.referral_id = f.referral_id and c.plan_id = f.plan_id) n
			cross join lateral (select count(*) as bought from customer.origin o
				where o.site_id = f.site_id and o.person_id = f.friend_id and o.type = 'Purchase' and o.verified
					and o.occurred_at >= f.occurred_at and (f.until is null or o.occurred_at < f.until)) b
			where f.nth = 1 and f.orders > 1 and f.status <> 'voided' and not f.superseded and (n.paid <> n.top or n.paid <> least(f.orders, b.bought))`},
	{ID: "commission/refunds", Says: "of what an order came to, exactly the share of its cumulative refund was taken back", Settled: true,
		SQL: `
			select c.site_id, c.id, c.amount, c.clawed, o.refunded_total, o.subtotal from referral.commission c
			join customer.origin o on o.site_id = c.site_id and o.id = c.origin_id
			where c.status = 'earned' and not c.superseded and c.clawed <> case when o.refunded_total = o.subtotal then c.amount
				else div(c.amount::numeric * o.refunded_total, greatest(o.subtotal, 1)) end`},
	{ID: "commission/told", Says: "each commission that came to something was told once as it is",
		SQL: `
			with told as (
				select site, (p ->> 'commission_id')::bigint as id, count(*) as n, min((p ->> 'amount')::bigint) as amount, min((p ->> 'person_id')::bigint) as person_id
				from ` + told("referral.commission_earned.v1") + ` e group by 1, 2
			)
			select coalesce(c.site_id, t.site) as site_id, coalesce(c.id, t.id) as id, c.amount, t.n, t.amount as told_amount
			from (select * from referral.commission where amount > 0) c
			full join told t on t.site = c.site_id and t.id = c.id
			where c.id is null or t.n is distinct from 1 or (c.amount, c.person_id) <> (t.amount, t.person_id)`},
}
