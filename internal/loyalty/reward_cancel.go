package loyalty

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// cancelPatience is how long whoever cancels has for it; then the timer ends what was begun.
const cancelPatience = 10 * time.Second

// Cancel gives a redemption's points back to where they came from, after what it got was taken back. If that can't be had back any more, it
// is a fault. That it is wanted is written first: should the process end between the two, the timer goes on with it.
func (m *Module) Cancel(ctx context.Context, siteID, redemptionID int64, reason string, key idempotency.Key) (loyaltyapi.Action, error) {
	if m.coupons != nil {
		if err := m.takeBack(ctx, siteID, redemptionID, reason); err != nil {
			return loyaltyapi.Action{}, err
		}
	}
	return m.actions.Do(ctx, action{site: siteID, kind: kindCancel, id: redemptionID, text: reason, key: key})
}

// takeBack has taken back what talkable itself handed out for a redemption.
func (m *Module) takeBack(ctx context.Context, siteID, id int64, reason string) error {
	r, err := redemptionOf(ctx, m.db, siteID, id)
	if err != nil || r.Status == cancelled || r.byOthers() || r.Kind == rewardPayment {
		return err
	}
	want := func(reason *string) error {
		return m.outbox.InTx(ctx, func(u *bus.Unit) error { return wantCancelled(ctx, u, u.Now, siteID, id, reason) })
	}
	if err := want(&reason); err != nil {
		return err
	}
	gone, err := m.coupons.TakeBack(ctx, siteID, id)
	if err != nil {
		return fmt.Errorf("take back what redemption %d got: %w", id, err)
	}
	if !gone {
		return nil
	}
	if err := want(nil); err != nil {
		return err
	}
	return errUsed
}

// finishCancels ends the cancellations that somebody began and didn't end, and returns how many.
func (m *Module) finishCancels(ctx context.Context) (n int, err error) {
	due, err := cancelsBegun(ctx, m.db, m.now().Add(-cancelPatience), perPass)
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		if _, err := m.Cancel(ctx, r.SiteID, r.ID, *r.CancelWanted, idempotency.Key{}); err != nil && !errors.Is(err, errUsed) {
			return n, err
		}
		n++
	}
	return n, nil
}
