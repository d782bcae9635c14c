package referral

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/referral/referralevent"
)

// orderGiftCards queues an order for each gift card among rewards that were just written.
func orderGiftCards(ctx context.Context, tx *sqlx.Tx, now time.Time, issued []reward) error {
	var sites, rewards, campaigns, people, amounts []int64
	var currencies []string
	for _, w := range issued {
		if w.Kind == referralevent.GiftCard {
			sites, rewards, campaigns = append(sites, w.SiteID), append(rewards, w.ID), append(campaigns, w.CampaignID)
			people, amounts, currencies = append(people, deref(w.PersonID)), append(amounts, w.Amount), append(currencies, w.Currency)
		}
	}
	if len(sites) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.giftcard (site_id, reward_id, campaign_id, person_id, amount, currency, status, next_at, created_at, updated_at)
		select s, r, c, p, amount, currency, 'queued', $7, $7, $7
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) u (s, r, c, p, amount, currency)`,
		pq.Array(sites), pq.Array(rewards), pq.Array(campaigns), pq.Array(people), pq.Array(amounts), pq.Array(currencies), now)
	if err != nil {
		return fmt.Errorf("queue gift cards: %w", err)
	}
	return nil
}

const giftCardColumns = `g.site_id, g.reward_id, g.campaign_id, g.person_id, g.amount, g.currency, g.status, g.attempts, g.next_at, g.lease_until,
	g.order_id, g.error, g.created_at, g.updated_at, g.recalled_at, g.id, g.redemption_id, w.referral_id as referral`

// giftCardOfReward is a gift card with the reward that it is of; one of a redemption has none.
const giftCardOfReward = `referral.giftcard g left join referral.reward w on w.site_id = g.site_id and w.id = g.reward_id`

// lockDueGiftCards locks gift cards that are due, or whose lease has ended, and that nobody else holds.
func lockDueGiftCards(ctx context.Context, tx *sqlx.Tx, now time.Time, limit int) ([]giftCard, error) {
	var out []giftCard
	err := tx.SelectContext(ctx, &out, `
		select `+giftCardColumns+`
		from `+giftCardOfReward+`
		where g.status in ('queued', 'sending', 'cancelling') and g.next_at <= $1 and (g.lease_until is null or g.lease_until <= $1)
		order by g.next_at, g.site_id, g.reward_id, g.redemption_id
		limit $2
		for update of g skip locked`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("lock due gift cards: %w", err)
	}
	return out, nil
}

// lockGiftCard locks the gift card of a reward, or of a redemption; not found is a fault.
func lockGiftCard(ctx context.Context, tx *sqlx.Tx, siteID int64, of cardOf) (giftCard, error) {
	var out giftCard
	err := tx.GetContext(ctx, &out, `
		select `+giftCardColumns+`
		from `+giftCardOfReward+`
		where g.site_id = $1 and g.reward_id = $2 and g.redemption_id = $3
		for update of g`, siteID, of.reward, of.redemption)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return out, errNoGiftCard
	case err != nil:
		return out, fmt.Errorf("lock gift card: %w", err)
	}
	return out, nil
}

// saveGiftCards writes locked gift cards.
func saveGiftCards(ctx context.Context, tx *sqlx.Tx, list []giftCard) error {
	for _, g := range list { // few: each is a call to the provider
		_, err := tx.ExecContext(ctx, `
			update referral.giftcard set status = $3, attempts = $4, next_at = $5, lease_until = $6, order_id = $7, error = $8, updated_at = $9,
				recalled_at = $11
			where site_id = $1 and reward_id = $2 and redemption_id = $10`, g.SiteID, g.RewardID, g.Status, g.Attempts, g.NextAt, g.LeaseUntil, g.OrderID, g.Error, g.UpdatedAt,
			g.RedemptionID, g.RecalledAt)
		if err != nil {
			return fmt.Errorf("save gift card: %w", err)
		}
	}
	return nil
}

// recallGiftCards notes that rewards were taken back; what the provider has, or may have, is to be cancelled there. It holds the orders' rows until the
// commit, so that an attempt that is under way knows of it when it ends.
func recallGiftCards(ctx context.Context, tx *sqlx.Tx, now time.Time, rewards []reward) error {
	sites, ids := make([]int64, len(rewards)), make([]int64, len(rewards))
	for i, w := range rewards {
		sites[i], ids[i] = w.SiteID, w.ID
	}
	_, err := tx.ExecContext(ctx, `
		with held as (
			select g.site_id, g.reward_id, g.status in ('sent', 'uncertain') or g.status = 'queued' and g.attempts > 0 as has
			from unnest($1::bigint[], $2::bigint[]) u (s, r)
			join referral.giftcard g on g.site_id = u.s and g.reward_id = u.r
			where g.recalled_at is null
			order by g.site_id, g.reward_id
			for update of g)
		update referral.giftcard g set recalled_at = $3, updated_at = $3, status = case when has then 'cancelling' else g.status end,
			attempts = case when has then 0 else g.attempts end, next_at = case when has then $3 else g.next_at end
		from held h
		where g.site_id = h.site_id and g.reward_id = h.reward_id`, pq.Array(sites), pq.Array(ids), now)
	if err != nil {
		return fmt.Errorf("recall gift cards: %w", err)
	}
	return nil
}

// payReward notes that a reward is in the hands of who earned it; one that was taken back stays so.
func payReward(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, id int64) error {
	_, err := tx.ExecContext(ctx, `
		update referral.reward set status = 'Paid', updated_at = $3 where site_id = $1 and id = $2 and status = 'Unpaid'`, siteID, id, now)
	if err != nil {
		return fmt.Errorf("pay reward: %w", err)
	}
	return nil
}

// giftCardsBefore reads a page of gift cards, newest first.
func giftCardsBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, status string, before int64, limit int) ([]giftCard, error) {
	var out []giftCard
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+giftCardColumns+`
		from `+giftCardOfReward+`
		where g.site_id = $1 and ($2 = '' or g.status = $2) and ($3 = 0 or g.id < $3)
		order by g.id desc
		limit $4`, siteID, status, before, limit)
	if err != nil {
		return nil, fmt.Errorf("gift cards: %w", err)
	}
	return out, nil
}

// giftCardOf reads the gift card of a reward; nil if it is none.
func giftCardOf(ctx context.Context, q sqlx.QueryerContext, siteID, rewardID int64) (*giftCard, error) {
	var out []giftCard
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+giftCardColumns+`
		from `+giftCardOfReward+`
		where g.site_id = $1 and g.reward_id = $2 and g.redemption_id = 0`, siteID, rewardID)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return &out[0], nil
}
