-- +goose Up

-- Days are kept apart by more: '' is none, nobody knows, or not kept by it (facet.go says which key is kept by what). An empty text
-- takes a byte. The key stays one, and so does the way in: site, metric, day.
alter table analytics.daily
	add column traffic_source text collate "C" not null default '',
	add column device_type text collate "C" not null default '' constraint daily_device check (device_type in ('', 'desktop', 'mobile', 'tablet')),
	add column event_category text collate "C" not null default '',
	add column variant text collate "C" not null default '';
alter table analytics.daily drop constraint daily_pkey,
	add constraint daily_pkey primary key (site_id, metric, day, campaign_id, currency, qa, channel, traffic_source, device_type, event_category, variant);

-- The free texts that a site's days are kept by: the first ones have a place, later ones count as "other". None goes, so a number that was counted
-- keeps its name.
create table analytics.label (
	site_id bigint not null,
	facet text collate "C" not null constraint label_facet check (facet in ('channel', 'traffic_source', 'event_category')),
	name text collate "C" not null,
	place bigint not null constraint label_place check (place between 1 and case facet when 'channel' then 100 else 50 end),
	made_at timestamptz not null,
	constraint label_pkey primary key (site_id, facet, name),
	constraint label_once unique (site_id, facet, place)
);

grant select, insert, delete on analytics.label to talkable_analytics; -- delete: a rebuild from the logs begins with nothing
