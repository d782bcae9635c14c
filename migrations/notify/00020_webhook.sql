-- +goose Up

-- Where merchants want to be told what happens. Its secrets are sealed: a copy of this schema opens none of them.
create table notify.endpoint (
	site_id bigint not null,
	id bigint generated always as identity,
	url text not null,
	style text not null,             -- standard: JSON of our own; talkable: Talkable's form
	description text not null,
	enabled boolean not null,
	secret bytea not null,
	old_secret bytea,                -- signs beside the new one for a while
	old_secret_until timestamptz,
	failing_since timestamptz,       -- the first failure since the last success
	disabled_at timestamptz,
	disabled_reason text,            -- merchant, gone, failing
	resend_since timestamptz,        -- what failed since then is queued again, piece by piece
	resend_until timestamptz,
	created_at timestamptz not null,
	changed_at timestamptz not null,
	deleted_at timestamptz,
	constraint endpoint_pkey primary key (site_id, id),
	constraint endpoint_style check (style in ('standard', 'talkable')),
	constraint endpoint_disabled check (enabled = (disabled_at is null) and enabled = (disabled_reason is null)),
	constraint endpoint_disabled_reason check (disabled_reason in ('merchant', 'gone', 'failing')),
	constraint endpoint_old_secret check ((old_secret is null) = (old_secret_until is null)),
	constraint endpoint_resend check ((resend_since is null) = (resend_until is null)),
	constraint endpoint_deleted check (deleted_at is null or not enabled)
);
create index endpoint_resending on notify.endpoint (resend_until) where resend_since is not null;
create index endpoint_failing on notify.endpoint (failing_since) where failing_since is not null;

-- What an endpoint wants to be told.
create table notify.subscription (
	site_id bigint not null,
	type text not null,
	endpoint_id bigint not null,
	constraint subscription_pkey primary key (site_id, type, endpoint_id),
	constraint subscription_endpoint foreign key (site_id, endpoint_id) references notify.endpoint (site_id, id) on delete cascade
);
create index subscription_of_endpoint on notify.subscription (site_id, endpoint_id);
-- Talkable knows one address for each of its types.
create unique index subscription_talkable on notify.subscription (site_id, type) where type like '%\_web\_hook';

-- One thing that happened, for one endpoint. data holds the facts as they were; who the people are is put in when it is first sent,
-- and from then on body is what is sent, at every attempt.
create table notify.delivery (
	site_id bigint not null,
	id bigint generated always as identity,
	endpoint_id bigint not null,
	type text not null,
	occasion text not null,          -- at most one delivery of an endpoint each
	message_id text not null,        -- webhook-id: the same for every attempt, and for every endpoint
	person_id bigint not null,       -- 0: none
	friend_id bigint not null,       -- 0: none
	data jsonb not null,
	body text,
	state text not null,
	reason text,                     -- of a failed one: gave_up, gone, disabled
	attempts int not null default 0, -- since it was queued, or queued again
	claim int not null default 0,    -- how often a worker took it: the fence against one that woke up late, and the attempts' numbers
	next_at timestamptz not null,
	lease_until timestamptz,
	occurred_at timestamptz not null,
	created_at timestamptz not null,
	queued_at timestamptz not null,  -- when it was created, or queued again
	delivered_at timestamptz,
	failed_at timestamptz,
	last_status int,
	last_error text,
	constraint delivery_pkey primary key (site_id, id),
	constraint delivery_once unique (site_id, endpoint_id, occasion),
	constraint delivery_state check (state in ('waiting', 'sending', 'delivered', 'failed')),
	constraint delivery_lease check ((state = 'sending') = (lease_until is not null)),
	constraint delivery_ends check ((state = 'delivered') = (delivered_at is not null) and (state = 'failed') = (failed_at is not null and reason is not null))
) with (fillfactor = 70);
create index delivery_due on notify.delivery (site_id, endpoint_id, next_at) where state = 'waiting';
create index delivery_under_way on notify.delivery (site_id, endpoint_id) where state = 'sending';
create index delivery_lease_until on notify.delivery (lease_until) where state = 'sending';
create index delivery_of_endpoint on notify.delivery (site_id, endpoint_id, id);
create index delivery_by_state on notify.delivery (site_id, state, id) where state <> 'delivered'; -- delivered ones are nearly all: the key serves
create index delivery_by_type on notify.delivery (site_id, type, id);
create index delivery_failed on notify.delivery (site_id, endpoint_id, created_at) where state = 'failed';
create index delivery_ended on notify.delivery (created_at) where state in ('delivered', 'failed');
create index delivery_person on notify.delivery (site_id, person_id) where person_id <> 0;
create index delivery_friend on notify.delivery (site_id, friend_id) where friend_id <> 0;

-- What each attempt came to.
create table notify.attempt (
	site_id bigint not null,
	delivery_id bigint not null,
	number int not null,
	started_at timestamptz not null,
	milliseconds bigint not null,
	status int,                      -- none: no answer
	error text,
	answer text,                     -- its beginning
	constraint attempt_pkey primary key (site_id, delivery_id, number)
);

grant select, insert, update on notify.endpoint to talkable_notify;
grant select, insert, delete on notify.subscription to talkable_notify;
grant select, insert, update, delete on notify.delivery, notify.attempt to talkable_notify;
