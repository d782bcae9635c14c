-- +goose Up

-- What counts are points that were earned: as many of them as are taken back don't any more, whatever takes them.
alter table loyalty.achievement_part add column is_earning boolean not null default false;
