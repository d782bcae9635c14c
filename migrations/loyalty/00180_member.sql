-- +goose Up

-- What state a member is in. candidate: earns, perhaps, and can't spend yet. suspended: keeps everything, spends nothing. closed: left, and may come
-- back. erased: nothing says any more who it was.
alter table loyalty.member drop constraint member_status;
alter table loyalty.member add constraint member_status check (status in ('candidate', 'active', 'suspended', 'closed', 'erased', 'merged')
	and (status = 'merged') = (merged_into is not null) and (merged_into is null or duplicates is null));

-- When the points end of who isn't to have them for ever: a closed member, or a candidate who never became one. All of its lots end then.
alter table loyalty.member add column forfeit_at timestamptz; -- null: never
alter table loyalty.member add column forfeited  boolean;     -- the timer has come by; null: it hasn't
alter table loyalty.member add constraint member_forfeit check ((forfeit_at is null or status in ('candidate', 'closed', 'erased', 'merged')) and (forfeited is null or forfeit_at is not null));
create index member_forfeit_due on loyalty.member (forfeit_at) where forfeited is null and forfeit_at is not null;
create index member_status on loyalty.member (site_id, status, id) where status <> 'active';

-- How members came from one state to another. Who became an active member at once has no row: joined_at says it.
create table loyalty.member_change (
	site_id     bigint      not null,
	id          bigint      generated always as identity,
	member_id   bigint      not null,
	from_status text        not null, -- '': was none
	to_status   text        not null,
	cause       text        not null,
	key_id      bigint      not null, -- the API key that asked; 0: none did
	note        text,                 -- why; goes when the person is erased
	forfeit_at  timestamptz,          -- when its points were to end, as decided by it
	changed_at  timestamptz not null,
	constraint member_change_pkey primary key (site_id, id),
	constraint member_change_differs check (from_status <> to_status),
	constraint member_change_cause check (cause in ('enrolled', 'confirmed', 'suspended', 'reactivated', 'closed', 'erased', 'merged', 'parted', 'reward', 'lapsed',
		'invited', 'accepted', 'guest'))
);
create index member_change_member on loyalty.member_change (site_id, member_id, id);
grant select, insert on loyalty.member_change to talkable_loyalty;
grant update (note) on loyalty.member_change to talkable_loyalty;

-- What a merge made of the survivor's state: undoing it takes that back, unless it has changed since.
alter table loyalty.member_merge add column survivor_was  text; -- null: it stayed as it was
alter table loyalty.member_merge add column survivor_made text;

alter table loyalty.refusal drop constraint refusal_reason;
alter table loyalty.refusal add constraint refusal_reason check (reason in ('currency', 'below_one_point', 'paused', 'too_many_points', 'no_rule',
	'no_member', 'candidate', 'suspended', 'closed', 'erased'));

create view audit.member_change_v1 as
	select site_id, member_id, id as change_id, from_status, to_status, cause, forfeit_at, changed_at from loyalty.member_change;
grant select on audit.member_change_v1 to talkable_audit;

-- Who was asked to become a member. The code is what they answer with: it is random, and says nothing of who they are.
create table loyalty.invitation (
	site_id    bigint      not null,
	id         bigint      generated always as identity,
	member_id  bigint      not null, -- the candidate, or who left and may come back
	code       text        not null,
	status     text        not null default 'open', -- an open one whose time is over is lapsed without being told
	note       text,
	key_id     bigint      not null, -- the API key that asked
	created_at timestamptz not null,
	expires_at timestamptz not null,
	ended_at   timestamptz,
	constraint invitation_pkey primary key (site_id, id),
	constraint invitation_code unique (site_id, code),
	constraint invitation_status check (status in ('open', 'accepted', 'revoked', 'lapsed') and (status = 'open') = (ended_at is null)),
	constraint invitation_lasts check (expires_at > created_at)
);
create unique index invitation_open on loyalty.invitation (site_id, member_id) where status = 'open'; -- one at a time
create index invitation_over on loyalty.invitation ((coalesce(ended_at, expires_at)));              -- the sweep goes over all sites
grant select, insert, update, delete on loyalty.invitation to talkable_loyalty;
