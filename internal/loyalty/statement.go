package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const endingNext = 10 // lots on a statement

// Statement reads a member's statement of [from, to), and says whether more entries follow behind those of this page.
func (m *Module) Statement(ctx context.Context, siteID, personID int64, from, to time.Time, after loyaltyapi.After, limit int) (out loyaltyapi.Statement, more bool, err error) {
	return m.StatementIn(ctx, siteID, personID, "", from, to, after, limit)
}

// StatementIn is Statement of one of the member's wallets.
func (m *Module) StatementIn(ctx context.Context, siteID, personID int64, wallet string, from, to time.Time, after loyaltyapi.After, limit int) (out loyaltyapi.Statement, more bool, err error) {
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		out, more, err = statementIn(ctx, tx, siteID, personID, walletNamed(wallet), from, to, after, limit)
		return err
	})
	return out, more, err
}

func statementIn(ctx context.Context, tx *sqlx.Tx, site, personID int64, wallet string, from, to time.Time, after loyaltyapi.After, limit int) (out loyaltyapi.Statement, more bool, err error) {
	r, err := walletOf(ctx, tx, site, personID, wallet)
	if err != nil {
		return out, false, err
	}
	out = loyaltyapi.Statement{MemberID: r.ID, Wallet: wallet, From: from, To: to, Totals: []loyaltyapi.StatementTotal{}, Expiring: []loyaltyapi.Expiration{}}
	first, opening, err := balanceAt(ctx, tx, site, r.AccountID, from.Add(-time.Microsecond))
	if err != nil {
		return out, false, err
	}
	last, closing, err := balanceAt(ctx, tx, site, r.AccountID, to.Add(-time.Microsecond))
	if err != nil {
		return out, false, err
	}
	out.Opening, out.Closing, out.Count = opening, closing, last-first
	if out.Entries, err = entriesBetween(ctx, tx, site, r.AccountID, max(first, after.Seq), last, limit+1); err != nil {
		return out, false, err
	}
	if len(out.Entries) > limit {
		out.Entries, more = out.Entries[:limit], true
	}
	if after.Seq > 0 {
		return out, more, nil
	}
	if out.Totals, err = addUp(ctx, tx, site, r.AccountID, first, last); err != nil {
		return out, false, err
	}
	out.Expiring, err = expirationsOf(ctx, tx, site, r.AccountID, loyaltyapi.AfterExpiration{}, endingNext)
	return out, more, err
}
