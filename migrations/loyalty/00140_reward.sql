-- +goose Up

-- What a redemption batch gives, and to whom and when. A batch without terms costs its redemptions nothing more than before.
alter table loyalty.redemption_batch add column kind text not null default 'custom';
alter table loyalty.redemption_batch add column terms jsonb; -- null: its cost is all
update loyalty.redemption_batch set kind = 'coupon' where coupon_list_id is not null;
alter table loyalty.redemption_batch add constraint redemption_batch_kind
	check (kind in ('coupon', 'generated_coupon', 'gift_card', 'product', 'store_credit', 'payment', 'custom')
		and (kind in ('coupon', 'generated_coupon')) = (coupon_list_id is not null));

-- A redemption keeps what it was made with: what it gives, and which counts it is part of, so that a cancellation gives those back
-- whatever becomes of the batch.
alter table loyalty.redemption add column kind text not null default 'custom';
alter table loyalty.redemption add column terms jsonb;
alter table loyalty.redemption add column note text; -- of whoever fulfilled it
alter table loyalty.redemption add column cancel_wanted text; -- why; what it got is being taken back
alter table loyalty.redemption add column cancel_wanted_at timestamptz;
create index redemption_cancelling on loyalty.redemption (cancel_wanted_at) where cancel_wanted_at is not null and status <> 'cancelled';
update loyalty.redemption set kind = 'coupon' where coupon_list_id is not null;
alter table loyalty.redemption drop constraint redemption_fulfilled;
alter table loyalty.redemption add constraint redemption_fulfilled check (status <> 'waiting' or fulfilled_at is null and kind <> 'payment');
create index redemption_batch_page on loyalty.redemption (site_id, batch_id, id);
create index redemption_by_time on loyalty.redemption (site_id, created_at, id);
create index redemption_gone on loyalty.redemption (site_id, id) where status = 'cancelled';

-- How many of a batch are redeemed and not cancelled: in all (member 0) or by a member, ever or since a day on which a limit's period
-- began. Only batches with stock or limits have rows. No count passes the limit that it was raised under.
create table loyalty.redemption_count (
	site_id   bigint not null,
	batch_id  bigint not null,
	member_id bigint not null, -- 0: everybody's
	span      text   not null,
	since     date   not null,
	taken     bigint not null default 0,
	most      bigint not null,
	constraint redemption_count_pkey primary key (site_id, batch_id, member_id, span, since),
	constraint redemption_count_span check (span in ('day', 'month', 'year', 'ever')),
	constraint redemption_count_room check (taken between 0 and most)
) with (fillfactor = 60);
create index redemption_count_old on loyalty.redemption_count (since) where span = 'day';

grant select, insert, update, delete on loyalty.redemption_count to talkable_loyalty;

-- Whom a site asks to fulfil what its members redeemed.
create table loyalty.fulfilment_hook (
	site_id          bigint      not null,
	url              text        not null,
	secret           text        not null,
	timeout_ms       int         not null,
	deadline_minutes int         not null,
	on_failure       text        not null,
	enabled          boolean     not null,
	key_id           bigint      not null,
	at               timestamptz not null,
	constraint fulfilment_hook_pkey primary key (site_id),
	constraint fulfilment_hook_timeout check (timeout_ms between 100 and 10000),
	constraint fulfilment_hook_deadline check (deadline_minutes between 1 and 10080),
	constraint fulfilment_hook_failure check (on_failure in ('wait', 'cancel'))
);

-- What is asked of it: one question a redemption, until somebody has answered, or the deadline is over. asking: a call is under way until
-- next_at, and nobody cancels the redemption meanwhile.
create table loyalty.fulfilment_ask (
	site_id       bigint      not null,
	redemption_id bigint      not null,
	state         text        not null default 'waiting',
	answer        text,
	tries         int         not null default 0,
	attempts      jsonb       not null default '[]', -- the last ones
	asked_at      timestamptz not null,
	next_at       timestamptz not null,
	settled_at    timestamptz,
	constraint fulfilment_ask_pkey primary key (site_id, redemption_id),
	constraint fulfilment_ask_state check (state in ('waiting', 'asking', 'answered', 'failed', 'moot')),
	constraint fulfilment_ask_answer check ((state = 'answered') = (answer is not null) and answer in ('fulfilled', 'refused', 'later')),
	constraint fulfilment_ask_settled check ((state in ('waiting', 'asking')) = (settled_at is null))
) with (fillfactor = 80);
create index fulfilment_ask_due on loyalty.fulfilment_ask (next_at) where state in ('waiting', 'asking');

grant select, insert, update, delete on loyalty.fulfilment_hook to talkable_loyalty;
grant select, insert, update on loyalty.fulfilment_ask to talkable_loyalty;

-- A hold may be of a batch that pays part of an order: then it is worth something, and is part of the batch's counts until it is released.
alter table loyalty.hold add column batch_id bigint;
alter table loyalty.hold add column amount bigint;
alter table loyalty.hold add column currency text;
alter table loyalty.hold add column counted jsonb;
alter table loyalty.hold add constraint hold_worth check (num_nonnulls(batch_id, amount, currency) in (0, 3));
