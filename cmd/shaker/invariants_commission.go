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
