-- +goose Up

alter table referral.decision_hook add column clicks boolean not null default false; -- it is asked before friends' rewards for coming, too

-- What was asked about each friend offer whose rewards for coming wait for the answer.
create table referral.click_ask (
	site_id bigint not null,
	friend_offer_id bigint not null,
	campaign_id bigint not null,
	arrival jsonb not null, -- what the rewards are decided by
	state text not null default 'waiting' constraint click_ask_state check (state in ('waiting', 'answered', 'failed', 'moot')),
	decision text constraint click_ask_decision check (decision in ('approve', 'hold', 'void')),
	reason text,
	tries int not null default 0,
	attempts jsonb not null default '[]',
	next_at timestamptz not null, -- of one that is being asked: when somebody else may
	asked_at timestamptz not null,
	settled_at timestamptz,
	constraint click_ask_pkey primary key (site_id, friend_offer_id),
	constraint click_ask_settled check ((state = 'waiting') = (settled_at is null) and (state in ('answered', 'failed')) = (decision is not null))
);
create index click_ask_due on referral.click_ask (next_at) where state = 'waiting';
create index click_ask_settled_at on referral.click_ask (settled_at) where settled_at is not null;

grant select, insert, update, delete on referral.click_ask to talkable_referral;
