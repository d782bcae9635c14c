-- +goose Up

-- What reports take numbers apart by: where the origin came from that an offer was made for, and the channel of the link by which a friend first
-- came to an offer. '' is none, or that nobody knows.
alter table referral.offer
	add column traffic_source text not null default '',
	add column device_type text not null default '',
	add column event_category text not null default '';
alter table referral.friend_offer add column channel text not null default '';
