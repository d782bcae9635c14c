-- +goose Up

-- What an incentive asks for, and how it grows: see terms in incentive_terms.go.
alter table referral.incentive add column terms jsonb not null default '{}';
alter table referral.incentive drop constraint incentive_action, drop constraint incentive_kind;
alter table referral.incentive
	add constraint incentive_action check (action in ('referrer', 'referred', 'click', 'signup', 'sharing')),
	add constraint incentive_kind check (kind in ('points', 'commission', 'coupon', 'other', 'store_credit', 'gift_card'));

-- Rewards for signing up, for sharing, and for a number of referrals (a milestone). once is what a reward is unique by beside its source:
-- "friend:12", "person:7", "milestone:7:10"; a voided one makes room.
alter table referral.reward
	add column share_id bigint,
	add column milestone bigint constraint reward_milestone check (milestone > 0),
	add column once text collate "C";
alter table referral.reward drop constraint reward_reason, drop constraint reward_kind, drop constraint reward_source;
alter table referral.reward
	add constraint reward_reason check (reason in ('referrer', 'referred', 'click', 'signup', 'shared')),
	add constraint reward_kind check (kind in ('points', 'commission', 'coupon', 'other', 'store_credit', 'gift_card')),
	add constraint reward_source check (num_nonnulls(referral_id, friend_offer_id, share_id, milestone) = (reason <> 'signup')::int
		and (reason <> 'signup' or origin_id is not null) and (reason = 'shared') = (share_id is not null)),
	add constraint reward_once_for check (milestone is null or once is not null);
create unique index reward_share_once on referral.reward (site_id, share_id, incentive_id) where share_id is not null;
create unique index reward_signup_once on referral.reward (site_id, origin_id, incentive_id) where reason = 'signup';
create index reward_milestones on referral.reward (site_id, person_id, campaign_id) where milestone is not null and status <> 'Voided';
create unique index reward_once_only on referral.reward (site_id, incentive_id, once) where once is not null and status <> 'Voided';

-- Every reward that was not given, and why.
create table referral.reward_refused (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	incentive_id bigint not null,
	referral_id bigint,
	friend_offer_id bigint,
	share_id bigint,
	milestone bigint,
	origin_id bigint,
	person_id bigint,
	side text not null constraint reward_refused_side check (side in ('advocate', 'friend')),
	reason text not null, -- what it would have been for
	kind text not null,
	cause text not null, -- why not
	detail text not null, -- the same in words, where there are any
	rule jsonb not null, -- incentive, campaign version and values seen
	occurred_at timestamptz not null,
	refused_at timestamptz not null,
	constraint reward_refused_pkey primary key (site_id, id)
);
create unique index reward_refused_once on referral.reward_refused (site_id, incentive_id, (coalesce(referral_id, 0)),
	(coalesce(friend_offer_id, 0)), (coalesce(share_id, 0)), (coalesce(milestone, 0)), (coalesce(origin_id, 0)), (coalesce(person_id, 0)));
create index reward_refused_by_referral on referral.reward_refused (site_id, referral_id) where referral_id is not null;
create index reward_refused_by_person on referral.reward_refused (site_id, person_id, id) where person_id is not null;
create index reward_refused_by_cause on referral.reward_refused (site_id, cause, id);
create index reward_refused_by_campaign on referral.reward_refused (site_id, campaign_id, id);
-- They go after a while, like decisions without a referral.
create index reward_refused_old on referral.reward_refused using brin (refused_at);

-- A function is planned without knowing how old is old, so that a third of the table seems to be, and reading it from the beginning
-- cheap: the index of the days has to be named the only way.
-- +goose StatementBegin
create function referral.drop_refusals(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
	with old as (
		select site_id, id from referral.reward_refused where refused_at < before limit most
	), gone as (
		delete from referral.reward_refused r using old where r.site_id = old.site_id and r.id = old.id
		returning 1
	)
	select count(*) from gone;
$$;
-- +goose StatementEnd
revoke all on function referral.drop_refusals(timestamptz, int) from public;
grant execute on function referral.drop_refusals(timestamptz, int) to talkable_referral;

-- What conditions may ask later of the purchase or event that made a referral.
alter table referral.referral add column deed jsonb;

-- How many approved referrals an advocate has in a campaign, less those that were refunded entirely. The row is the lock of whatever
-- counts the advocate's rewards. -1: not counted yet.
create table referral.advocate_count (
	site_id bigint not null,
	campaign_id bigint not null,
	person_id bigint not null,
	approved bigint not null constraint advocate_count_approved check (approved >= -1),
	constraint advocate_count_pkey primary key (site_id, campaign_id, person_id)
) with (fillfactor = 70);

-- How many friends of an offer were rewarded for the click, while its campaign limits them.
create table referral.offer_count (
	site_id bigint not null,
	offer_id bigint not null,
	friends bigint not null constraint offer_count_friends check (friends >= 0),
	constraint offer_count_pkey primary key (site_id, offer_id)
) with (fillfactor = 70);

-- Limits and budget of a campaign: see limits in limit.go.
alter table referral.campaign add column limits jsonb not null default '{}';

-- What a campaign's rewards have cost in a period, which is a month that began on that day (UTC), or all the time from 2000-01-01.
create table referral.budget (
	site_id bigint not null,
	campaign_id bigint not null,
	period date not null,
	spent bigint not null constraint budget_spent check (spent >= 0),
	told int not null, -- 0, 80 or 100 percent
	told_of bigint not null, -- of this amount
	constraint budget_pkey primary key (site_id, campaign_id, period)
) with (fillfactor = 50);

-- What each reward took from its campaign's budget, and what came back when it was taken back.
create table referral.budget_entry (
	site_id bigint not null,
	reward_id bigint not null,
	campaign_id bigint not null,
	period date not null,
	cost bigint not null constraint budget_entry_cost check (cost > 0),
	back bigint not null default 0,
	constraint budget_entry_pkey primary key (site_id, reward_id),
	constraint budget_entry_back check (back between 0 and cost)
) with (fillfactor = 85);

-- Who set which limits, and when.
create table referral.limit_log (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	key_id bigint not null,
	limits jsonb not null,
	at timestamptz not null,
	constraint limit_log_pkey primary key (site_id, campaign_id, id)
);

grant select, insert on referral.reward_refused, referral.limit_log to talkable_referral;
grant select, insert, update on referral.advocate_count, referral.offer_count, referral.budget, referral.budget_entry to talkable_referral;

-- Gift cards to be ordered of the provider, one a reward. "sending" with a lease that has ended is tried again: the provider knows the
-- order by our number. uncertain: the provider never answered; failed: it said no. A person decides about these.
create table referral.giftcard (
	site_id bigint not null,
	reward_id bigint not null,
	campaign_id bigint not null,
	person_id bigint not null,
	amount bigint not null constraint giftcard_amount check (amount > 0),
	currency text not null,
	status text not null constraint giftcard_status check (status in ('queued', 'sending', 'sent', 'failed', 'uncertain', 'cancelled')),
	attempts int not null default 0,
	next_at timestamptz not null,
	lease_until timestamptz,
	order_id text, -- the provider's
	error text, -- of the last attempt
	created_at timestamptz not null,
	updated_at timestamptz not null,
	constraint giftcard_pkey primary key (site_id, reward_id),
	constraint giftcard_lease check ((status = 'sending') = (lease_until is not null)),
	constraint giftcard_sent check ((status = 'sent') = (order_id is not null))
) with (fillfactor = 80);
create index giftcard_due on referral.giftcard (next_at) where status in ('queued', 'sending');
create index giftcard_list on referral.giftcard (site_id, status, reward_id);
grant select, insert, update on referral.giftcard to talkable_referral;
create index incentive_signup on referral.incentive (site_id) where action = 'signup' and active;
