package loyalty

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

var (
	errNoLot   = fault.New(fault.NotFound, "lot_not_found", "The member has no such points left.")
	errNoNote  = fault.New(fault.Invalid, "invalid_extension", "The note is not valid.").At("/note", "must have 1 to 500 printable characters").Pointed()
	errTooSoon = fault.New(fault.Invalid, "invalid_extension", "The date is not valid.").At("/expires_at", "must be later than now, and before the year 3000").Pointed()
)

// extension is what somebody wants of the dates of a member's lots.
type extension struct {
	lots []int64    // none: all that the member has left
	ends *time.Time // nil: never
	note string
}

// Extend sets the date of a member's points by hand, later or earlier; what is over already stays so. Each change is kept with its note.
func (m *Module) Extend(ctx context.Context, siteID, personID int64, lots []int64, ends *time.Time, note string, key idempotency.Key) (out loyaltyapi.Extension, replayed bool, err error) {
	return m.ExtendIn(ctx, siteID, personID, "", lots, ends, note, key)
}

// ExtendIn is Extend of points of one of the member's wallets.
func (m *Module) ExtendIn(ctx context.Context, siteID, personID int64, wallet string, lots []int64, ends *time.Time, note string, key idempotency.Key) (out loyaltyapi.Extension, replayed bool, err error) {
	lots = slices.Compact(slices.Sorted(slices.Values(lots)))
	e := extension{lots: lots, ends: ends, note: note}
	if n := utf8.RuneCountInString(note); n < 1 || n > 500 || !printable(note) {
		return out, false, errNoNote
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			of := action{site: siteID, person: personID, wallet: walletNamed(wallet), kind: kindAdjust} // by hand, as that
			d, err := openDesk(ctx, u, []action{of}, []int{0})
			if err != nil {
				return err
			}
			h := d.holders[person{siteID, personID}]
			if h == nil {
				return errNoMember
			}
			w, err := d.walletFor(h, of)
			if err != nil {
				return err
			}
			if out, err = d.extend(w, e); err != nil {
				return err
			}
			return m.save(ctx, u, d.books, each(d.holders), d.loaded, 0)
		})
		return err
	})
	return out, replayed, err
}

// extend decides an extension. What is due ends first.
func (b *books) extend(h *holder, e extension) (out loyaltyapi.Extension, err error) {
	if e.ends != nil {
		ends := e.ends.UTC().Truncate(time.Microsecond)
		if e.ends = &ends; !ends.After(b.now) || ends.Year() >= 3000 {
			return out, errTooSoon
		}
	}
	if err := b.expireDue(h); err != nil {
		return out, err
	}
	out.ExpiresAt, out.Balance, out.Wallet = e.ends, h.Balance, h.Wallet
	for _, l := range h.lots {
		if l.Remaining == 0 || len(e.lots) > 0 && !slices.Contains(e.lots, l.ID) {
			continue
		}
		out.Lots, out.Points = out.Lots+1, out.Points+l.Remaining
		b.redate(l, e.ends, causeByHand, e.note, 0)
	}
	if out.Lots == 0 || out.Lots < len(e.lots) {
		return out, errNoLot
	}
	return out, nil
}

// Expirations reads what a member has and when it ends, the next first, and says whether more follows.
func (m *Module) Expirations(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Expiration, bool, error) {
	return m.ExpirationsIn(ctx, siteID, personID, "", after, limit)
}

// ExpirationsIn is Expirations of one of the member's wallets.
func (m *Module) ExpirationsIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Expiration, bool, error) {
	r, err := walletOf(ctx, m.db, siteID, personID, wallet)
	if err != nil {
		return nil, false, err
	}
	all, err := expirationsOf(ctx, m.db, siteID, r.AccountID, after, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}
