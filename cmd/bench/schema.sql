-- The yardstick: what a purchase has to leave behind, written as one would by hand, with no platform around it. One purchase is
-- one call of bench.purchase in one transaction. {sites}, {people} (of a site) and {visits} (in all) are filled in.
create schema bench;

create table bench.customer (
	site int not null, id bigint not null, email text not null,
	primary key (site, id), unique (site, email));
create table bench.link (
	site int not null, id bigint not null, code text not null unique, advocate bigint not null,
	primary key (site, id));
create sequence bench.visit_id;
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
	site int not null, id bigint generated always as identity, purchase bigint not null, link bigint not null, advocate bigint not null,
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

-- purchase records an order, finds whose link the visitor opened last, and gives the advocate points. n names the visitor; the
-- visitors beyond those that there are opened nothing, and are looked for by e-mail in vain.
create function bench.purchase(s int, number text, n bigint, amount bigint) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	v uuid := bench.visitor(n);
	mail text := 'f' || n || '@bench.example';
	purchase_id bigint; link_id bigint; who bigint; referral_id bigint; reward_id bigint; tx_id bigint;
	earned bigint := 0;
begin
	insert into bench.purchase (site, order_ref, visitor, email, amount, currency, at)
	values (s, number, v, mail, amount, 'USD', t)
	on conflict (site, order_ref) do nothing returning id into purchase_id;
	if purchase_id is null then
		return 0;
	end if;
	select l.id, l.advocate into link_id, who
	from bench.visit c join bench.link l on l.site = c.site and l.id = c.offer_id
	where c.site = s and c.visitor_id = v order by c.visited_at desc limit 1;
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

insert into bench.customer select s, p, 'a' || s || '-' || p || '@bench.example' from generate_series(1, {sites}) s, generate_series(1, {people}) p;
insert into bench.link select s, p, 'c' || s || 'x' || p, p from generate_series(1, {sites}) s, generate_series(1, {people}) p;
insert into bench.balance (site, account) select s, p from generate_series(1, {sites}) s, generate_series(1, {people}) p;
-- Visitor n belongs to site 1 + n mod sites.
insert into bench.visit (site, offer_id, campaign_id, visitor_id, channel, live, visited_at)
select 1 + n % {sites}, 1 + n % {people}, 1, bench.visitor(n), '', true, now() - interval '1 hour' from generate_series(1, {visits}) n;
