-- +goose Up

-- Persons who were merged into others: what is still told of them is the survivor's.
create table loyalty.person_alias (
	site_id     bigint not null,
	person_id   bigint not null,
	survivor_id bigint not null,
	merge_id    bigint not null, -- module customer's
	constraint person_alias_pkey primary key (site_id, person_id),
	constraint person_alias_two check (person_id <> survivor_id)
);
grant select, insert, delete on loyalty.person_alias to talkable_loyalty;

-- A member whose person was merged into another is closed meanwhile: its points are the survivor's, and so is what it counted for tiers. Its own
-- row says where everything went, the survivor's where it came from.
alter table loyalty.member add column merged_into bigint;  -- member
alter table loyalty.member add column duplicates  bigint[]; -- members merged into this one; null: none
alter table loyalty.member drop constraint member_status;
alter table loyalty.member add constraint member_status check (status in ('active', 'inactive', 'merged') and (status = 'merged') = (merged_into is not null)
	and (merged_into is null or duplicates is null));
alter table loyalty.lot add column home bigint; -- the member whose it was before a merge, and will be after; null: whose account it is on
create index lot_home on loyalty.lot (site_id, home) where home is not null;
create index merit_member on loyalty.merit (site_id, member_id);

-- What a merge moved.
create table loyalty.member_merge (
	site_id      bigint      not null,
	id           bigint      not null, -- module customer's
	survivor_id  bigint      not null, -- members
	duplicate_id bigint      not null,
	status       text        not null, -- of the duplicate before
	points       bigint      not null, -- its balance; below zero a debt
	txn_id       bigint,               -- by which the survivor got it; null: it was none
	merged_at    timestamptz not null,
	undone_at    timestamptz,
	constraint member_merge_pkey primary key (site_id, id)
);
grant select, insert, update on loyalty.member_merge to talkable_loyalty;

alter table loyalty.txn drop constraint txn_kind;
alter table loyalty.txn add constraint txn_kind check (kind in ('earn', 'claw_back', 'expire', 'adjust', 'redeem', 'cancel', 'hold', 'commit', 'release', 'restore',
	'activate', 'transfer_out', 'transfer_in', 'merge_out', 'merge_in'));
alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action', 'hold', 'transfer', 'join', 'tier', 'date',
	'merge', 'unmerge'));
alter table loyalty.txn drop constraint txn_points;
alter table loyalty.txn add constraint txn_points check (points > 0 or points = 0 and kind = 'claw_back' or points < 0 and kind = 'adjust' or kind in ('merge_out', 'merge_in'));
