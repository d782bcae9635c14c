-- +goose Up

-- Rewards say themselves whether they are of somebody who tried things out.
drop table analytics.qa_referral;
