package loyalty

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// walletMerge is what a merge moved in a wallet beside the main one: a row of loyalty.member_merge_wallet.
type walletMerge struct {
	Wallet string `db:"wallet"`
	Points int64  `db:"points"`
	TxnID  int64  `db:"txn_id"`
}

// absorbWallets does with each wallet of a duplicate what absorb does with the main one.
func (d *desk) absorbWallets(ctx context.Context, u *bus.Unit, s, o *holder, mergeID int64) error {
	for _, own := range o.wallets {
		into, points := s.in(own.Wallet), own.Balance
		txnID, err := d.absorb(into, own, mergeID)
		if err != nil {
			return err
		}
		if err := moveLots(ctx, u, into, own); err != nil {
			return err
		}
		if txnID == nil {
			continue
		}
		if err := keepWalletMerge(ctx, u, s.SiteID, mergeID, walletMerge{own.Wallet, points, *txnID}); err != nil {
			return err
		}
	}
	return nil
}

// partWallets does with each wallet what part does with the main one.
func (d *desk) partWallets(ctx context.Context, u *bus.Unit, s, o *holder, how unmerging) error {
	if len(s.wallets) == 0 {
		return nil
	}
	moved, err := walletMerges(ctx, u, how.SiteID, how.ID)
	if err != nil {
		return err
	}
	for _, from := range s.wallets {
		m := how
		m.pending, m.used, m.Points, m.TxnID = how.waiting[from.Wallet], nil, 0, nil
		if was, ok := moved[from.Wallet]; ok {
			m.Points = was.Points
			used := map[siteID][]allocation{}
			if err := allocationsOf(ctx, u, []siteID{{how.SiteID, was.TxnID}}, used); err != nil {
				return err
			}
			m.used = used[siteID{how.SiteID, was.TxnID}]
			if err := d.recall(ctx, u, m.used, from, o.in(from.Wallet)); err != nil {
				return err
			}
		}
		if err := d.part(from, o.in(from.Wallet), m); err != nil {
			return err
		}
	}
	return nil
}

// recall reads the lots of allocations that aren't loaded, because nothing is left of them.
func (d *desk) recall(ctx context.Context, u *bus.Unit, used []allocation, holders ...*holder) error {
	loaded := map[int64]bool{}
	for _, l := range d.loaded {
		loaded[l.ID] = true
	}
	spent := map[siteSource]earned{}
	for _, a := range used {
		if !loaded[a.LotID] {
			spent[siteSource{a.SiteID, sourceOf("lot", a.LotID)}] = earned{SiteID: a.SiteID, ID: a.LotID}
		}
	}
	if len(spent) == 0 {
		return nil
	}
	more, err := lotsOf(ctx, u, nil, spent)
	if err != nil {
		return err
	}
	d.loaded = append(d.loaded, more...)
	hand(more, holders)
	return nil
}

func keepWalletMerge(ctx context.Context, tx sqlx.ExecerContext, site, mergeID int64, m walletMerge) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.member_merge_wallet (site_id, merge_id, wallet, points, txn_id) values ($1, $2, $3, $4, $5)`, site, mergeID, m.Wallet, m.Points, m.TxnID)
	return wrapped("note what a merge moved of a wallet", err)
}

// walletMerges are what a merge moved of wallets beside the main one.
func walletMerges(ctx context.Context, tx sqlx.QueryerContext, site, mergeID int64) (map[string]walletMerge, error) {
	var rows []walletMerge
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select wallet, points, txn_id from loyalty.member_merge_wallet where site_id = $1 and merge_id = $2`, site, mergeID)
	out := make(map[string]walletMerge, len(rows))
	for _, r := range rows {
		out[r.Wallet] = r
	}
	return out, wrapped("read what a merge moved of wallets", err)
}
