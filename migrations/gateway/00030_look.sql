-- +goose Up

-- How a site's pages look. No row: our own look, with the site's name.
create table gateway.look (
	site_id    bigint      not null,
	name       text        not null, -- '': the site's
	logo_url   text        not null,
	color      text        not null,
	color_dark text        not null, -- '': made of color
	language   text        not null, -- for browsers that ask for none that we have
	texts      jsonb       not null, -- by language and name
	changed_at timestamptz not null,
	constraint look_pkey primary key (site_id),
	constraint look_site foreign key (site_id) references gateway.site (site_id),
	constraint look_colors check (color ~ '^#[0-9a-f]{6}$' and color_dark ~ '^(#[0-9a-f]{6})?$')
);

grant select, insert, update on gateway.look to talkable_gateway;
