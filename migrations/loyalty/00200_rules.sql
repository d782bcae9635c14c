-- +goose Up

alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action', 'hold', 'transfer', 'join', 'tier', 'date',
	'merge', 'unmerge', 'pool', 'achievement', 'share'));

-- Backtests that were asked for by the API. Whoever plays one prolongs until; when that is over, another begins anew.
create table loyalty.backtest (
	site_id     bigint      not null,
	id          bigint      generated always as identity,
	state       text        not null,
	asked       jsonb       not null, -- the programmes and the terms, and of the site what they need
	failure     text,
	done        bigint      not null default 0, -- people who were played, of total
	total       bigint      not null default 0,
	attempts    int         not null default 0, -- the one under way included
	listed      boolean     not null default false,
	asked_at    timestamptz not null,
	started_at  timestamptz,
	until       timestamptz,
	finished_at timestamptz,
	constraint backtest_pkey primary key (site_id, id),
	constraint backtest_state check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
	constraint backtest_failure check ((state = 'failed') = (failure is not null) and failure in ('no_orders', 'too_many_orders', 'took_too_long', 'invalid_days', 'interrupted')),
	constraint backtest_end check ((state in ('waiting', 'running')) = (finished_at is null) and (state = 'running') = (until is not null))
) with (fillfactor = 70);
create unique index backtest_one on loyalty.backtest (site_id) where finished_at is null; -- a site has one at a time
create index backtest_waiting on loyalty.backtest (asked_at, id) where finished_at is null; -- the worker goes over all sites
create index backtest_finished on loyalty.backtest (finished_at) where finished_at is not null;

-- The reports, gzipped. People are in them by their numbers.
create table loyalty.backtest_file (
	site_id     bigint not null,
	backtest_id bigint not null,
	name        text   not null,
	content     bytea  not null,
	constraint backtest_file_pkey primary key (site_id, backtest_id, name),
	constraint backtest_file_of foreign key (site_id, backtest_id) references loyalty.backtest (site_id, id) on delete cascade
);
alter table loyalty.backtest_file alter column content set storage external; -- is packed already

grant select, insert, update, delete on loyalty.backtest to talkable_loyalty;
grant select, insert on loyalty.backtest_file to talkable_loyalty;

-- Which part of a day's expiry is given back; null: all.
alter table loyalty.expiry_reversal add column only_member bigint;
alter table loyalty.expiry_reversal add column only_version int;
alter table loyalty.expiry_reversal add column only_rule text;
