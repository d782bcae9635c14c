-- +goose Up

-- Secrets that sign what is asked are sealed: a copy of this schema opens none of them. Those that are here already are sealed when a server begins.
alter table referral.decision_hook alter column secret type bytea using convert_to(secret, 'UTF8');
alter table referral.coupon_supply alter column secret type bytea using convert_to(secret, 'UTF8');
