-- +goose Up

-- Almost no site is in it: looking for earlier referrals costs the others nothing.
create index campaign_version_far on referral.campaign_version (site_id) where terms -> 'attribution' -> 'methods' ?| array['sticky_advocate', 'event_chain'];

alter table referral.referral drop constraint referral_method;
alter table referral.referral add constraint referral_method check (track_method in ('sticky_advocate', 'coupon', 'cookie', 'web_cookie', 'email',
	'phone_number', 'share_email', 'ip_address', 'event_chain', 'manually_generated', 'force_manually_generated'));

-- A friend is referred once in a campaign; what follows is told apart by its origin, where the campaign credits it.
alter table referral.referral add column chain bigint not null default 0;
alter table referral.referral add constraint referral_chain check (chain = case when track_method = 'event_chain' then origin_id else 0 end);
drop index referral.referral_friend_once;
create unique index referral_friend_once on referral.referral (site_id, friend_id, campaign_id, chain) where status in ('pending', 'flagged', 'approved');

-- A decision without a referral goes after a while, like the visits that it names.
create index attribution_old on referral.attribution using brin (decided_at);

-- A function is planned without knowing how old is old, so that a third of the table seems to be, and reading it from the beginning
-- cheap: the index of the days has to be named the only way.
-- +goose StatementBegin
create function referral.drop_attributions(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
	with old as (
		select site_id, origin_id from referral.attribution where decided_at < before and outcome = 'none' limit most
	), gone as (
		delete from referral.attribution a using old where a.site_id = old.site_id and a.origin_id = old.origin_id and a.outcome = 'none'
		returning 1
	)
	select count(*) from gone;
$$;
-- +goose StatementEnd
revoke all on function referral.drop_attributions(timestamptz, int) from public;
grant execute on function referral.drop_attributions(timestamptz, int) to talkable_referral;

-- Codes that belong to an offer: who orders with one came by its advocate. An offer shows its newest one; the older ones go on working.
create table referral.personal_coupon (
	site_id bigint not null,
	coupon_id bigint not null,
	offer_id bigint not null,
	person_id bigint not null, -- the advocate
	chosen boolean not null, -- in somebody's own words, not drawn
	made_at timestamptz not null,
	constraint personal_coupon_pkey primary key (site_id, coupon_id)
);
create index personal_coupon_by_offer on referral.personal_coupon (site_id, offer_id, coupon_id);
create index personal_coupon_by_person on referral.personal_coupon (site_id, person_id);
-- How offers were come by where neither a browser nor a person tells: numbers of claims, and addresses that links were opened from, as
-- fingerprints. Addresses are kept for two days, and only of campaigns that look for them.
create table referral.touch (
	site_id bigint not null,
	kind text not null constraint touch_kind check (kind in ('phone_number', 'ip_address')),
	value uuid not null,
	offer_id bigint not null,
	person_id bigint, -- who gave the number
	first_at timestamptz not null,
	last_at timestamptz not null,
	constraint touch_pkey primary key (site_id, kind, value, offer_id)
) with (fillfactor = 85);
create index touch_by_person on referral.touch (site_id, person_id) where person_id is not null;
create index touch_old on referral.touch using brin (last_at);
grant select, insert, update, delete on referral.touch to talkable_referral;

alter table referral.offer add column coupon_code text collate "C" not null default ''; -- which of them it shows

grant select, insert on referral.personal_coupon to talkable_referral;

-- A coupon that ended before anybody got it goes to nobody.
drop index referral.coupon_free;
create index coupon_free on referral.coupon (site_id, list_id, id) where single_use and issued_at is null and expires_at is null;
alter table referral.coupon_list_log drop constraint coupon_list_log_action;
alter table referral.coupon_list_log add constraint coupon_list_log_action check (action in ('created', 'changed', 'uploaded', 'generated', 'ended'));
