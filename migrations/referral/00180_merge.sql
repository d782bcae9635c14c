-- +goose Up

-- Persons who were merged into others. What was decided of them stays as it is; whoever asks about a person passes through here, so that both count as one.
create table referral.person_alias (
	site_id     bigint not null,
	person_id   bigint not null,
	survivor_id bigint not null,
	merge_id    bigint not null, -- module customer's
	constraint person_alias_pkey primary key (site_id, person_id),
	constraint person_alias_two check (person_id <> survivor_id)
);
create index person_alias_survivor on referral.person_alias (site_id, survivor_id);
grant select, insert, delete on referral.person_alias to talkable_referral;
