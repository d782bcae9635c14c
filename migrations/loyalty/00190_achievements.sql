-- +goose Up

-- The version that changed a programme's achievements last; null: it never had any. They are in that version's settings, and whoever posts
-- keeps them in memory.
alter table loyalty.program add column feats_version int;
-- Achievements changed: members above this one are still to be looked at by the timer. null: none are.
alter table loyalty.program add column feats_after bigint;

-- What the keys of achievements stand for, for good: what was counted by one basis can't go on by another.
create table loyalty.achievement (
	site_id    bigint not null,
	program_id bigint not null,
	key        text   not null collate "C",
	basis      text   not null,
	constraint achievement_pkey primary key (site_id, program_id, key)
);
grant select, insert on loyalty.achievement to talkable_loyalty;

-- What counted for an achievement: a thing once, or each of the different things of an order once. So a refund, however late, finds what it
-- lowers, and a merge what each of two did.
create table loyalty.achievement_part (
	site_id   bigint      not null,
	source    text        not null collate "C", -- that of what it earns: origin:ID, referral:ID, …
	key       text        not null collate "C",
	name      text        not null collate "C", -- of a product or category; else empty
	member_id bigint      not null,             -- who did it, also when somebody else stands for them since
	since     date        not null,             -- first day of the span that it counts for; 0001-01-01: ever
	at        timestamptz not null,
	amount    bigint      not null,
	refunded  bigint      not null,
	money     boolean     not null,             -- a refund lowers it by as much
	gone      boolean     not null,             -- refunded whole, or voided
	counts    bigint      not null,             -- by now
	fades     date,                             -- when it can be forgotten; null: never
	constraint achievement_part_pkey primary key (site_id, source, key, name),
	constraint achievement_part_counts check (counts >= 0 and counts <= amount and refunded >= 0 and (counts = 0 or not gone))
);
create index achievement_part_member on loyalty.achievement_part (site_id, member_id, key, at, source, name);
create index achievement_part_fades on loyalty.achievement_part (fades) where fades is not null; -- the timer sweeps over all sites
grant select, insert, update, delete on loyalty.achievement_part to talkable_loyalty;

-- Refunds of what hasn't been heard of yet, or of what counts for nothing.
create table loyalty.achievement_refund (
	site_id  bigint  not null,
	source   text    not null collate "C",
	refunded bigint  not null,
	gone     boolean not null,
	fades    date    not null,
	constraint achievement_refund_pkey primary key (site_id, source)
);
create index achievement_refund_fades on loyalty.achievement_refund (fades);
grant select, insert, update, delete on loyalty.achievement_refund to talkable_loyalty;

-- How much counts of a member in a span: the sum of its parts. Written while the member is locked.
create table loyalty.achievement_span (
	site_id   bigint not null,
	member_id bigint not null,
	key       text   not null collate "C",
	since     date   not null,
	name      text   not null collate "C",
	amount    bigint not null,
	fades     date,
	constraint achievement_span_pkey primary key (site_id, member_id, key, since, name),
	constraint achievement_span_amount check (amount >= 0)
) with (fillfactor = 80);
create index achievement_span_fades on loyalty.achievement_span (fades) where fades is not null;
grant select, insert, update, delete on loyalty.achievement_span to talkable_loyalty;

-- What was reached. One level, of one span, for the n-th time, is reached by a member once.
create table loyalty.achievement_reached (
	site_id     bigint      not null,
	id          bigint      generated always as identity,
	member_id   bigint      not null,
	key         text        not null collate "C",
	level       int         not null,
	since       date        not null, -- 0001-01-01 of what is reached once
	nth         int         not null,
	period      date        not null, -- in which it was
	round       int         not null, -- how often, after refunds had undone it
	version     int         not null, -- of the programme, that decided
	goal        bigint      not null,
	amount      bigint      not null, -- counted then
	source      text        not null, -- the thing that did it
	note        text,                 -- of whoever gave it by hand
	reached_at  timestamptz not null,
	recorded_at timestamptz not null,
	lost_at     timestamptz,
	lost_by     text,                 -- refund, hand
	constraint achievement_reached_pkey primary key (site_id, id),
	constraint achievement_reached_once unique (site_id, member_id, key, level, since, nth),
	constraint achievement_reached_level check (level between 1 and 10 and nth >= 1 and round >= 1),
	constraint achievement_reached_lost check ((lost_at is null) = (lost_by is null) and lost_by in ('refund', 'hand'))
);
create index achievement_reached_by on loyalty.achievement_reached (site_id, key, level, member_id) where lost_at is null;
grant select, insert, update on loyalty.achievement_reached to talkable_loyalty;

-- The streak that a member is in, and the longest. The timer tells of one that breaks.
create table loyalty.achievement_streak (
	site_id   bigint not null,
	member_id bigint not null,
	key       text   not null collate "C",
	began     date,            -- null: there is none
	last      date,
	length    int    not null,
	missed    int    not null, -- periods, that freezes forgave
	longest   int    not null,
	breaks_at timestamptz,     -- if nothing more is done; null: it has been told, or there is none
	constraint achievement_streak_pkey primary key (site_id, member_id, key),
	constraint achievement_streak_length check (length >= 0 and longest >= length)
);
create index achievement_streak_breaks on loyalty.achievement_streak (breaks_at) where breaks_at is not null;
grant select, insert, update on loyalty.achievement_streak to talkable_loyalty;

-- Challenges that members accepted.
create table loyalty.achievement_accepted (
	site_id     bigint      not null,
	member_id   bigint      not null,
	key         text        not null collate "C",
	accepted_at timestamptz not null,
	until       timestamptz, -- their own deadline
	left_at     timestamptz,
	constraint achievement_accepted_pkey primary key (site_id, member_id, key)
);
grant select, insert, update on loyalty.achievement_accepted to talkable_loyalty;

-- Points to be taken back because what they were for is lost. The timer takes it off once they have been given.
create table loyalty.achievement_lost (
	site_id   bigint      not null,
	id        bigint      generated always as identity,
	member_id bigint      not null,
	name      text        not null, -- as in rule_due
	at        timestamptz not null,
	constraint achievement_lost_pkey primary key (site_id, id)
);
grant select, insert, update, delete on loyalty.achievement_lost to talkable_loyalty;

alter table loyalty.rule_due drop constraint rule_due_cause;
alter table loyalty.rule_due add constraint rule_due_cause check (cause in ('join', 'tier', 'date', 'achievement'));
alter table loyalty.txn drop constraint txn_reason;
alter table loyalty.txn add constraint txn_reason check (reason in ('purchase', 'reward', 'referral', 'adjustment', 'redemption', 'action', 'hold', 'transfer', 'join', 'tier', 'date',
	'merge', 'unmerge', 'achievement'));
