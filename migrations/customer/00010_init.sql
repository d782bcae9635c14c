-- +goose Up

-- Who the merchant's customers are. Personal data lives here, and in an origin's ip, user_agent and shipping; nowhere else.
-- An e-mail finds a person by email_norm: local part and domain in lower case, the domain in ASCII. Counters have verified origins only.
create table customer.person (
	site_id bigint not null,
	id bigint generated always as identity,
	email text,
	email_norm text,
	phone text,
	customer_id text,
	username text,
	username_norm text,
	first_name text not null default '',
	last_name text not null default '',
	custom_properties jsonb not null default '{}',
	purchases bigint not null default 0,
	events bigint not null default 0,
	created_at timestamptz not null,
	identifier_hash text,        -- the merchant's own; kept for the merchant, nothing is found by it
	subscribed_at timestamptz,   -- opted in to mail
	unsubscribed_at timestamptz, -- wants none but what is necessary
	anonymized_at timestamptz,   -- for good: nothing that identifies is written here again
	constraint person_pkey primary key (site_id, id),
	constraint person_email check ((email is null) = (email_norm is null)),
	constraint person_username check ((username is null) = (username_norm is null))
) with (fillfactor = 85);
create unique index person_email_norm on customer.person (site_id, email_norm) where email_norm is not null;
create unique index person_customer_id on customer.person (site_id, customer_id) where customer_id is not null;
create unique index person_phone on customer.person (site_id, phone) where phone is not null;
create unique index person_username_norm on customer.person (site_id, username_norm) where username_norm is not null;

-- A browser or an app. The first person that a verified origin named for it stays, until it is anonymized.
create table customer.visitor (
	site_id bigint not null,
	uuid uuid not null,
	person_id bigint,
	created_at timestamptz not null,
	constraint visitor_pkey primary key (site_id, uuid)
);
create index visitor_person on customer.visitor (site_id, person_id) where person_id is not null;

-- What somebody did. The number makes it the same one for ever: order number, event number within its category, and for a
-- sign-up who signed up ("person:7", "visitor:UUID", "nobody"). digest is that of what may not differ when it is told again.
create table customer.origin (
	site_id bigint not null,
	id bigint generated always as identity,
	type text not null constraint origin_type check (type in ('AffiliateMember', 'Purchase', 'Event')),
	category text not null,
	number text not null,
	person_id bigint,
	visitors uuid[] not null,
	web_visitor text not null default '', -- that of them which is the browser within an app
	subtotal bigint not null constraint origin_subtotal check (subtotal >= 0),
	currency text not null,
	coupon_codes text[] not null,
	campaign_tags text[] not null,
	traffic_source text not null,
	segments text[] not null,
	utm jsonb not null,
	ip text not null,
	user_agent text not null,
	shipping_address text not null,
	shipping_zip text not null,
	verified bool not null,
	digest bytea not null,
	refunded_total bigint not null default 0,
	refunded_at timestamptz,
	occurred_at timestamptz not null,
	recorded_at timestamptz not null,
	constraint origin_pkey primary key (site_id, id),
	constraint origin_number unique (site_id, type, category, number),
	constraint origin_refunded check (refunded_total between 0 and subtotal),
	constraint origin_refund_verified check (verified or refunded_at is null)
) with (fillfactor = 95);
create index origin_person on customer.origin (site_id, person_id, occurred_at desc, id desc) where person_id is not null;
create index origin_traffic_source on customer.origin (site_id, traffic_source) where traffic_source <> ''; -- which there are, not whose

create table customer.origin_item (
	site_id bigint not null,
	origin_id bigint not null,
	position int not null,
	product_id text not null,
	price bigint not null,
	quantity bigint not null,
	title text not null,
	url text not null,
	image_url text not null,
	category text not null,
	constraint origin_item_pkey primary key (site_id, origin_id, position)
);

-- One row for each time that money went back. key is the client's ("key:…") or the count under the origin's lock ("seq:1").
create table customer.refund (
	site_id bigint not null,
	id bigint generated always as identity,
	origin_id bigint not null,
	key text not null,
	amount bigint not null constraint refund_amount check (amount >= 0),
	refunded_at timestamptz not null,
	recorded_at timestamptz not null,
	constraint refund_pkey primary key (site_id, id),
	constraint refund_key unique (site_id, origin_id, key)
);

-- How far an import of a file got. Written in the transaction of the batch that it speaks of.
create table customer.import (
	site_id bigint not null,
	source text not null,      -- the name that the user gave, and what kind of rows
	fingerprint text not null, -- of the file's content
	rows bigint not null,
	lines bigint not null,
	bytes bigint not null,
	done bool not null,
	moved_at timestamptz not null,
	constraint import_pkey primary key (site_id, source)
);

grant select, insert, update on customer.person, customer.visitor, customer.origin, customer.import to talkable_customer;
grant select, insert, delete on customer.origin_item to talkable_customer; -- a confirmation replaces what a browser said
grant select, insert on customer.refund to talkable_customer;
