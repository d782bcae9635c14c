-- +goose Up

-- Gift cards are ordered for redemptions of points as well: one a reward, or one a redemption.
alter table referral.giftcard
	add column redemption_id bigint not null default 0, -- 0: of a reward
	add column id bigint not null generated always as identity,
	drop constraint giftcard_pkey,
	add constraint giftcard_pkey primary key (site_id, reward_id, redemption_id),
	add constraint giftcard_holder check ((reward_id = 0) <> (redemption_id = 0) and (redemption_id = 0) = (campaign_id <> 0));
drop index referral.giftcard_list;
create index giftcard_list on referral.giftcard (site_id, status, id);
create index giftcard_page on referral.giftcard (site_id, id);
