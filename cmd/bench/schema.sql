-- The yardstick: what a purchase has to leave behind, written as one would by hand, with no platform around it. One purchase is
-- one call of bench.purchase in one transaction; bench.purchases does the same for a set, bench.post moves points. {sites}, {people} (of a site) and {visits} (in all) are filled in.
create schema bench;

create table bench.customer (
	site int not null, id bigint not null, email text not null,
	primary key (site, id), unique (site, email));
create table bench.link (
	site int not null, id bigint not null, code text not null unique, advocate bigint not null,
	primary key (site, id));
create sequence bench.visit_id;
create sequence bench.post_ref;
-- The columns and indexes are those of referral.visit.
create table bench.visit (
	site bigint not null, id bigint not null default nextval('bench.visit_id'), offer_id bigint not null, campaign_id bigint not null,
	visitor_id uuid not null, channel text not null, live boolean not null, visited_at timestamptz not null,
	primary key (site, visitor_id, visited_at, id)) partition by range (visited_at);
create table bench.visit_all partition of bench.visit default;
create table bench.purchase (
	site int not null, id bigint generated always as identity, order_ref text not null, visitor uuid, email text not null,
	amount bigint not null, currency text not null, at timestamptz not null,
	primary key (site, id), unique (site, order_ref));
create table bench.referral (
	site int not null, id bigint generated always as identity, purchase bigint not null, link bigint, advocate bigint not null,
	friend text not null, status text not null, at timestamptz not null,
	primary key (site, id), unique (site, purchase));
create table bench.reward (
	site int not null, id bigint generated always as identity, referral bigint not null, advocate bigint not null, points bigint not null,
	status text not null, at timestamptz not null,
	primary key (site, id), unique (site, referral));
create table bench.ledger_tx (
	site int not null, id bigint generated always as identity, kind text not null, ref bigint not null, at timestamptz not null,
	primary key (site, id), unique (site, kind, ref));
create table bench.entry (
	site int not null, id bigint generated always as identity, tx bigint not null, account bigint not null, amount bigint not null,
	primary key (site, id));
create index on bench.entry (site, account);
create table bench.balance (
	site int not null, account bigint not null, points bigint not null default 0, changed timestamptz,
	primary key (site, account)) with (fillfactor = 60);
create table bench.notification (
	site int not null, id bigint generated always as identity, advocate bigint not null, template text not null, data jsonb not null,
	status text not null, at timestamptz not null,
	primary key (site, id));
create index on bench.notification (at) where status = 'queued';
create table bench.outbox (
	id bigint generated always as identity primary key, site int not null, type text not null, key text not null,
	payload jsonb not null, at timestamptz not null);
create table bench.rollup_hour (
	site int not null, hour timestamptz not null, purchases bigint not null, revenue bigint not null, points bigint not null,
	primary key (site, hour)) with (fillfactor = 50);

create function bench.visitor(n bigint) returns uuid language sql immutable as
	$$ select ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;

-- purchase records an order, finds whose link the buyer opened last, and gives the advocate points. kind says how the buyer is
-- known: 0 as visitor n, 1 by the e-mail of customer n, 2 not at all. A number that is there already changes nothing.
create function bench.purchase(s int, number text, n bigint, kind int, amount bigint) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	v uuid := case when kind = 0 then bench.visitor(n) end;
	mail text := case when kind = 1 then 'a' || s || '-' || n else 'f' || n end || '@bench.example';
	purchase_id bigint; link_id bigint; who bigint; referral_id bigint; reward_id bigint; tx_id bigint;
	earned bigint := 0;
begin
	insert into bench.purchase (site, order_ref, visitor, email, amount, currency, at)
	values (s, number, v, mail, amount, 'USD', t)
	on conflict (site, order_ref) do nothing returning id into purchase_id;
	if purchase_id is null then
		return 0;
	end if;
	if v is not null then
		select l.id, l.advocate into link_id, who
		from bench.visit c join bench.link l on l.site = c.site and l.id = c.offer_id
		where c.site = s and c.visitor_id = v order by c.visited_at desc limit 1;
	end if;
	if who is null then
		select id into who from bench.customer where site = s and email = mail;
	end if;
	if who is not null then
		earned := 500;
		insert into bench.referral (site, purchase, link, advocate, friend, status, at)
		values (s, purchase_id, link_id, who, mail, 'approved', t) returning id into referral_id;
		insert into bench.reward (site, referral, advocate, points, status, at)
		values (s, referral_id, who, earned, 'issued', t) returning id into reward_id;
		insert into bench.ledger_tx (site, kind, ref, at) values (s, 'reward', reward_id, t) returning id into tx_id;
		insert into bench.entry (site, tx, account, amount) values (s, tx_id, who, earned), (s, tx_id, 0, -earned);
		update bench.balance set points = points + earned, changed = t where site = s and account = who;
		insert into bench.notification (site, advocate, template, data, status, at)
		values (s, who, 'points_earned', jsonb_build_object('points', earned, 'referral_id', referral_id), 'queued', t);
	end if;
	insert into bench.outbox (site, type, key, payload, at) values
		(s, 'purchase', 'p' || purchase_id, jsonb_build_object('purchase_id', purchase_id, 'amount', amount, 'order_ref', number), t),
		(s, 'reward', 'a' || coalesce(who, 0), jsonb_build_object('referral_id', referral_id, 'points', earned), t);
	insert into bench.rollup_hour as r (site, hour, purchases, revenue, points) values (s, date_trunc('hour', t), 1, amount, earned)
	on conflict (site, hour) do update
		set purchases = r.purchases + 1, revenue = r.revenue + excluded.revenue, points = r.points + excluded.points;
	return purchase_id;
end $$;

-- purchases draws a set of new orders as purchase.sql draws one, and writes what bench.purchase writes, a statement for all of
-- them. Balances are locked in one order, so that two sets at a time don't wait for each other in a circle.
create function bench.purchases(size int, sites int, people int, visits int) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	paid_sites int[]; paid_accounts bigint[]; paid bigint[]; hour_sites int[]; orders bigint[]; amounts bigint[]; earned bigint[];
	written bigint;
begin
	with drawn as materialized (
		select least(sites, floor(exp(random() * ln(sites + 1)))::int) as s,
			case when k < 0.9 then 0 when k < 0.95 then 1 else 2 end as kind, random() as r,
			'S' || floor(random() * 1e15)::bigint as number, 500 + floor(random() * 19501)::bigint as amount
		from generate_series(1, size) g, lateral (select random() + 0 * g as k offset 0) x
	), asked as materialized (
		select s, kind, number, amount, case kind when 0 then bench.visitor(n) end as v,
			case when kind = 1 then 'a' || s || '-' || n else 'f' || n end || '@bench.example' as mail
		from (select *, case kind when 0 then s - 1 + sites * floor(r * (visits / sites))::bigint
			when 1 then 1 + floor(r * people)::bigint else floor(r * 1e15)::bigint end as n from drawn) d
	), bought as (
		insert into bench.purchase (site, order_ref, visitor, email, amount, currency, at)
		select s, number, v, mail, amount, 'USD', t from asked
		on conflict (site, order_ref) do nothing returning site, id, order_ref, visitor, email, amount
	), found as materialized (
		select b.*, l.id as link_id, coalesce(l.advocate, c.id) as who
		from bought b
		left join lateral (
			select l.id, l.advocate from bench.visit c join bench.link l on l.site = c.site and l.id = c.offer_id
			where c.site = b.site and c.visitor_id = b.visitor order by c.visited_at desc limit 1) l on true
		left join bench.customer c on l.id is null and c.site = b.site and c.email = b.email
	), referred as (
		insert into bench.referral (site, purchase, link, advocate, friend, status, at)
		select site, id, link_id, who, email, 'approved', t from found where who is not null returning site, id, purchase, advocate
	), rewarded as (
		insert into bench.reward (site, referral, advocate, points, status, at)
		select site, id, advocate, 500, 'issued', t from referred returning site, id, referral, advocate, points
	), booked as (
		insert into bench.ledger_tx (site, kind, ref, at) select site, 'reward', id, t from rewarded returning site, id, ref
	), entered as (
		insert into bench.entry (site, tx, account, amount)
		select b.site, b.id, e.account, e.amount from booked b join rewarded w on (w.site, w.id) = (b.site, b.ref),
			lateral (values (w.advocate, w.points), (0, -w.points)) e (account, amount)
	), noted as (
		insert into bench.notification (site, advocate, template, data, status, at)
		select site, advocate, 'points_earned', jsonb_build_object('points', points, 'referral_id', referral), 'queued', t from rewarded
	), told as (
		insert into bench.outbox (site, type, key, payload, at)
		select f.site, o.type, o.key, o.payload, t
		from found f left join referred r on (r.site, r.purchase) = (f.site, f.id), lateral (values
			('purchase', 'p' || f.id, jsonb_build_object('purchase_id', f.id, 'amount', f.amount, 'order_ref', f.order_ref)),
			('reward', 'a' || coalesce(f.who, 0), jsonb_build_object('referral_id', r.id, 'points', case when r.id is null then 0 else 500 end))
		) o (type, key, payload)
	), balances as (
		select array_agg(site) as sites, array_agg(advocate) as accounts, array_agg(points) as points
		from (select site, advocate, sum(points)::bigint as points from rewarded group by 1, 2) w
	), hours as (
		select array_agg(site) as sites, array_agg(n) as orders, array_agg(amount) as amounts, array_agg(points) as points, sum(n)::bigint as n
		from (select site, count(*) as n, sum(amount)::bigint as amount, 500 * count(who) as points from found group by 1) f
	)
	select b.sites, b.accounts, b.points, h.sites, h.orders, h.amounts, h.points, h.n
	into paid_sites, paid_accounts, paid, hour_sites, orders, amounts, earned, written from balances b, hours h;
	perform from bench.balance b join unnest(paid_sites, paid_accounts) u (s, a) on (b.site, b.account) = (u.s, u.a)
	order by b.site, b.account for update of b;
	update bench.balance b set points = b.points + u.points, changed = t
	from unnest(paid_sites, paid_accounts, paid) u (s, a, points) where (b.site, b.account) = (u.s, u.a);
	insert into bench.rollup_hour as r (site, hour, purchases, revenue, points)
	select s, date_trunc('hour', t), n, amount, p from unnest(hour_sites, orders, amounts, earned) u (s, n, amount, p) order by s
	on conflict (site, hour) do update
		set purchases = r.purchases + excluded.purchases, revenue = r.revenue + excluded.revenue, points = r.points + excluded.points;
	return written;
end $$;

-- post moves points to (or, negative, from) an account that has them.
create function bench.post(s int, who bigint, moved bigint) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	tx_id bigint;
begin
	update bench.balance set points = points + moved, changed = t where site = s and account = who and points + moved >= 0;
	if not found then
		raise exception 'account % of site % has fewer than % points', who, s, -moved;
	end if;
	insert into bench.ledger_tx (site, kind, ref, at) values (s, 'post', nextval('bench.post_ref'), t) returning id into tx_id;
	insert into bench.entry (site, tx, account, amount) values (s, tx_id, who, moved), (s, tx_id, 0, -moved);
	insert into bench.outbox (site, type, key, payload, at)
	values (s, 'post', 'a' || who, jsonb_build_object('tx', tx_id, 'points', moved), t);
	return tx_id;
end $$;

insert into bench.customer select s, p, 'a' || s || '-' || p || '@bench.example' from generate_series(1, {sites}) s, generate_series(1, {people}) p;
insert into bench.link select s, p, 'c' || s || 'x' || p, p from generate_series(1, {sites}) s, generate_series(1, {people}) p;
insert into bench.balance (site, account) select s, p from generate_series(1, {sites}) s, generate_series(1, {people}) p;
-- Visitor n belongs to site 1 + n mod sites.
insert into bench.visit (site, offer_id, campaign_id, visitor_id, channel, live, visited_at)
select 1 + n % {sites}, 1 + n % {people}, 1, bench.visitor(n), '', true, now() - interval '1 hour' from generate_series(0, {visits} - 1) n;
