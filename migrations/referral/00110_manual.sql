-- +goose Up

-- A referral that another one took the place of keeps its place in history: superseded is its own id then. At most one of an origin
-- counts at a time, and one that is superseded never comes back.
alter table referral.referral
	add column superseded bigint not null default 0,
	add column replaces bigint, -- the one whose place it took
	drop constraint referral_origin,
	add constraint referral_origin unique (site_id, origin_id, superseded),
	add constraint referral_superseded check (superseded in (0, id) and (superseded = 0 or status in ('voided', 'blocked'))),
	drop constraint referral_method, -- which methods there are is the code's
	add constraint referral_method check (track_method ~ '^[a-z][a-z_]{0,29}$');

-- Approved is final, but for a referral that turns out to be another advocate's.
-- +goose StatementBegin
create or replace function referral.referral_step() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if old.superseded <> 0 or not (exists (select from referral.referral_graph g where g.old = old.status and g.new = new.status)
		or old.status = 'approved' and new.status = 'voided' and new.superseded = new.id) then
		raise exception 'referral % of site % cannot go from % to %', old.id, old.site_id, old.status, new.status
			using errcode = 'check_violation', constraint = 'referral_step';
	end if;
	return new;
end $$;
-- +goose StatementEnd

-- How far origins have been taken back, as far as it was heard: a referral that is made by hand later begins with it. Whoever makes one,
-- and whoever hears of a refund, holds the origin's row.
create table referral.origin_refund (
	site_id bigint not null,
	origin_id bigint not null,
	total bigint not null,
	whole boolean not null,
	constraint origin_refund_pkey primary key (site_id, origin_id)
);

grant select, insert, update on referral.origin_refund to talkable_referral;

-- Whom a site, or a campaign that differs from its site, asks before a referral is approved.
create table referral.decision_hook (
	site_id bigint not null,
	campaign_id bigint not null, -- 0: the site's
	url text not null,
	secret text not null, -- signs what is asked
	timeout_ms int not null constraint decision_hook_timeout check (timeout_ms between 100 and 10000),
	on_failure text not null constraint decision_hook_failure check (on_failure in ('approve', 'hold', 'void')),
	enabled boolean not null,
	key_id bigint not null,
	at timestamptz not null,
	constraint decision_hook_pkey primary key (site_id, campaign_id)
);

-- What was asked about each referral, and what came of it.
create table referral.hook_ask (
	site_id bigint not null,
	referral_id bigint not null,
	campaign_id bigint not null,
	state text not null default 'waiting' constraint hook_ask_state check (state in ('waiting', 'answered', 'failed', 'moot')),
	decision text constraint hook_ask_decision check (decision in ('approve', 'hold', 'void')),
	reason text,
	tries int not null default 0,
	attempts jsonb not null default '[]',
	next_at timestamptz not null, -- of one that is being asked: when somebody else may
	asked_at timestamptz not null,
	settled_at timestamptz,
	constraint hook_ask_pkey primary key (site_id, referral_id),
	constraint hook_ask_settled check ((state = 'waiting') = (settled_at is null) and (state in ('answered', 'failed')) = (decision is not null))
);
create index hook_ask_due on referral.hook_ask (next_at) where state = 'waiting';

grant select, insert, update, delete on referral.decision_hook to talkable_referral;
grant select, insert, update on referral.hook_ask to talkable_referral;

-- What fraud rules saw in a friend's first claim of an offer, where one hit.
create table referral.claim_verdict (
	site_id bigint not null,
	offer_id bigint not null,
	friend_id bigint not null,
	verdict text not null constraint claim_verdict_verdict check (verdict in ('blocked', 'flagged')),
	rules jsonb not null,
	at timestamptz not null,
	constraint claim_verdict_pkey primary key (site_id, offer_id, friend_id)
);
alter table referral.offer_claim
	drop constraint offer_claim_reason,
	add constraint offer_claim_reason check (reason in ('', 'SELF_REFERRAL', 'SUSPICIOUS'));

grant select, insert on referral.claim_verdict to talkable_referral;
