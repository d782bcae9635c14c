-- +goose Up

-- Who agreed to get SMS. Without a row nobody gets any.
create table notify.sms_consent (
	site_id bigint not null,
	person_id bigint not null,
	opted_in_at timestamptz,
	opted_out_at timestamptz, -- by the API, or by answering STOP
	constraint sms_consent_pkey primary key (site_id, person_id),
	constraint sms_consent_either check ((opted_in_at is null) <> (opted_out_at is null))
);

-- How many SMS a site has sent in a day: each costs money, and whoever makes a shop send many earns by it.
create table notify.sms_day (
	site_id bigint not null,
	day date not null,
	sent bigint not null,
	constraint sms_day_pkey primary key (site_id, day)
);

grant select, insert, update on notify.sms_consent to talkable_notify;
grant select, insert, update, delete on notify.sms_day to talkable_notify;
