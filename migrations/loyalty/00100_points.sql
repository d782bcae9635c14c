-- +goose Up

-- What a programme says of points beyond its rates: settings that most programmes don't touch. null: nothing.
alter table loyalty.program add column policy jsonb;
-- The lot up to which the timer has brought the lots' wake_at up to a policy that changed; null: nothing to do.
alter table loyalty.program add column rewake_after bigint;

-- A lot lives until its own date, or as long as its member does something. All are null where a programme asks for none of it, and
-- then no index has a row of it.
alter table loyalty.lot add column by_activity boolean;     -- ends when the member's lapses_at comes; it has no date of its own then
alter table loyalty.lot add column wake_at     timestamptz; -- when the timer has something to do with it before it ends
alter table loyalty.lot add column reminded    boolean;     -- that it ends: once for each date
create index lot_wake on loyalty.lot (wake_at) where wake_at is not null;

alter table loyalty.member add column lapses_at timestamptz; -- when the lots that live by activity end, if nothing is done until then
alter table loyalty.member add column idle_days int;         -- that they live on after something was done
alter table loyalty.member add column wake_at   timestamptz;
alter table loyalty.member add column reminded  boolean;
create index member_lapses on loyalty.member (lapses_at) where lapses_at is not null;
create index member_wake on loyalty.member (wake_at) where wake_at is not null;

-- Each change of a lot's date, so that it can be told when the points would have expired, and why they do not.
create table loyalty.lot_date (
	site_id    bigint      not null,
	lot_id     bigint      not null,
	id         bigint      generated always as identity,
	was        timestamptz, -- null: never
	ends       timestamptz, -- null: never
	cause      text        not null,
	txn_id     bigint,      -- that gave points back to a lot which had lapsed
	note       text,
	changed_at timestamptz not null,
	constraint lot_date_pkey primary key (site_id, lot_id, id),
	constraint lot_date_cause check (cause = 'restored' and txn_id is not null or cause = 'by_hand' and note is not null)
);

grant select, insert on loyalty.lot_date to talkable_loyalty;

-- Points that a checkout keeps for itself until it is over. Each hold is a transaction, and so is each end of one.
alter table loyalty.account drop constraint account_name;
alter table loyalty.account add constraint account_name check (asset = 'points' and case
	when owner_id is not null then name = 'member' and pending_of is null
	when pending_of is not null then name = 'pending'
	else name in ('issued', 'redeemed', 'expired', 'adjusted', 'held', 'transferred') end);
alter table loyalty.txn drop constraint txn_kind;
alter table loyalty.txn add constraint txn_kind check (kind in ('earn', 'claw_back', 'expire', 'adjust', 'redeem', 'cancel', 'hold', 'commit', 'release', 'restore',
	'activate', 'transfer_out', 'transfer_in'));
alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action', 'hold', 'transfer', 'join', 'tier', 'date'));

create table loyalty.hold (
	site_id    bigint      not null,
	id         bigint      not null, -- of the transaction that took the points
	member_id  bigint      not null,
	status     text        not null,
	points     bigint      not null,
	restored   bigint      not null default 0, -- of what was committed
	reference  text        not null,
	until      timestamptz not null,
	created_at timestamptz not null,
	ended_at   timestamptz,
	end_txn_id bigint,               -- that committed or released it
	constraint hold_pkey primary key (site_id, id),
	constraint hold_status check (status in ('held', 'committed', 'released', 'timed_out')),
	constraint hold_points check (points > 0 and restored between 0 and points and (restored = 0 or status = 'committed')),
	constraint hold_ended check ((status = 'held') = (ended_at is null) and (status = 'held') = (end_txn_id is null))
) with (fillfactor = 80);
create index hold_until on loyalty.hold (until) where status = 'held'; -- the timer goes over all sites
create index hold_member on loyalty.hold (site_id, member_id, id);

grant select, insert, update on loyalty.hold to talkable_loyalty;
