-- +goose Up

-- How many members a site has is how many rows an index has of it, less those who were merged into others.
create index member_merged on loyalty.member (site_id) where merged_into is not null;

-- Redemptions are listed by when they were made, so that a period in the past is found however much came since.
drop index loyalty.redemption_waiting;
drop index loyalty.redemption_batch_page;
drop index loyalty.redemption_gone;
create index redemption_waiting on loyalty.redemption (site_id, created_at, id) where status = 'waiting';
create index redemption_batch_page on loyalty.redemption (site_id, batch_id, created_at, id);
create index redemption_gone on loyalty.redemption (site_id, created_at, id) where status = 'cancelled';

-- What all entries up to a milestone come to, by kind: {"earn": [entries, points]}. A statement's totals are the difference of two.
alter table loyalty.milestone add column totals jsonb;
