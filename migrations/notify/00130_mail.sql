-- +goose Up

-- Which mails a site sends, after how long, and in whose words. A mail without a row is as the code has it.
create table notify.mail (
	site_id bigint not null,
	template text not null,
	enabled boolean not null,
	delay_minutes int not null constraint mail_delay check (delay_minutes between 0 and 43200),
	subject text not null, -- '': ours
	message text not null, -- '': ours
	plain boolean not null default false, -- text without HTML
	changed_at timestamptz not null,
	constraint mail_pkey primary key (site_id, template)
);

grant select, insert, update on notify.mail to talkable_notify;
