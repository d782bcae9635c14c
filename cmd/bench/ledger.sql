-- How the database of the part "nightly" is loaded: a ledger of three years. Steps are written as in fill.sql; {entries} is filled in. The first site
-- has nine tenths of it, the others are its twins: their members and transactions bear the same numbers.
--
-- Member m of a site is its number 10000+m, and so is the account; the account of pending points is 10000000 more. What a member does goes in
-- rounds: five earnings of 100 points (steps 1 to 5), then 400 are redeemed (6), of which the lots are those of 1 to 4. The fifth lot expires (7) in each
-- second round but the last, and else is open. Most have one round, some have many, two on average; the first member of the first site has a five-hundredth of all
-- entries. So of 25 entries a member, 20 are of lots, of which 15 in 100 are open. One in twenty has points that are pending, besides.
-- A table that is emptied in the transaction which loads it needs no log where wal_level is minimal.

--- 0 1 plan
update bench.site s set members = greatest(20, {entries} / 25 * case when n = 1 then 0.9 else 0.025 end), until = now();
update bench.site s set program_id = p.id, tiers_version = p.tiers_version from loyalty.program p where p.site_id = s.site_id;
insert into loyalty.account (site_id, name, asset)
select s.site_id, k.name, 'points' from bench.site s, unnest(array['issued', 'redeemed', 'expired', 'adjusted']) as k (name)
where not exists (select from loyalty.account a where a.site_id = s.site_id and a.name = k.name) order by 1, 2;
create function bench.rounds(n int, m bigint) returns int language sql immutable parallel safe as
	$$ select case when n = 1 and m = 1 then greatest(18, {entries} / 3250) else (array[1, 2, 4, 8, 18])[1 + width_bucket(m * 40503 % 100, array[60, 85, 95, 99])] end $$;
insert into loyalty.redemption_batch (site_id, id, program_id, status, description, points_cost, position, created_at, updated_at) overriding system value
select site_id, 100 + b, program_id, 'active', 'Mug ' || b, 400, b, until - interval '4 years', until - interval '4 years' from bench.site cross join generate_series(1, 3) b;

--- 0 15 steps
create unlogged table bench.step as
select *, row_number() over (partition by n, kind order by id) as own
from (
	select n, site_id, 10000 + row_number() over (partition by n order by at, m, step) as id, 10000 + m as member, k, c, step::smallint, at, until,
		case step when 6 then 'redeem' when 7 then 'expire' else 'earn' end as kind, case step when 6 then -400 when 7 then -100 else 100 end as amount,
		6 * k + (k + 1) / 2 + step as seq, 100 * (k / 2) + case step when 6 then 100 when 7 then 0 else 100 * step end as balance
	from bench.site cross join lateral generate_series(1, members) m cross join lateral (select bench.rounds(n, m) as c) r
	cross join lateral generate_series(0, c - 1) k cross join lateral generate_series(1, case when k % 2 = 0 and k < c - 1 then 7 else 6 end) step
	cross join lateral (select until - interval '1095 days' + interval '1095 days' * ((k + (step + m * 7919 % 1000 / 1000.0) / 9.0) / c) as at) t
) s;
create table bench.total as
select n, kind, count(*) as steps, abs(sum(amount))::bigint as points from bench.step group by 1, 2;
create unlogged table bench.waiting as
select n, site_id, 10000 + m as member, row_number() over w as j, until - m % 14 * interval '1 day' - interval '1 hour' as at, until
from bench.site cross join lateral generate_series(20, members, 20) m window w as (partition by n order by m);
alter table bench.waiting add column id bigint;
update bench.waiting w set id = 10000 + w.j + (select sum(steps) from bench.total t where t.n = w.n);
analyze bench.step, bench.waiting;

--- 1 4 people
insert into customer.person (site_id, id, customer_id, first_name, created_at) overriding system value
select site_id, 10000 + m, 'a' || 10000 + m, 'P', until - interval '3 years' from bench.site cross join lateral generate_series(1, members) m;

--- 1 6 members
insert into loyalty.member (site_id, id, person_id, earned, tier, tiers_version, joined_at, counted, tier_due_at) overriding system value
select site_id, 10000 + m, 10000 + m, 500 * c, case when c < 8 then '' when c = 8 then 'Silver' else 'Gold' end, tiers_version, until - interval '3 years',
	case when c >= 8 then true end, case when c >= 8 then (until::date + (2 + m % 360)::int)::timestamp at time zone 'UTC' end
from bench.site cross join lateral generate_series(1, members) m cross join lateral (select bench.rounds(n, m) as c) r;
insert into loyalty.account (site_id, id, owner_id, name, asset, balance, seq) overriding system value
select site_id, 10000 + m, 10000 + m, 'member', 'points', 100 * ((c - 1) / 2) + 100, 6 * c + c / 2
from bench.site cross join lateral generate_series(1, members) m cross join lateral (select bench.rounds(n, m) as c) r;
insert into loyalty.account (site_id, id, name, asset, balance, seq, pending_of) overriding system value
select site_id, 10000000 + member, 'pending', 'points', 100, 1, member from bench.waiting;
update loyalty.account a set balance = case kind when 'earn' then -t.points else t.points end, seq = t.steps
from bench.total t join bench.site s using (n)
where a.site_id = s.site_id and a.owner_id is null and a.pending_of is null and a.name = case kind when 'earn' then 'issued' when 'redeem' then 'redeemed' else 'expired' end;
update loyalty.account a set balance = a.balance - 100 * w.n, seq = a.seq + w.n
from (select site_id, count(*) as n from bench.waiting group by 1) w where a.site_id = w.site_id and a.name = 'issued';

--- 1 30 transactions
truncate loyalty.txn;
insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, earn_id, origin_id, rule, effective_at, recorded_at)
select s.site_id, s.id, s.member, s.kind, case s.kind when 'earn' then 'origin:' || s.id when 'redeem' then 'redemption:' || s.id else 'expire:lot:' || l.id end,
	case s.kind when 'redeem' then 'redemption' else 'purchase' end, abs(s.amount), l.id, case s.kind when 'earn' then s.id end,
	'{"rule":"' || case s.kind when 'earn' then 'purchase' else s.kind end || '","program_id":' || p.program_id || ',"version":2,"points":' || abs(s.amount) || '}', s.at, s.at
from bench.step s join bench.site p using (n)
left join (select n, member, k, id from bench.step where step = 5 and k % 2 = 0 and k < c - 1) l on s.step = 7 and (l.n, l.member, l.k) = (s.n, s.member, s.k);
insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, origin_id, rule, effective_at, recorded_at)
select site_id, id, member, 'earn', 'origin:' || id, 'purchase', 100, id, '{"rule":"purchase","program_id":' || program_id || ',"version":2,"points":100}', at, at
from bench.waiting join bench.site using (n, site_id);

--- 1 5 redemptions
insert into loyalty.redemption (site_id, id, member_id, batch_id, status, description, points, traffic_source, kind, created_at, fulfilled_at)
select site_id, id, member, 101 + member % 3, 'fulfilled', 'Mug', 400, 'web', 'custom', at, at from bench.step where step = 6;

--- 1 2 tiers
insert into loyalty.merit_day (site_id, member_id, day, earned, spend, orders, referrals, custom)
select site_id, member, (at at time zone 'UTC')::date, 100 * count(*), 0, 0, 0, 0 from bench.step where c >= 8 and step < 6 group by 1, 2, 3;
insert into loyalty.tier_change (site_id, member_id, from_tier, to_tier, earned, cause, txn_id, program_version, changed_at)
select site_id, member, '', 'Silver', 500, 'earn', id, 2, at from bench.step where c >= 8 and k = 0 and step = 5;

--- 2 40 entries
truncate loyalty.entry;
insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
select s.site_id, s.id, e.account_id, 'points', e.amount, e.seq, e.balance
from bench.step s
join (select t.n, t.kind, a.id from bench.total t join bench.site p using (n)
	join loyalty.account a on a.site_id = p.site_id and a.owner_id is null and a.pending_of is null
		and a.name = case kind when 'earn' then 'issued' when 'redeem' then 'redeemed' else 'expired' end) o on (o.n, o.kind) = (s.n, s.kind)
cross join lateral (values (s.member, s.amount, s.seq::bigint, s.balance::bigint), (o.id, -s.amount, s.own, -s.amount * s.own)) e (account_id, amount, seq, balance);
insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
select w.site_id, w.id, e.account_id, 'points', e.amount, e.seq, e.balance
from bench.waiting w join bench.total t on t.n = w.n and t.kind = 'earn'
join loyalty.account a on a.site_id = w.site_id and a.name = 'issued'
cross join lateral (values (10000000 + w.member, 100, 1, 100), (a.id, -100, t.steps + w.j, -100 * (t.steps + w.j))) e (account_id, amount, seq, balance);

--- 2 15 lots
truncate loyalty.lot;
insert into loyalty.lot (site_id, id, account_id, granted, remaining, expired, expires_at)
select site_id, id, member, 100, case when gone or spent then 0 else 100 end, case when gone then 100 else 0 end,
	case when gone then at + interval '40 days' when spent then at + interval '365 days' else until::date::timestamp at time zone 'UTC' + interval '2 days' + id * 7919 % (363 * 86400) * interval '1 second' end
from bench.step cross join lateral (select step < 5 as spent, step = 5 and k % 2 = 0 and k < c - 1 as gone) x where step < 6;
insert into loyalty.lot (site_id, id, account_id, granted, remaining, pending, activates_at)
select site_id, id, 10000000 + member, 100, 100, true, until + interval '2 days' + id % 360 * interval '1 day' from bench.waiting;

--- 2 12 allocations
truncate loyalty.allocation;
insert into loyalty.allocation (site_id, lot_id, txn_id, amount)
select l.site_id, l.id, t.id, 100 from bench.step t join bench.step l on (l.n, l.member, l.k) = (t.n, t.member, t.k)
where t.step = 6 and l.step < 5 or t.step = 7 and l.step = 5;

--- 2 5 seal
insert into loyalty.milestone (site_id, account_id, at, seq, totals)
select site_id, member, at, seq, jsonb_build_object('earn', jsonb_build_array(earned, 100 * earned), 'redeem', jsonb_build_array(redeemed, -400 * redeemed), 'expire', jsonb_build_array(expired, -100 * expired))
from (select site_id, member, at, seq, count(*) filter (where kind = 'earn') over w as earned, count(*) filter (where kind = 'redeem') over w as redeemed, count(*) filter (where kind = 'expire') over w as expired
	from bench.step where c > 18 window w as (partition by n, member order by seq)) s
where seq % 256 = 0;
insert into loyalty.milestone (site_id, account_id, at, seq)
select s.site_id, a.id, s.at, s.own from bench.step s
join loyalty.account a on a.site_id = s.site_id and a.owner_id is null and a.pending_of is null and a.name = case kind when 'earn' then 'issued' when 'redeem' then 'redeemed' else 'expired' end
where s.own % 256 = 0;
insert into loyalty.turnover (site_id, at, name, kind, points, entries)
select q.site_id, q.at, e.name, q.kind, e.sign * q.points, q.entries
from (select site_id, date_bin('15 minutes', at, '2000-01-01 00:00:00+00') as at, kind, sum(amount) as points, count(*) as entries from bench.step group by 1, 2, 3) q
cross join lateral (values ('member', 1), (case q.kind when 'earn' then 'issued' when 'redeem' then 'redeemed' else 'expired' end, -1)) e (name, sign)
order by q.site_id, q.at;
insert into loyalty.turnover (site_id, at, name, kind, points, entries)
select site_id, at, name, 'earn', sign * 100 * n, n from (select site_id, date_bin('15 minutes', at, '2000-01-01 00:00:00+00') as at, count(*) as n from bench.waiting group by 1, 2) q
cross join (values ('pending', 1), ('issued', -1)) e (name, sign)
on conflict (site_id, at, name, kind, wallet) do update set points = turnover.points + excluded.points, entries = turnover.entries + excluded.entries;
insert into loyalty.chain (site_id, place, txn_id, hash, entries, allocations, sums, sealed_at)
select t.site_id, t.n, t.last, sha256('bench'), 2 * t.n, 0, a.sums, now()
from (select site_id, count(*) as n, max(id) as last from (select site_id, id from bench.step union all select site_id, id from bench.waiting) s group by 1) t
join (select site_id, jsonb_object_agg(name, points) as sums from (select site_id, name, sum(points) as points from loyalty.turnover group by 1, 2) s group by 1) a using (site_id)
on conflict (site_id) do update set place = excluded.place, txn_id = excluded.txn_id, hash = excluded.hash, entries = excluded.entries, sums = excluded.sums;

--- 4 1 numbers
select setval('loyalty.txn_id_seq', (select max(txn_id) from loyalty.chain));
update loyalty.horizon set floor = (select max(txn_id) from loyalty.chain), mark = (select max(txn_id) from loyalty.chain);
select setval(pg_get_serial_sequence(t, 'id'), 20000000) from unnest(array['customer.person', 'loyalty.member', 'loyalty.account']) t;
drop table bench.step, bench.waiting;
