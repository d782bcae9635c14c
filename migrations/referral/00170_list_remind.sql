-- +goose Up

-- Referrals are listed by the time of their orders, the newest first: all of a site, of a status, of a campaign. The index of the
-- open ones was the same for three of five statuses.
create index referral_by_time on referral.referral (site_id, occurred_at, id);
-- What the leaderboard adds up is in the index itself.
create index referral_by_status on referral.referral (site_id, status, occurred_at, id) include (advocate_id, campaign_id, qa);
create index referral_by_campaign on referral.referral (site_id, campaign_id, occurred_at, id);
drop index referral.referral_open;

-- Up to which share friends were reminded of what an advocate mailed to them: shares are never changed, and the timer goes through them once.
create index share_reminders on referral.share (shared_at, site_id, id) where reminder;
create table referral.reminded (
	one boolean not null constraint reminded_one check (one),
	shared_at timestamptz not null,
	site_id bigint not null,
	share_id bigint not null,
	constraint reminded_pkey primary key (one)
);
insert into referral.reminded (one, shared_at, site_id, share_id) values (true, '-infinity', 0, 0);
grant select, update on referral.reminded to talkable_referral;

-- A drop of test data that fails waits, longer each time, and lets others go first. What friends got for coming is found going down from the
-- newest reward: there is no index by campaign, which every visit would pay for.
alter table referral.test_drop
	add column failures int not null default 0,
	add column next_at timestamptz not null default '-infinity',
	add column rewards_before bigint not null default 9223372036854775807;
drop index referral.test_drop_due;
create index test_drop_due on referral.test_drop (next_at) where state = 'running';
