package referral

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const (
	commissionEvery = 2 * time.Second
	commissionBatch = 200
)

var errNoCommission = fault.New(fault.NotFound, "commission_not_found", "No such commission.")

// tendCommissions does what time and told rates make due, until ctx ends.
func (m *Module) tendCommissions(ctx context.Context) {
	agenda.Every(ctx, commissionEvery, func() {
		m.tick(ctx, m.ReleaseDue, "releasing commissions", "commissions released")
		m.tick(ctx, m.ConvertWaiting, "converting commissions", "commissions converted")
		m.tick(ctx, m.TendPayouts, "tending payouts", "payouts tended")
	})
}

// wholeBatches repeats a piece of work until it finds less than a batch.
func wholeBatches(do func() (int, error)) (total int, err error) {
	for {
		n, err := do()
		if total += n; err != nil || n < commissionBatch {
			return total, err
		}
	}
}

// ReleaseDue releases commissions whose hold is over, and returns how many.
func (m *Module) ReleaseDue(ctx context.Context) (int, error) {
	return wholeBatches(func() (n int, err error) {
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
			var due []commission
			err := u.SelectContext(ctx, &due, `
				select `+commissionColumns+` from referral.commission c
				where c.held and c.hold_until <= $1
				order by c.hold_until, c.site_id, c.id limit $2
				for update skip locked`, u.Now, commissionBatch)
			if n = len(due); err != nil || n == 0 {
				return err
			}
			return m.release(ctx, u, due, nil, nil)
		})
		return n, err
	})
}

// release ends the hold of locked commissions; note says why, if somebody does it.
func (m *Module) release(ctx context.Context, u *bus.Unit, list []commission, note *string, keyID *int64) error {
	var entries []entry
	for i := range list {
		c := &list[i]
		left := c.Amount - c.Clawed
		c.Held, c.HoldUntil = false, nil
		u.Tell(c.SiteID, accountKey(c.PersonID), referralevent.CommissionReleased{SiteID: c.SiteID, CommissionID: c.ID, PersonID: c.PersonID, Amount: left,
			Currency: c.Currency, ReleasedAt: u.Now})
		m.metrics.Of(ctx).commissions.WithLabelValues(entryReleased).Inc()
		e := c.entry(entryReleased, 0, c.holdSource(entryReleased))
		e.Held, e.Note, e.KeyID = -left, note, keyID
		entries = append(entries, e)
	}
	if err := saveCommissions(ctx, u.Tx, u.Now, list); err != nil {
		return err
	}
	if err := post(ctx, u, entries); err != nil {
		return err
	}
	return markHeld(ctx, u.Tx, list)
}

// hold keeps a locked commission from payouts until somebody releases it. What a payout has taken can't be held.
func (m *Module) hold(ctx context.Context, u *bus.Unit, c *commission, note string, keyID int64) error {
	switch {
	case c.Status != commissionEarned || c.Amount == c.Clawed:
		return fault.New(fault.Conflict, "commission_not_earned", "A commission that is %s, or was taken back, can't be held.", c.Status)
	case c.Held && c.HoldUntil == nil:
		return nil
	}
	left := c.Amount - c.Clawed
	e := c.entry(entryHeld, 0, c.holdSource(entryHeld))
	if e.Note, e.KeyID = orNull(note), orNull(keyID); c.Held {
		left = 0 // already held, until a day: from now on without an end
	}
	e.Held = left
	c.Held, c.HoldUntil = true, nil
	if err := saveCommissions(ctx, u.Tx, u.Now, []commission{*c}); err != nil {
		return err
	}
	if err := post(ctx, u, []entry{e}); err != nil { // from here on no payout can take it
		return err
	}
	taken, err := inPayout(ctx, u, c.SiteID, c.ID)
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.Conflict, "commission_in_payout", "A payout has taken this commission.")
	}
	return markHeld(ctx, u.Tx, []commission{*c})
}

// holdSource names what a commission is held or released by; it can happen more than once.
func (c *commission) holdSource(kind string) string {
	return kind + ":" + itoa(c.ID) + ":" + uuid.NewString()
}

// markHeld makes what payouts take of commissions what the commissions say.
func markHeld(ctx context.Context, tx *sqlx.Tx, list []commission) error {
	sites, ids, held := make([]int64, len(list)), make([]int64, len(list)), make([]bool, len(list))
	for i, c := range list {
		sites[i], ids[i], held[i] = c.SiteID, c.ID, c.Held
	}
	_, err := tx.ExecContext(ctx, `
		update referral.open_entry o set held = u.h
		from unnest($1::bigint[], $2::bigint[], $3::boolean[]) u (s, i, h)
		where o.site_id = u.s and o.commission_id = u.i`, pq.Array(sites), pq.Array(ids), pq.Array(held))
	return err
}

// inPayout says whether a payout has taken something of a commission.
func inPayout(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (taken bool, err error) {
	err = sqlx.GetContext(ctx, q, &taken, `
		select exists (
			select from referral.account_entry e
			join referral.payout_entry p on p.site_id = e.site_id and p.entry_id = e.id and p.live
			where e.site_id = $1 and e.commission_id = $2)`, siteID, id)
	return taken, err
}

// ConvertWaiting earns commissions whose rates are known by now, and returns how many.
func (m *Module) ConvertWaiting(ctx context.Context) (int, error) {
	return wholeBatches(func() (n int, err error) {
		var found []struct {
			SiteID     int64 `db:"site_id"`
			ID         int64 `db:"id"`
			ReferralID int64 `db:"referral_id"`
		}
		err = m.db.SelectContext(ctx, &found, `
			select c.site_id, c.id, c.referral_id
			from referral.commission c
			join referral.exchange_rate x on x.site_id = c.site_id and x.source = c.order_currency and x.target = c.currency
				and x.day = (c.occurred_at at time zone 'UTC')::date
			where c.status = 'waiting'
			limit $1`, commissionBatch)
		if err != nil || len(found) == 0 {
			return 0, err
		}
		var sites, ids, referrals []int64
		for _, f := range found {
			sites, ids, referrals = append(sites, f.SiteID), append(ids, f.ID), append(referrals, f.ReferralID)
		}
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
			byID, err := lockReferralsByID(ctx, u.Tx, sites, referrals)
			if err != nil {
				return err
			}
			list, err := lockCommissions(ctx, u.Tx, `from unnest($1::bigint[], $2::bigint[]) u (s, i)
				join referral.commission c on c.site_id = u.s and c.id = u.i and c.status = 'waiting'`, pq.Array(sites), pq.Array(ids))
			if err != nil {
				return err
			}
			return m.earn(ctx, u, list, byID)
		})
		return len(found), err
	})
}
