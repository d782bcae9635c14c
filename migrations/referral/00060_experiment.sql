-- +goose Up

-- Buckets of people are drawn by a hash that no other campaign shares.
alter table referral.campaign add column salt uuid not null default gen_random_uuid();

-- The variant of its campaign that an offer is of; '' of one that is in no experiment.
alter table referral.offer add column variant text not null default '';

-- Who is kept without an offer, to compare with; as with offers, one a person, and one a visitor while no person is known.
create table referral.held_out (
	site_id bigint not null,
	id bigint not null generated always as identity,
	campaign_id bigint not null,
	version int not null,
	person_id bigint,
	visitor_id uuid,
	held_at timestamptz not null,
	constraint held_out_pkey primary key (site_id, id),
	constraint held_out_person unique (site_id, campaign_id, person_id),
	constraint held_out_visitor unique (site_id, campaign_id, visitor_id),
	constraint held_out_owner check (person_id is not null or visitor_id is not null)
);
create index held_out_by_person on referral.held_out (site_id, person_id) where person_id is not null;

-- Offers of experiments, and how many friends came by each.
create table referral.experiment_offer (
	site_id bigint not null,
	campaign_id bigint not null,
	offer_id bigint not null,
	variant text not null,
	friends bigint not null default 0 constraint experiment_offer_friends check (friends >= 0),
	constraint experiment_offer_pkey primary key (site_id, offer_id)
) with (fillfactor = 85);
create index experiment_offer_by_campaign on referral.experiment_offer (site_id, campaign_id);

-- What people in experiments bought afterwards, also those who were held out.
create table referral.experiment_purchase (
	site_id bigint not null,
	campaign_id bigint not null,
	origin_id bigint not null,
	variant text not null, -- or hold_out
	person_id bigint not null,
	subtotal bigint not null,
	currency text not null,
	refunded bigint not null default 0 constraint experiment_purchase_refunded check (refunded >= 0),
	occurred_at timestamptz not null,
	constraint experiment_purchase_pkey primary key (site_id, campaign_id, origin_id)
);
create index experiment_purchase_old on referral.experiment_purchase using brin (occurred_at);
create index experiment_purchase_by_origin on referral.experiment_purchase (site_id, origin_id);

-- Sites that ever published an experiment: the purchases of all others aren't looked at.
create table referral.experiment_site (
	site_id bigint not null,
	constraint experiment_site_pkey primary key (site_id)
);

-- Where the pages of a shop show campaigns: the first one that matches a page is taken.
create table referral.placement (
	site_id bigint not null,
	id bigint not null generated always as identity,
	position int not null,
	body jsonb not null,
	constraint placement_pkey primary key (site_id, id),
	constraint placement_position unique (site_id, position) deferrable initially deferred
);

grant select, insert on referral.experiment_site to talkable_referral;
grant select, insert, update on referral.held_out, referral.experiment_offer to talkable_referral;
grant select, insert, update, delete on referral.placement, referral.experiment_purchase to talkable_referral;
