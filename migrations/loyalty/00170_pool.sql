-- +goose Up

-- Members who may spend each other's points. Each keeps an account of its own: a pool has no points, its members do.
create table loyalty.pool (
	site_id         bigint      not null,
	id              bigint      generated always as identity,
	name            text        not null,
	spending        text        not null, -- who may spend the others' points
	owner_id        bigint      not null, -- one of its members; of a closed one, who was it
	created_at      timestamptz not null,
	closed_at       timestamptz,
	closed_by_merge bigint,               -- that left nobody in it; undoing it opens the pool again
	constraint pool_pkey primary key (site_id, id),
	constraint pool_name check (length(name) between 1 and 100),
	constraint pool_spending check (spending in ('all', 'owner')),
	constraint pool_closed_by_merge check (closed_by_merge is null or closed_at is not null)
);

-- Who is in a pool, and who was. One has an open place at most.
create table loyalty.pool_member (
	site_id   bigint      not null,
	id        bigint      generated always as identity,
	pool_id   bigint      not null,
	member_id bigint      not null,
	joined_at timestamptz not null,
	left_at   timestamptz,
	merge_id  bigint, -- that gave the place to the survivor, or ended it
	heir_id   bigint, -- the member that this merge made the owner in this one's place
	constraint pool_member_pkey primary key (site_id, id),
	constraint pool_member_pool_fkey foreign key (site_id, pool_id) references loyalty.pool (site_id, id),
	constraint pool_member_times check (left_at >= joined_at)
);
create unique index pool_member_one on loyalty.pool_member (site_id, member_id) where left_at is null;
create index pool_member_pool on loyalty.pool_member (site_id, pool_id);
create index pool_member_merge on loyalty.pool_member (site_id, merge_id) where merge_id is not null;
create index pool_merge on loyalty.pool (site_id, closed_by_merge) where closed_by_merge is not null;

grant select, insert, update on loyalty.pool, loyalty.pool_member to talkable_loyalty;

-- What others of a pool paid of a redemption or a hold comes to who spends by pool_out and pool_in, and goes back by them: about the one that it is for, and about the one that gives it back.
alter table loyalty.txn drop constraint txn_kind;
alter table loyalty.txn add constraint txn_kind check (kind in ('earn', 'claw_back', 'expire', 'adjust', 'redeem', 'cancel', 'hold', 'commit', 'release', 'restore',
	'activate', 'transfer_out', 'transfer_in', 'merge_out', 'merge_in', 'reinstate', 'pool_out', 'pool_in'));
alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action', 'hold', 'transfer', 'join', 'tier', 'date',
	'merge', 'unmerge', 'pool'));
create index txn_pool on loyalty.txn (site_id, earn_id) where kind in ('pool_out', 'pool_in');

-- That others of a pool paid a part.
alter table loyalty.redemption add column pooled boolean;
alter table loyalty.hold add column pooled boolean;
