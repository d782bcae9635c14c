package referral

import (
	"context"
	"fmt"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// TakeBalances opens accounts of commissions with what was owed elsewhere: one entry for each of the other's numbers. The next payout pays it.
func (m *Module) TakeBalances(ctx context.Context, s site.Site, source string, rows []referralapi.MovedBalance) ([]taken, error) {
	var out []taken
	err := m.takeIn(ctx, source, func(u *bus.Unit) error {
		out = make([]taken, len(rows))
		return m.takeBalances(ctx, u, s, source, rows, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (m *Module) takeBalances(ctx context.Context, u *bus.Unit, s site.Site, source string, rows []referralapi.MovedBalance, out []taken) error {
	numbers, digests := make([]string, len(rows)), make([]string, len(rows))
	for i, in := range rows {
		numbers[i], digests[i] = in.Number, digestOf([]any{in.Currency, in.Amount})
		_, known := money.Digits(in.Currency)
		switch {
		case !known:
			out[i].Err = refused("invalid_currency", "currency", "is no ISO 4217 currency")
		case in.Amount == 0 || in.Amount > money.Max || in.Amount < -money.Max:
			out[i].Err = refused("invalid_amount", "amount", "is nothing, or too much")
		case len([]rune(in.Note)) > 500:
			out[i].Err = refused("invalid_note", "note", "has more than 500 characters")
		}
	}
	known, err := movedBefore(ctx, u, s.ID, source, movedBalance, numbers)
	if err != nil {
		return err
	}
	todo := fresh(known, numbers, digests, out)
	if len(todo) == 0 {
		return nil
	}
	var entries []entry
	var moved []movedRow
	counts := map[string]int{}
	for _, i := range todo {
		in := rows[i]
		note := fmt.Sprintf("Opening balance, moved here from %s (%s)", source, in.Number)
		if in.Note != "" {
			note += ": " + in.Note
		}
		entries = append(entries, entry{SiteID: s.ID, PersonID: in.PersonID, Currency: in.Currency, Kind: entryAdjusted, Amount: in.Amount,
			Source: "moved:" + source + ":" + in.Number, Note: &note})
		moved = append(moved, movedRow{Number: in.Number, SubjectID: in.PersonID, Digest: digests[i]})
		u.Tell(s.ID, accountKey(in.PersonID), referralevent.AccountAdjusted{SiteID: s.ID, PersonID: in.PersonID, Amount: in.Amount, Currency: in.Currency, AdjustedAt: u.Now})
		out[i].Value = true
		counts[in.Currency]++
	}
	if err := insertMoved(ctx, u.Tx, u.Now, s.ID, source, movedBalance, moved); err != nil {
		return err
	}
	if err := post(ctx, u, entries); err != nil {
		return err
	}
	return m.noteMove(ctx, u, s.ID, "balances.moved", source, counts)
}
