-- +goose Up

-- Points that a member has earned and can't spend yet wait on an account of their own: name 'pending', without an owner, so that nothing
-- that looks for what members have finds it.
alter table loyalty.account add column pending_of bigint; -- member
drop index loyalty.account_system;
create unique index account_system on loyalty.account (site_id, name, asset, pending_of) nulls not distinct where owner_id is null;

alter table loyalty.lot add column pending boolean;                -- null: they can be spent; else account_id is that of pending points
alter table loyalty.lot add column activates_at timestamptz;       -- when they can be; null: at once, or when somebody says so
alter table loyalty.lot add column waived bigint not null default 0; -- of clawed: there was nothing to take it from, and the programme makes no debts of it
alter table loyalty.lot drop constraint lot_sums;
alter table loyalty.lot add constraint lot_sums check (granted > 0 and remaining between 0 and granted and clawed between 0 and granted
	and expired between 0 and granted and forgiven between 0 and least(clawed, expired) and waived between 0 and clawed - forgiven);
alter table loyalty.lot add constraint lot_pending check (pending is null or pending and remaining + clawed = granted and expires_at is null
	and expired = 0 and forgiven = 0 and waived = 0);
create index lot_pending on loyalty.lot (activates_at) where pending and remaining > 0; -- the timer goes over all sites

-- Orders whose points need not wait any longer: a referral's approval may be heard before the order is.
create table loyalty.go_ahead (
	site_id bigint      not null,
	source  text        not null, -- of the earning
	told_at timestamptz not null,
	constraint go_ahead_pkey primary key (site_id, source)
);
create index go_ahead_told on loyalty.go_ahead (told_at); -- the sweep goes over all sites
grant select, insert, delete on loyalty.go_ahead to talkable_loyalty;
