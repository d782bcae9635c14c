-- +goose Up

-- Days of origins are kept apart by where their visitors came from, as the shop's links say it.
alter table analytics.daily
	add column utm_source text collate "C" not null default '',
	add column utm_medium text collate "C" not null default '',
	add column utm_campaign text collate "C" not null default '';
alter table analytics.daily drop constraint daily_pkey,
	add constraint daily_pkey primary key (site_id, metric, day, campaign_id, currency, qa, channel, traffic_source, device_type, event_category, variant,
		utm_source, utm_medium, utm_campaign);

alter table analytics.label drop constraint label_facet,
	add constraint label_facet check (facet in ('channel', 'traffic_source', 'event_category', 'utm_source', 'utm_medium', 'utm_campaign'));
