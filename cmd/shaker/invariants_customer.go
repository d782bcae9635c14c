package main

// customerInvariants: persons, origins and refunds, and that all of it was told.
var customerInvariants = []invariant{
	{ID: "customer/origin-once", Says: "an order number, an event number and a sign-up exist once in a site",
		SQL: `select site_id, type, category, number, count(*) from customer.origin group by 1, 2, 3, 4 having count(*) > 1`},
	{ID: "customer/person-once", Says: "an e-mail, a customer id and a username name one person of a site",
		SQL: `
			select site_id, mark, count(*) from (
				select site_id, 'email:' || email_norm as mark from customer.person
				union all select site_id, 'customer_id:' || customer_id from customer.person
				union all select site_id, 'username:' || username_norm from customer.person) m
			where mark is not null group by 1, 2 having count(*) > 1`},
	{ID: "gateway/jobs", Says: "a batch that is over has looked at each of its rows: those that it says, and those that it lists as failed",
		SQL: `
			select j.site_id, j.id, j.total, j.done, j.recorded, j.failed, count(e.row) as listed from gateway.job j
			left join gateway.job_error e on e.site_id = j.site_id and e.job_id = j.id
			where j.state = 'done' group by j.site_id, j.id having j.done <> j.total or j.recorded + j.failed <> j.total or count(e.row) <> j.failed`},
	{ID: "customer/refunds", Says: "an origin's refunded total is the sum of its refunds, and no more than it cost",
		SQL: `
			select o.site_id, o.id, o.subtotal, o.refunded_total, coalesce(sum(r.amount), 0) as refunds
			from customer.origin o
			left join customer.refund r on r.site_id = o.site_id and r.origin_id = o.id
			group by o.site_id, o.id
			having o.refunded_total not between 0 and o.subtotal or o.refunded_total <> coalesce(sum(r.amount), 0)
				or (o.refunded_at is null) <> (count(r.id) = 0)`},
	{ID: "customer/refund-once", Says: "a client's key refunds an origin once",
		SQL: `select site_id, origin_id, key, count(*) from customer.refund group by 1, 2, 3 having count(*) > 1`},
	{ID: "customer/counters", Says: "a person's purchases and events are those that were verified, of its duplicates, too",
		SQL: `
			with counted as (
				select o.site_id, whose.id as person_id, count(*) filter (where o.type = 'Purchase') as purchases, count(*) filter (where o.type = 'Event') as events
				from customer.origin o
				join customer.person p on p.site_id = o.site_id and p.id = o.person_id
				cross join lateral (values (p.id), (p.merged_into)) whose (id)
				where o.verified and whose.id is not null group by 1, 2
			)
			select p.site_id, p.id, p.purchases, p.events, c.purchases as verified_purchases, c.events as verified_events
			from customer.person p
			left join counted c on c.site_id = p.site_id and c.person_id = p.id
			where p.purchases <> coalesce(c.purchases, 0) or p.events <> coalesce(c.events, 0)`},
	{ID: "customer/edges", Says: "origins, refunds, items and visitors belong to things of their own site",
		SQL: `
			select 'origin' as thing, o.site_id, o.id from customer.origin o
			left join customer.person p on p.site_id = o.site_id and p.id = o.person_id
			where o.person_id is not null and p.id is null
			union all
			select 'refund', r.site_id, r.id from customer.refund r
			left join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id where o.id is null
			union all
			select 'item', i.site_id, i.origin_id from customer.origin_item i
			left join customer.origin o on o.site_id = i.site_id and o.id = i.origin_id where o.id is null
			union all
			select 'visitor', v.site_id, v.person_id from customer.visitor v
			left join customer.person p on p.site_id = v.site_id and p.id = v.person_id
			where v.person_id is not null and p.id is null`},
	{ID: "customer/origin-told", Says: "each origin was told once as it is, and once more if a browser had told of it before",
		SQL: `
			with told as (
				select site, (p ->> 'origin_id')::bigint as id, (p ->> 'verified')::bool as verified, count(*) as n,
					min((p ->> 'subtotal')::bigint) as subtotal, min(coalesce((p ->> 'person_id')::bigint, 0)) as person_id,
					min(coalesce(p ->> 'currency', '')) as currency
				from ` + told("customer.origin_recorded.v1") + ` e group by 1, 2, 3
			)
			select coalesce(o.site_id, t.site) as site_id, coalesce(o.id, t.id) as id, o.verified, o.subtotal, o.person_id, t.n,
				t.subtotal as told_subtotal, t.person_id as told_person
			from customer.origin o
			full join told t on t.site = o.site_id and t.id = o.id and t.verified = o.verified
			left join customer.origin confirmed on confirmed.site_id = t.site and confirmed.id = t.id and o.id is null
			where t.id is null or t.n <> 1 or o.id is null and (t.verified or confirmed.id is null)
				or o.id is not null and (o.subtotal <> t.subtotal or coalesce(o.person_id, 0) <> t.person_id or o.currency <> t.currency)`},
	{ID: "customer/refund-told", Says: "each refund was told once, with the total that it made",
		SQL: `
			with told as (
				select site, (p ->> 'refund_id')::bigint as id, (p ->> 'origin_id')::bigint as origin_id, (p ->> 'refunded')::bigint as amount,
					(p ->> 'refunded_total')::bigint as total, (p ->> 'subtotal')::bigint as subtotal, (p ->> 'full')::bool as whole
				from ` + told("customer.origin_refunded.v1") + ` e
			), kept as (
				select site_id, id, origin_id, amount, sum(amount) over (partition by site_id, origin_id order by id) as total from customer.refund
			)
			select coalesce(k.site_id, t.site) as site_id, coalesce(k.id, t.id) as id, k.origin_id, k.amount, k.total, t.amount as told_amount, t.total as told_total
			from kept k
			full join told t on t.site = k.site_id and t.id = k.id
			where k.id is null or t.id is null or (k.origin_id, k.amount, k.total) <> (t.origin_id, t.amount, t.total)
				or t.whole <> (t.total = t.subtotal)
			union all
			select site, id, null, null, null, count(*), null from told group by 1, 2 having count(*) > 1`},
	{ID: "customer/person-told", Says: "the last that was told of a person is what is known", Settled: true,
		SQL: `
			with told as (
				select distinct on (site, (p ->> 'person_id')::bigint) site, (p ->> 'person_id')::bigint as id,
					coalesce(p ->> 'email', '') as email, coalesce(p ->> 'customer_id', '') as customer_id
				from ` + told("customer.person_changed.v1") + ` e order by 1, 2, seq desc
			)
			select coalesce(p.site_id, t.site) as site_id, coalesce(p.id, t.id) as id, p.email, t.email as told
			from customer.person p
			full join told t on t.site = p.site_id and t.id = p.id
			where p.id is null or t.id is null or coalesce(p.email, '') <> t.email or coalesce(p.customer_id, '') <> t.customer_id`},
	{ID: "customer/forgotten", Says: "who is forgotten is so everywhere: no member, no contact, nothing that is to be sent", Settled: true,
		SQL: `
			select p.site_id, p.id, p.email, m.status, c.email as contact, q.id as message from customer.person p
			left join loyalty.member m on m.site_id = p.site_id and m.person_id = p.id
			left join notify.contact c on c.site_id = p.site_id and c.person_id = p.id
			left join notify.message q on q.site_id = p.site_id and q.person_id = p.id and (q.status in ('queued', 'sending') or num_nonnulls(q.subject, q.text, q.html) > 0)
			where p.anonymized_at is not null and (p.email not like '%@anonymized.email' or coalesce(m.status, 'erased') not in ('erased', 'merged') or c.anonymized_at is null
				or c.email not in ('', p.email) or c.phone || c.first_name || c.last_name || c.customer_id <> '' or q.id is not null)`},
	{ID: "gateway/known-site", Says: "whatever there is belongs to a site that there is",
		SQL: `
			select thing, s.site_id from (
				select distinct 'person' as thing, site_id from customer.person
				union all select distinct 'origin', site_id from customer.origin
				union all select distinct 'offer', site_id from referral.offer
				union all select distinct 'visit', site_id from referral.visit
				union all select distinct 'referral', site_id from referral.referral
				union all select distinct 'reward', site_id from referral.reward
				union all select distinct 'member', site_id from loyalty.member
				union all select distinct 'txn', site_id from loyalty.txn
				union all select distinct 'day', site_id from analytics.daily
				union all select distinct 'message', site_id from notify.message
				union all select distinct 'key', site_id from gateway.api_key) s
			left join gateway.site g on g.site_id = s.site_id where g.site_id is null`},
	{ID: "gateway/sites-heard", Says: "what the modules know of a site is what the gateway says", Settled: true,
		SQL: `
			select g.site_id, g.slug, r.name as referral, a.time_zone as analytics, n.name as notify
			from gateway.site g
			left join referral.site r on r.site_id = g.site_id
			left join analytics.site a on a.site_id = g.site_id
			left join notify.site n on n.site_id = g.site_id
			where (r.slug, r.name, r.currency, r.zone, r.url) is distinct from (g.slug, g.name, g.currency, g.time_zone, g.url)
				or (a.currency, a.time_zone) is distinct from (g.currency, g.time_zone)
				or (n.name, n.url, n.email_from) is distinct from (g.name, g.url, g.email_from)`},
	{ID: "idempotency/answered", Says: "a key that is kept has its answer: both are of one transaction",
		SQL: each(`select '{m}' as module, site_id, key from {m}.idempotency where answer is null`)},
}
