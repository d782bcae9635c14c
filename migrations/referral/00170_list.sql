-- +goose Up

-- Referrals are listed by the time of their orders, the newest first: all of a site, of a status, of a campaign. The index of the
-- open ones was the same for three of five statuses.
create index referral_by_time on referral.referral (site_id, occurred_at, id);
create index referral_by_status on referral.referral (site_id, status, occurred_at, id);
create index referral_by_campaign on referral.referral (site_id, campaign_id, occurred_at, id);
drop index referral.referral_open;
