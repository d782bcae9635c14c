-- +goose Up

-- How advocates are paid for their friends' orders. A change counts the version up; commissions keep the terms that they were made by.
create table referral.commission_plan (
	site_id bigint not null,
	id bigint not null generated always as identity,
	version int not null,
	name text not null,
	active boolean not null,
	terms jsonb not null,
	key_id bigint not null, -- the API key that changed it last
	created_at timestamptz not null,
	updated_at timestamptz not null,
	constraint commission_plan_pkey primary key (site_id, id)
);

alter table referral.incentive add column commission_plan_id bigint,
	add constraint incentive_plan check (commission_plan_id is null or kind = 'commission' and action = 'referrer' and basis_points = 0 and amount = 0);

-- What one unit of a currency was worth on a day (UTC), times 10^10, as the merchant says. Nothing is converted without it.
create table referral.exchange_rate (
	site_id bigint not null,
	day date not null,
	source text not null,
	target text not null,
	rate bigint not null constraint exchange_rate_positive check (rate > 0),
	key_id bigint not null,
	at timestamptz not null,
	constraint exchange_rate_pkey primary key (site_id, day, source, target),
	constraint exchange_rate_pair check (source <> target)
);

-- What an order came to for the one who earns. A row of a plan is made when the order is decided, and earned once its referral is
-- approved; a row without a plan stands for a reward of a fixed or plain percentage. Rows are hot; see referral.reward on foreign keys.
create table referral.commission (
	site_id bigint not null,
	id bigint not null generated always as identity,
	person_id bigint not null, -- who earns
	friend_id bigint not null, -- whose order
	origin_id bigint not null,
	referral_id bigint not null,
	campaign_id bigint not null,
	incentive_id bigint not null,
	plan_id bigint, -- null: of a plain incentive
	reward_id bigint, -- of the first order
	nth int not null constraint commission_nth check (nth > 0), -- order of the friend that the plan pays for
	orders int not null constraint commission_orders check (orders > 0), -- of the first: how many it pays for in all
	until timestamptz, -- of the first: those before this; null: no end
	status text not null constraint commission_status check (status in ('pending', 'waiting', 'earned', 'voided')),
	subtotal bigint not null,
	order_currency text not null,
	base bigint not null constraint commission_base check (base >= 0),
	percent_amount bigint not null constraint commission_percent check (percent_amount >= 0), -- in the order's currency
	fixed_amount bigint not null constraint commission_fixed check (fixed_amount >= 0), -- in the plan's
	currency text not null, -- that it is paid in
	amount bigint not null default 0 constraint commission_amount check (amount >= 0), -- 0 until it is earned
	clawed bigint not null default 0,
	budget_since date, -- period of the campaign's budget that it was taken of; null: of none
	held boolean not null default false,
	hold_until timestamptz, -- null of a held one: until somebody releases it
	superseded boolean not null default false, -- the referral is another advocate's
	explain jsonb not null,
	occurred_at timestamptz not null,
	approved_at timestamptz,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	constraint commission_pkey primary key (site_id, id),
	constraint commission_clawed check (clawed between 0 and amount),
	constraint commission_held check (not held or status = 'earned'),
	constraint commission_earned check (status = 'earned' or amount = 0)
) with (fillfactor = 85);
create unique index commission_order_once on referral.commission (site_id, origin_id, plan_id) where plan_id is not null and not superseded;
create unique index commission_nth_once on referral.commission (site_id, referral_id, plan_id, nth) where plan_id is not null;
create unique index commission_reward_once on referral.commission (site_id, reward_id) where reward_id is not null;
create index commission_by_origin on referral.commission (site_id, origin_id);
create index commission_by_person on referral.commission (site_id, person_id, id);
-- Nearly all are earned some day; lists of the others would read them all.
create index commission_by_status on referral.commission (site_id, status, id) where status <> 'earned';
create index commission_recurring on referral.commission (site_id, friend_id) where nth = 1 and orders > 1 and not superseded;
create index commission_by_referral on referral.commission (site_id, referral_id);
create index commission_waiting on referral.commission (site_id, order_currency, currency, occurred_at) where status = 'waiting';
create index commission_due on referral.commission (hold_until) where held and hold_until is not null;

-- How much of a plan's caps is used up: a friend's (subject: the friend) and a month's (subject: 202611).
create table referral.commission_cap (
	site_id bigint not null,
	plan_id bigint not null,
	person_id bigint not null,
	kind text not null constraint commission_cap_kind check (kind in ('friend', 'month')),
	subject bigint not null,
	used bigint not null constraint commission_cap_used check (used >= 0),
	constraint commission_cap_pkey primary key (site_id, plan_id, person_id, kind, subject)
) with (fillfactor = 85);

-- What a person has earned in a currency and wasn't paid yet. balance = held + reserved + what the next payout takes; a claw-back after
-- a payout makes it negative.
create table referral.account (
	site_id bigint not null,
	person_id bigint not null,
	currency text not null,
	seq bigint not null default 0,
	balance bigint not null default 0,
	held bigint not null default 0 constraint account_held check (held >= 0), -- of commissions on hold
	reserved bigint not null default 0 constraint account_reserved check (reserved >= 0), -- in payout batches under way
	constraint account_pkey primary key (site_id, person_id, currency)
) with (fillfactor = 85);
-- Whom a payout of a currency would pay, who has too little for it, and who owes: an account with nothing open isn't in it. What a payout
-- and its preview ask is in the index itself. (An account's row never changes without an index: nothing is lost by one more column.)
create index account_payable on referral.account (site_id, currency, person_id) include (balance, held, reserved)
	where balance - held - reserved <> 0 or held <> 0;

-- The account's history: append-only, without gaps. A source makes one entry.
create table referral.account_entry (
	site_id bigint not null,
	id bigint not null generated always as identity,
	person_id bigint not null,
	currency text not null,
	seq bigint not null,
	kind text not null constraint account_entry_kind check (kind in ('earned', 'held', 'released', 'clawed_back', 'adjusted', 'paid', 'payout_failed')),
	amount bigint not null, -- of the balance
	held bigint not null, -- of what is held of it
	balance_after bigint not null,
	held_after bigint not null,
	source text not null, -- what it was made for: "commission:7", "clawed:7:250"
	commission_id bigint,
	line_id bigint, -- of a payout
	note text constraint account_entry_note check (length(note) between 1 and 1000),
	key_id bigint,
	at timestamptz not null,
	constraint account_entry_pkey primary key (site_id, person_id, currency, seq),
	constraint account_entry_id unique (site_id, id),
	constraint account_entry_source unique (site_id, source)
);

create index account_entry_by_commission on referral.account_entry (site_id, commission_id) where commission_id is not null;

-- Entries that no payout has taken. A payout moves them to payout_entry; one that fails or is cancelled moves them back.
create table referral.open_entry (
	site_id bigint not null,
	entry_id bigint not null,
	person_id bigint not null,
	currency text not null,
	amount bigint not null,
	commission_id bigint,
	held boolean not null,
	constraint open_entry_pkey primary key (site_id, entry_id)
);
create index open_entry_by_account on referral.open_entry (site_id, person_id, currency);
create index open_entry_by_commission on referral.open_entry (site_id, commission_id) where commission_id is not null;

create table referral.payout_batch (
	site_id bigint not null,
	id bigint not null generated always as identity,
	currency text not null,
	minimum bigint not null constraint payout_batch_minimum check (minimum > 0),
	method text not null constraint payout_batch_method check (method in ('manual', 'paypal')),
	status text not null constraint payout_batch_status check (status in ('draft', 'approved', 'done', 'cancelled')),
	lines int not null,
	amount bigint not null,
	note text not null,
	token uuid not null, -- names the batch to the provider: the same one is paid once
	reference text not null default '', -- the provider's name of it
	attempts int not null default 0,
	next_at timestamptz, -- when the provider is called next
	trouble text not null default '', -- why it has to be called again
	key_id bigint not null, -- who made it
	approved_by bigint,
	created_at timestamptz not null,
	approved_at timestamptz,
	finished_at timestamptz,
	constraint payout_batch_pkey primary key (site_id, id)
);
create index payout_batch_due on referral.payout_batch (next_at) where status = 'approved' and next_at is not null;

create table referral.payout_line (
	site_id bigint not null,
	id bigint not null generated always as identity,
	batch_id bigint not null,
	person_id bigint not null,
	amount bigint not null constraint payout_line_amount check (amount > 0),
	status text not null constraint payout_line_status check (status in ('pending', 'sent', 'paid', 'failed', 'cancelled')),
	reference text not null default '',
	reason text not null default '',
	updated_at timestamptz not null,
	constraint payout_line_pkey primary key (site_id, id),
	constraint payout_line_once unique (site_id, batch_id, person_id),
	constraint payout_line_batch foreign key (site_id, batch_id) references referral.payout_batch (site_id, id)
);
create index payout_line_open on referral.payout_line (site_id, batch_id, id) where status in ('pending', 'sent');

-- What a line pays. An entry is in one live line at most.
create table referral.payout_entry (
	site_id bigint not null,
	line_id bigint not null,
	entry_id bigint not null,
	live boolean not null,
	constraint payout_entry_pkey primary key (site_id, line_id, entry_id)
);
create unique index payout_entry_once on referral.payout_entry (site_id, entry_id) where live;

grant select, insert on referral.account_entry to talkable_referral;
grant select, insert, update on referral.commission_plan, referral.exchange_rate, referral.commission, referral.commission_cap,
	referral.account, referral.payout_batch, referral.payout_line, referral.payout_entry to talkable_referral;
grant select, insert, update, delete on referral.open_entry to talkable_referral;
