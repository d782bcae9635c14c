-- +goose Up

-- What finance and auditors may read by SQL, in each module's own database: names, columns and meanings that stay (another meaning is another version), and nothing
-- that people wrote or that says who they are. docs/loyalty.md has them, and how somebody gets a login.
create schema if not exists audit;
-- +goose StatementBegin
do $$ begin
	if not exists (select from pg_roles where rolname = 'talkable_audit') then create role talkable_audit nologin; end if;
exception when duplicate_object or unique_violation then null; -- another database of the cluster was quicker
end $$;
-- +goose StatementEnd
grant usage on schema audit to talkable_audit;

create view audit.referral_v1 as
	select site_id, id as referral_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, track_method, subtotal, currency, refunded_total, refunded_full, occurred_at,
		created_at, updated_at
	from referral.referral;
create view audit.referral_status_v1 as
	select site_id, referral_id, id as change_id, old as from_status, new as to_status, cause, at as changed_at from referral.status_log;
create view audit.reward_v1 as
	select site_id, id as reward_id, campaign_id, incentive_id, referral_id, origin_id, person_id, side, reason, kind, status, points, amount, currency, clawed as clawed_back, occurred_at,
		issued_at, updated_at
	from referral.reward;
create view audit.commission_v1 as
	select site_id, id as commission_id, person_id, friend_id, origin_id, referral_id, campaign_id, incentive_id, plan_id, reward_id, nth, status, subtotal, order_currency, base,
		percent_amount, fixed_amount, currency, amount, clawed as clawed_back, held, hold_until, superseded, occurred_at, approved_at, created_at, updated_at
	from referral.commission;
create view audit.commission_entry_v1 as
	select site_id, id as entry_id, person_id, currency, seq, kind, amount, held, balance_after, held_after, source, commission_id, line_id as payout_line_id, at
	from referral.account_entry;

grant select on audit.referral_v1, audit.referral_status_v1, audit.reward_v1, audit.commission_v1, audit.commission_entry_v1 to talkable_audit;
