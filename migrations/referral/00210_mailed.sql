-- +goose Up

-- A friend offer is made when the offer is mailed to the friend; mailed: nobody has come by it yet, so it is no touch beside the share itself.
alter table referral.friend_offer add column mailed boolean not null default false;
