-- +goose Up

-- A supply of coupons that the shop honours alike. Its worth is one of a percentage and an amount.
create table referral.coupon_list (
	site_id bigint not null,
	id bigint not null generated always as identity,
	name text not null,
	kind text not null constraint coupon_list_kind check (kind in ('single-use', 'multi-use')),
	basis_points bigint not null constraint coupon_list_percent check (basis_points between 0 and 10000),
	amount bigint not null constraint coupon_list_amount check (amount >= 0),
	currency text not null,
	expires_at timestamptz, -- of all its coupons, or
	expires_days int constraint coupon_list_days check (expires_days between 1 and 3650), -- after each was handed out
	subtotal_min bigint constraint coupon_list_subtotal check (subtotal_min >= 0),
	low_stock bigint constraint coupon_list_low check (low_stock >= 0), -- null: the forecast decides
	low_at timestamptz, -- since when it has been told to be low
	created_at timestamptz not null,
	updated_at timestamptz not null,
	constraint coupon_list_pkey primary key (site_id, id),
	constraint coupon_list_worth check ((basis_points > 0) <> (amount > 0)),
	constraint coupon_list_expiry check (expires_at is null or expires_days is null)
);

-- Every code of a site, once, in its one form. A single-use coupon has at most one holder, and a reward or redemption at most one
-- coupon. No foreign keys: coupons are written by the million, and lists, rewards and campaigns are never deleted.
create table referral.coupon (
	site_id bigint not null,
	id bigint not null generated always as identity,
	list_id bigint, -- null: a campaign names the code itself
	code text collate "C" not null constraint coupon_code_form
		check (code ~ '^[A-Z0-9_/.%:*+@&#-]{3,255}$' and code <> 'SAMPLE-COUPON-CODE'),
	single_use boolean not null,
	reward_id bigint,
	redemption_id bigint,
	person_id bigint,
	issued_at timestamptz,
	expires_at timestamptz, -- counted from issued_at, where the list says so
	usages bigint not null default 0 constraint coupon_usages check (usages >= 0),
	used_at timestamptz, -- first
	withdrawn_at timestamptz, -- the redemption that it went to was cancelled; it goes to nobody else
	created_at timestamptz not null,
	constraint coupon_pkey primary key (site_id, id),
	constraint coupon_code unique (site_id, code),
	constraint coupon_holder check ((issued_at is null and num_nonnulls(reward_id, redemption_id, person_id) = 0)
		or (issued_at is not null and num_nonnulls(reward_id, redemption_id) = 1 and single_use and list_id is not null)),
	constraint coupon_withdrawn check (withdrawn_at is null or redemption_id is not null)
);
create unique index coupon_reward_once on referral.coupon (site_id, reward_id) where reward_id is not null;
create unique index coupon_redemption_once on referral.coupon (site_id, redemption_id) where redemption_id is not null;
create index coupon_free on referral.coupon (site_id, list_id, id) where single_use and issued_at is null;
-- What was handed out leaves dead entries at the head of coupon_free, where the next are looked for.
alter table referral.coupon set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- How many coupons a list was given and has handed out, in slots: transactions of different sessions seldom meet in one row.
create table referral.coupon_stock (
	site_id bigint not null,
	list_id bigint not null,
	slot int not null,
	added bigint not null,
	issued bigint not null,
	constraint coupon_stock_pkey primary key (site_id, list_id, slot)
) with (fillfactor = 50);

-- How many coupons a list had handed out when a day (UTC) was first seen; the forecast takes the difference.
create table referral.coupon_day (
	site_id bigint not null,
	list_id bigint not null,
	day date not null,
	issued bigint not null,
	constraint coupon_day_pkey primary key (site_id, list_id, day)
);

-- Who waits for a coupon of a list, in this order. The row goes when the coupon comes, or when a refund voids the reward
-- or the redemption is cancelled.
create table referral.coupon_wait (
	site_id bigint not null,
	id bigint not null generated always as identity,
	list_id bigint not null,
	reward_id bigint,
	redemption_id bigint,
	person_id bigint,
	since timestamptz not null,
	constraint coupon_wait_pkey primary key (site_id, list_id, id),
	constraint coupon_wait_for check (num_nonnulls(reward_id, redemption_id) = 1)
);
create unique index coupon_wait_reward_once on referral.coupon_wait (site_id, reward_id) where reward_id is not null;
create unique index coupon_wait_redemption_once on referral.coupon_wait (site_id, redemption_id) where redemption_id is not null;

-- Redemptions that get no coupon any more, in whatever order it is heard of them.
create table referral.redemption_cancelled (
	site_id bigint not null,
	redemption_id bigint not null,
	cancelled_at timestamptz not null,
	constraint redemption_cancelled_pkey primary key (site_id, redemption_id)
);

-- Who did what to a list, and when.
create table referral.coupon_list_log (
	site_id bigint not null,
	id bigint not null generated always as identity,
	list_id bigint not null,
	key_id bigint not null, -- the API key; 0: none
	action text not null constraint coupon_list_log_action check (action in ('created', 'changed', 'uploaded', 'generated')),
	detail jsonb not null,
	at timestamptz not null,
	constraint coupon_list_log_pkey primary key (site_id, list_id, id)
);

grant select, insert on referral.coupon_list_log, referral.coupon_day, referral.redemption_cancelled to talkable_referral;
grant select, insert, update on referral.coupon_list, referral.coupon, referral.coupon_stock to talkable_referral;
grant select, insert, update, delete on referral.coupon_wait to talkable_referral;
