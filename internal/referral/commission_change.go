package referral

import (
	"context"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// adjust gives or takes money of a person's account.
func (m *Module) adjust(ctx context.Context, siteID, keyID, personID int64, in adjustmentInput, k idempotency.Key) (out accountJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	who, err := m.payeesOf(ctx, siteID, []payoutLine{{PersonID: personID}})
	if err != nil {
		return out, false, err
	}
	if _, ok := who[personID]; !ok {
		return out, false, fault.New(fault.NotFound, "person_not_found", "The site has no such person.")
	}
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		one, err := m.kinOf(ctx, u, []key{{siteID, personID}})
		if err != nil {
			return err
		}
		people := one.all(siteID, personID)
		personID := people[0]
		e := entry{SiteID: siteID, PersonID: personID, Currency: in.Currency, Kind: entryAdjusted, Amount: in.Amount, Source: "adjusted:" + uuid.NewString(),
			Note: &in.Note, KeyID: orNull(keyID)}
		u.Tell(siteID, accountKey(personID), referralevent.AccountAdjusted{SiteID: siteID, PersonID: personID, Amount: in.Amount, Currency: in.Currency, AdjustedAt: u.Now})
		if err := post(ctx, u, []entry{e}); err != nil {
			return err
		}
		all, err := accountsAsOne(ctx, u, siteID, people, in.Currency)
		if err == nil {
			out = all[0].json()
		}
		return err
	})
	return out, replayed, err
}

// holdOne keeps a commission from payouts.
func (m *Module) holdOne(ctx context.Context, siteID, keyID, id int64, in reasonInput, k idempotency.Key) (commissionJSON, bool, error) {
	return m.changeCommission(ctx, siteID, id, in, k, func(u *bus.Unit, c *commission) error { return m.hold(ctx, u, c, in.Reason, keyID) })
}

// releaseOne ends a commission's hold.
func (m *Module) releaseOne(ctx context.Context, siteID, keyID, id int64, in reasonInput, k idempotency.Key) (commissionJSON, bool, error) {
	return m.changeCommission(ctx, siteID, id, in, k, func(u *bus.Unit, c *commission) error {
		if !c.Held {
			return nil
		}
		list := []commission{*c}
		err := m.release(ctx, u, list, &in.Reason, orNull(keyID))
		*c = list[0]
		return err
	})
}

// changeCommission locks a commission, changes it, and answers with what it is then.
func (m *Module) changeCommission(ctx context.Context, siteID, id int64, in reasonInput, k idempotency.Key, change func(*bus.Unit, *commission) error) (out commissionJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		list, err := lockCommissions(ctx, u.Tx, `from referral.commission c where c.site_id = $1 and c.id = $2`, siteID, id)
		switch {
		case err != nil:
			return err
		case len(list) == 0:
			return errNoCommission
		}
		if err := change(u, &list[0]); err != nil {
			return err
		}
		out = list[0].json()
		return nil
	})
	return out, replayed, err
}
