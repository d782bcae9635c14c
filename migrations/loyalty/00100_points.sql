-- +goose Up

-- What a programme says of points beyond its rates: settings that most programmes don't touch. null: nothing.
alter table loyalty.program add column policy jsonb;

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
