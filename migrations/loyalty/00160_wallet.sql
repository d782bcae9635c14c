-- +goose Up

-- A programme may have wallets beside the main one, each an asset of its own: account.asset says which, and 'points' is the main one. A site's own accounts
-- of a wallet are made with it, a member's when it is first needed.
alter table loyalty.account drop constraint account_name;
alter table loyalty.account add constraint account_name check (case
	when owner_id is not null then name = 'member' and pending_of is null
	when pending_of is not null then name = 'pending' and asset = 'points'
	else name in ('issued', 'redeemed', 'expired', 'adjusted', 'held', 'transferred') end);
alter table loyalty.account add constraint account_asset check (asset ~ '^[a-z][a-z0-9_]{0,29}$');

-- In which wallet a transaction moves points; null: the main one. So rows of programmes without further wallets stay as they are.
alter table loyalty.txn add column wallet text;
alter table loyalty.txn add constraint txn_wallet check (wallet <> 'points');
alter table loyalty.redemption_batch add column wallet text;
alter table loyalty.redemption_batch add constraint redemption_batch_wallet check (wallet <> 'points');
alter table loyalty.redemption add column wallet text;
alter table loyalty.hold add column wallet text;

-- What was earned where it counts for no tier: because its wallet doesn't, or the main one doesn't beside one that does. null: it counts.
alter table loyalty.lot add column tierless boolean;

-- What a merge moved of wallets beside the main one: whose balance of before, and by which transaction the survivor got it.
create table loyalty.member_merge_wallet (
	site_id  bigint not null,
	merge_id bigint not null,
	wallet   text   not null,
	points   bigint not null,
	txn_id   bigint not null,
	constraint member_merge_wallet_pkey primary key (site_id, merge_id, wallet)
);
grant select, insert on loyalty.member_merge_wallet to talkable_loyalty;

alter table loyalty.turnover add column wallet text not null default 'points';
alter table loyalty.turnover drop constraint turnover_pkey;
alter table loyalty.turnover add constraint turnover_pkey primary key (site_id, at, name, kind, wallet);

-- What the views of before say stays what it was: the main wallet. Those beside them say which.
create or replace view audit.ledger_account_v1 as
	select site_id, id as account_id, name as account, coalesce(owner_id, pending_of) as member_id, seq, balance from loyalty.account where asset = 'points';
create or replace view audit.ledger_transaction_v1 as
	select site_id, id as transaction_id, member_id, kind, reason, source, points, earn_id as about_id, origin_id, referral_id, reward_id,
		nullif(rule, '')::jsonb ->> 'rule' as rule, (nullif(rule, '')::jsonb ->> 'version')::bigint as rule_version, effective_at, recorded_at
	from loyalty.txn where wallet is null;
create or replace view audit.ledger_entry_v1 as
	select e.site_id, e.txn_id as transaction_id, e.account_id, a.name as account, coalesce(a.owner_id, a.pending_of) as member_id, e.seq, e.amount, e.balance_after
	from loyalty.entry e join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id where e.asset = 'points';
create or replace view audit.lot_v1 as
	select l.site_id, l.id as lot_id, l.account_id, coalesce(a.owner_id, a.pending_of) as member_id, l.granted, l.remaining, l.clawed as clawed_back, l.expired, l.reinstated, l.forgiven, l.waived,
		coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.by_activity, false) as by_activity, case when l.by_activity then m.lapses_at else l.expires_at end as expires_at
	from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
	left join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of)
	where a.asset = 'points';
create or replace view audit.redemption_v1 as
	select site_id, id as redemption_id, member_id, batch_id, status, points, cancel_txn_id as cancel_transaction_id, created_at, fulfilled_at, cancelled_at
	from loyalty.redemption where wallet is null;
create or replace view audit.hold_v1 as
	select site_id, id as hold_id, member_id, status, points, restored, until, end_txn_id as end_transaction_id, created_at, ended_at from loyalty.hold where wallet is null;
create or replace view audit.turnover_v1 as
	select site_id, at as quarter, name as account, kind, points, entries from loyalty.turnover where wallet = 'points';

create view audit.ledger_account_v2 as
	select site_id, id as account_id, asset as wallet, name as account, coalesce(owner_id, pending_of) as member_id, seq, balance from loyalty.account;
create view audit.ledger_transaction_v2 as
	select site_id, id as transaction_id, coalesce(wallet, 'points') as wallet, member_id, kind, reason, source, points, earn_id as about_id, origin_id, referral_id, reward_id,
		nullif(rule, '')::jsonb ->> 'rule' as rule, (nullif(rule, '')::jsonb ->> 'version')::bigint as rule_version, effective_at, recorded_at
	from loyalty.txn;
create view audit.ledger_entry_v2 as
	select e.site_id, e.txn_id as transaction_id, e.account_id, e.asset as wallet, a.name as account, coalesce(a.owner_id, a.pending_of) as member_id, e.seq, e.amount, e.balance_after
	from loyalty.entry e join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id;
create view audit.lot_v2 as
	select l.site_id, l.id as lot_id, a.asset as wallet, l.account_id, coalesce(a.owner_id, a.pending_of) as member_id, l.granted, l.remaining, l.clawed as clawed_back, l.expired, l.reinstated,
		l.forgiven, l.waived, coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.by_activity, false) as by_activity,
		case when l.by_activity then m.lapses_at else l.expires_at end as expires_at, l.tierless is null as counts_for_tier
	from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
	left join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of);
create view audit.redemption_v2 as
	select site_id, id as redemption_id, coalesce(wallet, 'points') as wallet, member_id, batch_id, status, points, cancel_txn_id as cancel_transaction_id, created_at, fulfilled_at, cancelled_at
	from loyalty.redemption;
create view audit.hold_v2 as
	select site_id, id as hold_id, coalesce(wallet, 'points') as wallet, member_id, status, points, restored, until, end_txn_id as end_transaction_id, created_at, ended_at from loyalty.hold;
create view audit.turnover_v2 as
	select site_id, at as quarter, wallet, name as account, kind, points, entries from loyalty.turnover;
grant select on audit.ledger_account_v2, audit.ledger_transaction_v2, audit.ledger_entry_v2, audit.lot_v2, audit.redemption_v2, audit.hold_v2, audit.turnover_v2 to talkable_audit;
