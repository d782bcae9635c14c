package referral

import (
	"context"
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
