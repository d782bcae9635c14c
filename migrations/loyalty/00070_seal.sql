-- +goose Up

-- What a transaction did, by the transaction: to explain one, and to seal what was posted.
create index entry_txn on loyalty.entry (site_id, txn_id);

-- Up to which id all transactions are decided. Ids are not the order of commits: one that took a lower id may commit later. Whoever takes
-- ids has an xid before (it holds the locks of accounts), so every xid that was there when the sequence stood at mark is below the
-- xid which came next; once all those are over, nothing at or below mark can appear any more. The sequence must never get a CACHE.
create table loyalty.horizon (
	one   bool    not null default true,
	floor bigint  not null default 0,
	mark  bigint  not null default 0,
	xid   xid8    not null default '0',
	constraint horizon_pkey primary key (one),
	constraint horizon_one check (one),
	constraint horizon_mark check (floor <= mark)
) with (fillfactor = 10);
insert into loyalty.horizon default values;

-- What each site's chain has come to: see package seal.
create table loyalty.chain (
	site_id     bigint      not null,
	place       bigint      not null, -- transactions in it
	txn_id      bigint      not null, -- the last of them
	hash        bytea       not null,
	entries     bigint      not null,
	allocations bigint      not null,
	sums        jsonb       not null, -- of the entries, by the name of their accounts
	sealed_at   timestamptz not null,
	constraint chain_pkey primary key (site_id),
	constraint chain_hash check (length(hash) = 32)
) with (fillfactor = 50);

-- What the chain had come to at every thousandth place, so that a change of what was sealed is found near to where it is.
create table loyalty.anchor (
	site_id bigint not null,
	place   bigint not null,
	txn_id  bigint not null,
	hash    bytea  not null,
	constraint anchor_pkey primary key (site_id, place),
	constraint anchor_hash check (length(hash) = 32)
);

-- What the chain had come to when a day was over, signed. A day without postings has none.
create table loyalty.checkpoint (
	site_id     bigint      not null,
	day         date        not null, -- UTC
	place       bigint      not null,
	txn_id      bigint      not null,
	hash        bytea       not null,
	entries     bigint      not null,
	allocations bigint      not null,
	sums        jsonb       not null,
	made_at     timestamptz not null,
	public_key  bytea,
	signature   bytea,
	constraint checkpoint_pkey primary key (site_id, day),
	constraint checkpoint_place unique (site_id, place),
	constraint checkpoint_signed check ((public_key is null) = (signature is null))
);

-- Of every 256th entry of an account, when it and all before it were written: where to begin to look for what an account held at a moment.
create table loyalty.milestone (
	site_id    bigint      not null,
	account_id bigint      not null,
	at         timestamptz not null,
	seq        bigint      not null,
	constraint milestone_pkey primary key (site_id, account_id, at, seq)
);

grant select, update on loyalty.horizon to talkable_loyalty;
grant select, insert, update on loyalty.chain to talkable_loyalty;
grant select, insert on loyalty.anchor, loyalty.checkpoint, loyalty.milestone to talkable_loyalty;
grant select on sequence loyalty.txn_id_seq to talkable_loyalty;
