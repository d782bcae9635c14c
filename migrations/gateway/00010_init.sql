-- +goose Up

-- Who there is. Three constraints of this schema don't begin with site_id, because the site isn't known yet when they are asked:
-- a site's slug, a key's hash, and the names of the platform's own settings.
create table gateway.site (
	site_id    bigint      generated always as identity,
	slug       text        not null,
	name       text        not null,
	currency   text        not null,
	time_zone  text        not null,
	url        text        not null,
	email_from text        not null default '',
	webhook_key text       not null, -- a secret that we must be able to read: webhooks carry it
	created_at timestamptz not null,
	changed_at timestamptz not null,
	constraint site_pkey primary key (site_id),
	constraint site_slug unique (slug),
	constraint site_slug_form check (slug ~ '^[a-z0-9-]{1,60}$'),
	constraint site_currency_form check (currency ~ '^[A-Z]{3}$')
);

-- A key is kept as its SHA-256 only: it has 256 random bits, so nothing slower is needed. When a key was last used isn't kept:
-- it would be a write for every request.
create table gateway.api_key (
	site_id    bigint      not null,
	id         bigint      generated always as identity,
	kind       text        not null,
	key_hash   bytea       not null,
	prefix     text        not null,
	name       text        not null,
	created_at timestamptz not null,
	revoked_at timestamptz,
	constraint api_key_pkey primary key (site_id, id),
	constraint api_key_site foreign key (site_id) references gateway.site (site_id),
	constraint api_key_hash unique (key_hash),
	constraint api_key_hash_size check (octet_length(key_hash) = 32),
	constraint api_key_kind check (kind in ('secret', 'public'))
);

-- What the platform made up once and all replicas share.
create table gateway.setting (
	name  text  not null,
	value bytea not null,
	constraint setting_pkey primary key (name)
);

grant select, insert, update on gateway.site to talkable_gateway;
grant select, insert, update (revoked_at) on gateway.api_key to talkable_gateway;
grant select, insert on gateway.setting to talkable_gateway;
