-- +goose Up

-- Two persons who turned out to be one. The duplicate keeps its row, its marks and what it did; whatever finds it goes on to the survivor, one
-- step at most: see merge_side.
alter table customer.person add column merged_into bigint;
alter table customer.person add constraint person_merged check (merged_into <> id);
create index person_merged_into on customer.person (site_id, merged_into) where merged_into is not null;

-- On which side of merges that hold a person is, which is one side only: a survivor is nobody's duplicate. So nothing leads on, nor in a circle.
create table customer.merge_side (
	site_id bigint not null,
	person_id bigint not null,
	side text not null,
	constraint merge_side_pkey primary key (site_id, person_id),
	constraint merge_side_once unique (site_id, person_id, side),
	constraint merge_side_side check (side in ('survivor', 'duplicate'))
);

-- A merge, and what it gave the survivor so that it can be taken away again. Personal data is in gained only, which is emptied when the person
-- is anonymized; lent says by name what is in it.
create table customer.merge (
	site_id bigint not null,
	id bigint generated always as identity,
	survivor_id bigint not null,
	duplicate_id bigint not null,
	reason text not null,
	key_id bigint not null, -- the API key; 0: none is known
	lent text[] not null,
	gained jsonb not null,
	purchases bigint not null, -- of the duplicate
	events bigint not null,
	merged_at timestamptz not null,
	undo_reason text,
	undo_key_id bigint,
	undone_at timestamptz, -- null: it holds
	survivor_side text generated always as (case when undone_at is null then 'survivor' end) stored,
	duplicate_side text generated always as (case when undone_at is null then 'duplicate' end) stored,
	constraint merge_pkey primary key (site_id, id),
	constraint merge_two check (survivor_id <> duplicate_id),
	constraint merge_reason check (length(reason) between 1 and 1000 and length(undo_reason) between 1 and 1000),
	constraint merge_undone check ((undone_at is null) = (undo_reason is null) and (undone_at is null) = (undo_key_id is null)),
	constraint merge_survivor foreign key (site_id, survivor_id, survivor_side) references customer.merge_side (site_id, person_id, side),
	constraint merge_duplicate foreign key (site_id, duplicate_id, duplicate_side) references customer.merge_side (site_id, person_id, side)
);
create unique index merge_holds on customer.merge (site_id, duplicate_id) where undone_at is null;
create index merge_of_survivor on customer.merge (site_id, survivor_id) where undone_at is null;

-- Pairs of persons of whom an order said that they may be one: its e-mail is the one's, its customer id the other's.
create table customer.merge_suggestion (
	site_id bigint not null,
	id bigint generated always as identity,
	low_id bigint not null,
	high_id bigint not null,
	by_email_id bigint not null, -- which of them the e-mail found, so whose the order is
	number text not null,        -- of the first order that said so
	suggested_at timestamptz not null,
	constraint merge_suggestion_pkey primary key (site_id, id),
	constraint merge_suggestion_pair unique (site_id, low_id, high_id),
	constraint merge_suggestion_order check (low_id < high_id and by_email_id in (low_id, high_id))
);
create index merge_suggestion_high on customer.merge_suggestion (site_id, high_id); -- to forget those of a person

grant select, insert, delete on customer.merge_side to talkable_customer;
grant select, insert, update on customer.merge to talkable_customer;
grant select, insert, delete on customer.merge_suggestion to talkable_customer;
