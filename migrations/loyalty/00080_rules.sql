-- +goose Up

-- The version that changed a programme's rules of earning last; null: it never had any. The rules are in that version's settings, and whoever
-- posts keeps them in memory.
alter table loyalty.program add column rules_version int;
-- What a programme's settings will be, and from when on. It is no version until then. null: nothing is scheduled.
alter table loyalty.program add column next jsonb;
alter table loyalty.program add column next_at timestamptz;
alter table loyalty.program add constraint program_next check ((next is null) = (next_at is null));
create index program_next_at on loyalty.program (next_at) where next_at is not null; -- the timer goes over all sites

alter table loyalty.refusal drop constraint refusal_reason;
alter table loyalty.refusal add constraint refusal_reason check (reason in ('currency', 'below_one_point', 'paused', 'too_many_points', 'no_rule'));

-- What a rule gave a member in a span of time, where it has a limit or a cooldown; less what was taken back. Written while the member is
-- locked.
create table loyalty.rule_tally (
	site_id   bigint      not null,
	member_id bigint      not null,
	rule      text        not null collate "C", -- its key
	span      text        not null,
	since     date        not null,             -- its first day in the site's zone; 0001-01-01 where it is ever
	points    bigint      not null,
	times     bigint      not null,
	last_at   timestamptz,                      -- when that happened which it gave something for last
	constraint rule_tally_pkey primary key (site_id, member_id, rule, span, since),
	constraint rule_tally_span check (span in ('day', 'month', 'year', 'ever')),
	constraint rule_tally_counts check (points >= 0 and times >= 0)
) with (fillfactor = 80);
create index rule_tally_days on loyalty.rule_tally (since) where span = 'day'; -- the timer sweeps over all sites

-- What a rule with a budget gave everybody, less what was taken back. Who posts locks it, so that it stops where it is to stop.
create table loyalty.rule_budget (
	site_id    bigint not null,
	program_id bigint not null,
	rule       text   not null collate "C",
	spent      bigint not null default 0,
	constraint rule_budget_pkey primary key (site_id, program_id, rule),
	constraint rule_budget_spent check (spent >= 0)
) with (fillfactor = 60);

-- What happened to members within this module that rules are still to be asked about. The timer takes it off, a moment later.
create table loyalty.rule_due (
	site_id   bigint      not null,
	id        bigint      generated always as identity,
	member_id bigint      not null,
	cause     text        not null,
	name      text        not null, -- of the tier, or of the day
	at        timestamptz not null,
	constraint rule_due_pkey primary key (site_id, id),
	constraint rule_due_cause check (cause in ('join', 'tier', 'date'))
);

-- The last day, in the site's zone, whose members were looked up for rules on dates.
create table loyalty.rule_day (
	site_id    bigint not null,
	program_id bigint not null,
	day        date   not null,
	constraint rule_day_pkey primary key (site_id, program_id)
);
create index member_date_day on loyalty.member_date (site_id, ((extract(month from day) * 100 + extract(day from day))::int), identifier);

grant select, insert, update, delete on loyalty.rule_due to talkable_loyalty;
grant select, insert, update on loyalty.rule_day to talkable_loyalty;
grant select, insert, update, delete on loyalty.rule_tally to talkable_loyalty;
grant select, insert, update on loyalty.rule_budget to talkable_loyalty;
