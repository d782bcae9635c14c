-- What people changed by hand in one module, see package audit: never updated, never deleted.
create table {schema}.audit (
	site_id bigint not null,
	id bigint not null generated always as identity,
	key_id bigint not null, -- the API key; 0: none is known
	action text not null,
	subject text not null,
	subject_id bigint not null, -- 0: the site
	reason text constraint audit_reason check (length(reason) between 1 and 1000),
	before jsonb,
	after jsonb,
	at timestamptz not null,
	constraint audit_pkey primary key (site_id, id)
);
create index audit_by_time on {schema}.audit (site_id, at, id);
create index audit_by_subject on {schema}.audit (site_id, subject, subject_id, at, id);
create index audit_by_action on {schema}.audit (site_id, action, at, id);

grant select, insert on {schema}.audit to {role};
