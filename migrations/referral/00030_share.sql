-- +goose Up

-- Channels beside the usual ones that a site lets advocates share by, such as one of its own country.
create table referral.sharing_channel (
	site_id bigint not null,
	name text collate "C" not null constraint sharing_channel_name check (name ~ '^[a-z0-9_]{1,50}$'),
	added_at timestamptz not null,
	constraint sharing_channel_pkey primary key (site_id, name)
);

-- Every sharing of an offer, each with a link of its own. Whom an e-mail goes to is a person of the customers'; no address is kept.
-- The constraints say that an offer is mailed to a person once, and to 25 people at most.
create table referral.share (
	site_id bigint not null,
	id bigint not null generated always as identity,
	offer_id bigint not null,
	campaign_id bigint not null,
	kind text not null constraint share_kind check (kind in ('social', 'email')),
	channel text not null,
	code text collate "C" not null,
	friend_id bigint,
	slot int constraint share_slot check (slot between 1 and 25),
	reminder boolean not null,
	shared_at timestamptz not null,
	constraint share_pkey primary key (site_id, id),
	constraint share_code unique (site_id, code),
	constraint share_email check ((kind = 'email') = (friend_id is not null) and (kind = 'email') = (slot is not null))
);
create unique index share_friend_once on referral.share (site_id, offer_id, friend_id) where friend_id is not null;
create unique index share_slot_once on referral.share (site_id, offer_id, slot) where slot is not null;
create index share_by_friend on referral.share (site_id, friend_id, id) where friend_id is not null;
create index share_by_offer on referral.share (site_id, offer_id, id);

-- Who came by the link of a share, and how often. friend: the campaign was live, so a friend offer was made.
create table referral.share_click (
	site_id bigint not null,
	share_id bigint not null,
	visitor_id uuid not null,
	clicks bigint not null constraint share_click_clicks check (clicks > 0),
	friend boolean not null,
	first_at timestamptz not null,
	last_at timestamptz not null,
	constraint share_click_pkey primary key (site_id, share_id, visitor_id)
);

-- A share's link is one of many of its offer and channel; the others are one each.
alter table referral.link drop constraint link_kind;
alter table referral.link add constraint link_kind check (kind in ('share', 'claim', 'channel', 'shared'));
alter table referral.link drop constraint link_once;
create unique index link_once on referral.link (site_id, offer_id, kind, channel) where kind <> 'shared';

grant select, insert on referral.share to talkable_referral;
grant select, insert, update on referral.share_click to talkable_referral;
grant select, insert, delete on referral.sharing_channel to talkable_referral;

-- An app says by the id of a friend offer that the friend has arrived.
alter table referral.friend_offer add column tracked_at timestamptz; -- last
create unique index friend_offer_id on referral.friend_offer (site_id, id);

-- Claims that a merchant told of, and why one earned the friend nothing. A friend claims an offer once.
create table referral.offer_claim (
	site_id bigint not null,
	offer_id bigint not null,
	friend_id bigint not null,
	campaign_id bigint not null,
	advocate_id bigint not null,
	friend_offer_id bigint, -- null: none was made
	reason text not null constraint offer_claim_reason check (reason in ('', 'SELF_REFERRAL')),
	claimed_at timestamptz not null,
	constraint offer_claim_pkey primary key (site_id, offer_id, friend_id),
	constraint offer_claim_made check ((friend_offer_id is null) = (reason <> ''))
);

grant select, insert on referral.offer_claim to talkable_referral;
