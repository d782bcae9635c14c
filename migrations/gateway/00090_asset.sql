-- +goose Up

-- What a site stores, and how much of it it may: every change of its files begins by locking this row, so that limits and references hold.
create table gateway.asset_usage (
	site_id bigint not null,
	files   bigint not null,
	bytes   bigint not null, -- of the contents that are stored, also of those that nobody has any more
	constraint asset_usage_pkey primary key (site_id),
	constraint asset_usage_site foreign key (site_id) references gateway.site (site_id),
	constraint asset_usage_counts check (files >= 0 and bytes >= 0)
);

-- Contents that the store holds, or may hold: the row comes first and goes last.
create table gateway.asset_content (
	site_id      bigint      not null,
	fingerprint  text        not null collate "C",
	size         bigint      not null,
	unused_since timestamptz, -- null: an asset has it
	constraint asset_content_pkey primary key (site_id, fingerprint),
	constraint asset_content_site foreign key (site_id) references gateway.site (site_id),
	constraint asset_content_fingerprint check (fingerprint ~ '^[0-9a-f]{64}$')
);

create index asset_content_unused on gateway.asset_content (unused_since) where unused_since is not null;

create table gateway.asset (
	site_id      bigint      not null,
	id           bigint      generated always as identity,
	name         text        not null collate "C",
	content_type text        not null collate "C",
	size         bigint      not null,
	width        int         not null,
	height       int         not null,
	fingerprint  text        not null collate "C",
	created_at   timestamptz not null,
	updated_at   timestamptz not null,
	constraint asset_pkey primary key (site_id, id),
	constraint asset_name unique (site_id, name),
	constraint asset_content_kept foreign key (site_id, fingerprint) references gateway.asset_content (site_id, fingerprint)
);

create index asset_fingerprint on gateway.asset (site_id, fingerprint);

grant select, insert, update on gateway.asset_usage to talkable_gateway;
grant select, insert, update, delete on gateway.asset_content to talkable_gateway;
grant select, insert, delete on gateway.asset to talkable_gateway;
