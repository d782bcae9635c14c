-- +goose Up

-- A payout pays who was merged as the survivor: what it takes of the other's account passes through the survivor's.
alter table referral.account_entry drop constraint account_entry_kind,
	add constraint account_entry_kind check (kind in ('earned', 'held', 'released', 'clawed_back', 'adjusted', 'paid', 'payout_failed', 'moved_out', 'moved_in'));
