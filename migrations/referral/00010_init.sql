-- +goose Up

-- What referral needs of a site outside a request; gateway.site_changed.v1 feeds it.
create table referral.site (
	site_id bigint not null,
	slug text not null,
	name text not null,
	currency text not null,
	zone text not null,
	url text not null,
	changed_at timestamptz not null,
	constraint site_pkey primary key (site_id)
);

create table referral.campaign (
	site_id bigint not null,
	id bigint not null generated always as identity,
	type text not null,
	version int not null, -- the last one that was published; who publishes locks this row
	created_at timestamptz not null,
	constraint campaign_pkey primary key (site_id, id)
);

-- Everything that a campaign says, in the words of the program; append-only. Of those whose time has come the last one runs. An offer
-- keeps the incentives of the version under which it was made.
create table referral.campaign_version (
	site_id bigint not null,
	campaign_id bigint not null,
	version int not null constraint campaign_version_number check (version > 0),
	effective_at timestamptz not null,
	published_at timestamptz not null,
	key_id bigint not null, -- the API key that published it; 0: none
	reason text not null,
	terms jsonb not null,
	constraint campaign_version_pkey primary key (site_id, campaign_id, version),
	constraint campaign_version_campaign foreign key (site_id, campaign_id) references referral.campaign (site_id, id),
	constraint campaign_version_time check (effective_at >= published_at),
	constraint campaign_version_status check (terms ->> 'status' in ('Live', 'Test', 'Scheduled', 'Disabled') and terms ? 'incentives')
);

-- Which sites' campaigns, coupon lists or addresses changed, numbered: what every replica keeps in memory follows it. Site 0 draws the
-- numbers; who draws one holds that row until the commit, so numbers become visible in their order.
create table referral.catalog_change (
	site_id bigint not null,
	n bigint not null,
	constraint catalog_change_pkey primary key (site_id)
);
create unique index catalog_change_n on referral.catalog_change (n) where site_id > 0;
insert into referral.catalog_change (site_id, n) values (0, 0);

-- An incentive that was taken out of its campaign stays, inactive: rewards point at it.
create table referral.incentive (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	identifier text not null,
	position int not null,
	action text not null constraint incentive_action check (action in ('referrer', 'referred', 'click')),
	kind text not null constraint incentive_kind check (kind in ('points', 'commission', 'coupon')),
	points bigint not null constraint incentive_points check (points >= 0),
	basis_points bigint not null constraint incentive_percent check (basis_points between 0 and 10000),
	amount bigint not null constraint incentive_amount check (amount >= 0),
	currency text not null,
	coupon_code text not null,
	coupon_list_id bigint, -- instead of a code: each reward takes a coupon of this list
	subtotal_min bigint,
	active boolean not null,
	constraint incentive_pkey primary key (site_id, id),
	constraint incentive_identifier unique (site_id, campaign_id, identifier),
	constraint incentive_campaign foreign key (site_id, campaign_id) references referral.campaign (site_id, id)
);

create index incentive_by_code on referral.incentive (site_id, coupon_code collate "C") where coupon_code <> '';

-- One offer per campaign and person; per campaign and visitor while no person is known.
create table referral.offer (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	version int not null, -- of the campaign: what the offer promises
	person_id bigint,
	visitor_id uuid,
	code text collate "C" not null,
	share_code text collate "C" not null,
	claim_code text collate "C" not null,
	created_at timestamptz not null,
	constraint offer_pkey primary key (site_id, id),
	constraint offer_person unique (site_id, campaign_id, person_id),
	constraint offer_visitor unique (site_id, campaign_id, visitor_id),
	constraint offer_code unique (site_id, code),
	constraint offer_owner check (person_id is not null or visitor_id is not null),
	constraint offer_campaign foreign key (site_id, campaign_id) references referral.campaign (site_id, id)
);
create index offer_by_person on referral.offer (site_id, person_id, created_at) where person_id is not null;

-- The codes behind /x/. Their namespace is the whole installation's, so the code alone is the key.
create table referral.link (
	site_id bigint not null,
	code text collate "C" not null,
	offer_id bigint not null,
	kind text not null constraint link_kind check (kind in ('share', 'claim', 'channel')),
	channel text not null,
	created_at timestamptz not null,
	constraint link_pkey primary key (code),
	constraint link_once unique (site_id, offer_id, kind, channel),
	constraint link_offer foreign key (site_id, offer_id) references referral.offer (site_id, id)
);

-- Every opening of a claim link, a partition a UTC day.
create sequence referral.visit_id;
create table referral.visit (
	site_id bigint not null,
	id bigint not null default nextval('referral.visit_id'),
	offer_id bigint not null,
	campaign_id bigint not null,
	visitor_id uuid not null,
	channel text not null,
	live boolean not null, -- the campaign was: a friend offer stands behind it
	visited_at timestamptz not null,
	constraint visit_pkey primary key (site_id, visitor_id, visited_at, id) -- visits are looked for by their visitor only
) partition by range (visited_at);

-- A visitor's claim of an offer; first_at and last_at are its first and its last touch. An offer that was touched again after
-- a purchase keeps its first touch, so a late decision still finds one.
create table referral.friend_offer (
	site_id bigint not null,
	id bigint not null generated always as identity,
	offer_id bigint not null,
	campaign_id bigint not null,
	visitor_id uuid not null,
	visits bigint not null,
	first_at timestamptz not null,
	last_at timestamptz not null,
	constraint friend_offer_pkey primary key (site_id, visitor_id, offer_id) -- nobody looks for one by its id
) with (fillfactor = 85);

-- Which visitors a person was seen as, learned from verified origins.
create table referral.identity (
	site_id bigint not null,
	visitor_id uuid not null,
	person_id bigint not null,
	learned_at timestamptz not null,
	constraint identity_pkey primary key (site_id, visitor_id, person_id)
);
create index identity_by_person on referral.identity (site_id, person_id);

-- What the hot tables below point at has no foreign keys: a referral is written in the transaction that has read its offer, a
-- reward in the one that writes its referral or locks it, with the incentives that it has read; offers, referrals and incentives
-- are never deleted (the role may not). The checks were two fifths of the cost of a row.
create table referral.referral (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	offer_id bigint not null,
	origin_id bigint not null,
	advocate_id bigint not null,
	friend_id bigint not null,
	status text not null constraint referral_status check (status in ('pending', 'flagged', 'approved', 'voided', 'blocked')),
	cause text not null, -- of the present status
	track_method text not null constraint referral_method check (track_method in ('cookie', 'email')),
	subtotal bigint not null,
	currency text not null,
	refunded_total bigint not null default 0 constraint referral_refunded check (refunded_total >= 0),
	refunded_full boolean not null default false,
	fraud jsonb not null,
	approve_at timestamptz,
	occurred_at timestamptz not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	constraint referral_pkey primary key (site_id, id),
	constraint referral_origin unique (site_id, origin_id)
) with (fillfactor = 85);
create unique index referral_friend_once on referral.referral (site_id, friend_id, campaign_id)
	where status in ('pending', 'flagged', 'approved');
create index referral_friend_past on referral.referral (site_id, friend_id) where status in ('voided', 'blocked');
create index referral_by_advocate on referral.referral (site_id, advocate_id, id);
create index referral_due on referral.referral (approve_at) where status = 'pending' and approve_at is not null;

-- Every status that a referral had, written by the triggers below.
create table referral.status_log (
	site_id bigint not null,
	id bigint not null generated always as identity,
	referral_id bigint not null,
	old text, -- null: it was created so
	new text not null,
	cause text not null,
	at timestamptz not null,
	constraint status_log_pkey primary key (site_id, referral_id, id)
);

-- +goose StatementBegin
create function referral.referral_step() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if not (old.status in ('pending', 'flagged') and new.status in ('approved', 'voided', 'blocked')
		or old.status = 'blocked' and new.status = 'pending') then
		raise exception 'referral % of site % cannot go from % to %', old.id, old.site_id, old.status, new.status
			using errcode = 'check_violation', constraint = 'referral_step';
	end if;
	return new;
end $$;

create function referral.log_made() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into referral.status_log (site_id, referral_id, old, new, cause, at)
	select site_id, id, null, status, cause, updated_at from made order by site_id, id;
	return null;
end $$;

create function referral.log_moved() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into referral.status_log (site_id, referral_id, old, new, cause, at)
	select n.site_id, n.id, o.status, n.status, n.cause, n.updated_at
	from moved n
	join was o on o.site_id = n.site_id and o.id = n.id
	where o.status <> n.status
	order by n.site_id, n.id;
	return null;
end $$;
-- +goose StatementEnd
create trigger referral_step before update on referral.referral
	for each row when (old.status is distinct from new.status) execute function referral.referral_step();
create trigger referral_made after insert on referral.referral
	referencing new table as made for each statement execute function referral.log_made();
create trigger referral_moved after update on referral.referral
	referencing old table as was new table as moved for each statement execute function referral.log_moved();

-- What was decided about each verified purchase and event, and why.
create table referral.attribution (
	site_id bigint not null,
	origin_id bigint not null,
	person_id bigint not null, -- 0: nobody known
	outcome text not null constraint attribution_outcome check (outcome in ('referred', 'blocked', 'none')),
	reason text not null,
	method text not null,
	offer_id bigint,
	referral_id bigint,
	trace jsonb not null,
	occurred_at timestamptz not null,
	decided_at timestamptz not null,
	constraint attribution_pkey primary key (site_id, origin_id)
);

create table referral.reward (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	incentive_id bigint not null,
	referral_id bigint,
	friend_offer_id bigint,
	origin_id bigint,
	person_id bigint,
	visitor_id uuid,
	friend_id bigint,
	side text not null constraint reward_side check (side in ('advocate', 'friend')),
	reason text not null constraint reward_reason check (reason in ('referrer', 'referred', 'click')),
	kind text not null constraint reward_kind check (kind in ('points', 'commission', 'coupon')),
	status text not null constraint reward_status check (status in ('Paid', 'Unpaid', 'Voided', 'Waiting for coupon')),
	points bigint not null constraint reward_points check (points >= 0),
	amount bigint not null constraint reward_amount check (amount >= 0),
	currency text not null,
	coupon_code text not null,
	coupon_list_id bigint, -- of a single-use coupon
	coupon_id bigint,
	clawed bigint not null default 0, -- of points or amount, cumulative
	rule jsonb not null, -- incentive, campaign version and values seen when it was issued
	occurred_at timestamptz not null,
	issued_at timestamptz not null,
	updated_at timestamptz not null,
	constraint reward_pkey primary key (site_id, id),
	constraint reward_source check ((referral_id is null) <> (friend_offer_id is null)),
	constraint reward_clawed check (clawed between 0 and points + amount),
	constraint reward_coupon check (case
		when coupon_list_id is null then coupon_id is null and status <> 'Waiting for coupon'
		when status = 'Waiting for coupon' then coupon_id is null
		else coupon_id is not null or status = 'Voided' end)
);
create unique index reward_once on referral.reward (site_id, referral_id, incentive_id, side) where referral_id is not null;
create unique index reward_click_once on referral.reward (site_id, friend_offer_id, incentive_id) where friend_offer_id is not null;
create unique index reward_coupon_once on referral.reward (site_id, coupon_id) where coupon_id is not null;
create index reward_by_person on referral.reward (site_id, person_id, id) where person_id is not null;
create index reward_by_visitor on referral.reward (site_id, visitor_id) where visitor_id is not null;

-- add_visit_days gives the days from first to last (UTC, at most 100) their partitions. LIKE and ATTACH let visits go on.
-- +goose StatementBegin
create function referral.add_visit_days(first date, last date) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
	day date;
	name text;
	added int := 0;
begin
	if last - first > 100 then
		raise exception 'too many days at once';
	end if;
	perform pg_advisory_xact_lock(hashtextextended('referral.visit', 0));
	for day in select d::date from generate_series(first::timestamp, last::timestamp, interval '1 day') d loop
		name := 'visit_' || to_char(day, 'YYYYMMDD');
		if to_regclass('referral.' || name) is null then
			execute format('create table referral.%I (like referral.visit including all)', name);
			execute format('alter table referral.visit attach partition referral.%I for values from (%L) to (%L)',
				name, day::timestamptz, (day + 1)::timestamptz);
			added := added + 1;
		end if;
	end loop;
	return added;
end $$;
-- +goose StatementEnd

-- drop_visit_days drops the partitions of days before keep and returns how many.
-- +goose StatementBegin
create function referral.drop_visit_days(keep date) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
	part name;
	dropped int := 0;
begin
	for part in
		select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'referral.visit'::regclass and c.relname ~ '^visit_\d{8}$'
			and to_date(substring(c.relname from 7), 'YYYYMMDD') < keep
		order by 1
	loop
		execute format('drop table referral.%I', part);
		dropped := dropped + 1;
	end loop;
	return dropped;
end $$;
-- +goose StatementEnd

select referral.add_visit_days(current_date - 1, current_date + 7);

revoke all on function referral.add_visit_days(date, date), referral.drop_visit_days(date) from public;
grant execute on function referral.add_visit_days(date, date), referral.drop_visit_days(date) to talkable_referral;
grant usage on sequence referral.visit_id to talkable_referral;
grant select, insert on referral.visit, referral.link, referral.identity, referral.attribution, referral.status_log, referral.campaign_version
	to talkable_referral;
grant select, insert, update on referral.site, referral.campaign, referral.catalog_change, referral.incentive, referral.offer, referral.friend_offer,
	referral.referral, referral.reward to talkable_referral;
