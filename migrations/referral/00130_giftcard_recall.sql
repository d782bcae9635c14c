-- +goose Up

-- A gift card whose reward was taken back is cancelled at the provider. cancelling: that is to be asked, or being asked; cancelled: nobody gets it;
-- kept: the provider says that it is too late. The order's own row says that its reward was taken back, so that whoever has locked it knows.
alter table referral.giftcard
	add column recalled_at timestamptz,
	drop constraint giftcard_status,
	drop constraint giftcard_lease,
	drop constraint giftcard_sent,
	add constraint giftcard_status check (status in ('queued', 'sending', 'sent', 'failed', 'uncertain', 'cancelled', 'cancelling', 'kept')),
	add constraint giftcard_lease check (lease_until is null or status in ('sending', 'cancelling')),
	add constraint giftcard_sending check (status <> 'sending' or lease_until is not null),
	add constraint giftcard_sent check (status <> 'sent' or order_id is not null),
	add constraint giftcard_recalled check (status not in ('cancelling', 'kept') or recalled_at is not null);
drop index referral.giftcard_due;
create index giftcard_due on referral.giftcard (next_at) where status in ('queued', 'sending', 'cancelling');

update referral.giftcard g set recalled_at = w.updated_at,
	status = case when g.status in ('sent', 'uncertain') then 'cancelling' else g.status end,
	attempts = case when g.status in ('sent', 'uncertain') then 0 else g.attempts end
from referral.reward w
where w.site_id = g.site_id and w.id = g.reward_id and w.status = 'Voided' and g.status not in ('failed', 'cancelled');
