create table {schema}.idempotency (
  site_id     bigint      not null,
  key         text        not null,
  fingerprint text        not null,
  answer      text,                 -- null only inside the transaction of the first execution
  created_at  timestamptz not null,
  primary key (site_id, key)
);
create index on {schema}.idempotency (created_at);
grant select, insert, update, delete on {schema}.idempotency to {role};
