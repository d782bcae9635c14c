-- +goose Up

-- Projection of the gateway's sites: what a message says of its sender.
create table notify.site (
	site_id bigint not null,
	slug text not null,
	name text not null,
	url text not null,
	time_zone text not null,
	email_from text not null,
	changed_at timestamptz not null,
	constraint site_pkey primary key (site_id)
);

-- Projection of the customers' people: whom to write to. The only place of this schema where an address is kept until a message
-- is written.
create table notify.contact (
	site_id bigint not null,
	person_id bigint not null,
	email text not null,
	phone text not null default '',
	customer_id text not null default '', -- the merchant's name of the person
	first_name text not null,
	last_name text not null,
	changed_at timestamptz not null,
	unsubscribed_at timestamptz, -- gets what is necessary only
	anonymized_at timestamptz,   -- gets nothing, and nothing is learned of the person again
	constraint contact_pkey primary key (site_id, person_id)
);
create index contact_email on notify.contact (site_id, lower(email)) where email <> '';

-- Every message, from the moment it is wanted to its end. recipient, subject, text and html are what was handed to the server at
-- the last attempt; they are dropped after a while.
create table notify.message (
	site_id bigint not null,
	id bigint generated always as identity,
	person_id bigint not null,
	channel text not null,
	template text not null,
	template_version int,                  -- of the words that were sent
	dedupe_key text not null,              -- at most one message for one occasion
	data jsonb not null,
	recipient text,
	subject text,
	text text,
	html text,
	status text not null,
	reason text,                           -- why it is not sent: no_contact, no_site, no_address, refused, gave_up, lost, unrenderable, capped, unsubscribed, anonymized, too_many
	attempts int not null default 0,       -- since it was queued, or queued again
	claim int not null default 0,          -- how often a worker took it: the fence against a worker that woke up late
	since timestamptz not null,            -- when it was queued, or queued again
	next_at timestamptz not null,
	lease_until timestamptz,
	last_error text,
	message_id_header text,
	queued_at timestamptz not null,
	sent_at timestamptz,
	failed_at timestamptz,
	uncertain_at timestamptz, -- when it was told as uncertain, until it is told what became of it
	suppressed_at timestamptz,
	body_dropped_at timestamptz,
	constraint message_pkey primary key (site_id, id),
	constraint message_dedupe_key unique (site_id, dedupe_key),
	constraint message_channel check (channel in ('email', 'sms')),
	constraint message_status check (status in ('queued', 'sending', 'transmitting', 'sent', 'failed', 'uncertain', 'suppressed')),
	constraint message_lease check ((status in ('sending', 'transmitting')) = (lease_until is not null))
) with (fillfactor = 70);
create index message_due on notify.message (next_at) where status = 'queued';
create index message_lease_until on notify.message (lease_until) where lease_until is not null;
create index message_person on notify.message (site_id, person_id, id);
create index message_by_status on notify.message (site_id, status, id) where status <> 'sent'; -- sent ones are nearly all: the key serves
create index message_shared on notify.message (site_id, person_id, queued_at) where template = 'share' and status <> 'suppressed'; -- how many a day
create index message_recipient on notify.message (site_id, lower(recipient)) where recipient is not null;
create index message_body on notify.message (queued_at) where text is not null; -- the words come with the first attempt

grant select, insert, update on notify.site, notify.contact, notify.message to talkable_notify;
