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
