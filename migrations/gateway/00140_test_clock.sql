-- +goose Up

-- The clock of a test platform: one row there, none on a live one. It belongs to no site, because a transaction has one moment, and a timer goes
-- over all sites.
create table gateway.test_clock (
	one      boolean not null default true,
	ahead_us bigint  not null default 0, -- of the machine's clock, in microseconds
	moving   boolean not null default false,
	constraint test_clock_pkey primary key (one),
	constraint test_clock_one check (one),
	constraint test_clock_forward check (ahead_us >= 0)
);

-- Each time that somebody moved it.
create table gateway.test_advance (
	site_id     bigint      not null,
	id          bigint      generated always as identity,
	key_id      bigint      not null, -- 0: none is known
	state       text        not null,
	from_at     timestamptz not null,
	to_at       timestamptz not null,
	at          timestamptz not null, -- how far it is
	moments     int         not null default 0,
	jobs        jsonb       not null default '{}', -- what was due at them, by kind
	detail      text,
	constraint test_advance_pkey primary key (site_id, id),
	constraint test_advance_site foreign key (site_id) references gateway.site (site_id),
	constraint test_advance_state check (state in ('running', 'done', 'stopped', 'failed')),
	constraint test_advance_forward check (from_at <= at and at <= to_at)
) with (fillfactor = 70);
create index test_advance_running on gateway.test_advance (site_id, id) where state = 'running';

grant select, insert, update, delete on gateway.test_clock to talkable_gateway;
grant select, insert, update on gateway.test_advance to talkable_gateway;
