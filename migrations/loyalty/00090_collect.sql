-- +goose Up

alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action'));

-- What members earn points for that only the shop knows of: a review, a birthday, a visit. The shop says that it happened.
create table loyalty.action_config (
	site_id      bigint      not null,
	id           bigint      generated always as identity,
	program_id   bigint      not null,
	version      int         not null,
	status       text        not null,
	identifier   text        not null collate "C",
	name         text        not null,
	description  text        not null,
	points       bigint      not null,
	member_limit int,        -- times that a member may collect it in a period; null: no limit
	period       text        not null,
	created_at   timestamptz not null,
	updated_at   timestamptz not null,
	constraint action_config_pkey primary key (site_id, id),
	constraint action_config_identifier unique (site_id, program_id, identifier),
	constraint action_config_status check (status in ('active', 'archived')),
	constraint action_config_period check (period in ('ever', 'day', 'month', 'year')),
	constraint action_config_points check (points > 0 and member_limit > 0)
);

-- What was collected: of each period the first, the second and so on once.
create table loyalty.collection (
	site_id        bigint      not null,
	member_id      bigint      not null,
	txn_id         bigint      not null,
	config_id      bigint      not null,
	period         date        not null, -- its first day in the site's zone; 0001-01-01 where it is ever
	place          int         not null, -- within the period, from 1
	identifier     text        not null,
	name           text        not null,
	description    text        not null,
	points         bigint      not null,
	traffic_source text        not null,
	created_at     timestamptz not null,
	constraint collection_pkey primary key (site_id, member_id, txn_id),
	constraint collection_once unique (site_id, member_id, config_id, period, place)
);

grant select, insert, update on loyalty.action_config to talkable_loyalty;
grant select, insert on loyalty.collection to talkable_loyalty;
