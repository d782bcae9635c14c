-- +goose Up

-- The card that an order was paid with is something that people are seen with, too.
alter table referral.mark drop constraint mark_kind, add constraint mark_kind check (kind in ('ip', 'device', 'address', 'phone', 'card'));
