-- +goose Up

-- An offer that was dropped is nobody's: a visitor owns it whom there isn't, and its links are gone. What points at it stays as it is.
alter table referral.offer add column dropped_at timestamptz;

-- What a test campaign had made, being dropped a set at a time, and what was.
create table referral.test_drop (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	key_id bigint not null, -- the API key that asked for it
	state text not null default 'running' constraint test_drop_state check (state in ('running', 'done', 'stopped')),
	referrals bigint not null default 0, -- dropped so far
	rewards bigint not null default 0,
	offers bigint not null default 0,
	asked_at timestamptz not null,
	finished_at timestamptz,
	constraint test_drop_pkey primary key (site_id, id),
	constraint test_drop_finished check ((state = 'running') = (finished_at is null))
);
create unique index test_drop_once on referral.test_drop (site_id, campaign_id) where state = 'running';
create index test_drop_due on referral.test_drop (asked_at) where state = 'running';
create index test_drop_last on referral.test_drop (site_id, campaign_id, id);

grant select, insert, update on referral.test_drop to talkable_referral;
grant delete on referral.link to talkable_referral; -- of offers that are dropped
