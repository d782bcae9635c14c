-- +goose Up

-- Projection of the gateway's sites: where their days begin, and what amounts without a currency are in.
create table analytics.site (
	site_id bigint not null,
	currency text not null,
	time_zone text not null,
	changed_at timestamptz not null,
	constraint site_pkey primary key (site_id)
);

-- Everything that is counted, by day of the site's zone. count is how many, sum is how much: minor units of currency, or points.
-- campaign_id 0: no campaign. currency '': nothing that has one. qa: somebody of the merchant's tried things out. channel '': none, or
-- not kept by it. Updates touch no indexed column and find room on their page, so
-- a busy day is rewritten in place.
create table analytics.daily (
	site_id bigint not null,
	metric text collate "C" not null,
	day date not null,
	campaign_id bigint not null,
	currency text collate "C" not null,
	qa boolean not null default false,
	channel text collate "C" not null default '',
	count bigint not null,
	sum bigint not null,
	constraint daily_pkey primary key (site_id, metric, day, campaign_id, currency, qa, channel)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Who has visited a campaign on a day: the only fact that is kept, because a visitor counts once a day. Bounded: rows go when
-- the site has seen visits of a day two months later.
create table analytics.visitor_day (
	site_id bigint not null,
	day date not null,
	campaign_id bigint not null,
	visitor_id text collate "C" not null,
	constraint visitor_day_pkey primary key (site_id, day, campaign_id, visitor_id)
);

-- Referrals with which somebody of the merchant's tried things out: what follows from them is counted apart.
create table analytics.qa_referral (
	site_id bigint not null,
	referral_id bigint not null,
	constraint qa_referral_pkey primary key (site_id, referral_id)
);

grant select, insert on analytics.qa_referral to talkable_analytics;
grant select, insert, update on analytics.site, analytics.daily to talkable_analytics;
grant delete on analytics.daily to talkable_analytics; -- a rebuild from the logs begins with nothing
grant select, insert, delete on analytics.visitor_day to talkable_analytics;
