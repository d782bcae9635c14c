package loyalty

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const maxBatches = 200 // of a programme: all are shown at once

// createBatch adds something to spend points on. With an Idempotency-Key that was used before it answers as it did then.
func (m *Module) createBatch(ctx context.Context, site, program int64, in batchSettings, keyID int64, key idempotency.Key) (out loyaltyapi.RedemptionBatch, replayed bool, err error) {
	in.Kind = kindOf(in.Kind, in.CouponListID)
	if err := m.checkBatch(ctx, site, in); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, site, key, &out, func() error {
			p, err := lockProgram(ctx, u, site, program) // so that two don't both become the last
			if err != nil {
				return err
			}
			if err := in.checkIn(p); err != nil {
				return err
			}
			batches, err := batchesOf(ctx, u, site, program, true)
			if err != nil {
				return err
			}
			if len(batches) >= maxBatches {
				return fault.New(fault.Conflict, "too_many_redemption_batches", "A programme has at most %d redemption batches.", maxBatches)
			}
			b, err := addBatch(ctx, u, redemptionBatch{SiteID: site, ProgramID: program, batchSettings: in, CreatedAt: u.Now, UpdatedAt: u.Now})
			if err != nil {
				return err
			}
			if out, err = shownOne(ctx, u, u.Now, b); err != nil {
				return err
			}
			return note(ctx, u, site, keyID, "created", aboutBatch, b.ID, nil, out)
		})
		return err
	})
	return out, replayed, err
}

// replaceBatch changes what a batch is from now on. Redemptions keep what they were made with. With an Idempotency-Key that was
// used before it answers as it did then.
func (m *Module) replaceBatch(ctx context.Context, site, program, id int64, in batchSettings, keyID int64, key idempotency.Key) (out loyaltyapi.RedemptionBatch, replayed bool, err error) {
	in.Kind = kindOf(in.Kind, in.CouponListID)
	if err := m.checkBatch(ctx, site, in); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, site, key, &out, func() error {
			programs, err := sharePrograms(ctx, u, []int64{site})
			if err != nil {
				return err
			}
			b, err := lockBatch(ctx, u, site, program, id)
			if err != nil {
				return err
			}
			if err := in.checkIn(programs[site]); err != nil {
				return err
			}
			before := b.view()
			b.batchSettings, b.UpdatedAt = in, u.Now
			if err := saveBatch(ctx, u, b); err != nil {
				return err
			}
			if out, err = shownOne(ctx, u, u.Now, b); err != nil {
				return err
			}
			return note(ctx, u, site, keyID, "changed", aboutBatch, id, before, out)
		})
		return err
	})
	return out, replayed, err
}

// checkBatch also looks whether the coupon list gives each redemption a coupon of its own.
func (m *Module) checkBatch(ctx context.Context, site int64, in batchSettings) error {
	if err := in.check(); err != nil || in.CouponListID == nil || m.coupons == nil {
		return err
	}
	lists, err := m.coupons.CouponLists(ctx, site, []int64{*in.CouponListID})
	if err == nil && !lists[*in.CouponListID].SingleUse {
		err = fault.New(fault.Invalid, "invalid_redemption_batch", "The redemption batch's settings are not valid.").
			At("/coupon_list_id", "must be the id of a single-use coupon list of the site, or null").Pointed()
	}
	return err
}

// Batches are what a member can spend points on, in their order: as Talkable has it, whatever else their terms ask for, and without payments,
// which need more than a batch's number.
func (m *Module) Batches(ctx context.Context, siteID, personID int64) ([]loyaltyapi.RedemptionBatch, error) {
	if _, err := m.clubMember(ctx, siteID, personID); err != nil {
		return nil, err
	}
	batches, err := batchesOf(ctx, m.db, siteID, 0, false)
	now := m.now()
	return views(slices.DeleteFunc(batches, func(b redemptionBatch) bool { return b.Kind == rewardPayment || !b.open(now) })), err
}

// Redemptions reads a member's redemptions, newest first, and says whether older ones follow.
func (m *Module) Redemptions(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Redemption, bool, error) {
	r, err := m.clubMember(ctx, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	rows, err := redemptionsOf(ctx, m.db, siteID, r.ID, after.ID, limit+1)
	if err != nil {
		return nil, false, err
	}
	return column(rows[:min(limit, len(rows))], redemption.view), len(rows) > limit, nil
}

// Adjustments reads how a member's points were moved by hand, newest first, and says whether older ones follow.
func (m *Module) Adjustments(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Adjustment, bool, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	rows, err := byHand(ctx, m.db, siteID, r.ID, after.ID, limit+1)
	if err != nil {
		return nil, false, err
	}
	out := make([]loyaltyapi.Adjustment, min(limit, len(rows)))
	for i := range out {
		out[i] = loyaltyapi.Adjustment{TransactionID: rows[i].ID, Points: rows[i].Points, Wallet: rows[i].Wallet, At: rows[i].EffectiveAt}
		if d := rows[i].Description; d != nil {
			out[i].Description = *d
		}
	}
	return out, len(rows) > limit, nil
}

// clubMember reads a member, or says why the person cannot spend points at all.
func (m *Module) clubMember(ctx context.Context, siteID, personID int64) (memberRow, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return r, err
	}
	if r.Status != active {
		return r, notActive(r.Status)
	}
	programs, err := programsOf(ctx, m.db, siteID)
	if err == nil && (len(programs) == 0 || programs[0].Status != active) {
		err = errNoClub
	}
	return r, err
}

func views(batches []redemptionBatch) []loyaltyapi.RedemptionBatch {
	out := make([]loyaltyapi.RedemptionBatch, len(batches))
	for i, b := range batches {
		out[i] = b.view()
	}
	return out
}
