package loyalty

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/finance"
	"github.com/talkable/talkable/internal/loyalty/seal"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// quarter is what reports are made of: every zone's days begin at one.
const quarter = 15 * time.Minute

// turnover is what some entries come to.
type turnover struct {
	at              time.Time
	name, kind      string
	asset           string
	points, entries int64
}

// turnoverOf adds up the entries of transactions by the quarter of an hour when they were written, account and kind.
func turnoverOf(records []seal.Transaction) []turnover {
	type key struct {
		at                time.Time
		name, kind, asset string
	}
	sums := map[key]turnover{}
	for _, r := range records {
		for _, e := range r.Entries {
			k := key{r.RecordedAt.UTC().Truncate(quarter), e.Name, r.Kind, e.Asset}
			t := sums[k]
			sums[k] = turnover{at: k.at, name: k.name, kind: k.kind, asset: k.asset, points: t.points + e.Amount, entries: t.entries + 1}
		}
	}
	out := values(sums)
	slices.SortFunc(out, func(a, b turnover) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind), cmp.Compare(a.asset, b.asset))
	})
	return out
}

const maxPointValues = 1000

var (
	errNoClosing  = fault.New(fault.NotFound, "month_not_closed", "No such closed month.")
	errClosed     = fault.New(fault.Conflict, "month_closed", "The month is closed already.")
	errNotOver    = fault.New(fault.Conflict, "month_not_over", "The month is not over yet.")
	errNotSealed  = fault.New(fault.Conflict, "ledger_not_sealed", "Points of the month are still being sealed. Try again in a minute or two.")
	errWrongValue = fault.New(fault.Invalid, "invalid_point_value", "The value is not valid.")
)

// monthOf reads a month like 2026-10 in a zone. Since 2000 every zone is some quarters of an hour from UTC.
func monthOf(text string, zone *time.Location) (time.Time, bool) {
	first, err := time.Parse("2006-01", text)
	return clock.Midnight(first.Year(), first.Month(), 1, zone), err == nil && first.Year() >= 2000 && first.Year() < 3000
}

// closeMonth freezes a month. What is sealed later, though it was written in it, is booked in the next.
func (m *Module) closeMonth(ctx context.Context, s site.Site, month string, keyID int64, key idempotency.Key) (out finance.Journal, replayed bool, err error) {
	first, ok := monthOf(month, s.Zone)
	if !ok {
		return out, false, fault.New(fault.Invalid, "invalid_period", "The period is not valid.").At("/month", "must be a month like 2026-10, from 2000 to 2999")
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			if out, err = closing(ctx, u.Tx, s, first, u.Now); err != nil {
				return err
			}
			return note(ctx, u, s.ID, keyID, "closed", aboutMonth, int64(first.Year()*100)+int64(first.Month()), nil,
				map[string]any{"month": out.Month, "place": out.Place, "hash": out.Hash, "liability": out.Liability, "liability_value": out.LiabilityValue, "totals": out.Totals})
		})
		return err
	})
	if err == nil && !replayed && !postgres.Rehearsing(ctx) {
		m.m.Real.closed.Inc()
		m.log.Info().Int64("site", s.ID).Str("month", out.Month).Int64("place", out.Place).Str("hash", out.Hash).Msg("a month is closed")
	}
	return out, replayed, err
}

// closing decides what a month comes to, and keeps it.
func closing(ctx context.Context, tx *sqlx.Tx, s site.Site, first, now time.Time) (j finance.Journal, err error) {
	if programs, err := programsOf(ctx, tx, s.ID); err != nil || len(programs) == 0 {
		return j, cmp.Or(err, error(errNoProgram))
	}
	if err := aloneInFinance(ctx, tx, s.ID); err != nil {
		return j, err
	}
	c, err := holdChain(ctx, tx, s.ID)
	if err != nil {
		return j, err
	}
	end := clock.Midnight(first.Year(), first.Month()+1, 1, s.Zone)
	j = finance.Journal{Month: first.Format("2006-01"), Zone: s.Zone.String(), BeginsAt: first.UTC(), EndsAt: end.UTC(), ClosedAt: now.UTC().Truncate(time.Microsecond),
		Place: c.Place, TransactionID: c.ID, Hash: c.Hash.String()}
	if now.Before(j.EndsAt) {
		return j, errNotOver
	}
	follows, err := monthBefore(ctx, tx, s.ID, j.Month)
	if err != nil {
		return j, err
	}
	if follows != nil {
		j.BeginsAt = follows.EndsAt
	}
	if late, err := unsealedBefore(ctx, tx, c, j.EndsAt); err != nil {
		return j, err
	} else if late {
		return j, errNotSealed
	}
	begins, names := daysOf(first, end)
	begins[0] = j.BeginsAt // not quite midnight where the site's zone has changed since
	for i := range begins {
		begins[i] = latest(begins[i], j.BeginsAt)
	}
	before, err := openingOf(ctx, tx, c, j.BeginsAt, follows)
	if err != nil {
		return j, err
	}
	sums, err := turnoverByDay(ctx, tx, s.ID, begins, j.EndsAt)
	if err != nil {
		return j, err
	}
	rates, err := pointValues(ctx, tx, s.ID)
	if err != nil {
		return j, err
	}
	j.Close(before, names, sums, rates)
	return j, addClosing(ctx, tx, s.ID, j, follows, c.Hash)
}

// monthBefore finds the closing which a month follows; nil: it is the first that is closed, which may be any.
func monthBefore(ctx context.Context, tx sqlx.QueryerContext, site int64, month string) (*finance.Journal, error) {
	last, err := closingsOf(ctx, tx, site, "", 1)
	if err != nil || len(last) == 0 {
		return nil, err
	}
	closed, _ := time.Parse("2006-01", last[0].Month)
	switch due := closed.AddDate(0, 1, 0).Format("2006-01"); {
	case month < due:
		return nil, errClosed
	case month > due:
		return nil, fault.New(fault.Conflict, "month_out_of_order", "Months are closed one after the other: %s is next.", due)
	}
	return &last[0], nil
}

// openingOf is what wallets begin a month with: what the month that it follows ended with; and of wallets that this says nothing of, because it was closed when
// journals had the main one only, or because there is none, what was there.
func openingOf(ctx context.Context, tx sqlx.QueryerContext, c seal.Chain, begins time.Time, follows *finance.Journal) (map[string]*finance.Book, error) {
	before := map[string]*finance.Book{}
	if follows == nil || !follows.All() {
		balances, err := balancesBack(ctx, tx, c, begins)
		if err != nil {
			return nil, err
		}
		for wallet, accounts := range balances {
			before[wallet] = &finance.Book{Wallet: wallet}
			for name, points := range accounts {
				before[wallet].Accounts = append(before[wallet].Accounts, finance.Account{Account: name, Closing: points})
			}
		}
	}
	if follows != nil {
		for _, b := range follows.Books() {
			before[b.Wallet] = b
		}
	}
	return before, nil
}

// setPointValue says what points are worth from a day on, that is in no closed month. Versions are never changed: who was wrong sets another.
func (m *Module) setPointValue(ctx context.Context, s site.Site, programID int64, v finance.Value, keyID int64, key idempotency.Key) (out finance.Value, replayed bool, err error) {
	day, err := time.Parse(time.DateOnly, v.From)
	from := clock.Midnight(day.Year(), day.Month(), day.Day(), s.Zone)
	if err != nil || day.Year() < 2000 || day.Year() > 2999 {
		return out, false, errWrongValue.At("/from", "must be a day like 2026-11-01, from 2000 to 2999")
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			p, err := findProgram(ctx, u, s.ID, programID)
			if _, ok := p.wallet(v.Wallet); err == nil && !ok {
				return errNoWallet
			}
			if err == nil {
				err = aloneInFinance(ctx, u, s.ID)
			}
			if err != nil {
				return err
			}
			rates, err := pointValues(ctx, u, s.ID)
			if err != nil {
				return err
			}
			if len(rates) >= maxPointValues {
				return fault.New(fault.Conflict, "too_many_point_values", "A programme has at most %d values.", maxPointValues)
			}
			closed, err := closingsOf(ctx, u, s.ID, "", 1)
			if err != nil {
				return err
			}
			if len(closed) > 0 && from.Before(closed[0].EndsAt) {
				return errClosed.At("/from", "must be in a month that is not closed yet")
			}
			out = v
			out.Wallet = asset(walletNamed(v.Wallet))
			out.Version, out.Currency, out.SetAt = len(rates)+1, p.Currency, u.Now.UTC().Truncate(time.Microsecond)
			if err := addPointValue(ctx, u, p, out); err != nil {
				return err
			}
			return note(ctx, u, s.ID, keyID, "set", aboutValue, p.ID, nil, out)
		})
		return err
	})
	return out, replayed, err
}

// financeOf reads the days of a period in points and in money: of a wallet, or, "", of all that the programme has or that had points.
func (m *Module) financeOf(ctx context.Context, s site.Site, wallet string, from, to time.Time) (out []finance.Day, err error) {
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		begins, names := daysOf(from, to)
		sums, err := turnoverByDay(ctx, tx, s.ID, begins, to)
		if err != nil {
			return err
		}
		balances, err := balancesAt(ctx, tx, s.ID, to, m.now())
		if err != nil {
			return err
		}
		rates, err := pointValues(ctx, tx, s.ID)
		if err != nil {
			return err
		}
		wallets := []string{wallet}
		if wallet == "" {
			if wallets, err = walletsOf(ctx, tx, s.ID, balances); err != nil {
				return err
			}
		}
		out = finance.Days(wallets, names, sums, balances, rates)
		return nil
	})
	return out, err
}

// daysOf are the days of a period that begins and ends at midnight: when they begin, and their names.
func daysOf(from, to time.Time) (begins []time.Time, names []string) {
	year, month, day := from.Date()
	for i := 0; ; i++ {
		at := clock.Midnight(year, month, day+i, from.Location())
		if !at.Before(to) {
			return begins, names
		}
		begins, names = append(begins, at), append(names, at.Format(time.DateOnly))
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
