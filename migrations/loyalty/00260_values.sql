-- +goose Up

-- Points of each wallet have a value of their own; null: the main wallet's. Versions are counted for the programme, over all its wallets.
alter table loyalty.point_value add column wallet text;
alter table loyalty.point_value add constraint point_value_wallet check (wallet <> 'points');

-- A journal has the main wallet's book, as it always had, and in wallets those of the others: closings from before have none.
create or replace view audit.point_value_v1 as
	select site_id, version, from_day, points, amount, breakage_bp as expected_breakage_bp, currency, set_at from loyalty.point_value where wallet is null;
create view audit.point_value_v2 as
	select site_id, version, coalesce(wallet, 'points') as wallet, from_day, points, amount, breakage_bp as expected_breakage_bp, currency, set_at from loyalty.point_value;
create view audit.closing_v2 as
	select k.site_id, k.month, b.wallet, k.begins_at, k.ends_at, k.zone, k.place, k.txn_id as transaction_id, k.hash, b.book ->> 'currency' as currency,
		(b.book ->> 'liability')::bigint as liability, (b.book ->> 'liability_value')::bigint as liability_value, (b.book ->> 'pending')::bigint as pending,
		(b.book ->> 'pending_value')::bigint as pending_value, (b.book ->> 'expected_breakage')::bigint as expected_breakage,
		(b.book ->> 'expected_breakage_value')::bigint as expected_breakage_value, k.closed_at
	from loyalty.closing k
	cross join lateral (select 'points' as wallet, k.journal as book union all select w ->> 'wallet', w from jsonb_array_elements(k.journal -> 'wallets') w) b;
create view audit.closing_account_v2 as
	select k.site_id, k.month, b.wallet, a.account, a.opening, a.debit, a.credit, a.closing, a.opening_value, a.debit_value, a.credit_value, a.closing_value
	from loyalty.closing k
	cross join lateral (select 'points' as wallet, k.journal as book union all select w ->> 'wallet', w from jsonb_array_elements(k.journal -> 'wallets') w) b
	cross join jsonb_to_recordset(b.book -> 'accounts') as a (account text, opening bigint, debit bigint, credit bigint, closing bigint,
		opening_value bigint, debit_value bigint, credit_value bigint, closing_value bigint);
create view audit.closing_line_v2 as
	select k.site_id, k.month, b.wallet, l.account, l.kind, l.entries, l.debit, l.credit, l.debit_value, l.credit_value
	from loyalty.closing k
	cross join lateral (select 'points' as wallet, k.journal as book union all select w ->> 'wallet', w from jsonb_array_elements(k.journal -> 'wallets') w) b
	cross join jsonb_to_recordset(b.book -> 'lines') as l (account text, kind text, entries bigint, debit bigint, credit bigint, debit_value bigint, credit_value bigint);
grant select on audit.point_value_v2, audit.closing_v2, audit.closing_account_v2, audit.closing_line_v2 to talkable_audit;

-- Points of every wallet may be pending.
alter table loyalty.account drop constraint account_name;
alter table loyalty.account add constraint account_name check (case
	when owner_id is not null then name = 'member' and pending_of is null
	when pending_of is not null then name = 'pending'
	else name in ('issued', 'redeemed', 'expired', 'adjusted', 'held', 'transferred') end);

-- When the lots that live by activity end on an account of a wallet beside the main one, as loyalty.member says it of that: each lives by what is done in it.
alter table loyalty.account add column lapses_at timestamptz;
alter table loyalty.account add column idle_days int;
alter table loyalty.account add column wake_at   timestamptz;
alter table loyalty.account add column reminded  boolean;
alter table loyalty.account add constraint account_lapses check (coalesce(lapses_at, wake_at) is null or owner_id is not null and asset <> 'points');
create index account_lapses on loyalty.account (lapses_at) where lapses_at is not null;
create index account_wake on loyalty.account (wake_at) where wake_at is not null;
create or replace view audit.lot_v2 as
	select l.site_id, l.id as lot_id, a.asset as wallet, l.account_id, coalesce(a.owner_id, a.pending_of) as member_id, l.granted, l.remaining, l.clawed as clawed_back, l.expired, l.reinstated,
		l.forgiven, l.waived, coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.by_activity, false) as by_activity,
		case when not coalesce(l.by_activity, false) then l.expires_at when a.asset <> 'points' then a.lapses_at else m.lapses_at end as expires_at, l.tierless is null as counts_for_tier
	from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
	left join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of);
