-- +goose Up

-- Whom a site asks for codes of a list that is low, or that somebody waits for.
create table referral.coupon_supply (
	site_id bigint not null,
	list_id bigint not null,
	url text not null,
	secret text not null, -- signs what is asked
	timeout_ms int not null constraint coupon_supply_timeout check (timeout_ms between 100 and 10000),
	batch int not null constraint coupon_supply_batch check (batch between 1 and 500), -- codes that are asked for at a time
	template text not null, -- of codes that are offered; '': the shop makes them
	enabled boolean not null,
	ask_at timestamptz not null, -- not before
	key_id bigint not null,
	at timestamptz not null,
	constraint coupon_supply_pkey primary key (site_id, list_id),
	constraint coupon_supply_list foreign key (site_id, list_id) references referral.coupon_list (site_id, id)
);

-- What was asked for, one at a time of a list. Its id is the same at each try.
create table referral.coupon_request (
	site_id bigint not null,
	id bigint not null generated always as identity,
	list_id bigint not null,
	count int not null,
	offered jsonb, -- codes that were made up for it, while it is open
	state text not null default 'waiting' constraint coupon_request_state check (state in ('waiting', 'answered', 'failed')),
	tries int not null default 0,
	attempts jsonb not null default '[]',
	added bigint not null default 0,
	refused bigint not null default 0,
	refused_why text not null default '', -- the first of them
	asked_at timestamptz not null,
	next_at timestamptz not null, -- of one that is being asked: when somebody else may
	settled_at timestamptz,
	constraint coupon_request_pkey primary key (site_id, id),
	constraint coupon_request_settled check ((state = 'waiting') = (settled_at is null))
);
create unique index coupon_request_open on referral.coupon_request (site_id, list_id) where state = 'waiting';
create index coupon_request_due on referral.coupon_request (next_at) where state = 'waiting';
create index coupon_request_of_list on referral.coupon_request (site_id, list_id, id);
create index coupon_request_settled_at on referral.coupon_request (settled_at) where settled_at is not null;

grant select, insert, update, delete on referral.coupon_supply, referral.coupon_request to talkable_referral;
