package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// rewardsFollow is how long a message of Talkable's about a referral waits for its rewards, which are told right behind it.
const rewardsFollow = 2 * time.Second

// onReward mails and tells of rewards, and adds them to what Talkable's message of their referral will say.
func (m *Module) onReward(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.RewardIssued]) error {
	if err := announce(ctx, m, u, batch, fromReward); err != nil {
		return err
	}
	if err := m.mailRewards(ctx, u, batch); err != nil {
		return err
	}
	rewards := map[subject][]referralevent.RewardIssued{} // by site and the occasion of their referral
	var about []occasion
	for _, e := range batch {
		w := e.Body
		if w.ReferralID == 0 || w.Kind == referralevent.Points {
			continue
		}
		of := subject{w.SiteID, fmt.Sprintf("%s:%d", talkableReferral, w.ReferralID)}
		rewards[of] = append(rewards[of], w)
		about = append(about, occasion{siteID: w.SiteID, talkable: talkableReferral})
	}
	if len(about) == 0 {
		return nil
	}
	wanted, err := subscribers(ctx, u, about)
	if err != nil || len(wanted) == 0 {
		return err
	}
	return addRewards(ctx, u, wanted, rewards)
}

// addRewards adds rewards to the facts of deliveries that weren't sent yet.
func addRewards(ctx context.Context, tx sqlx.ExecerContext, wanted map[subject][]int64, rewards map[subject][]referralevent.RewardIssued) error {
	var sites, endpoints []int64
	var keys, more []string
	for of, list := range rewards {
		text, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("rewards of a delivery: %w", err)
		}
		for _, e := range wanted[subject{of.SiteID, talkableReferral}] {
			sites, endpoints, keys, more = append(sites, of.SiteID), append(endpoints, e), append(keys, of.Type), append(more, string(text))
		}
	}
	_, err := tx.ExecContext(ctx, `
		update notify.delivery d set data = jsonb_set(d.data, '{rewards}', coalesce(d.data->'rewards', '[]') || w::jsonb)
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) as u (s, e, k, w)
		where d.site_id = u.s and d.endpoint_id = u.e and d.occasion = u.k and d.body is null`,
		pq.Array(sites), pq.Array(endpoints), pq.Array(keys), pq.Array(more))
	if err != nil {
		return fmt.Errorf("add rewards to deliveries: %w", err)
	}
	return nil
}
