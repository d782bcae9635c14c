package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

const (
	shareBatch = 200
	shareCrowd = 16
)

// sharing is one act of sharing an offer: by a channel, or by e-mails to several people.
type sharing struct {
	s        site.Site
	offer    *offer
	campaign *campaign // as the offer has it
	made     []share
	verified bool // the merchant says so, not a browser
	words    words
	key      idempotency.Key
}

// share records a batch of social shares in one transaction.
func (m *Module) share(ctx context.Context, in []sharing) (out []answered[keptShared], err error) {
	claims := make([]idempotency.Claim, len(in))
	for i, a := range in {
		claims[i] = idempotency.Claim{SiteID: a.s.ID, Key: a.key}
	}
	err = m.inShare(ctx, func(u *bus.Unit) error {
		done, err := idempotency.Batch(ctx, u.Tx, schema, u.Now, claims, func(fresh []int, out []idempotency.Done[keptShared]) error {
			return m.shareTx(ctx, u, in, fresh, out)
		})
		out = answers(done)
		return err
	})
	return out, err
}

// shareTx records those of the shares that are new. Who shares an offer that isn't live is refused alone.
func (m *Module) shareTx(ctx context.Context, u *bus.Unit, in []sharing, fresh []int, out []idempotency.Done[keptShared]) error {
	var acts []sharing
	var at []int
	var offers []key
	for _, i := range fresh {
		if a := in[i]; a.campaign.sharable(u.Now) {
			acts, at, offers = append(acts, a), append(at, i), append(offers, key{a.offer.SiteID, a.offer.ID})
		} else {
			out[i].Err = errNotShared
		}
	}
	if len(acts) == 0 {
		return nil
	}
	locked, shared, err := lockOffers(ctx, u.Tx, offers)
	if err != nil {
		return err
	}
	for i := range acts {
		acts[i].offer = locked[key{acts[i].offer.SiteID, acts[i].offer.ID}]
	}
	if err := m.saveShares(ctx, u, acts, shared); err != nil {
		return err
	}
	rewards, err := m.rewardShares(ctx, u, acts)
	if err != nil {
		return err
	}
	for i, a := range acts {
		kept := keptShared{referralapi.Shared{Share: m.presentShare(a.s, a.made[0], a.offer, a.campaign)}, deref(a.offer.PersonID)}
		if len(rewards[i]) > 0 {
			kept.Shared.Reward = &rewards[i][0]
		}
		out[at[i]].Value = kept
	}
	return nil
}
