-- +goose Up

-- Addresses by which advocates shared elsewhere, before the site moved here: they are printed on cards and stand in old mails. An address
-- leads to one offer, so their namespace is the whole installation's. It may hold a name, so it goes when its person is forgotten.
create table referral.old_link (
	site_id bigint not null,
	host text collate "C" not null constraint old_link_host check (host = lower(host)),
	path text collate "C" not null constraint old_link_path check (path like '/_%'),
	offer_id bigint not null,
	source text not null, -- where it comes from
	taken_at timestamptz not null,
	constraint old_link_pkey primary key (host, path),
	constraint old_link_offer foreign key (site_id, offer_id) references referral.offer (site_id, id)
);
create index old_link_by_path on referral.old_link (path); -- whatever name the old addresses come by now
create index old_link_by_offer on referral.old_link (site_id, offer_id);

-- What was taken in of what somebody else had: once for each of his numbers, whoever repeats it. Append-only.
create table referral.moved (
	site_id bigint not null,
	source text collate "C" not null,
	kind text not null constraint moved_kind check (kind in ('referral', 'reward', 'balance')),
	number text collate "C" not null, -- the other's
	subject_id bigint not null, -- ours; of a balance the person
	digest text not null, -- of what was said
	at timestamptz not null,
	constraint moved_pkey primary key (site_id, source, kind, number)
);

-- What an advocate had reached there, and was rewarded for there: almost no site has any.
create index referral_moved on referral.referral (site_id, advocate_id, campaign_id) where cause = 'moved' and status = 'approved';

-- A referral doesn't begin voided here; elsewhere it may have ended so.
alter table referral.status_log drop constraint status_log_begins;
alter table referral.status_log add constraint status_log_begins check (old is not null or new in ('pending', 'flagged', 'approved', 'blocked') or cause = 'moved');

grant select, insert, delete on referral.old_link to talkable_referral;
grant select, insert on referral.moved to talkable_referral;
