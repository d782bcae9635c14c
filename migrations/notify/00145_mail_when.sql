-- +goose Up

alter table notify.mail add column condition text not null default ''; -- CEL; '': always

-- Whom a site asks before a mail is sent.
create table notify.mail_hook (
	site_id bigint not null,
	url text not null,
	secret bytea not null, -- sealed; signs what is asked
	timeout_ms int not null constraint mail_hook_timeout check (timeout_ms between 100 and 10000),
	on_failure text not null constraint mail_hook_failure check (on_failure in ('send', 'drop')),
	enabled boolean not null,
	key_id bigint not null,
	at timestamptz not null,
	constraint mail_hook_pkey primary key (site_id)
);

-- What was asked about a message, which waits for the answer.
create table notify.mail_ask (
	site_id bigint not null,
	message_id bigint not null,
	state text not null default 'waiting' constraint mail_ask_state check (state in ('waiting', 'answered', 'failed', 'moot')),
	send boolean, -- null: not decided, or moot
	reason text,
	tries int not null default 0,
	attempts jsonb not null default '[]',
	next_at timestamptz not null, -- of one that is being asked: when somebody else may
	asked_at timestamptz not null,
	settled_at timestamptz,
	constraint mail_ask_pkey primary key (site_id, message_id),
	constraint mail_ask_settled check ((state = 'waiting') = (settled_at is null) and (state in ('answered', 'failed')) = (send is not null))
);
create index mail_ask_due on notify.mail_ask (next_at) where state = 'waiting';
create index mail_ask_settled_at on notify.mail_ask (settled_at) where settled_at is not null;

alter table notify.message add column cleared_at timestamptz; -- when it was decided that it may be sent, where somebody was asked

grant select, insert, update, delete on notify.mail_hook, notify.mail_ask to talkable_notify;
