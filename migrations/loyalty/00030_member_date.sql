-- +goose Up

-- Days that matter to a member, as the merchant names them: a birthday, a wedding. They say who somebody is, so they go when the person
-- is anonymized.
create table loyalty.member_date (
	site_id bigint not null,
	member_id bigint not null,
	identifier text not null,
	day date not null,
	changed_at timestamptz not null,
	constraint member_date_pkey primary key (site_id, member_id, identifier)
);
grant select, insert, update, delete on loyalty.member_date to talkable_loyalty;
