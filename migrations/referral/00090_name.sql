-- +goose Up

-- How the links of a campaign work beyond what its incentives promise. No row: none of it.
create table referral.campaign_links (
	site_id bigint not null,
	campaign_id bigint not null,
	claim_page boolean not null,
	gate text not null constraint campaign_links_gate check (gate in ('none', 'email', 'email_and_phone')),
	opt_in boolean not null, -- the gate asks whether mail is welcome
	expired_url text not null, -- where a link leads that is over; '': to a page that says so, or to the destination where there are no pages
	advocate_url text not null, -- where share pages lead on; '': to the shop
	friend_offer_hours int constraint campaign_links_hours check (friend_offer_hours between 1 and 8760),
	share_until timestamptz,
	claim_until timestamptz,
	updated_at timestamptz not null,
	constraint campaign_links_pkey primary key (site_id, campaign_id),
	constraint campaign_links_campaign foreign key (site_id, campaign_id) references referral.campaign (site_id, id),
	constraint campaign_links_gated check (gate = 'none' or claim_page)
);

-- Where a site's links may lead, and which apps open them.
create table referral.site_links (
	site_id bigint not null,
	allowed_hosts text[] not null, -- none: any that a campaign names
	ios_apps text[] not null,
	android_apps jsonb not null,
	updated_at timestamptz not null,
	constraint site_links_pkey primary key (site_id)
);

-- What a browser did on a claim page: the first claim that earned something stays. ip and device are evidence for fraud rules.
create table referral.page_claim (
	site_id bigint not null,
	offer_id bigint not null,
	visitor_id uuid not null,
	campaign_id bigint not null,
	friend_id bigint not null,
	friend_offer_id bigint, -- null: refused
	opted_in boolean not null,
	ip text not null,
	device text not null,
	claimed_at timestamptz not null,
	constraint page_claim_pkey primary key (site_id, offer_id, visitor_id)
);
create index page_claim_by_friend on referral.page_claim (site_id, friend_id);
create index page_claim_marked on referral.page_claim (claimed_at) where ip <> ''; -- it is forgotten after a year

-- Personal names, folded to ASCII in lower case. The first who has a name keeps it, also when he takes another, so that links go on leading to him.
create table referral.name (
	site_id bigint not null,
	name text collate "C" not null constraint name_form check (name ~ '^[a-z][a-z0-9_]{2,49}$'),
	person_id bigint not null,
	taken_at timestamptz not null,
	constraint name_pkey primary key (site_id, name)
);
create index name_by_person on referral.name (site_id, person_id, taken_at);

grant select, insert, update on referral.campaign_links, referral.site_links to talkable_referral;
grant select, insert, update, delete on referral.page_claim to talkable_referral;
grant select, insert, delete on referral.name to talkable_referral;

create index site_by_slug on referral.site (slug);
