package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

var errNoTxn = fault.New(fault.NotFound, "transaction_not_found", "No such transaction of points.")

func (m *Module) explainRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "explainTransaction", Method: http.MethodGet, Path: "/api/v2/loyalty/transactions/{id}", Tags: []string{"Loyalty"},
		Summary: "Explain a movement of points",
		Description: "Says what caused it, which rule decided with what it saw, from which lots it took points or to which it gave them back, and what became of " +
			"the lot that it made. Errors: 404 `transaction_not_found`."}, m.explain)
}

type transactionAnswer struct {
	Transaction loyaltyapi.Transaction `json:"transaction"`
}

func (m *Module) explain(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[transactionAnswer], error) {
	var out loyaltyapi.Transaction
	err := m.glance(ctx, func(tx *sqlx.Tx) (err error) {
		out, err = explained(ctx, tx, web.From(ctx).Site.ID, in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(transactionAnswer{out}), nil
}

// explained reads a transaction with all that decided it.
func explained(ctx context.Context, db sqlx.QueryerContext, site, id int64) (t loyaltyapi.Transaction, err error) {
	err = sqlx.GetContext(ctx, db, &t, `
		select id, member_id, kind, reason, source, points, earn_id, coalesce(nullif(rule, ''), '{}') as rule, description, effective_at, recorded_at, coalesce(wallet, '') as wallet
		from loyalty.txn where site_id = $1 and id = $2`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return t, errNoTxn
	}
	if err != nil {
		return t, fmt.Errorf("read transaction: %w", err)
	}
	t.Used = []loyaltyapi.LotUse{}
	if err := sqlx.SelectContext(ctx, db, &t.Used, `
		select u.lot_id, u.amount as points, case when l.by_activity then `+lapsing+` else l.expires_at end as expires_at
		from loyalty.allocation u
		join loyalty.lot l on l.site_id = u.site_id and l.id = u.lot_id
		join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
		join loyalty.member m on m.site_id = u.site_id and m.id = $3
		where u.site_id = $1 and u.txn_id = $2
		order by u.lot_id`, site, id, t.MemberID); err != nil {
		return t, fmt.Errorf("read allocations: %w", err)
	}
	t.Against = against[t.Kind]
	if t.Entry, err = entryOf(ctx, db, site, id, t.MemberID, "owner_id"); err != nil {
		return t, err
	}
	if t.Pending, err = entryOf(ctx, db, site, id, t.MemberID, "pending_of"); err != nil {
		return t, err
	}
	t.Lot, err = lotMadeBy(ctx, db, site, id, t.MemberID)
	return t, err
}

// against is the site's account on the other side of each kind of transaction.
var against = map[string]string{kindEarn: issued, kindClawBack: issued, kindExpire: expired, kindAdjust: adjusted, kindRedeem: redeemed, kindCancel: redeemed,
	kindHold: held, kindCommit: redeemed, kindRelease: held, kindRestore: redeemed, kindReinstate: expired,
	kindActivate: pending, kindTransferOut: transferred, kindTransferIn: transferred,
	kindMergeOut: transferred, kindMergeIn: transferred, kindPoolOut: transferred, kindPoolIn: transferred}

// entryOf is the side of a transaction on the account that is the member's by a column; nil: nothing moved on it.
func entryOf(ctx context.Context, db sqlx.QueryerContext, site, id, member int64, column string) (*loyaltyapi.Posting, error) {
	var e loyaltyapi.Posting
	err := sqlx.GetContext(ctx, db, &e, entryOfQuery(column), site, id, member)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read entry: %w", err)
	}
	return &e, nil
}

func entryOfQuery(column string) string {
	return `
		select e.amount, e.seq, e.balance_after
		from (select * from loyalty.entry where site_id = $1 and txn_id = $2 offset 0) e
		cross join lateral (select * from loyalty.account a where a.site_id = $1 and a.id = e.account_id offset 0) a
		where a.` + column + ` = $3`
}

// lotMadeBy is the lot of a transaction; nil: it made none.
func lotMadeBy(ctx context.Context, db sqlx.QueryerContext, site, id, member int64) (*loyaltyapi.Lot, error) {
	var l loyaltyapi.Lot
	err := sqlx.GetContext(ctx, db, &l, `
		select l.granted, l.remaining, l.clawed, l.forgiven, l.waived, l.expired, l.reinstated, coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.by_activity, false) as by_activity,
			case when l.by_activity then `+lapsing+` else l.expires_at end as expires_at
		from loyalty.lot l join loyalty.member m on m.site_id = l.site_id and m.id = $3
		join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
		where l.site_id = $1 and l.id = $2`, site, id, member)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read lot: %w", err)
	}
	l.Dates = []loyaltyapi.LotDate{}
	err = sqlx.SelectContext(ctx, db, &l.Dates, `
		select was, ends, cause, note, changed_at from loyalty.lot_date where site_id = $1 and lot_id = $2 order by id desc limit 100`, site, id)
	if err != nil {
		return nil, fmt.Errorf("read a lot's dates: %w", err)
	}
	return &l, nil
}

// BalanceAt reads what a member had at a moment, by what was written by then.
func (m *Module) BalanceAt(ctx context.Context, siteID, personID int64, at time.Time) (loyaltyapi.Balance, error) {
	return m.BalanceIn(ctx, siteID, personID, "", at)
}

// BalanceIn is BalanceAt of one of the member's wallets.
func (m *Module) BalanceIn(ctx context.Context, siteID, personID int64, wallet string, at time.Time) (loyaltyapi.Balance, error) {
	out := loyaltyapi.Balance{AsOf: at.UTC(), Wallet: walletNamed(wallet)}
	r, err := walletOf(ctx, m.db, siteID, personID, wallet)
	if err != nil {
		return out, err
	}
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		if out.Seq, out.Points, err = balanceAt(ctx, tx, siteID, r.AccountID, at); err != nil {
			return err
		}
		out.Pending, err = pendingAt(ctx, tx, siteID, r.ID, out.Wallet, at)
		return err
	})
	return out, err
}
