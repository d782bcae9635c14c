package referral

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// aloneWithRedemptions keeps whoever hands out for a redemption apart from whoever takes it back, until the transaction ends: one of them
// sees what the other did.
func aloneWithRedemptions(ctx context.Context, tx sqlx.ExecerContext, sites, ids []int64) error {
	_, err := tx.ExecContext(ctx, `
		select pg_advisory_xact_lock(hashtextextended('referral.redemption:' || s || ':' || r, 0))
		from (select distinct s, r from unnest($1::bigint[], $2::bigint[]) u (s, r) order by s, r offset 0) u`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("alone with redemptions: %w", err)
	}
	return nil
}

// insertMade writes the drawn codes that no coupon of their site has, and returns them; the others are left out.
func insertMade(ctx context.Context, tx sqlx.QueryerContext, now time.Time, drawn map[use]claim) ([]takenCoupon, error) {
	codes := make([]use, 0, len(drawn))
	for u := range drawn {
		codes = append(codes, u)
	}
	slices.SortFunc(codes, func(a, b use) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.code, b.code)) })
	sites, lists, texts := make([]int64, len(codes)), make([]int64, len(codes)), make([]string, len(codes))
	for i, u := range codes {
		sites[i], lists[i], texts[i] = u.site, drawn[u].list, u.code
	}
	var out []takenCoupon
	err := sqlx.SelectContext(ctx, tx, &out, `
		insert into referral.coupon (site_id, list_id, code, single_use, created_at)
		select s, list, code, true, $4 from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality u (s, list, code, n) order by n
		on conflict on constraint coupon_code do nothing
		returning site_id, list_id, id, code`, pq.Array(sites), pq.Array(lists), pq.Array(texts), now)
	if err != nil {
		return nil, fmt.Errorf("make coupons of redemptions: %w", err)
	}
	return out, nil
}

// queueRedeemedCards queues the orders of redemptions' gift cards, of each once. Whoever is with the redemptions is alone with them.
func queueRedeemedCards(ctx context.Context, tx sqlx.ExecerContext, now time.Time, cards []loyaltyevent.PointsRedeemed) error {
	n := len(cards)
	sites, ids, people, amounts, currencies := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	for i, c := range cards {
		sites[i], ids[i], people[i], amounts[i], currencies[i] = c.SiteID, c.RedemptionID, c.PersonID, c.Amount, c.Currency
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.giftcard (site_id, reward_id, redemption_id, campaign_id, person_id, amount, currency, status, next_at, created_at, updated_at)
		select s, 0, r, 0, p, amount, currency, 'queued', $6, $6, $6
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) u (s, r, p, amount, currency)
		where not exists (select from referral.redemption_cancelled x where x.site_id = u.s and x.redemption_id = u.r)
		order by s, r
		on conflict on constraint giftcard_pkey do nothing`, pq.Array(sites), pq.Array(ids), pq.Array(people), pq.Array(amounts), pq.Array(currencies), now)
	if err != nil {
		return fmt.Errorf("queue gift cards of redemptions: %w", err)
	}
	return nil
}

// lockGone locks what a redemption got, and says whether it is gone for good: a coupon that was used, a gift card that the provider may have.
func lockGone(ctx context.Context, tx sqlx.QueryerContext, siteID, redemptionID int64) (gone bool, err error) {
	for _, query := range []string{
		`select usages > 0 and withdrawn_at is null from referral.coupon where site_id = $1 and redemption_id = $2 for update`,
		`select not (status in ('failed', 'cancelled') or status = 'queued' and attempts = 0) from referral.giftcard
			where site_id = $1 and reward_id = 0 and redemption_id = $2 for update`,
	} {
		err := sqlx.GetContext(ctx, tx, &gone, query, siteID, redemptionID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return false, fmt.Errorf("look at what a redemption got: %w", err)
		}
		if gone {
			return true, nil
		}
	}
	return false, nil
}

// takeBack withdraws a redemption's coupon, and cancels its gift card, which nobody has ordered.
func takeBack(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, redemptionID int64) error {
	if err := withdrawCoupons(ctx, tx, now, []int64{siteID}, []int64{redemptionID}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		update referral.giftcard set status = 'cancelled', recalled_at = $3, updated_at = $3
		where site_id = $1 and reward_id = 0 and redemption_id = $2 and status <> 'cancelled'`, siteID, redemptionID, now)
	if err != nil {
		return fmt.Errorf("cancel the gift card of a redemption: %w", err)
	}
	return nil
}
