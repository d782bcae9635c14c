-- +goose Up

-- Things that count towards tiers beside points, each once: orders, approved referrals, what the shop says. They are kept where a programme
-- asks for them, so that a refund, however late, finds what it lowers, and for which day.
create table loyalty.merit (
	site_id   bigint  not null,
	source    text    not null, -- that of what it earns: origin:ID, referral:ID; custom:MEMBER:the shop's own
	kind      text    not null,
	member_id bigint,           -- null: only its refund has been heard yet
	day       date,             -- of the site's calendar, for which it counts
	amount    bigint  not null, -- spent, in minor units; or what the shop says
	refunded  bigint  not null, -- of it, by now
	gone      boolean not null, -- refunded whole, or voided: counts nothing
	constraint merit_pkey primary key (site_id, source),
	constraint merit_kind check (kind in ('order', 'referral', 'custom')),
	constraint merit_amount check ((amount >= 0 or kind = 'custom') and refunded >= 0),
	constraint merit_day check ((member_id is null) = (day is null))
);

-- What counts of a member, by the days of the site's calendar: the sum of any window is a range of these.
create table loyalty.merit_day (
	site_id   bigint not null,
	member_id bigint not null,
	day       date   not null,
	earned    bigint not null, -- points for what was done on the day, less what was clawed back of them
	spend     bigint not null, -- minor units, net of refunds
	orders    bigint not null,
	referrals bigint not null,
	custom    bigint not null,
	constraint merit_day_pkey primary key (site_id, member_id, day)
);

-- All are null where a programme counts no merits, and then no index has a row of it.
alter table loyalty.member add column counted     boolean;     -- its merit_days have all its points
alter table loyalty.member add column tier_due_at timestamptz; -- when time alone changes the tier
create index member_tier_due on loyalty.member (site_id, tier_due_at) where tier_due_at is not null;
create index member_in_tier on loyalty.member (site_id, tier) where tier <> '';

alter table loyalty.tier_change add column source text;       -- the merit that did it, or its refund
alter table loyalty.tier_change add column seen   jsonb;      -- what counted in the window
alter table loyalty.tier_change add column until  timestamptz; -- when it was to end, if nothing more counted
alter table loyalty.tier_change drop constraint tier_change_cause;
alter table loyalty.tier_change add constraint tier_change_cause check (txn_id is null or source is null);

grant select, insert, update on loyalty.merit, loyalty.merit_day to talkable_loyalty;
