-- +goose Up

-- Batches of origins that were taken in and are recorded in the background. body is the rows as they came, a JSON array, until all of them are
-- done. A row is recorded at most once by the origins' own constraints, so a piece of a batch may be done again after a crash; done moves
-- only from where the worker found it, so it is counted once.
create table gateway.job (
	site_id       bigint      not null,
	id            bigint      generated always as identity,
	kind          text        not null,
	create_offers boolean     not null,
	state         text        not null,
	body          text        not null,
	total         int         not null,
	done          int         not null default 0,
	recorded      int         not null default 0,
	failed        int         not null default 0,
	offers        int         not null default 0,
	attempts      int         not null default 0, -- at the piece that is next
	client_ip     text        not null,
	user_agent    text        not null,
	created_at    timestamptz not null,
	changed_at    timestamptz not null,
	leased_until  timestamptz,
	finished_at   timestamptz,
	constraint job_pkey primary key (site_id, id),
	constraint job_site foreign key (site_id) references gateway.site (site_id),
	constraint job_kind check (kind in ('affiliate_members', 'purchases', 'events')),
	constraint job_state check (state in ('waiting', 'done', 'failed')),
	constraint job_counts check (done = recorded + failed and done <= total and offers <= recorded),
	constraint job_end check ((state = 'waiting') = (finished_at is null) and (state = 'waiting' or body = ''))
) with (fillfactor = 70);

-- The worker looks over all sites: whose turn it is longest goes next.
create index job_waiting on gateway.job (changed_at, id) where state = 'waiting';
create index job_site_waiting on gateway.job (site_id) where state = 'waiting';
create index job_finished on gateway.job (finished_at) where state <> 'waiting';

-- Rows that could not be recorded, by their place in the batch.
create table gateway.job_error (
	site_id bigint not null,
	job_id  bigint not null,
	row     int    not null,
	code    text   not null,
	detail  text   not null,
	pointer text   not null,
	constraint job_error_pkey primary key (site_id, job_id, row),
	constraint job_error_job foreign key (site_id, job_id) references gateway.job (site_id, id) on delete cascade
);

grant select, insert, update, delete on gateway.job to talkable_gateway;
grant select, insert, delete on gateway.job_error to talkable_gateway;
