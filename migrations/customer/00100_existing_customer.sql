-- +goose Up

-- The merchant says that the person had bought before we heard of anything.
alter table customer.person add column existing_customer boolean not null default false;
