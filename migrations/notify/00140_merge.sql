-- +goose Up

-- The person that this one was merged into: what is to be said to this one is said to that one. null: nobody.
alter table notify.contact add column merged_into bigint;
