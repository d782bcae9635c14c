-- +goose Up

-- What the entries of a quarter of an hour come to, by the names of their accounts and kinds of transaction. The sealer adds to it, so posting does
-- nothing for it; a day of any zone is made of quarters. They are quarters by when entries were written, but never of a month that is closed: what
-- is sealed too late for it is booked at its end.
create table loyalty.turnover (
	site_id bigint      not null,
	at      timestamptz not null, -- when the quarter begins
	name    text        not null, -- of the accounts
	kind    text        not null, -- of the transactions
	points  bigint      not null,
	entries bigint      not null,
	constraint turnover_pkey primary key (site_id, at, name, kind)
) with (fillfactor = 70);

insert into loyalty.turnover (site_id, at, name, kind, points, entries) -- what was sealed before this table was there
	select e.site_id, date_bin('15 minutes', t.recorded_at, '2000-01-01 00:00:00+00'), a.name, t.kind, sum(e.amount), count(*)
	from loyalty.entry e
	join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
	join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id
	join loyalty.chain c on c.site_id = e.site_id and t.id <= c.txn_id
	group by 1, 2, 3, 4;

-- What points are worth in the books from a day on: an amount of minor units for so many points. Of a day that value counts which was set last of
-- those that begin by then.
create table loyalty.point_value (
	site_id     bigint      not null,
	program_id  bigint      not null,
	version     int         not null,
	from_day    date        not null,
	points      bigint      not null,
	amount      bigint      not null,
	breakage_bp bigint,                -- of what is owed, how much is expected never to be spent, in 10,000; null: nobody has said
	currency    text        not null,
	set_at      timestamptz not null,
	constraint point_value_pkey primary key (site_id, program_id, version),
	constraint point_value_sense check (version > 0 and points between 1 and 1000000000 and amount between 0 and 1000000000 and breakage_bp between 0 and 10000)
);

-- Months that are closed, each beginning where the one before it ends. What entries come to whose transactions are up to txn_id in the chain and were
-- written before ends_at, and that were in no closing before, is in journal.
create table loyalty.closing (
	site_id   bigint      not null,
	month     date        not null, -- its first day
	follows   timestamptz,          -- ends_at of the month before it; null: it is the first one
	begins_at timestamptz not null,
	ends_at   timestamptz not null,
	zone      text        not null,
	place     bigint      not null, -- of the chain, when it was closed
	txn_id    bigint      not null,
	hash      bytea       not null,
	journal   jsonb       not null,
	closed_at timestamptz not null,
	constraint closing_pkey primary key (site_id, month),
	constraint closing_end unique (site_id, ends_at),
	constraint closing_one_after unique nulls not distinct (site_id, follows),
	constraint closing_follows foreign key (site_id, follows) references loyalty.closing (site_id, ends_at),
	constraint closing_month check (extract(day from month) = 1),
	constraint closing_times check (begins_at < ends_at and follows = begins_at and extract(epoch from ends_at)::bigint % 900 = 0)
);

grant select, insert, update on loyalty.turnover to talkable_loyalty;
grant select, insert on loyalty.point_value, loyalty.closing to talkable_loyalty;

-- Points that had expired and were given back, because somebody said that a day's expiry was wrong. They may expire again, so both numbers grow.
alter table loyalty.lot add column reinstated bigint not null default 0;
alter table loyalty.lot drop constraint lot_sums;
alter table loyalty.lot add constraint lot_sums check (granted > 0 and remaining between 0 and granted and clawed between 0 and granted and reinstated >= 0
	and expired - reinstated between 0 and granted and forgiven between 0 and least(clawed, expired - reinstated) and waived between 0 and clawed - forgiven);
alter table loyalty.lot_date drop constraint lot_date_cause;
alter table loyalty.lot_date add constraint lot_date_cause check (cause in ('restored', 'reinstated') and txn_id is not null or cause = 'by_hand' and note is not null);
alter table loyalty.txn drop constraint txn_kind;
alter table loyalty.txn add constraint txn_kind check (kind in ('earn', 'claw_back', 'expire', 'adjust', 'redeem', 'cancel', 'hold', 'commit', 'release', 'restore',
	'activate', 'transfer_out', 'transfer_in', 'merge_out', 'merge_in', 'reinstate'));
create index txn_expired on loyalty.txn (site_id, recorded_at, id) include (points, member_id) where kind = 'expire';

-- What is to be taken back: all that expired in a period and was not taken back yet. The timer does it in sets; after_at and after_id say how far it is.
create table loyalty.expiry_reversal (
	site_id      bigint      not null,
	id           bigint      generated always as identity,
	day          date        not null, -- of the site, whose expiry it is
	begins_at    timestamptz not null,
	ends_at      timestamptz not null,
	grace_days   int         not null,
	good_until   timestamptz not null, -- of the points that are given back
	note         text        not null,
	after_at     timestamptz not null,
	after_id     bigint      not null,
	transactions bigint      not null default 0, -- that were made
	points       bigint      not null default 0,
	requested_at timestamptz not null,
	done_at      timestamptz,
	constraint expiry_reversal_pkey primary key (site_id, id),
	constraint expiry_reversal_sense check (begins_at < ends_at and grace_days > 0 and length(note) between 1 and 1000 and points >= 0)
);
create unique index expiry_reversal_one on loyalty.expiry_reversal (site_id) where done_at is null;
create index expiry_reversal_day on loyalty.expiry_reversal (site_id, day);
grant select, insert, update on loyalty.expiry_reversal to talkable_loyalty;

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

create view audit.member_v1 as
	select site_id, id as member_id, person_id, status, tier, earned, joined_at from loyalty.member;
create view audit.ledger_account_v1 as
	select site_id, id as account_id, name as account, coalesce(owner_id, pending_of) as member_id, seq, balance from loyalty.account;
create view audit.ledger_transaction_v1 as
	select site_id, id as transaction_id, member_id, kind, reason, source, points, earn_id as about_id, origin_id, referral_id, reward_id,
		nullif(rule, '')::jsonb ->> 'rule' as rule, (nullif(rule, '')::jsonb ->> 'version')::bigint as rule_version, effective_at, recorded_at
	from loyalty.txn;
create view audit.ledger_entry_v1 as
	select e.site_id, e.txn_id as transaction_id, e.account_id, a.name as account, coalesce(a.owner_id, a.pending_of) as member_id, e.seq, e.amount, e.balance_after
	from loyalty.entry e join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id;
create view audit.lot_v1 as
	select l.site_id, l.id as lot_id, l.account_id, coalesce(a.owner_id, a.pending_of) as member_id, l.granted, l.remaining, l.clawed as clawed_back, l.expired, l.reinstated, l.forgiven, l.waived,
		coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.by_activity, false) as by_activity, case when l.by_activity then m.lapses_at else l.expires_at end as expires_at
	from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
	left join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of);
create view audit.lot_date_v1 as
	select site_id, lot_id, id as change_id, was, ends, cause, txn_id as transaction_id, changed_at from loyalty.lot_date;
create view audit.allocation_v1 as
	select site_id, txn_id as transaction_id, lot_id, amount from loyalty.allocation;
create view audit.redemption_v1 as
	select site_id, id as redemption_id, member_id, batch_id, status, points, cancel_txn_id as cancel_transaction_id, created_at, fulfilled_at, cancelled_at from loyalty.redemption;
create view audit.hold_v1 as
	select site_id, id as hold_id, member_id, status, points, restored, until, end_txn_id as end_transaction_id, created_at, ended_at from loyalty.hold;
create view audit.tier_change_v1 as
	select site_id, id as change_id, member_id, from_tier, to_tier, earned, cause, txn_id as transaction_id, program_version, changed_at from loyalty.tier_change;
create view audit.turnover_v1 as
	select site_id, at as quarter, name as account, kind, points, entries from loyalty.turnover;
create view audit.point_value_v1 as
	select site_id, version, from_day, points, amount, breakage_bp as expected_breakage_bp, currency, set_at from loyalty.point_value;
create view audit.checkpoint_v1 as
	select site_id, day, place, txn_id as transaction_id, hash, entries, allocations, sums, made_at, public_key, signature from loyalty.checkpoint;
create view audit.expiry_reversal_v1 as
	select site_id, id as reversal_id, day, grace_days, good_until, transactions, points, requested_at, done_at from loyalty.expiry_reversal;
create view audit.closing_v1 as
	select site_id, month, begins_at, ends_at, zone, place, txn_id as transaction_id, hash, journal ->> 'currency' as currency, (journal ->> 'liability')::bigint as liability,
		(journal ->> 'liability_value')::bigint as liability_value, (journal ->> 'pending')::bigint as pending, (journal ->> 'expected_breakage')::bigint as expected_breakage, closed_at
	from loyalty.closing;
create view audit.closing_account_v1 as
	select k.site_id, k.month, a.account, a.opening, a.debit, a.credit, a.closing, a.opening_value, a.debit_value, a.credit_value, a.closing_value
	from loyalty.closing k cross join jsonb_to_recordset(k.journal -> 'accounts') as a (account text, opening bigint, debit bigint, credit bigint, closing bigint,
		opening_value bigint, debit_value bigint, credit_value bigint, closing_value bigint);
create view audit.closing_line_v1 as
	select k.site_id, k.month, l.account, l.kind, l.entries, l.debit, l.credit, l.debit_value, l.credit_value
	from loyalty.closing k cross join jsonb_to_recordset(k.journal -> 'lines') as l (account text, kind text, entries bigint, debit bigint, credit bigint, debit_value bigint, credit_value bigint);

grant select on audit.member_v1, audit.ledger_account_v1, audit.ledger_transaction_v1, audit.ledger_entry_v1, audit.lot_v1, audit.lot_date_v1, audit.allocation_v1, audit.redemption_v1,
	audit.hold_v1, audit.tier_change_v1, audit.turnover_v1, audit.point_value_v1, audit.checkpoint_v1, audit.closing_v1, audit.closing_account_v1, audit.closing_line_v1, audit.expiry_reversal_v1 to talkable_audit;
