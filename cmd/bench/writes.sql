-- The yardstick of what campaigns write beside visits and purchases, as schema.sql does those: a share by a channel, a claim, with or without a
-- coupon of a list, and the approval of a referral that waits, each a call of one function in one transaction.
create table bench.person (
	site int not null, id bigint generated always as identity, email text not null, at timestamptz not null,
	primary key (site, id), unique (site, email));
create table bench.contact (
	site int not null, person bigint not null, email text not null, changed timestamptz not null,
	primary key (site, person));
create table bench.identity (
	site int not null, visitor uuid not null, person bigint not null, at timestamptz not null,
	primary key (site, visitor, person));
create index on bench.identity (site, person);
create table bench.friend_offer (
	site int not null, id bigint generated always as identity, link bigint not null, visitor uuid not null, visits bigint not null,
	first_at timestamptz not null, last_at timestamptz not null,
	primary key (site, visitor, link), unique (site, id)) with (fillfactor = 85);
create table bench.claim (
	site int not null, link bigint not null, friend bigint not null, advocate bigint not null, friend_offer bigint not null, at timestamptz not null,
	primary key (site, link, friend));
create table bench.rollup_day (
	site int not null, metric text not null, day date not null, n bigint not null,
	primary key (site, metric, day)) with (fillfactor = 50);
create table bench.coupon (
	site int not null, id bigint generated always as identity, code text not null, reward bigint, person bigint, issued_at timestamptz,
	primary key (site, id), unique (site, code));
create unique index on bench.coupon (site, reward) where reward is not null;
create index coupon_free on bench.coupon (site, id) where issued_at is null;
create table bench.coupon_stock (
	site int not null, slot int not null, issued bigint not null,
	primary key (site, slot)) with (fillfactor = 50);
create table bench.click_reward (
	site int not null, id bigint generated always as identity, friend_offer bigint not null, person bigint not null, coupon bigint not null, code text not null,
	status text not null, at timestamptz not null,
	primary key (site, id), unique (site, friend_offer));
create unique index on bench.click_reward (site, coupon);

create sequence bench.coupon_no;
-- print gives each of the first n sites so many free coupons; all of them share the sites' one list each.
create function bench.print(n int, many int) returns void language sql as $$
	insert into bench.coupon (site, code) select s, 'C' || nextval('bench.coupon_no') from generate_series(1, n) s, generate_series(1, many);
$$;

create table bench.share (
	site int not null, id bigint generated always as identity, link bigint not null, channel text not null, code text not null, at timestamptz not null,
	primary key (site, id), unique (site, code));
create index on bench.share (site, link, id);
create table bench.share_link (
	code text not null primary key, site int not null, link bigint not null, at timestamptz not null);

-- share lets an advocate share a link by a channel: the share has a code of its own, which is looked up without its site.
create function bench.share(s int, who bigint) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	word text := substr(md5(random()::text || t), 1, 12);
	before bigint; share_id bigint;
begin
	perform from bench.link where site = s and id = who for no key update;
	select count(*) into before from (select from bench.share where site = s and link = who limit 2) h;
	insert into bench.share (site, link, channel, code, at) values (s, who, 'sms', word, t) returning id into share_id;
	insert into bench.share_link (code, site, link, at) values (word, s, who, t);
	insert into bench.outbox (site, type, key, payload, at)
	values (s, 'share', 'l' || who, jsonb_build_object('share_id', share_id, 'link_id', who, 'code', word, 'first', before = 0), t);
	insert into bench.rollup_day as r (site, metric, day, n) values (s, 'shares', t::date, 1)
	on conflict (site, metric, day) do update set n = r.n + 1;
	return share_id;
end $$;

-- claim lets somebody new claim an advocate's offer, and gives out a coupon for it, if there is to be one.
create function bench.claim(s int, who bigint, mail text, coupon boolean) returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	v uuid := gen_random_uuid();
	friend bigint; offer_id bigint; reward_id bigint; coupon_id bigint; word text;
begin
	insert into bench.person (site, email, at) values (s, mail, t) returning id into friend;
	insert into bench.contact (site, person, email, changed) values (s, friend, mail, t);
	insert into bench.identity (site, visitor, person, at) values (s, v, friend, t);
	insert into bench.friend_offer (site, link, visitor, visits, first_at, last_at) values (s, who, v, 0, t, t)
	on conflict (site, visitor, link) do update set last_at = excluded.last_at returning id into offer_id;
	insert into bench.claim (site, link, friend, advocate, friend_offer, at) values (s, who, friend, who, offer_id, t);
	insert into bench.outbox (site, type, key, payload, at) values
		(s, 'person', 'f' || friend, jsonb_build_object('person_id', friend, 'email', mail), t),
		(s, 'claim', 'l' || who, jsonb_build_object('offer_id', who, 'friend_id', friend, 'friend_offer_id', offer_id), t);
	insert into bench.rollup_day as r (site, metric, day, n) values (s, 'claims', t::date, 1)
	on conflict (site, metric, day) do update set n = r.n + 1;
	if not coupon then
		return friend;
	end if;
	select id, code into coupon_id, word from bench.coupon where site = s and issued_at is null order by site, id limit 1 for update skip locked;
	if coupon_id is null then
		raise exception 'site % has no coupon left', s;
	end if;
	insert into bench.click_reward (site, friend_offer, person, coupon, code, status, at)
	values (s, offer_id, friend, coupon_id, word, 'Paid', t) returning id into reward_id;
	update bench.coupon set reward = reward_id, person = friend, issued_at = t where site = s and id = coupon_id;
	insert into bench.coupon_stock as c (site, slot, issued) values (s, pg_backend_pid() % 16, 1) on conflict (site, slot) do update set issued = c.issued + 1;
	insert into bench.outbox (site, type, key, payload, at) values
		(s, 'reward issued', 'f' || friend, jsonb_build_object('reward_id', reward_id, 'person_id', friend, 'code', word), t),
		(s, 'coupon', 'r' || reward_id, jsonb_build_object('coupon_id', coupon_id, 'reward_id', reward_id, 'code', word), t);
	return friend;
end $$;

-- Referrals that wait, and what their approval gives: points and a commission.
create table bench.held (
	site int not null, id bigint not null, advocate bigint not null, amount bigint not null, status text not null, changed timestamptz not null,
	primary key (site, id)) with (fillfactor = 85);
create index on bench.held (site, status, id) where status = 'waiting';
create table bench.held_log (
	site int not null, id bigint generated always as identity, referral bigint not null, old text not null, new text not null, at timestamptz not null,
	primary key (site, referral, id));
create table bench.audit (
	site int not null, id bigint generated always as identity, referral bigint not null, action text not null, after jsonb not null, at timestamptz not null,
	primary key (site, id));
create index on bench.audit (site, referral, id);
create index on bench.audit (site, action, id);
create table bench.given (
	site int not null, id bigint generated always as identity, referral bigint not null, kind text not null, advocate bigint not null, worth bigint not null, at timestamptz not null,
	primary key (site, id), unique (site, referral, kind));
create index on bench.given (site, advocate, id);
create table bench.purse (
	site int not null, advocate bigint not null, seq bigint not null, balance bigint not null,
	primary key (site, advocate)) with (fillfactor = 60);
create table bench.purse_entry (
	site int not null, advocate bigint not null, seq bigint not null, amount bigint not null, balance_after bigint not null, reward bigint not null, at timestamptz not null,
	primary key (site, advocate, seq), unique (site, reward));
create table bench.open_entry (
	site int not null, reward bigint not null, advocate bigint not null, amount bigint not null,
	primary key (site, reward));
create index on bench.open_entry (site, advocate);
create sequence bench.turn;

-- hold lets so many more referrals wait; those of approve come in the same order.
create function bench.hold(many int) returns void language sql as $$
	insert into bench.held (site, id, advocate, amount, status, changed)
	select 1 + n % {sites}, n, 1 + n * 7 % {people}, 500 + n * 37 % 19501, 'waiting', now()
	from (select coalesce(max(id), 0) as last from bench.held) h, generate_series(h.last + 1, h.last + many) n;
$$;

-- approve approves the next referral that waits; each tenth is voided.
create function bench.approve() returns bigint language plpgsql as $$
declare
	t timestamptz := clock_timestamp();
	n bigint := nextval('bench.turn');
	s int := 1 + n % {sites};
	became text := case when n % 10 = 0 then 'voided' else 'approved' end;
	who bigint; worth bigint; points_id bigint; money_id bigint; tx_id bigint; step bigint; has bigint;
begin
	update bench.held set status = became, changed = t where site = s and id = n and status = 'waiting' returning advocate, (amount + 5) / 10 into who, worth;
	if who is null then
		raise exception 'referral % does not wait', n;
	end if;
	insert into bench.held_log (site, referral, old, new, at) values (s, n, 'waiting', became, t);
	insert into bench.audit (site, referral, action, after, at) values (s, n, 'referral.' || became, jsonb_build_object('status', became), t);
	insert into bench.outbox (site, type, key, payload, at) values (s, became, 'h' || n, jsonb_build_object('referral_id', n, 'advocate_id', who), t);
	insert into bench.rollup_day as r (site, metric, day, n) values (s, became, t::date, 1)
	on conflict (site, metric, day) do update set n = r.n + 1;
	if became = 'voided' then
		return n;
	end if;
	insert into bench.given (site, referral, kind, advocate, worth, at) values (s, n, 'points', who, 500, t) returning id into points_id;
	insert into bench.given (site, referral, kind, advocate, worth, at) values (s, n, 'commission', who, worth, t) returning id into money_id;
	insert into bench.ledger_tx (site, kind, ref, at) values (s, 'approval', points_id, t) returning id into tx_id;
	insert into bench.entry (site, tx, account, amount) values (s, tx_id, who, 500), (s, tx_id, 0, -500);
	update bench.balance set points = points + 500, changed = t where site = s and account = who;
	insert into bench.purse as p (site, advocate, seq, balance) values (s, who, 1, worth)
	on conflict (site, advocate) do update set seq = p.seq + 1, balance = p.balance + excluded.balance returning seq, balance into step, has;
	insert into bench.purse_entry (site, advocate, seq, amount, balance_after, reward, at) values (s, who, step, worth, has, money_id, t);
	insert into bench.open_entry (site, reward, advocate, amount) values (s, money_id, who, worth);
	insert into bench.notification (site, advocate, template, data, status, at)
	values (s, who, 'approved', jsonb_build_object('points', 500, 'referral_id', n), 'queued', t);
	insert into bench.outbox (site, type, key, payload, at) values
		(s, 'points given', 'a' || who, jsonb_build_object('reward_id', points_id, 'points', 500), t),
		(s, 'money given', 'a' || who, jsonb_build_object('reward_id', money_id, 'amount', worth), t);
	return n;
end $$;
