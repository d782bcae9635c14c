package notify

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// rewardFacts are what a reward_ready message was queued with.
type rewardFacts struct {
	Description string `json:"description"`
	Code        string `json:"code,omitempty"`
}

// onRewardReady writes to who redeemed points for something that had to be waited for, once a redemption. Gift cards come by their
// provider's own mail.
func (m *Module) onRewardReady(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.RedemptionFulfilled]) error {
	if err := announce(ctx, m, u, batch, fromFulfilment); err != nil {
		return err
	}
	var orders []order
	seen := map[[2]int64]bool{}
	for _, e := range batch {
		f := e.Body
		id := [2]int64{f.SiteID, f.RedemptionID}
		if f.Kind == "gift_card" || seen[id] {
			continue
		}
		seen[id] = true
		data, err := json.Marshal(rewardFacts{Description: f.Description, Code: f.CouponCode})
		if err != nil {
			return fmt.Errorf("data of a message: %w", err)
		}
		orders = append(orders, order{siteID: f.SiteID, personID: f.PersonID, dedupeKey: fmt.Sprintf("%s:%d", rewardReady, f.RedemptionID), data: string(data)})
	}
	return m.queue(ctx, u, rewardReady, orders)
}

// rewardValues are what the words of a reward_ready message are made of.
func (j job) rewardValues(values map[string]any) error {
	var f rewardFacts
	if err := json.Unmarshal([]byte(j.Data), &f); err != nil {
		return err
	}
	values["description"], values["code"] = oneLine(f.Description, 200), oneLine(f.Code, 255)
	return nil
}
