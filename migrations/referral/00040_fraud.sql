-- +goose Up

-- What each site, and each campaign that differs from its site, does about suspicious referrals. A change is a new version;
-- verdicts name theirs.
create table referral.fraud_policy (
	site_id bigint not null,
	campaign_id bigint not null, -- 0: the site's
	version bigint not null constraint fraud_policy_version check (version > 0),
	policy jsonb not null,
	key_id bigint not null, -- the API key that set it
	at timestamptz not null,
	constraint fraud_policy_pkey primary key (site_id, campaign_id, version)
);

-- What people were seen with, as fingerprints; kept for sites whose rules compare it. Rows that are older than a year go.
create table referral.mark (
	site_id bigint not null,
	kind text not null constraint mark_kind check (kind in ('ip', 'device', 'address', 'phone')),
	value uuid not null,
	person_id bigint not null,
	origin_id bigint not null, -- where it was seen last
	first_at timestamptz not null,
	last_at timestamptz not null,
	constraint mark_pkey primary key (site_id, kind, value, person_id)
) with (fillfactor = 85);
create index mark_by_person on referral.mark (site_id, person_id);
create index mark_old on referral.mark using brin (last_at);

-- The queue of what a person has to look at. A referral that is approved at once is never in it.
create index referral_open on referral.referral (site_id, status, id) where status in ('pending', 'flagged', 'blocked');
-- Velocity counts the referrals of an advocate in a window; lists of them go by id.
create index referral_pace on referral.referral (site_id, advocate_id, occurred_at);

alter table referral.referral
	add column qa boolean not null default false,
	add column key_id bigint, -- who gave it the present status, where that was asked for by a key
	add column note text constraint referral_note check (length(note) between 1 and 1000);
alter table referral.status_log add column key_id bigint, add column note text;

-- The whole graph of a referral's states. in_progress is before the row is there.
create table referral.referral_graph (
	old text not null,
	new text not null,
	constraint referral_graph_pkey primary key (old, new)
);
insert into referral.referral_graph (old, new) values
	('in_progress', 'pending'), ('in_progress', 'flagged'), ('in_progress', 'approved'), ('in_progress', 'blocked'),
	('pending', 'flagged'), ('pending', 'approved'), ('pending', 'voided'), ('pending', 'blocked'),
	('flagged', 'pending'), ('flagged', 'approved'), ('flagged', 'voided'), ('flagged', 'blocked'),
	('blocked', 'pending');

-- +goose StatementBegin
create or replace function referral.referral_step() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from referral.referral_graph g where g.old = old.status and g.new = new.status) then
		raise exception 'referral % of site % cannot go from % to %', old.id, old.site_id, old.status, new.status
			using errcode = 'check_violation', constraint = 'referral_step';
	end if;
	return new;
end $$;

create or replace function referral.log_made() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into referral.status_log (site_id, referral_id, old, new, cause, at)
	select site_id, id, null, status, cause, updated_at from made order by site_id, id;
	return null;
end $$;

create or replace function referral.log_moved() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into referral.status_log (site_id, referral_id, old, new, cause, at, key_id, note)
	select n.site_id, n.id, o.status, n.status, n.cause, n.updated_at, n.key_id, n.note
	from moved n
	join was o on o.site_id = n.site_id and o.id = n.id
	where o.status <> n.status
	order by n.site_id, n.id;
	return null;
end $$;
-- +goose StatementEnd
-- A referral doesn't begin voided.
alter table referral.status_log add constraint status_log_begins check (old is not null or new in ('pending', 'flagged', 'approved', 'blocked'));

grant select, insert on referral.fraud_policy to talkable_referral;
grant select, insert, update, delete on referral.mark to talkable_referral;
grant select on referral.referral_graph to talkable_referral;
